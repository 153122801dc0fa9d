//! What the databases must bear: many at once, restarts, lost connections, a server that is not
//! there, a full disk, and clients that go away. The rule is the same for all of it: an answer is
//! true, and when there can be none it is a 503 with `Retry-After`. Nothing that was acknowledged is
//! lost, and nothing changes without its audit record.

use std::{
    collections::BTreeSet,
    future::{Future, poll_fn},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use airlock_core::Error;
use airlock_server::Settings;
use airlock_store::Store;
use airlock_tests::{
    Answer, Database, PrivatePostgres, World,
    binary::{self, Server},
    on_both,
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc, task::JoinSet, time::timeout};
use tokio_postgres::NoTls;

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Declares tests that run on SQLite and on PostgreSQL, with requests on several threads.
macro_rules! on_both_with_threads {
    ($($(#[doc = $doc:literal])* async fn $name:ident($world:ident) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn run($world: Arc<World>) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                run(roomy(Database::sqlite()).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                if let Some(database) = Database::postgres().await {
                    run(roomy(database).await).await;
                }
            }
        }
    )*};
}

/// A server on which a Deployment can have as many agent tokens as a test makes.
async fn roomy(database: Database) -> Arc<World> {
    let settings = Settings { agent_tokens_per_deployment: 100_000, ..Settings::default() };
    Arc::new(World::with_settings(database, settings).await)
}

async fn create(world: &World, name: &str) -> Answer {
    world.post(&world.agent_tokens(""), json!({"name": name})).await
}

async fn delete(world: &World, id: &str) -> Answer {
    world.delete(&world.agent_tokens(&format!("/{id}"))).await
}

fn id(answer: &Answer) -> String {
    answer.json["id"].as_str().unwrap_or_else(|| panic!("no id in {}", answer.json)).to_owned()
}

/// The answer when the database cannot be used, and nothing else.
#[track_caller]
fn assert_busy(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.json);
    answer.assert_envelope();
    let wait = answer.headers.get("retry-after").and_then(|wait| wait.to_str().ok());
    assert!(wait.and_then(|wait| wait.parse::<u32>().ok()).is_some_and(|wait| wait > 0), "{wait:?}");
    assert_eq!(answer.message(), "the server cannot serve this now; try again in a moment");
}

/// Whether an answer is a success; if it is none, it must be the one for a database that cannot be
/// used.
#[track_caller]
fn is_served(answer: &Answer) -> bool {
    if (200..300).contains(&answer.status) {
        return true;
    }
    assert_busy(answer);
    false
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the server has left its lost connections behind.
async fn recovered(world: &World) {
    until("the server has good connections again", async || {
        for _ in 0..20 {
            if !is_served(&world.get(&world.agent_tokens("?limit=1")).await) {
                return false;
            }
        }
        true
    })
    .await;
}

/// What clients know of agent tokens from the answers that they got.
#[derive(Debug, Default)]
struct Ledger {
    created: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// Deletions that were not acknowledged, and may have happened.
    perhaps_deleted: BTreeSet<String>,
    refused: usize,
}

impl Ledger {
    fn join(mut self, other: Self) -> Self {
        self.created.extend(other.created);
        self.deleted.extend(other.deleted);
        self.perhaps_deleted.extend(other.perhaps_deleted);
        self.refused += other.refused;
        self
    }

    /// Holds the server against what its clients know, and its audit log against what is there.
    async fn check(&self, world: &World) {
        let mut seen = Seen::default();
        // What a client that went away has left behind may take a moment to end.
        until("the audit log says what is there", async || {
            seen = Seen::of(world).await;
            seen.is_consistent()
        })
        .await;
        let missing: Vec<_> = self.created.difference(&seen.created).collect();
        assert_eq!(missing, Vec::<&String>::new(), "acknowledged, but not in the audit log");
        let missing: Vec<_> = self.deleted.difference(&seen.deleted).collect();
        assert_eq!(missing, Vec::<&String>::new(), "deleted, but not in the audit log");
        let perhaps = &self.deleted | &self.perhaps_deleted;
        let spurious: Vec<_> = seen.deleted.difference(&perhaps).collect();
        assert_eq!(spurious, Vec::<&String>::new(), "in the audit log, but nobody deleted it");
        let lost: Vec<_> =
            self.created.iter().filter(|id| !seen.live.contains(*id) && !perhaps.contains(*id)).collect();
        assert_eq!(lost, Vec::<&String>::new(), "acknowledged, but not there");
        assert!(seen.live.is_disjoint(&self.deleted), "acknowledged as deleted, but there");
    }
}

/// What the server knows of agent tokens.
#[derive(Debug, Default)]
struct Seen {
    live: BTreeSet<String>,
    created: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

impl Seen {
    async fn of(world: &World) -> Self {
        let page = world.get(&world.agent_tokens("?limit=1000")).await.expect(200);
        let tokens = page["tokens"].as_array().expect("tokens");
        assert_eq!(page["totalCount"], tokens.len(), "more than fit into a page");
        let mut seen = Self {
            live: tokens.iter().map(|token| token["id"].as_str().expect("an id").into()).collect(),
            ..Self::default()
        };
        for entry in world.audit_log().await {
            let of = match entry["operationId"].as_str() {
                Some("CreateAgentToken") if entry["outcome"] == "CHANGED" => &mut seen.created,
                Some("DeleteAgentToken") if entry["outcome"] == "CHANGED" => &mut seen.deleted,
                _ => continue,
            };
            let is_new = of.insert(entry["entityId"].as_str().expect("an id").to_owned());
            assert!(is_new, "two records of one change: {entry}");
        }
        seen
    }

    /// Whether there is exactly what the audit log tells of.
    fn is_consistent(&self) -> bool {
        self.live == &self.created - &self.deleted && self.deleted.is_subset(&self.created)
    }
}

/// A client that creates, looks and deletes, until it has made so many requests or is told to stop.
async fn work(
    world: Arc<World>,
    name: usize,
    requests: usize,
    stop: Arc<AtomicBool>,
    done: mpsc::UnboundedSender<()>,
) -> Ledger {
    let mut ledger = Ledger::default();
    let mut own = Vec::new();
    for number in 0..requests {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let answer = if number % 3 == 2 && !own.is_empty() {
            let id: String = own.remove(0);
            let answer = timeout(PATIENCE, delete(&world, &id)).await.expect("an answer");
            if is_served(&answer) {
                ledger.deleted.insert(id)
            } else {
                ledger.perhaps_deleted.insert(id)
            };
            answer
        } else if number % 7 == 3 {
            let answer = timeout(PATIENCE, world.get(&world.agent_tokens("?limit=3"))).await.expect("an answer");
            is_served(&answer);
            answer
        } else {
            let answer = timeout(PATIENCE, create(&world, &format!("{name}-{number}"))).await.expect("an answer");
            if is_served(&answer) {
                ledger.created.insert(id(&answer));
                own.push(id(&answer));
            }
            answer
        };
        if answer.status == 503 {
            ledger.refused += 1;
        }
        let _ = done.send(()); // nobody counts when nobody kills
    }
    ledger
}

on_both! {
    /// A schema that this version does not know is left alone.
    async fn a_newer_database_is_refused(world) {
        let database = match &world.database {
            Database::Sqlite(_) => Database::sqlite(),
            Database::Postgres(_) => Database::postgres().await.expect("there is a server"),
        };
        drop(Store::open(&database.location()).await.expect("a new database"));
        let known = database.dump("refinery_schema_history").await;
        database.execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
             VALUES (999, 'from_the_future', '2030-01-01T00:00:00Z', '1')",
        ).await;
        let with_newer = database.dump("refinery_schema_history").await;
        assert_ne!(known, with_newer);

        let error = Store::open(&database.location()).await.map(drop).expect_err("it is refused");
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("a newer version of Airlock made this database"), "{text}");
        let newest = known.lines().count();
        assert!(text.contains(&format!("its schema is 999, this version knows {newest}")), "{text}");
        assert_eq!(database.dump("refinery_schema_history").await, with_newer);

        database.execute("DELETE FROM refinery_schema_history WHERE version = 999").await;
        Store::open(&database.location()).await.map(drop).expect("the newer schema is gone");
    }

    /// What was answered with a success is there after a restart, whatever it was.
    async fn acknowledged_writes_survive_a_restart(world) {
        let (kept, value) = world.agent_token("kept").await;
        let (deleted, deleted_value) = world.agent_token("deleted").await;
        delete(&world, &deleted).await.expect(204);
        let (rotated, old_value) = world.organization_token("ORGANIZATION_MEMBER").await;
        let new_value = world.post(&world.path(&format!("/tokens/{rotated}/rotate")), Value::Null).await.expect(200);
        let new_value = new_value["token"].as_str().expect("a value").to_owned();
        let workspace = world.new_workspace("kept").await;
        let deployment = world.new_deployment(&workspace, true).await;
        let shown = world.get(&world.agent_tokens(&format!("/{kept}"))).await.expect(200);
        let log = world.audit_log().await; // also writes when tokens were used
        let dump = world.dump().await;

        let world = world.restarted().await;
        assert_eq!(world.dump().await, dump);
        assert_eq!(world.audit_log().await, log);
        assert_eq!(world.get(&world.agent_tokens(&format!("/{kept}"))).await.expect(200), shown);
        world.get(&world.agent_tokens(&format!("/{deleted}"))).await.expect(404);
        world.get(&world.path(&format!("/deployments/{deployment}"))).await.expect(200);
        for (value, status) in [(value, 403), (deleted_value, 401), (old_value, 401), (new_value, 200)] {
            let answer = world.call(Some(&value), "GET", "/v1/organizations", &Value::Null).await;
            assert_eq!(answer.status, status, "{}", answer.json);
        }
    }
}

/// The limit holds when many come at once: so many succeed as there is room for, and the others are
/// told why not.
mod sixty_at_a_limit_of_fifty {
    use super::*;

    async fn run(world: World) {
        let world = Arc::new(world);
        let mut running = JoinSet::new();
        for number in 0..60 {
            let world = Arc::clone(&world);
            running.spawn(async move { create(&world, &format!("token {number}")).await });
        }
        let (mut ledger, mut refused) = (Ledger::default(), 0);
        for answer in timeout(PATIENCE, running.join_all()).await.expect("answers") {
            if answer.status == 200 {
                ledger.created.insert(id(&answer));
                continue;
            }
            assert_eq!(answer.status, 400, "{}", answer.json);
            answer.assert_envelope();
            assert!(answer.message().contains("has 50 agent tokens"), "{}", answer.message());
            refused += 1;
        }
        assert_eq!((ledger.created.len(), refused), (50, 10));
        ledger.check(&world).await;
        assert_eq!(Seen::of(&world).await.live, ledger.created);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite() {
        run(World::new(Database::sqlite()).await).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn postgres() {
        if let Some(database) = Database::postgres().await {
            run(World::new(database).await).await;
        }
    }
}

/// Polls a future until it has waited so many times, and drops it then.
async fn dropped_after<F: Future>(waits: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = waits;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A request whose client goes away, at each point at which it waits, has happened with all that
/// belongs to it or not at all, and stands in nobody's way.
mod a_dropped_request_leaves_nothing_behind {
    use super::*;

    async fn run(world: &World) {
        let mut ledger = Ledger::default();
        let mut dropped = Vec::new();
        for attempt in 0..120 {
            let waits = attempt % 24;
            let name = format!("attempt {attempt:03}");
            match dropped_after(waits, create(world, &name)).await {
                Some(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.json);
                    ledger.created.insert(id(&answer));
                }
                None => dropped.push((waits, name)),
            }
            // The next one is not held up.
            let (id, _) = timeout(PATIENCE, world.agent_token("next")).await.expect("an answer");
            ledger.created.insert(id.clone());
            match dropped_after(waits, delete(world, &id)).await {
                Some(answer) => {
                    answer.expect(204);
                    ledger.deleted.insert(id);
                }
                None => {
                    ledger.perhaps_deleted.insert(id);
                }
            }
            timeout(PATIENCE, create(world, "next")).await.expect("an answer").expect(200);
        }
        assert!(!dropped.is_empty(), "no request was dropped on its way");
        assert!(ledger.created.len() > 120 && !ledger.deleted.is_empty(), "every request was dropped");
        ledger.check(world).await;

        // On PostgreSQL only the last waits are for the commit: what was dropped before has not
        // happened. On SQLite nobody who has the database to himself waits for anything else.
        if let Database::Postgres(_) = &world.database {
            let longest = dropped.iter().map(|(waits, _)| *waits).max().unwrap_or_default();
            assert!(longest > 6, "{dropped:?}");
            let tokens = world.database.dump("agent_tokens").await;
            for (_, name) in dropped.iter().filter(|(waits, _)| *waits <= longest / 2) {
                assert!(!tokens.contains(name), "{name} has happened");
            }
        }
    }

    #[tokio::test]
    async fn sqlite() {
        run(&*roomy(Database::sqlite()).await).await;
    }

    #[tokio::test]
    async fn postgres() {
        if let Some(database) = Database::postgres().await {
            run(&*roomy(database).await).await;
        }
    }
}

on_both_with_threads! {
    /// The same as above for many at once: while they wait for each other, for a connection, for the commit.
    async fn many_dropped_requests_leave_nothing_behind(world) {
        let mut ledger = Ledger::default();
        for round in 0..5 {
            let mut running = Vec::new();
            for number in 0..40 {
                let world = Arc::clone(&world);
                running.push(tokio::spawn(async move { create(&world, &format!("{round}-{number}")).await }));
            }
            for (number, request) in running.iter().enumerate() {
                if number % 2 == 0 {
                    request.abort();
                }
                tokio::task::yield_now().await;
            }
            for (number, request) in running.into_iter().enumerate() {
                match timeout(PATIENCE, request).await.expect("an end") {
                    Ok(answer) => {
                        assert_eq!(answer.status, 200, "{}", answer.json);
                        ledger.created.insert(id(&answer));
                    }
                    Err(end) => assert!(end.is_cancelled() && number % 2 == 0, "{end}"),
                }
            }
        }
        assert!(ledger.created.len() >= 100, "{}", ledger.created.len());
        ledger.check(&world).await;
    }

    /// The same over real connections, which their clients close without waiting for the answer.
    async fn clients_that_hang_up_leave_nothing_behind(world) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serve = axum::serve(listener, airlock_server::router(world.app.clone()));
        let server = tokio::spawn(serve.with_graceful_shutdown(async { drop(stopped.await) }).into_future());
        for number in 0..100 {
            let body = json!({"name": format!("hung up {number}")}).to_string();
            let request = format!(
                "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                world.agent_tokens(""), world.owner, body.len()
            );
            // Some go before they have sent everything.
            let sent = if number % 4 == 3 { request.len() - 1 - number } else { request.len() };
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.write_all(&request.as_bytes()[..sent]).await.expect("sent");
            for _ in 0..number % 16 {
                tokio::task::yield_now().await;
            }
        }
        let (id, _) = timeout(PATIENCE, world.agent_token("next")).await.expect("an answer");
        drop(stop);
        timeout(PATIENCE, server).await.expect("no request hangs").expect("an end").expect("no failure");
        Ledger { created: BTreeSet::from([id]), ..Ledger::default() }.check(&world).await;
    }
}

/// Ends every connection of the database but this one; says how many there were.
async fn end_connections(admin: &tokio_postgres::Client) -> i64 {
    let sql = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'airlock'";
    admin.query_one(sql, &[]).await.expect("the administrator may").get(0)
}

async fn administrator(database: &Database) -> tokio_postgres::Client {
    let Database::Postgres(url) = database else { panic!("only PostgreSQL has administrators") };
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test's database");
    tokio::spawn(connection);
    client
}

/// An administrator ends all connections, between requests and in the middle of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ended_connections_lose_nothing() {
    let Some(database) = Database::postgres().await else { return };
    let world = roomy(database).await;
    let admin = administrator(&world.database).await;
    let mut ledger = Ledger::default();
    let mut ended = 0;
    for number in 0..20 {
        ended += end_connections(&admin).await;
        until("the server has a connection again", async || {
            let answer = create(&world, &format!("between {number}")).await;
            let is_served = is_served(&answer);
            if is_served {
                ledger.created.insert(id(&answer));
            }
            is_served
        })
        .await;
    }
    assert!(ended >= 20, "only {ended} connections were ended between requests");

    let (done, mut requests) = mpsc::unbounded_channel();
    let mut running = JoinSet::new();
    for name in 0..8 {
        running.spawn(work(Arc::clone(&world), name, 90, Arc::default(), done.clone()));
    }
    drop(done);
    let (mut ended, mut count) = (0, 0);
    while requests.recv().await.is_some() {
        count += 1;
        if count % 24 == 0 {
            ended += end_connections(&admin).await;
        }
    }
    let ledger = running.join_all().await.into_iter().fold(ledger, Ledger::join);
    assert!(ended >= 50, "only {ended} connections were ended while requests ran");
    assert!(ledger.created.len() > 100, "only {} creations were served", ledger.created.len());
    recovered(&world).await;
    ledger.check(&world).await;
}

/// While the database's server is away everything is answered with 503, and when it is there again
/// everything is as before; nobody starts Airlock again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stopped_database_is_waited_for() {
    let Some(mut postgres) = PrivatePostgres::new(&[]) else { return };
    let world = roomy(postgres.database()).await;
    let (kept, value) = world.agent_token("kept").await;
    let (doomed, _) = world.agent_token("doomed").await;
    let stop = Arc::new(AtomicBool::new(false));
    let (done, mut requests) = mpsc::unbounded_channel();
    let mut running = JoinSet::new();
    for name in 0..2 {
        running.spawn(work(Arc::clone(&world), name, usize::MAX, Arc::clone(&stop), done.clone()));
    }
    for signal in ["INT", "QUIT"] {
        // In the middle of requests.
        for _ in 0..20 {
            requests.recv().await.expect("requests are made");
        }
        world.call(Some(&value), "GET", "/v1/organizations", &Value::Null).await.expect(403);
        world.clock.advance(60);
        tokio::task::block_in_place(|| postgres.stop(signal));
        for (method, path, body) in [
            ("GET", world.agent_tokens(""), Value::Null),
            ("POST", world.agent_tokens(""), json!({"name": "lost"})),
            ("DELETE", world.agent_tokens(&format!("/{doomed}")), Value::Null),
            ("GET", world.path("/audit-logs"), Value::Null),
            ("GET", "/v1/organizations".into(), Value::Null),
            ("POST", world.path("/workspaces"), json!({"name": "lost"})),
        ] {
            let began = Instant::now();
            assert_busy(&world.call(Some(&world.owner), method, &path, &body).await);
            assert!(began.elapsed() < Duration::from_secs(10), "{method} {path} took {:?}", began.elapsed());
        }
        for token in ["garbage.that.is-none", &world.owner[..world.owner.len() - 2]] {
            let answer = world.call(Some(token), "GET", "/v1/organizations", &Value::Null).await;
            assert!(matches!(answer.status, 401 | 503), "{}", answer.json);
        }
        // Until its lease has run out a replica may go on with what it has in memory.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_busy(&world.call(Some(&value), "GET", "/v1/organizations", &Value::Null).await);
        world.app.flush().await.expect_err("the database is away");
        tokio::task::block_in_place(|| postgres.start());
        recovered(&world).await;
        create(&world, "after").await.expect(200);
        world.app.flush().await.expect("what was kept in memory is written");
        let shown = world.get(&world.agent_tokens(&format!("/{kept}"))).await.expect(200);
        let used = if signal == "INT" { "2026-01-01T00:00:00Z" } else { "2026-01-01T00:01:00Z" };
        assert_eq!(shown["lastUsedAt"], used);
    }
    stop.store(true, Ordering::SeqCst);
    let ledger = running.join_all().await.into_iter().fold(Ledger::default(), Ledger::join);
    assert!(ledger.refused > 0, "no client noticed");
    ledger.check(&world).await;
    world.get(&world.agent_tokens(&format!("/{doomed}"))).await.expect(200);
    assert!(!world.database.dump("agent_tokens").await.contains("lost"));
}

/// Others use the database's connections too: whoever gets none is told to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn too_few_connections_are_no_failure() {
    let Some(postgres) = PrivatePostgres::new(&["-c", "max_connections=6"]) else { return };
    let world = roomy(postgres.database()).await;
    let mut running = JoinSet::new();
    for name in 0..16 {
        running.spawn(work(Arc::clone(&world), name, 20, Arc::default(), mpsc::unbounded_channel().0));
    }
    let ledger = running.join_all().await.into_iter().fold(Ledger::default(), Ledger::join);
    assert!(ledger.created.len() > 10, "{ledger:?}");
    recovered(&world).await;
    ledger.check(&world).await;
}

/// Another process holds SQLite's lock for long: reads go on, writes are told to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_locked_file_is_waited_for() {
    let world = roomy(Database::sqlite()).await;
    let Database::Sqlite(folder) = &world.database else { panic!("asked for SQLite") };
    let other = rusqlite::Connection::open(folder.path().join("airlock.db")).expect("the database");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let writes: Vec<_> = (0..2)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { create(&world, &format!("locked out {number}")).await })
        })
        .collect();
    for _ in 0..20 {
        world.get(&world.agent_tokens("")).await.expect(200);
    }
    for write in writes {
        assert_busy(&timeout(PATIENCE, write).await.expect("an answer").expect("no panic"));
    }
    other.execute_batch("ROLLBACK").expect("the lock's end");
    let (id, _) = world.agent_token("after").await;
    let ledger = Ledger { created: BTreeSet::from([id]), ..Ledger::default() };
    ledger.check(&world).await;
    assert_eq!(Seen::of(&world).await.live, ledger.created);
}

/// A running server, and its first records.
struct Site {
    server: Server,
    http: reqwest::Client,
    organization: String,
    deployment: String,
    owner: String,
}

impl Site {
    fn new(server: Server) -> Self {
        let printed = server.printed(|text| text.contains("curl"));
        let after = |label: &str| {
            let found = printed.lines().find_map(|line| line.trim().strip_prefix(label));
            found.unwrap_or_else(|| panic!("no {label} in {printed}")).trim().to_owned()
        };
        Self {
            organization: after("Organization"),
            deployment: after("Deployment"),
            owner: after("API token"),
            server,
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client"),
        }
    }

    async fn call(&self, method: &str, rest: &str, body: Option<Value>) -> (u16, Option<String>, Value) {
        let url = format!("{}/v1/organizations/{}{rest}", self.server.url(), self.organization);
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, url).bearer_auth(&self.owner);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let retry = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()).map(str::to_owned);
        let status = answer.status().as_u16();
        (status, retry, serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default())
    }

    fn tokens(&self, rest: &str) -> String {
        format!("/deployments/{}/agent-tokens{rest}", self.deployment)
    }

    /// Creates; none when the answer is the one for a disk that is full.
    async fn create(&self, name: &str) -> Option<String> {
        let answer = self.call("POST", &self.tokens(""), Some(json!({"name": name}))).await;
        Self::served(&answer).then(|| answer.2["id"].as_str().expect("an id").to_owned())
    }

    #[track_caller]
    fn served((status, retry, json): &(u16, Option<String>, Value)) -> bool {
        match status {
            200 | 204 => true,
            503 => {
                assert_eq!(retry.as_deref(), Some("1"));
                assert_eq!(json["message"], "the server cannot serve this now; try again in a moment");
                false
            }
            _ => panic!("{status}: {json}"),
        }
    }

    async fn live(&self) -> BTreeSet<String> {
        let (status, _, page) = self.call("GET", &self.tokens("?limit=1000"), None).await;
        assert_eq!(status, 200, "reads go on: {page}");
        let tokens = page["tokens"].as_array().expect("tokens");
        assert_eq!(page["totalCount"], tokens.len());
        tokens.iter().map(|token| token["id"].as_str().expect("an id").to_owned()).collect()
    }
}

/// The command of a server whose files cannot grow beyond so many KiB, until somebody allows it.
fn with_a_small_disk(folder: &Path, kib: u32) -> Command {
    let mut bash = Command::new("/bin/bash");
    bash.arg("-c").arg(format!("trap '' XFSZ; ulimit -S -f {kib}; exec \"$0\" \"$@\"")).arg(binary::airlock());
    bash.args(["serve", "--listen", "127.0.0.1:0", "--agent-tokens-per-deployment", "10000", "--data-dir"]).arg(folder);
    bash.env_clear().stdin(Stdio::null());
    bash
}

/// A full disk: writes are told to come again and change nothing, reads go on, and when there is
/// room again writes succeed, without a restart. What was acknowledged is there after a kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let site = Arc::new(Site::new(tokio::task::block_in_place(|| Server::run(with_a_small_disk(&data, 2048)))));
    let mut acknowledged = BTreeSet::new();
    let mut number = 0;
    while let Some(id) = site.create(&format!("token {number}")).await {
        acknowledged.insert(id);
        number += 1;
        assert!(number < 5000, "the disk is never full");
    }
    assert!(number > 3, "the disk was full from the beginning");

    // Singly, and in groups: whatever is answered is true.
    for number in 0..10 {
        acknowledged.extend(site.create(&format!("one more {number}")).await);
        assert_eq!(site.live().await, acknowledged);
    }
    let mut refused = 0;
    for round in 0..5 {
        let mut running = JoinSet::new();
        for number in 0..16 {
            let site = Arc::clone(&site);
            running.spawn(async move { site.create(&format!("many {round} {number}")).await });
        }
        for created in running.join_all().await {
            refused += usize::from(created.is_none());
            acknowledged.extend(created);
        }
        assert_eq!(site.live().await, acknowledged);
    }
    assert!(refused > 40, "only {refused} of 80 found the disk full");
    let first = acknowledged.first().expect("a token").clone();
    if Site::served(&site.call("DELETE", &site.tokens(&format!("/{first}")), None).await) {
        acknowledged.remove(&first);
    }
    assert_eq!(site.live().await, acknowledged);

    let process = site.server.id().to_string();
    let allowed = Command::new("prlimit").args(["--pid", &process, "--fsize=unlimited"]).status();
    assert!(allowed.expect("prlimit runs").success());
    for number in 0..5 {
        acknowledged.insert(site.create(&format!("after {number}")).await.expect("there is room again"));
    }
    assert_eq!(site.live().await, acknowledged);

    let Site { server, http, organization, deployment, owner } =
        Arc::into_inner(site).expect("nobody else uses the server");
    let log = server.log();
    assert!(log.contains("WARN"), "the log says why: {log}");
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    server.kill();
    let server = tokio::task::block_in_place(|| Server::start(&data, &[]));
    let site = Site { server, http, organization, deployment, owner };
    assert_eq!(site.live().await, acknowledged);
}

/// Things that two writes can be about.
struct Things {
    workspace: String,
    deployment: String,
    agent_token: String,
    api_token: String,
    role: String,
    role_name: String,
    other_role: String,
    user: String,
    team: String,
}

impl Things {
    async fn make(world: &World, number: usize) -> Self {
        let workspace = world.new_workspace("of a pair").await;
        let role = async |name: &str| {
            let body = json!({"name": name, "scopeType": "DEPLOYMENT", "permissions": ["deployment.get"]});
            let made = world.post(&world.path("/roles"), body).await.expect(200);
            made["id"].as_str().expect("an id").to_owned()
        };
        let role_name = format!("custom {number}");
        let invite = world.invite(&format!("user{number}@example.org"), "ORGANIZATION_MEMBER").await;
        let team = world.post(&world.path("/teams"), json!({"name": format!("team {number}")})).await.expect(200);
        let mut things = Self {
            deployment: world.new_deployment(&workspace, true).await,
            workspace,
            agent_token: String::new(),
            api_token: world.organization_token("ORGANIZATION_MEMBER").await.0,
            role: role(&role_name).await,
            other_role: role(&format!("custom other {number}")).await,
            role_name,
            user: invite["userId"].as_str().expect("an id").into(),
            team: team["id"].as_str().expect("an id").into(),
        };
        let (path, body) = things.request(world, "create agent token");
        let made = world.post(&path, body).await.expect(200);
        things.agent_token = made["id"].as_str().expect("an id").into();
        let (path, body) = things.request(world, "update Deployment");
        world.post(&path, body).await.expect(200); // gives it variables
        things
    }

    /// The path and the body of a write; one without a body is a DELETE, but for a rotation.
    fn request(&self, world: &World, what: &str) -> (String, Value) {
        let Self { workspace, deployment, agent_token, api_token, role, role_name, other_role, user, team } = self;
        let token = |scope: &str, entity: &str, role: &str| json!({"name": "x", "scope": scope, "entityId": entity, "role": role});
        let roles = |own: Value| {
            let organization = json!({
                "role": "ORGANIZATION_MEMBER", "entityType": "ORGANIZATION", "entityId": world.organization,
            });
            json!({"roles": [organization, own]})
        };
        let on = |role: &str, kind: &str, entity: &str| json!({"role": role, "entityType": kind, "entityId": entity});
        let custom = |name: &str, permission: &str| json!({"name": name, "scopeType": "DEPLOYMENT", "permissions": [permission]});
        let in_workspace = format!("/workspaces/{workspace}");
        let in_deployment = format!("/deployments/{deployment}");
        let (rest, body) = match what {
            "create agent token" => (format!("{in_deployment}/agent-tokens"), json!({"name": "x"})),
            "delete agent token" => (format!("{in_deployment}/agent-tokens/{agent_token}"), Value::Null),
            "create Deployment" => (
                "/deployments".into(),
                json!({"name": "x", "workspaceId": workspace, "environmentVariables": [
                    {"key": "K", "value": "v", "isSecret": false},
                ]}),
            ),
            "update Deployment" => (
                in_deployment,
                json!({
                    "name": "x", "workspaceId": workspace, "type": "STANDARD", "executor": "CELERY",
                    "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false,
                    "schedulerSize": "SMALL", "remoteExecution": {"enabled": true}, "environmentVariables": [
                        {"key": "K", "value": "v", "isSecret": false}, {"key": "S", "value": "s", "isSecret": true},
                    ],
                }),
            ),
            "delete Deployment" => (in_deployment, Value::Null),
            "update Workspace" => (in_workspace, json!({"name": "x", "description": "", "cicdEnforcedDefault": true})),
            "delete Workspace" => (in_workspace, Value::Null),
            "create token on Deployment" => ("/tokens".into(), token("DEPLOYMENT", deployment, "DEPLOYMENT_ADMIN")),
            "create token on Workspace" => ("/tokens".into(), token("WORKSPACE", workspace, "WORKSPACE_OWNER")),
            "create token with role" => ("/tokens".into(), token("DEPLOYMENT", deployment, role_name)),
            "give role on Deployment" => {
                (format!("/tokens/{api_token}/roles"), roles(on("DEPLOYMENT_ADMIN", "DEPLOYMENT", deployment)))
            }
            "give role on Workspace" => {
                (format!("/tokens/{api_token}/roles"), roles(on("WORKSPACE_OWNER", "WORKSPACE", workspace)))
            }
            "give custom role" => {
                (format!("/tokens/{api_token}/roles"), roles(on(role_name, "DEPLOYMENT", deployment)))
            }
            "update token" => (format!("/tokens/{api_token}"), json!({"name": "y"})),
            "rotate token" => (format!("/tokens/{api_token}/rotate"), json!({})),
            "delete token" => (format!("/tokens/{api_token}"), Value::Null),
            "create role" => ("/roles".into(), custom(&format!("{role_name} new"), "deployment.get")),
            "rename role" => (format!("/roles/{role}"), custom(&format!("{role_name} new"), "deployment.get")),
            "rename other role" => {
                (format!("/roles/{other_role}"), custom(&format!("{role_name} new"), "deployment.get"))
            }
            "update role" => (format!("/roles/{role}"), custom(role_name, "deployment.update")),
            "delete role" => (format!("/roles/{role}"), Value::Null),
            "restrict role to Workspace" => {
                let mut body = custom(role_name, "deployment.get");
                body["restrictedWorkspaceIds"] = json!([workspace]);
                (format!("/roles/{role}"), body)
            }
            "invite" => (
                "/invites".into(),
                json!({"inviteeEmail": format!("{user}@example.org"), "role": "ORGANIZATION_MEMBER"}),
            ),
            "give user role on Workspace" => (
                format!("/users/{user}/roles"),
                json!({"workspaceRoles": [{"workspaceId": workspace, "role": "WORKSPACE_OWNER"}]}),
            ),
            "give user custom role" => (
                format!("/users/{user}/roles"),
                json!({"deploymentRoles": [{"deploymentId": deployment, "role": role_name}]}),
            ),
            "delete user" => (format!("/users/{user}"), Value::Null),
            "create team" => ("/teams".into(), json!({"name": format!("new {team}")})),
            "add member" => (format!("/teams/{team}/members"), json!({"memberIds": [user]})),
            "delete team" => (format!("/teams/{team}"), Value::Null),
            _ => panic!("{what}"),
        };
        (world.path(&rest), body)
    }

    async fn call(&self, world: &World, what: &str) -> Answer {
        let (path, body) = self.request(world, what);
        let method = if body.is_null() { "DELETE" } else { "POST" };
        world.call(Some(&world.owner), method, &path, &body).await
    }
}

/// Writes that can get in each other's way.
const PAIRS: &[(&str, &str)] = &[
    ("create agent token", "delete Deployment"),
    ("create agent token", "delete Workspace"),
    ("create agent token", "update Deployment"),
    ("delete agent token", "delete agent token"),
    ("delete agent token", "delete Deployment"),
    ("delete agent token", "delete Workspace"),
    ("create Deployment", "delete Workspace"),
    ("update Deployment", "update Deployment"),
    ("update Deployment", "delete Deployment"),
    ("update Deployment", "delete Workspace"),
    ("delete Deployment", "delete Deployment"),
    ("delete Deployment", "delete Workspace"),
    ("update Workspace", "delete Workspace"),
    ("delete Workspace", "delete Workspace"),
    ("create token on Deployment", "delete Deployment"),
    ("create token on Deployment", "delete Workspace"),
    ("create token on Workspace", "delete Workspace"),
    ("create token with role", "delete role"),
    ("create token with role", "rename role"),
    ("create token with role", "delete Deployment"),
    ("give role on Deployment", "delete Deployment"),
    ("give role on Deployment", "delete Workspace"),
    ("give role on Workspace", "delete Workspace"),
    ("give role on Workspace", "give role on Deployment"),
    ("give custom role", "delete role"),
    ("give custom role", "rename role"),
    ("give custom role", "delete token"),
    ("update token", "delete token"),
    ("update token", "rotate token"),
    ("rotate token", "rotate token"),
    ("rotate token", "delete token"),
    ("rotate token", "give role on Deployment"),
    ("delete token", "delete token"),
    ("create role", "create role"),
    ("create role", "rename role"),
    ("rename role", "rename other role"),
    ("update role", "delete role"),
    ("delete role", "delete role"),
    ("restrict role to Workspace", "delete Workspace"),
    ("invite", "invite"),
    ("give user role on Workspace", "delete Workspace"),
    ("give user custom role", "delete role"),
    ("give user custom role", "rename role"),
    ("give user custom role", "delete user"),
    ("create team", "create team"),
    ("add member", "delete team"),
    ("add member", "delete user"),
];

/// What must not be there, however writes come together: something live below something that is gone.
const ORPHANS: &str = "
    WITH held AS (SELECT * FROM role_bindings r WHERE NOT EXISTS
        (SELECT 1 FROM api_tokens t WHERE t.id = r.holder_id AND t.deleted_at IS NOT NULL))
    SELECT 'agent token of no Deployment' FROM agent_tokens t WHERE deleted_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = t.deployment_id)
    UNION ALL SELECT 'API token of no Deployment' FROM api_tokens t WHERE deleted_at IS NULL
        AND deployment_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = t.deployment_id)
    UNION ALL SELECT 'API token of no Workspace' FROM api_tokens t WHERE deleted_at IS NULL
        AND workspace_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM workspaces w WHERE w.id = t.workspace_id)
    UNION ALL SELECT 'role on no Deployment' FROM held r
        WHERE r.entity_type = 'DEPLOYMENT'
        AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.id = r.entity_id)
    UNION ALL SELECT 'role on no Workspace' FROM held r
        WHERE r.entity_type = 'WORKSPACE'
        AND NOT EXISTS (SELECT 1 FROM workspaces w WHERE w.id = r.entity_id)
    UNION ALL SELECT 'custom role that is none' FROM held r
        WHERE r.role LIKE 'custom %'
        AND NOT EXISTS (SELECT 1 FROM roles c WHERE c.name = r.role)";

const CHANGES: &str = "SELECT count(*) FROM audit_log WHERE outcome = 'CHANGED'";

/// Two writes at the same time come to what they would come to one after the other, in one order or
/// the other, each with its audit record if it happened.
///
/// Both are made to run to their last statement, the audit record's, without seeing each other: the
/// test keeps the audit log locked until they wait for it, or one for the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_writes_at_once_are_one_after_the_other() {
    let Some(database) = Database::postgres().await else { return };
    let world = roomy(database).await;
    let (mut admin, watcher) = (administrator(&world.database).await, administrator(&world.database).await);
    let mut faults = Vec::new();
    let mut number = 0;
    for (one, other) in PAIRS {
        let mut orders = Vec::new();
        for (first, second) in [(one, other), (other, one)] {
            number += 1;
            let things = Things::make(&world, number).await;
            orders.push((things.call(&world, first).await.status, things.call(&world, second).await.status));
        }
        let allowed = [orders[0], (orders[1].1, orders[1].0)];

        for (first, second) in [(one, other), (other, one)] {
            number += 1;
            let things = Arc::new(Things::make(&world, number).await);
            let before: i64 = watcher.query_one(CHANGES, &[]).await.expect("a count").get(0);
            let hold = admin.transaction().await.expect("a transaction");
            hold.batch_execute("LOCK TABLE audit_log IN SHARE ROW EXCLUSIVE MODE").await.expect("the lock");
            let mut running = Vec::new();
            for what in [first, second] {
                let (world, things) = (Arc::clone(&world), Arc::clone(&things));
                running.push(tokio::spawn(async move { things.call(&world, what).await }));
                until("both wait, or have ended", async || {
                    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                               AND wait_event_type = 'Lock' AND application_name = 'airlock'";
                    let waiting: i64 = watcher.query_one(sql, &[]).await.expect("a count").get(0);
                    let left = running.iter().filter(|request| !request.is_finished()).count();
                    usize::try_from(waiting).expect("a count") >= left
                })
                .await;
            }
            hold.rollback().await.expect("the lock's end");
            let mut answers = Vec::new();
            for request in running {
                answers.push(timeout(PATIENCE, request).await.expect("an answer").expect("no panic"));
            }
            let mut statuses = (answers[0].status, answers[1].status);
            if first == other {
                statuses = (statuses.1, statuses.0);
            }

            let mut fault = |what: String| faults.push(format!("{first} + {second}: {what}"));
            // Told to come again, one has not happened: the other is the first.
            let is_allowed = match statuses {
                (503, second) => second == allowed[1].1,
                (first, 503) => first == allowed[0].0,
                statuses => allowed.contains(&statuses),
            };
            if !is_allowed {
                fault(format!(
                    "{one} was answered with {}, {other} with {}; one after the other it is {allowed:?}",
                    statuses.0, statuses.1
                ));
            }
            for orphan in watcher.query(ORPHANS, &[]).await.expect("a list") {
                fault(format!("leaves: {}", orphan.get::<_, String>(0)));
            }
            let after: i64 = watcher.query_one(CHANGES, &[]).await.expect("a count").get(0);
            let done = answers.iter().filter(|answer| answer.status < 300).count();
            if after - before != i64::try_from(done).expect("a count") {
                fault(format!("{done} succeeded, {} are in the audit log", after - before));
            }
            // What is left behind would be found again.
            let sql = "UPDATE agent_tokens SET deleted_at = 0 WHERE deleted_at IS NULL; \
                       UPDATE api_tokens SET deleted_at = 0 WHERE deleted_at IS NULL AND name <> 'First owner'";
            watcher.batch_execute(sql).await.expect("tidied");
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
