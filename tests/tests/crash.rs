//! What the server has acknowledged survives `kill -9`.
//!
//! The real binary runs on SQLite. Several clients create and delete agent tokens at the same time
//! and write down each answer; at a random moment the process gets SIGKILL, and is started again
//! on what it left behind. Then, against everything that was written down since the first round:
//!
//! - a token whose creation was acknowledged is there, and its value is known as a live one;
//! - a token whose deletion was acknowledged (or that was said to be gone already) is gone, and its
//!   value is refused as deleted;
//! - a request without an answer happened with all that belongs to it, or not at all;
//! - the audit log has one record for each change that happened, and none for any other. Requests
//!   are told apart in it by the `X-Request-Id` that they were sent with.
//!
//! The operating system survives here, so this shows that nobody is answered before the commit; it
//! cannot show that the commit has reached the disk, which is SQLite's `synchronous=FULL`.
//!
//! `AIRLOCK_CRASH_ROUNDS` asks for more rounds, `AIRLOCK_CRASH_SEED` for the dice of another run
//! (the moments are then the same, what the machine does in them is not). Figures:
//! `cargo test -p airlock-tests --test crash -- --nocapture`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Display},
    fs::{self, File},
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use reqwest::Method;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

/// The least number of rounds; each ends with a kill under load.
const ROUNDS: usize = 30;

/// Clients that write at the same time.
const CLIENTS: usize = 8;

/// Deployments that the clients share.
const DEPLOYMENTS: usize = 3;

/// Tokens from which on a client only deletes. The three clients of a Deployment stay well below
/// the 50 that it can have, also with those whose creation was not answered.
const ROOM: usize = 12;

/// From the first acknowledged write of a round to the kill, in milliseconds.
const KILL_WITHIN: std::ops::Range<u64> = 2..400;

/// From a start to its kill, in milliseconds, where the start itself is killed.
const KILL_START_WITHIN: std::ops::Range<u64> = 0..60;

/// How long anything of the server may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

const SIGKILL: i32 = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kill_9() {
    let (rounds, seed) = (rounds(), seed());
    println!("AIRLOCK_CRASH_SEED={seed}");
    let mut dice = Dice(seed);
    let site = Site::new();
    let began = Instant::now();

    let (mut server, mut api) = Server::start(&site).await;
    let deployments = site.make_deployments(&api).await;
    let mut clients: Vec<Client> = (0..CLIENTS).map(|index| Client::new(index, dice.next())).collect();
    let mut ledger = Ledger::default();
    for round in 1..=rounds {
        let history = run_round(round, &mut clients, server, &api, &deployments, &mut dice).await;
        // A server can also die while it recovers from the last death.
        if dice.next().is_multiple_of(3) {
            let (starting, _) = Server::spawn(&site);
            sleep(dice.milliseconds(KILL_START_WITHIN)).await;
            starting.kill();
            ledger.figures.kills_at_start += 1;
        }
        (server, api) = Server::start(&site).await;
        let problems = ledger.check(round, history, &api, &deployments, round == rounds).await;
        let (count, first) = (problems.len(), &problems[..problems.len().min(50)]);
        assert!(count == 0, "after kill {round} of seed {seed}, {count} problems:\n{}", first.join("\n"));
        site.check_database();
        for client in &mut clients {
            client.tokens = ledger.live_tokens_of(client.index);
        }
    }
    println!("{}\n{:.1} s", ledger.figures, began.elapsed().as_secs_f32());
}

/// Lets the clients write, kills the server at a random moment, and tells what the clients saw.
async fn run_round(
    number: usize,
    clients: &mut Vec<Client>,
    server: Server,
    api: &Api,
    deployments: &[String],
    dice: &mut Dice,
) -> Vec<Sent> {
    let round = Arc::new(Round {
        number,
        api: api.clone(),
        deployments: deployments.to_vec(),
        is_killed: AtomicBool::new(false),
        acknowledged: Notify::new(),
    });
    let mut running = JoinSet::new();
    for client in clients.drain(..) {
        running.spawn(client.work(Arc::clone(&round)));
    }
    timeout(PATIENCE, round.acknowledged.notified()).await.expect("a write is acknowledged");
    sleep(dice.milliseconds(KILL_WITHIN)).await;
    // Before the kill: from here on, and only from here on, requests may stay without an answer.
    round.is_killed.store(true, Ordering::SeqCst);
    server.kill();
    let ended = timeout(PATIENCE, running.join_all()).await;
    *clients = ended.expect("the clients end when the server is gone");
    clients.sort_by_key(|client| client.index);
    clients.iter_mut().flat_map(|client| std::mem::take(&mut client.history)).collect()
}

/// How many rounds: [`ROUNDS`], or more if somebody asks for it.
#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn rounds() -> usize {
    let asked = std::env::var("AIRLOCK_CRASH_ROUNDS").ok();
    asked.map_or(ROUNDS, |text| text.parse::<usize>().expect("AIRLOCK_CRASH_ROUNDS is a number").max(ROUNDS))
}

/// What the dice start from: another number for each run, or the one that somebody asks for.
#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn seed() -> u64 {
    let asked = std::env::var("AIRLOCK_CRASH_SEED").ok();
    asked.map_or_else(
        || RandomState::new().hash_one("seed"),
        |text| text.parse().expect("AIRLOCK_CRASH_SEED is a number"),
    )
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn milliseconds(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(range.start + self.next() % (range.end - range.start))
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % length as u64).expect("an index fits")
    }
}

/// What outlives the servers: the binary, the data folder, and the first records.
struct Site {
    folder: TempDir,
    organization: String,
    workspace: String,
    owner: String,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        // A copy, so that a build that runs meanwhile does not change the server between two starts.
        fs::copy(build(), folder.path().join("airlock")).expect("a copy of the binary");
        let mut site = Self { folder, organization: String::new(), workspace: String::new(), owner: String::new() };
        let Output { status, stdout, stderr } = site.airlock("init").output().expect("airlock init runs");
        assert!(status.success(), "airlock init failed: {}", String::from_utf8_lossy(&stderr));
        let said = String::from_utf8(stdout).expect("airlock init writes UTF-8");
        let after = |label: &str| {
            let rest = said.lines().find_map(|line| line.trim().strip_prefix(label));
            rest.unwrap_or_else(|| panic!("airlock init names no {label}")).trim().to_owned()
        };
        (site.organization, site.workspace, site.owner) =
            (after("Organization"), after("Workspace"), after("API token"));
        site
    }

    /// A command of the binary, with this data folder and none of the settings of the environment.
    fn airlock(&self, subcommand: &str) -> Command {
        let mut command = Command::new(self.folder.path().join("airlock"));
        command.arg(subcommand).arg("--data-dir").arg(self.folder.path().join("data"));
        command.env_clear().stdin(Stdio::null());
        command
    }

    async fn make_deployments(&self, api: &Api) -> Vec<String> {
        let mut ids = Vec::new();
        for number in 0..DEPLOYMENTS {
            let body = json!({
                "name": format!("crash {number}"),
                "workspaceId": self.workspace,
                "remoteExecution": {"enabled": true},
            });
            let (status, answer) = api.send(Method::POST, "/deployments", Some(body), None).await.expect("an answer");
            assert_eq!(status, 200, "a Deployment is made: {}", String::from_utf8_lossy(&answer));
            ids.push(text(&parse(&answer), "id").to_owned());
        }
        ids
    }

    /// Looks at the file itself, while the server has it open: the last to close it would tidy up
    /// what the next start is to find.
    fn check_database(&self) {
        let file = self.folder.path().join("data/airlock.db");
        let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database opens");
        let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
        assert_eq!(verdict, "ok", "PRAGMA integrity_check");
        let mut dangling = conn.prepare("PRAGMA foreign_key_check").expect("a check of the references");
        assert!(!dangling.exists([]).expect("a verdict"), "PRAGMA foreign_key_check finds a dangling reference");
    }
}

impl Drop for Site {
    /// Keeps the evidence.
    #[expect(clippy::print_stdout, reason = "a failing test says where its evidence is")]
    fn drop(&mut self) {
        if thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("the database and the server's log are kept in {}", self.folder.path().display());
        }
    }
}

/// Brings the binary up to date, with the profile and in the target folder of this test, and says
/// where it is. Cargo does that itself only for tests in the binary's own package.
fn build() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(Path::parent).expect("the test is in target/<profile>/deps");
    let (target, profile) = (folder.parent().expect("a target folder"), folder.file_name().expect("a profile"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "airlock", "--bin", "airlock", "--target-dir"]).arg(target);
    // The folder of the profile `dev` has another name, for history's sake.
    cargo.arg("--profile").arg(if profile == "debug" { "dev".as_ref() } else { profile });
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
    assert!(status.success(), "the binary could not be built");
    folder.join("airlock")
}

/// A running server. It does not outlive this value, however the test ends.
struct Server(Child);

impl Server {
    /// Starts a server, and waits until it serves.
    async fn start(site: &Site) -> (Self, Api) {
        let (server, address) = Self::spawn(site);
        let address = timeout(PATIENCE, address).await.ok().and_then(Result::ok);
        let address = address.expect("the server says where it serves");
        let api = Api {
            // Each server has its own connections; a proxy of the environment has none of them.
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("an HTTP client"),
            base: format!("http://{address}/v1/organizations/{}", site.organization),
            token: site.owner.clone(),
        };
        (server, api)
    }

    /// Starts a server on a port that is free, and tells the address once it serves there.
    fn spawn(site: &Site) -> (Self, oneshot::Receiver<String>) {
        let mut command = site.airlock("serve");
        command.args(["--listen", "127.0.0.1:0", "--log", "info", "--log-format", "json"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the server starts");
        let lines = BufReader::new(child.stderr.take().expect("the server's log is piped")).lines();
        let file = site.folder.path().join("server.log");
        let mut log = File::options().append(true).create(true).open(file).expect("a file for the server's log");
        let (says, address) = oneshot::channel();
        let mut says = Some(says);
        // Reads to the end: a server whose log nobody reads would stop at a full pipe.
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writeln!(log, "{line}").expect("the log can be written");
                if let Some(address) = serving_address(&line)
                    && let Some(says) = says.take()
                {
                    let _ = says.send(address); // nobody waits for it in a start that is killed
                }
            }
        });
        (Self(child), address)
    }

    /// Kills the server, as nothing can prepare for.
    fn kill(mut self) {
        self.0.kill().expect("the server can be killed");
        let status = self.0.wait().expect("the server has an end");
        assert_eq!(status.signal(), Some(SIGKILL), "the server had ended by itself: {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill(); // does nothing to one whose end is known
        let _ = self.0.wait();
    }
}

/// The address in the line of the log with which a server begins to serve.
fn serving_address(line: &str) -> Option<String> {
    let fields = &serde_json::from_str::<Value>(line).ok()?["fields"];
    (fields["message"] == "serving").then(|| text(fields, "address").to_owned())
}

/// An Organization's API, called by its Owner.
#[derive(Clone)]
struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    /// The status and the whole body of an answer, or why there is none.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        request: Option<&str>,
    ) -> reqwest::Result<(u16, Vec<u8>)> {
        let mut call = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(id) = request {
            call = call.header("x-request-id", id);
        }
        if let Some(body) = &body {
            call = call.json(body);
        }
        let answer = call.send().await?;
        Ok((answer.status().as_u16(), answer.bytes().await?.into()))
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        self.send(Method::GET, path, None, None).await.expect("a server that nobody kills answers")
    }

    /// The tokens of a Deployment, with their names.
    async fn list(&self, deployment: &str) -> BTreeMap<String, String> {
        let (status, answer) = self.get(&format!("/deployments/{deployment}/agent-tokens?limit=1000")).await;
        assert_eq!(status, 200, "the list: {}", String::from_utf8_lossy(&answer));
        let page = parse(&answer);
        let tokens = page["tokens"].as_array().expect("the list has tokens");
        assert_eq!(page["totalCount"], tokens.len(), "the list is whole");
        tokens.iter().map(|token| (text(token, "id").into(), text(token, "name").into())).collect()
    }

    /// What the audit log says of agent tokens that were created or deleted.
    async fn audit_log(&self) -> Vec<Record> {
        let (status, answer) = self.get("/audit-logs").await;
        assert_eq!(status, 200, "the audit log");
        // It comes compressed, and is unpacked on the way: one that broke off is no answer.
        let lines = String::from_utf8(answer).expect("the audit log is text");
        let changes = lines.lines().map(|line| parse(line.as_bytes())).filter(|line| line["outcome"] == "CHANGED");
        let is_ours = |record: &Record| ["CreateAgentToken", "DeleteAgentToken"].contains(&&*record.operation);
        changes.map(|line| Record::read(&line)).filter(is_ours).collect()
    }

    /// The status for a caller with another token, and the message.
    async fn present(&self, value: &str, path: &str) -> (u16, String) {
        let (status, answer) = Self { token: value.into(), ..self.clone() }.get(path).await;
        (status, text(&parse(&answer), "message").to_owned())
    }
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|cause| panic!("{cause}: {}", String::from_utf8_lossy(json)))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}"))
}

/// A change that the audit log tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    request: String,
    operation: String,
    token: String,
}

impl Record {
    fn read(line: &Value) -> Self {
        let field = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        Self { request: field("requestId"), operation: field("operationId"), token: field("entityId") }
    }
}

/// A request, and what came of it as far as its client can know.
struct Sent {
    client: usize,
    request: String,
    wish: Wish,
    answer: Answer,
}

#[derive(Clone)]
enum Wish {
    /// A token with the request's id for its name.
    Create,
    /// The end of the token with this id.
    Delete(String),
}

enum Answer {
    Created {
        id: String,
        value: String,
    },
    Deleted,
    /// There is no such token.
    Missing,
    /// None: the server was killed first.
    Lost,
}

/// What the clients of a round share.
struct Round {
    number: usize,
    api: Api,
    deployments: Vec<String>,
    is_killed: AtomicBool,
    acknowledged: Notify,
}

impl Round {
    /// Sends a request. A server that lives has to answer it, and well.
    async fn send(&self, client: usize, request: String, wish: Wish) -> Sent {
        let tokens = format!("/deployments/{}/agent-tokens", self.deployments[deployment_of(client)]);
        let result = match &wish {
            Wish::Create => self.api.send(Method::POST, &tokens, Some(json!({"name": request})), Some(&request)).await,
            Wish::Delete(id) => self.api.send(Method::DELETE, &format!("{tokens}/{id}"), None, Some(&request)).await,
        };
        let answer = match (&wish, result) {
            (Wish::Create, Ok((200, body))) => {
                let token = parse(&body);
                Answer::Created { id: text(&token, "id").into(), value: text(&token, "token").into() }
            }
            (Wish::Delete(_), Ok((204, _))) => Answer::Deleted,
            (Wish::Delete(_), Ok((404, _))) => Answer::Missing,
            (_, Ok((status, body))) => panic!("{request} got {status}: {}", String::from_utf8_lossy(&body)),
            (_, Err(_)) if self.is_killed.load(Ordering::SeqCst) => Answer::Lost,
            (_, Err(cause)) => panic!("{request} got no answer from a server that lives: {cause:?}"),
        };
        if matches!(answer, Answer::Created { .. } | Answer::Deleted) {
            self.acknowledged.notify_one();
        }
        Sent { client, request, wish, answer }
    }
}

/// The Deployment that a client writes to, by its number.
fn deployment_of(client: usize) -> usize {
    client % DEPLOYMENTS
}

/// Somebody who creates and deletes tokens, and writes down what came of it.
struct Client {
    index: usize,
    dice: Dice,
    /// Its tokens that are live, and that it has not asked to delete.
    tokens: Vec<String>,
    history: Vec<Sent>,
}

impl Client {
    fn new(index: usize, seed: u64) -> Self {
        Self { index, dice: Dice(seed), tokens: Vec::new(), history: Vec::new() }
    }

    /// Writes until a request stays without an answer; it may be either of two that were sent at once.
    async fn work(mut self, round: Arc<Round>) -> Self {
        while !self.history.iter().rev().take(2).any(|sent| matches!(sent.answer, Answer::Lost)) {
            let has_room = self.tokens.len() < ROOM;
            if self.tokens.is_empty() || has_room && self.dice.next().is_multiple_of(2) {
                self.create(&round).await;
            } else {
                self.delete(&round).await;
            }
        }
        self
    }

    async fn create(&mut self, round: &Round) {
        let sent = round.send(self.index, self.request(round, ""), Wish::Create).await;
        if let Answer::Created { id, .. } = &sent.answer {
            self.tokens.push(id.clone());
        }
        self.history.push(sent);
    }

    /// Deletes a token; often by two requests at once, of which the slower one is told that the
    /// token is gone. That is an answer to rely on, too.
    async fn delete(&mut self, round: &Round) {
        let wish = Wish::Delete(self.tokens.swap_remove(self.dice.index(self.tokens.len())));
        let first = round.send(self.index, self.request(round, "a"), wish.clone());
        if self.dice.next().is_multiple_of(2) {
            let sent = first.await;
            self.history.push(sent);
        } else {
            let second = round.send(self.index, self.request(round, "b"), wish);
            let (first, second) = tokio::join!(first, second);
            self.history.extend([first, second]);
        }
    }

    /// An id for the next request, unlike all others.
    fn request(&self, round: &Round, which: &str) -> String {
        format!("crash-{}-{}-{}{which}", round.number, self.index, self.history.len())
    }
}

/// A token that was there at some time.
#[derive(Clone)]
struct Token {
    id: String,
    name: String,
    client: usize,
    /// Unknown when its creation was not answered.
    value: Option<String>,
    is_live: bool,
    /// The round in which it was created or deleted last.
    changed_in: usize,
}

/// All that has happened, and what must be so for it.
#[derive(Default)]
struct Ledger {
    tokens: BTreeMap<String, Token>,
    /// The records that the audit log must have, by request.
    records: BTreeMap<String, Record>,
    figures: Figures,
}

impl Ledger {
    /// Learns what the clients saw in a round, and says where the server disagrees. Tokens are
    /// looked up one by one when they changed in this round or are live, or all of them.
    async fn check(
        &mut self,
        round: usize,
        history: Vec<Sent>,
        api: &Api,
        deployments: &[String],
        all: bool,
    ) -> Vec<String> {
        let log = api.audit_log().await;
        let mut problems = self.learn(round, history, &log);
        let mut listed = BTreeSet::new();
        for (number, deployment) in deployments.iter().enumerate() {
            let tokens = api.list(deployment).await;
            problems.extend(self.compare_list(number, &tokens));
            listed.extend(tokens.into_keys());
        }
        problems.extend(self.compare_log(&log));
        problems.extend(count_records(&log, &listed));
        let chosen = self.tokens.values().filter(|token| all || token.is_live || token.changed_in == round);
        let chosen: Vec<Token> = chosen.cloned().collect();
        self.figures.rounds = round;
        self.figures.looked_up += chosen.len();
        problems.extend(look_up(api, deployments, chosen).await);
        problems
    }

    /// Takes over what was answered. What was not answered is settled by the audit log; that the
    /// tokens agree with it is seen later.
    fn learn(&mut self, round: usize, history: Vec<Sent>, log: &[Record]) -> Vec<String> {
        let log: BTreeMap<&str, &Record> = log.iter().map(|record| (&*record.request, record)).collect();
        let mut problems = Vec::new();
        let mut missing = Vec::new();
        for Sent { client, request, wish, answer } in history {
            let recorded = log.get(&*request).map(|record| record.token.clone());
            match (wish, answer) {
                (Wish::Create, Answer::Created { id, value }) => {
                    self.figures.creates += 1;
                    self.created(Token::new(id, client, Some(value), request, round));
                }
                (Wish::Create, _) => {
                    self.figures.lost(recorded.is_some());
                    if let Some(id) = recorded {
                        self.created(Token::new(id, client, None, request, round));
                    }
                }
                (Wish::Delete(id), Answer::Missing) => missing.push((request, id)),
                (Wish::Delete(id), Answer::Lost) => {
                    self.figures.lost(recorded.is_some());
                    if recorded.is_some() {
                        problems.extend(self.deleted(id, request, round));
                    }
                }
                (Wish::Delete(id), _) => {
                    self.figures.deletes += 1;
                    problems.extend(self.deleted(id, request, round));
                }
            }
        }
        self.figures.missing += missing.len();
        let is_live = |id: &String| self.tokens.get(id).is_some_and(|token| token.is_live);
        let wrong = missing.into_iter().filter(|(_, id)| is_live(id));
        problems
            .extend(wrong.map(|(request, id)| format!("{request} was told that {id} is gone, but nobody deleted it")));
        problems
    }

    fn created(&mut self, token: Token) {
        self.expect_record(&token.name, "CreateAgentToken", &token.id);
        self.tokens.insert(token.id.clone(), token);
    }

    fn deleted(&mut self, id: String, request: String, round: usize) -> Option<String> {
        self.expect_record(&request, "DeleteAgentToken", &id);
        let token = self.tokens.get_mut(&id).expect("clients delete what they have created");
        token.changed_in = round;
        let was_live = std::mem::replace(&mut token.is_live, false);
        (!was_live).then(|| format!("{request} deleted {id}, which was deleted already"))
    }

    fn expect_record(&mut self, request: &str, operation: &str, token: &str) {
        let record = Record { request: request.into(), operation: operation.into(), token: token.into() };
        self.records.insert(request.into(), record);
    }

    /// The tokens of a client, for its next round.
    fn live_tokens_of(&self, client: usize) -> Vec<String> {
        let live = self.tokens.values().filter(|token| token.is_live && token.client == client);
        live.map(|token| token.id.clone()).collect()
    }

    fn compare_list(&self, deployment: usize, listed: &BTreeMap<String, String>) -> Vec<String> {
        let of_deployment = self.tokens.values().filter(|token| deployment_of(token.client) == deployment);
        let live: BTreeMap<_, _> =
            of_deployment.filter(|token| token.is_live).map(|token| (&token.id, &token.name)).collect();
        let lacks = live.iter().filter(|(id, name)| listed.get(**id) != Some(**name));
        let lacks = lacks.map(|(id, name)| format!("the list lacks {id}, which {name} created"));
        let extra = listed.iter().filter(|(id, _)| !live.contains_key(id));
        let extra = extra.map(|(id, name)| match self.tokens.get(id) {
            Some(_) => format!("the list has {id}, which was deleted"),
            None => format!("the list has {id} ({name}), which nobody has created as far as the audit log knows"),
        });
        lacks.chain(extra).collect()
    }

    fn compare_log(&mut self, log: &[Record]) -> Vec<String> {
        self.figures.records = log.len();
        let known: BTreeSet<&str> = log.iter().map(|record| &*record.request).collect();
        let lacks = self.records.values().filter(|record| !known.contains(&*record.request));
        let lacks = lacks.map(|record| format!("the audit log lacks {record:?}"));
        let extra = log.iter().filter(|record| self.records.get(&record.request) != Some(record));
        let extra = extra.map(|record| format!("the audit log has {record:?}, which did not happen"));
        lacks.chain(extra).collect()
    }
}

impl Token {
    fn new(id: String, client: usize, value: Option<String>, name: String, round: usize) -> Self {
        Self { id, name, client, value, is_live: true, changed_in: round }
    }
}

/// Holds the audit log against the lists alone, whatever the clients believe: each token was
/// created once, and deleted once exactly if it is not there.
fn count_records(log: &[Record], listed: &BTreeSet<String>) -> Vec<String> {
    let mut counts: BTreeMap<&str, (usize, usize)> = listed.iter().map(|id| (&**id, (0, 0))).collect();
    for record in log {
        let (creates, deletes) = counts.entry(&record.token).or_default();
        *(if record.operation == "CreateAgentToken" { creates } else { deletes }) += 1;
    }
    let is_wrong = |id: &str, count| count != (1, usize::from(!listed.contains(id)));
    let wrong = counts.into_iter().filter(|(id, count)| is_wrong(id, *count));
    wrong
        .map(|(id, (creates, deletes))| {
            let state = if listed.contains(id) { "listed" } else { "not listed" };
            format!("{id} is {state}, but has {creates} records of its creation and {deletes} of its deletion")
        })
        .collect()
}

/// Looks at tokens one by one, several at a time.
async fn look_up(api: &Api, deployments: &[String], tokens: Vec<Token>) -> Vec<String> {
    let mut running = JoinSet::new();
    for some in tokens.chunks(tokens.len().div_ceil(CLIENTS).max(1)) {
        let (api, deployments, some) = (api.clone(), deployments.to_vec(), some.to_vec());
        running.spawn(async move {
            let mut problems = Vec::new();
            for token in &some {
                problems.extend(look_at(&api, &deployments[deployment_of(token.client)], token).await);
            }
            problems
        });
    }
    running.join_all().await.concat()
}

/// Gets a token, and presents its value: a live one is told that it is good but not here, one that
/// was deleted is told so.
async fn look_at(api: &Api, deployment: &str, token: &Token) -> Vec<String> {
    let Token { id, name, value, is_live, .. } = token;
    let path = format!("/deployments/{deployment}/agent-tokens/{id}");
    let mut problems = Vec::new();
    let (status, _) = api.get(&path).await;
    if status != if *is_live { 200 } else { 404 } {
        problems.push(format!("GET of {id}, which {name} created: {status}, but live is {is_live}"));
    }
    if let Some(value) = value {
        let (status, message) = api.present(value, &path).await;
        let is_right = match is_live {
            true => status == 403 && message.contains("an agent token opens"),
            false => status == 401 && message.contains(&format!("{id} was deleted at")),
        };
        if !is_right {
            problems.push(format!("the value of {id}: {status}, {message}, but live is {is_live}"));
        }
    }
    problems
}

/// What was done, to be shown.
#[derive(Default)]
struct Figures {
    rounds: usize,
    kills_at_start: usize,
    creates: usize,
    deletes: usize,
    missing: usize,
    lost_but_done: usize,
    lost_and_undone: usize,
    records: usize,
    looked_up: usize,
}

impl Figures {
    fn lost(&mut self, is_done: bool) {
        *(if is_done { &mut self.lost_but_done } else { &mut self.lost_and_undone }) += 1;
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, kills_at_start, creates, deletes, missing, .. } = self;
        let Self { lost_but_done, lost_and_undone, records, looked_up, .. } = self;
        let lost = lost_but_done + lost_and_undone;
        writeln!(
            f,
            "{rounds} rounds, each with a kill under load; {kills_at_start} more kills of a server that was starting"
        )?;
        writeln!(
            f,
            "acknowledged: {creates} creates, {deletes} deletes; {missing} deletes told that it was done already"
        )?;
        writeln!(f, "without an answer: {lost}, of which {lost_but_done} were done and {lost_and_undone} were not")?;
        write!(f, "{records} audit records of agent tokens at the end; {looked_up} look-ups of single tokens")
    }
}
