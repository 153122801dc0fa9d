//! Agent tokens against a model: random sequences of requests, and of time that passes, are played
//! to the server and to a few lines of plain Rust that know the API's rules and nothing of the
//! server's code. Whatever the server answers, the model has said before.
//!
//! A sequence that fails is made as short as it can be, and printed.

use std::{cell::Cell, cmp::Ordering};

use airlock_server::Settings;
use airlock_tests::{Answer, Database, World};
use proptest::{
    collection::vec,
    option, prop_assert, prop_assert_eq, prop_oneof,
    sample::select,
    strategy::{Just, Strategy},
    test_runner::{Config, TestCaseError, TestCaseResult, TestError, TestRunner},
};
use serde_json::{Value, json};

/// Sequences that are played on each database.
const CASES: u32 = 100;

/// The longest sequence.
const LONGEST: usize = 40;

/// Good tokens that a Deployment may have, so few that sequences run into it.
const MOST: usize = 4;

/// When a test's clock begins: 2026-01-01T00:00:00Z.
const BEGINNING: i64 = 1_767_225_600;

const DAY: i64 = 86_400;

/// Something that happens. Tokens are named by the order in which they were made, around and
/// around; Deployments and callers by 0 and 1.
#[derive(Clone, Debug)]
enum Step {
    Create { at: usize, by: usize, name: String, description: Option<String>, days: Option<u32> },
    List { at: usize, sorts: Vec<&'static str>, offset: Option<usize>, limit: Option<usize> },
    Get { token: usize, elsewhere: bool },
    Delete { token: usize, elsewhere: bool },
    GetUnknown { at: usize, id: &'static str },
    DeleteUnknown { at: usize, id: &'static str },
    Present { token: usize, write_use: bool },
    Advance { seconds: i64 },
    DeleteDeployment { at: usize },
}

/// Where people would argue about the order, and bytes do not.
const LETTERS: &[&str] =
    &["a", "b", "A", "B", "ä", "Ä", "e\u{301}", "é", "ß", "日", "🦀", "1", "2", "_", "-", " x", "~"];

const SORTS: &[&str] = &[
    "name:asc",
    "name:desc",
    "description:asc",
    "description:desc",
    "createdAt:asc",
    "createdAt:desc",
    "updatedAt:asc",
    "updatedAt:desc",
    "createdById:asc",
    "createdById:desc",
    "updatedById:asc",
    "updatedById:desc",
    "tokenStartAt:asc",
    "tokenStartAt:desc",
];

const UNKNOWN: &[&str] = &["cmjuohs000000000000000000", "x", "agt_", "%00", "%F0%9F%A6%80"];

fn text(least: usize) -> impl Strategy<Value = String> {
    vec(select(LETTERS), least..3).prop_map(|letters| letters.concat())
}

fn days() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![3 => Just(None), 4 => select(&[1, 2, 7, 30, 3650][..]).prop_map(Some)]
}

fn step() -> impl Strategy<Value = Step> {
    let (at, token) = (0..2_usize, 0..8_usize);
    let elsewhere = || proptest::bool::weighted(0.15);
    prop_oneof![
        8 => (at.clone(), 0..2_usize, text(1), option::of(text(0)), days())
            .prop_map(|(at, by, name, description, days)| Step::Create { at, by, name, description, days }),
        6 => (at.clone(), vec(select(SORTS), 0..4), option::of(0..7_usize), option::of(select(&[0, 1, 2, 3, 1000][..])))
            .prop_map(|(at, sorts, offset, limit)| Step::List { at, sorts, offset, limit }),
        3 => (token.clone(), elsewhere()).prop_map(|(token, elsewhere)| Step::Get { token, elsewhere }),
        4 => (token.clone(), elsewhere()).prop_map(|(token, elsewhere)| Step::Delete { token, elsewhere }),
        1 => (at.clone(), select(UNKNOWN)).prop_map(|(at, id)| Step::GetUnknown { at, id }),
        1 => (at.clone(), select(UNKNOWN)).prop_map(|(at, id)| Step::DeleteUnknown { at, id }),
        6 => (token, proptest::bool::ANY).prop_map(|(token, write_use)| Step::Present { token, write_use }),
        5 => select(&[1, 59, 60, 60, 3_600, DAY - 1, DAY, 2 * DAY, 30 * DAY][..]).prop_map(|seconds| Step::Advance { seconds }),
        1 => at.prop_map(|at| Step::DeleteDeployment { at }),
    ]
}

/// What the model knows of a token. Times are seconds since the Unix epoch.
struct Token {
    id: String,
    value: String,
    at: usize,
    name: String,
    description: String,
    days: Option<u32>,
    created: i64,
    by: Value,
    deleted: Option<i64>,
    used: Option<i64>,
    use_written: Option<i64>,
}

impl Token {
    fn end(&self) -> Option<i64> {
        self.days.map(|days| self.created + i64::from(days) * DAY)
    }

    fn has_ended(&self, now: i64) -> bool {
        self.end().is_some_and(|end| end <= now)
    }

    /// What the API shows of it.
    fn shown(&self) -> Value {
        let mut shown = json!({
            "id": self.id, "name": self.name, "description": self.description, "kind": "STANDARD",
            "scope": "DEPLOYMENT", "shortToken": format!("...{}", &self.value[self.value.len() - 6..]),
            "startAt": time(self.created), "createdAt": time(self.created), "updatedAt": time(self.created),
            "createdBy": self.by, "updatedBy": self.by,
        });
        if let (Some(days), Some(end)) = (self.days, self.end()) {
            shown["expiryPeriodInDays"] = json!(days);
            shown["endAt"] = json!(time(end));
        }
        if let Some(used) = self.use_written {
            shown["lastUsedAt"] = json!(time(used));
        }
        shown
    }

    fn compare(&self, other: &Self, sorts: &[&str]) -> Ordering {
        let by_key = |sort: &&str| {
            let (key, direction) = sort.split_once(':').expect("a key and a direction");
            let order = match key {
                "name" => self.name.as_bytes().cmp(other.name.as_bytes()),
                "description" => self.description.as_bytes().cmp(other.description.as_bytes()),
                "createdAt" | "updatedAt" | "tokenStartAt" => self.created.cmp(&other.created),
                "createdById" | "updatedById" => self.by["id"].as_str().cmp(&other.by["id"].as_str()),
                _ => panic!("{key}"),
            };
            if direction == "desc" { order.reverse() } else { order }
        };
        let sorts = if sorts.is_empty() { &["createdAt:desc"] } else { sorts };
        sorts.iter().map(by_key).fold(Ordering::Equal, Ordering::then).then_with(|| self.id.cmp(&other.id))
    }
}

/// A time as RFC 3339 writes it (Howard Hinnant's days to civil date).
fn time(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[test]
fn the_models_calendar_is_right() {
    assert_eq!(time(0), "1970-01-01T00:00:00Z");
    assert_eq!(time(BEGINNING), "2026-01-01T00:00:00Z");
    assert_eq!(time(1_835_481_599), "2028-02-29T23:59:59Z");
    assert_eq!(time(4_107_542_400), "2100-03-01T00:00:00Z");
}

/// The server with two callers, on which one sequence after the other is played, each in
/// Deployments of its own.
struct Game {
    world: World,
    now: Cell<i64>,
    /// The callers' tokens, and how the API shows them.
    callers: [(String, Value); 2],
}

impl Game {
    async fn new(database: Database) -> Self {
        let settings = Settings { agent_tokens_per_deployment: MOST as u32, ..Settings::default() };
        let world = World::with_settings(database, settings).await;
        let (_, second) = world.organization_token("ORGANIZATION_OWNER").await;
        let tokens = world.get(&world.path("/tokens?sorts=name:asc")).await.expect(200);
        let profile = |at: usize| {
            let token = &tokens["tokens"][at];
            json!({"id": token["id"], "subjectType": "SERVICEKEY", "apiTokenName": token["name"]})
        };
        assert_eq!(tokens["tokens"][0]["name"], "First owner");
        let callers = [(world.owner.clone(), profile(0)), (second, profile(1))];
        Self { world, now: Cell::new(BEGINNING), callers }
    }

    async fn play(&self, steps: &[Step]) -> TestCaseResult {
        let workspace = self.world.workspace.to_string();
        let deployments =
            [self.world.new_deployment(&workspace, true).await, self.world.new_deployment(&workspace, true).await];
        let mut play = Play { game: self, deployments, are_gone: [false; 2], tokens: Vec::new() };
        for (number, step) in steps.iter().enumerate() {
            let here = |error| match error {
                TestCaseError::Fail(why) => TestCaseError::fail(format!("at step {number}: {why}")),
                other => other,
            };
            play.step(step).await.map_err(here)?;
        }
        play.end().await
    }
}

/// One sequence on its way, and the model.
struct Play<'a> {
    game: &'a Game,
    deployments: [String; 2],
    are_gone: [bool; 2],
    tokens: Vec<Token>,
}

impl Play<'_> {
    fn now(&self) -> i64 {
        self.game.now.get()
    }

    async fn call(&self, by: usize, method: &str, at: usize, rest: &str, body: Value) -> Answer {
        let world = &self.game.world;
        let path = world.path(&format!("/deployments/{}/agent-tokens{rest}", self.deployments[at]));
        world.call(Some(&self.game.callers[by].0), method, &path, &body).await
    }

    async fn step(&mut self, step: &Step) -> TestCaseResult {
        match step {
            Step::Create { at, by, name, description, days } => {
                self.create(*at, *by, name, description.as_deref(), *days).await
            }
            Step::List { at, sorts, offset, limit } => self.list(*at, sorts, *offset, *limit).await,
            Step::Get { token, elsewhere } => match self.token(*token) {
                Some(token) => self.get(token, *elsewhere).await,
                None => Ok(()),
            },
            Step::Delete { token, elsewhere } => match self.token(*token) {
                Some(token) => self.delete(token, *elsewhere).await,
                None => Ok(()),
            },
            Step::GetUnknown { at, id } => {
                self.refused(&self.call(0, "GET", *at, &format!("/{id}"), Value::Null).await, 404, &["not found"])
            }
            Step::DeleteUnknown { at, id } => {
                self.refused(&self.call(0, "DELETE", *at, &format!("/{id}"), Value::Null).await, 404, &["not found"])
            }
            Step::Present { token, write_use } => {
                if let Some(token) = self.token(*token) {
                    self.present(token).await?;
                }
                if *write_use { self.write_uses().await } else { Ok(()) }
            }
            Step::Advance { seconds } => {
                self.game.world.clock.advance(*seconds);
                self.game.now.set(self.now() + seconds);
                Ok(())
            }
            Step::DeleteDeployment { at } => self.delete_deployment(*at).await,
        }
    }

    /// The place of a token in the model.
    fn token(&self, number: usize) -> Option<usize> {
        number.checked_rem(self.tokens.len())
    }

    fn refused(&self, answer: &Answer, status: u16, says: &[&str]) -> TestCaseResult {
        prop_assert_eq!(answer.status, status, "{}", answer.json);
        answer.assert_envelope();
        for part in says {
            prop_assert!(answer.message().contains(part), "{:?} does not say {part:?}", answer.message());
        }
        Ok(())
    }

    async fn create(
        &mut self,
        at: usize,
        by: usize,
        name: &str,
        description: Option<&str>,
        days: Option<u32>,
    ) -> TestCaseResult {
        let mut body = json!({"name": name});
        if let Some(description) = description {
            body["description"] = json!(description);
        }
        if let Some(days) = days {
            body["tokenExpiryPeriodInDays"] = json!(days);
        }
        let answer = self.call(by, "POST", at, "", body).await;
        if self.are_gone[at] {
            return self.refused(&answer, 404, &["not found"]);
        }
        let now = self.now();
        let is_good = |token: &&Token| token.at == at && token.deleted.is_none() && !token.has_ended(now);
        if self.tokens.iter().filter(is_good).count() >= MOST {
            return self.refused(&answer, 400, &["4 agent tokens"]);
        }
        prop_assert_eq!(answer.status, 200, "{}", answer.json);
        let id = answer.json["id"].as_str().unwrap_or_default().to_owned();
        let value = answer.json["token"].as_str().unwrap_or_default().to_owned();
        let is_id = id.len() == 25
            && id.starts_with('c')
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        prop_assert!(is_id, "{id} is no id");
        prop_assert!(value.starts_with(&format!("agt_{id}_")), "{value} is no value");
        prop_assert!(self.tokens.iter().all(|token| token.id != id && token.value != value), "{id} was used before");
        let token = Token {
            id,
            value,
            at,
            name: name.into(),
            description: description.unwrap_or_default().into(),
            days,
            created: now,
            by: self.game.callers[by].1.clone(),
            deleted: None,
            used: None,
            use_written: None,
        };
        let mut shown = token.shown();
        shown["token"] = json!(token.value);
        prop_assert_eq!(&answer.json, &shown);
        self.tokens.push(token);
        Ok(())
    }

    async fn list(&self, at: usize, sorts: &[&str], offset: Option<usize>, limit: Option<usize>) -> TestCaseResult {
        let mut query: Vec<String> = sorts.iter().map(|sort| format!("sorts={sort}")).collect();
        query.extend(offset.map(|offset| format!("offset={offset}")));
        query.extend(limit.map(|limit| format!("limit={limit}")));
        let answer = self.call(1, "GET", at, &format!("?{}", query.join("&")), Value::Null).await;
        if self.are_gone[at] {
            return self.refused(&answer, 404, &["not found"]);
        }
        let mut there: Vec<&Token> =
            self.tokens.iter().filter(|token| token.at == at && token.deleted.is_none()).collect();
        there.sort_by(|one, other| one.compare(other, sorts));
        let (offset, limit) = (offset.unwrap_or(0), limit.unwrap_or(20));
        let page: Vec<Value> = there.iter().skip(offset).take(limit).map(|token| token.shown()).collect();
        prop_assert_eq!(answer.status, 200, "{}", answer.json);
        let expected = json!({"tokens": page, "limit": limit, "offset": offset, "totalCount": there.len()});
        prop_assert_eq!(&answer.json, &expected);
        Ok(())
    }

    /// Whether a token can be seen from its own Deployment, or from the other.
    fn is_seen(&self, token: &Token, elsewhere: bool) -> bool {
        token.deleted.is_none() && !elsewhere
    }

    async fn get(&self, number: usize, elsewhere: bool) -> TestCaseResult {
        let token = &self.tokens[number];
        let at = if elsewhere { 1 - token.at } else { token.at };
        let answer = self.call(0, "GET", at, &format!("/{}", token.id), Value::Null).await;
        if !self.is_seen(token, elsewhere) {
            return self.refused(&answer, 404, &["not found"]);
        }
        prop_assert_eq!(answer.status, 200, "{}", answer.json);
        prop_assert_eq!(&answer.json, &token.shown());
        Ok(())
    }

    async fn delete(&mut self, number: usize, elsewhere: bool) -> TestCaseResult {
        let token = &self.tokens[number];
        let at = if elsewhere { 1 - token.at } else { token.at };
        let answer = self.call(1, "DELETE", at, &format!("/{}", token.id), Value::Null).await;
        if !self.is_seen(token, elsewhere) {
            return self.refused(&answer, 404, &["not found"]);
        }
        prop_assert_eq!((answer.status, answer.bytes.len()), (204, 0), "{}", answer.json);
        self.tokens[number].deleted = Some(self.now());
        Ok(())
    }

    /// Calls the API with the token itself: the answer says what is wrong with it.
    async fn present(&mut self, number: usize) -> TestCaseResult {
        let now = self.now();
        let token = &mut self.tokens[number];
        let answer = self.game.world.call(Some(&token.value), "GET", "/v1/organizations", &Value::Null).await;
        if let Some(deleted) = token.deleted {
            let says = format!("{} was deleted at {}", token.id, time(deleted));
            return self.refused(&answer, 401, &[&says]);
        }
        if let Some(end) = token.end().filter(|end| *end <= now) {
            let says = format!("{} expired at {}", token.id, time(end));
            return self.refused(&answer, 401, &[&says]);
        }
        token.used = Some(now);
        self.refused(&answer, 403, &["agent token"])
    }

    /// A use is written when a minute has passed since the last one that was.
    async fn write_uses(&mut self) -> TestCaseResult {
        let written = self.game.world.app.flush().await;
        prop_assert!(written.is_ok(), "{written:?}");
        let now = self.now();
        for token in &mut self.tokens {
            if token.use_written.is_none_or(|written| written + 60 <= now) {
                token.use_written = token.used;
            }
        }
        Ok(())
    }

    async fn delete_deployment(&mut self, at: usize) -> TestCaseResult {
        let world = &self.game.world;
        let answer = world.delete(&world.path(&format!("/deployments/{}", self.deployments[at]))).await;
        if self.are_gone[at] {
            return self.refused(&answer, 404, &["not found"]);
        }
        prop_assert_eq!(answer.status, 204, "{}", answer.json);
        self.are_gone[at] = true;
        let now = self.now();
        for token in self.tokens.iter_mut().filter(|token| token.at == at && token.deleted.is_none()) {
            token.deleted = Some(now);
        }
        Ok(())
    }

    /// All that there is is as it should be, and when the Deployments are gone, it is gone.
    async fn end(&mut self) -> TestCaseResult {
        self.write_uses().await?;
        for at in [0, 1] {
            self.list(at, &[], None, Some(1000)).await?;
        }
        self.look_at_all().await?;
        for at in [0, 1] {
            self.delete_deployment(at).await?;
        }
        self.look_at_all().await
    }

    async fn look_at_all(&mut self) -> TestCaseResult {
        for number in 0..self.tokens.len() {
            self.get(number, false).await?;
            self.present(number).await?;
            if self.tokens[number].deleted.is_some() {
                self.delete(number, false).await?;
            }
        }
        Ok(())
    }
}

fn plays(runtime: &tokio::runtime::Runtime, database: Database) {
    let game = runtime.block_on(Game::new(database));
    let config = Config { failure_persistence: None, max_shrink_iters: 1_000, ..Config::with_cases(CASES) };
    let result = TestRunner::new(config).run(&vec(step(), 1..LONGEST), |steps| runtime.block_on(game.play(&steps)));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let steps = steps.iter().enumerate().map(|(number, step)| format!("{number:3}: {step:?}\n"));
            panic!("{why}\n\nThe shortest sequence that was found:\n{}", steps.collect::<String>());
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn sqlite() {
    plays(&runtime(), Database::sqlite());
}

#[test]
fn postgres() {
    let runtime = runtime();
    if let Some(database) = runtime.block_on(Database::postgres()) {
        plays(&runtime, database);
    }
}
