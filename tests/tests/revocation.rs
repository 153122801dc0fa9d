//! The promise of docs/revocation.md, held against real processes: three replicas on a PostgreSQL of
//! their own, of which one is cut off, frozen, or has a wrong clock, or whose database restarts.
//!
//! Clients use tokens at every replica without pause while the tokens are deleted, and write down
//! when each request began and how it was answered. No request that began after a DELETE was
//! acknowledged may have been accepted: not by the replica that deleted, and not by one that was
//! frozen or cut off meanwhile, because the acknowledgement waits for the lease of that one.
//!
//! `AIRLOCK_SOAK=10 scripts/test --package airlock-tests --test revocation` makes ten times as many
//! trials.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use airlock_core::Env;
use airlock_tests::{
    Database, PrivatePostgres,
    binary::{Ran, Server, command},
    link::{Link, State},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    task::{JoinSet, block_in_place},
    time::{sleep, timeout},
};

/// The lease of the replicas, in milliseconds.
const LEASE: u64 = 500;

/// Tokens that are deleted at the same time, under one fault.
const AT_ONCE: usize = 4;

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

const MASTER_KEY: &str = "ktest:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// Where Debian's libfaketime is: it gives a process another clock on the wall.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// What goes wrong while tokens are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// One replica's connections to the database are closed for a while.
    Cut,
    /// Nothing that one replica and the database send each other arrives for a while.
    Stalled,
    /// One replica is stopped (SIGSTOP) for a while.
    Frozen,
    /// The database restarts.
    Restart,
    /// The clock on the wall of one replica jumps.
    Clock,
}

/// The faults, and how often each is made.
const PLAN: &[(Fault, usize)] = &[
    (Fault::None, 20),
    (Fault::Clock, 6),
    (Fault::Cut, 6),
    (Fault::Stalled, 6),
    (Fault::Frozen, 12),
    (Fault::Restart, 4),
];

/// The servers, and how to make something go wrong with them.
struct Cluster {
    replicas: Vec<Server>,
    links: Vec<Link>,
    postgres: Option<Mutex<PrivatePostgres>>,
    clock: Option<PathBuf>,
    _folders: Vec<TempDir>,
    http: reqwest::Client,
    owner: String,
    tokens: String,
    deployment: String,
}

impl Cluster {
    /// Three replicas on PostgreSQL; the last one has a clock that can be set.
    fn of_replicas() -> Option<Self> {
        let postgres = PrivatePostgres::new(&["-c", "max_connections=200"])?;
        let links: Vec<Link> = (0..3).map(|_| Link::to(postgres.folder())).collect();
        let folders: Vec<TempDir> = (0..3).map(|_| tempfile::tempdir().expect("a folder")).collect();
        let clock = folders[2].path().join("clock");
        set_clock(&clock, 0);
        let mut replicas = Vec::new();
        for (number, (link, folder)) in links.iter().zip(&folders).enumerate() {
            let Database::Postgres(url) = link.database() else { unreachable!("a link leads to PostgreSQL") };
            let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--lease", &LEASE.to_string()]);
            serve.arg("--data-dir").arg(folder.path()).args(["--public-url", "http://127.0.0.1:1"]);
            serve.args(["--agent-tokens-per-deployment", "100000", "--admin-listen", "off"]);
            serve.env("AIRLOCK_DATABASE_URL", url).env("AIRLOCK_MASTER_KEY", MASTER_KEY);
            if number == 2 {
                assert!(fs::exists(FAKETIME).expect("a folder"), "libfaketime is not there; run scripts/install test");
                serve.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", &clock);
                serve.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_NO_CACHE", "1");
            }
            replicas.push(Server::run(serve));
        }
        Some(Self { clock: Some(clock), links, ..Self::new(replicas, Some(Mutex::new(postgres)), folders) })
    }

    /// One process on SQLite.
    fn alone() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = ["--agent-tokens-per-deployment", "100000", "--admin-listen", "off"];
        Self::new(vec![Server::start(folder.path(), &arguments)], None, vec![folder])
    }

    fn new(replicas: Vec<Server>, postgres: Option<Mutex<PrivatePostgres>>, folders: Vec<TempDir>) -> Self {
        let first = replicas[0].printed(|text| text.contains("curl"));
        let field = |name: &str| {
            let line = first.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {first}")).trim().to_owned()
        };
        let (organization, deployment) = (field("Organization "), field("Deployment "));
        Self {
            replicas,
            links: Vec::new(),
            postgres,
            clock: None,
            _folders: folders,
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client"),
            owner: field("API token "),
            tokens: format!("/v1/organizations/{organization}/deployments/{deployment}/agent-tokens"),
            deployment,
        }
    }

    /// Calls a replica as the Owner; `None` when the connection failed.
    async fn call(&self, replica: usize, method: &str, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let url = format!("{}{path}", self.replicas[replica].url());
        let request = self.http.request(method.parse().expect("a method"), url).bearer_auth(&self.owner);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// A new agent token's id and value.
    async fn create(&self) -> (String, String) {
        let began = Instant::now();
        loop {
            if let Some((200, token)) = self.call(0, "POST", &self.tokens, Some(json!({"name": "agent"}))).await {
                let text = |field: &str| token[field].as_str().expect("a text").to_owned();
                return (text("id"), text("token"));
            }
            assert!(began.elapsed() < PATIENCE, "no token can be made");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Deletes a token at a replica, as often as it takes: when it was first asked for, and when it
    /// was acknowledged.
    async fn delete(&self, replica: usize, id: &str) -> (Instant, Instant) {
        let asked = Instant::now();
        loop {
            let answer = self.call(replica, "DELETE", &format!("{}/{id}", self.tokens), None).await;
            match answer {
                // After a 503 it may have happened; then it is told that it is not there any more.
                Some((204 | 404, _)) => return (asked, Instant::now()),
                Some((503, _)) | None => sleep(Duration::from_millis(10)).await,
                Some(other) => panic!("an unexpected answer: {other:?}"),
            }
            assert!(asked.elapsed() < PATIENCE, "the token cannot be deleted");
        }
    }

    /// Whether a replica takes a token for good; `None` when it does not say.
    async fn accepts(&self, replica: usize, value: &str) -> Option<bool> {
        let url = format!("{}/forward-auth/{}", self.replicas[replica].url(), self.deployment);
        let answer = self.http.get(url).bearer_auth(value).send().await.ok()?;
        match answer.status().as_u16() {
            200..300 => Some(true),
            401 => Some(false),
            503 => None,
            other => panic!("an unexpected status: {other}"),
        }
    }

    /// Makes something go wrong with a replica for a while, and mends it.
    async fn go_wrong(&self, fault: Fault, victim: usize, span: Duration) {
        match fault {
            Fault::None => {}
            Fault::Cut | Fault::Stalled => {
                self.links[victim].set(if fault == Fault::Cut { State::Cut } else { State::Stalled });
                sleep(span).await;
                self.links[victim].set(State::Good);
            }
            Fault::Frozen => {
                self.replicas[victim].signal("STOP");
                sleep(span).await;
                self.replicas[victim].signal("CONT");
            }
            Fault::Restart => block_in_place(|| {
                let mut postgres = self.postgres.as_ref().expect("a server").lock().expect("no panic");
                postgres.stop(if span.as_millis().is_multiple_of(2) { "INT" } else { "QUIT" });
                postgres.start();
            }),
            Fault::Clock => {
                let file = self.clock.as_ref().expect("a clock");
                set_clock(file, if span.as_millis().is_multiple_of(2) { 7200 } else { -7200 });
                sleep(span).await;
                set_clock(file, 0);
            }
        }
    }
}

/// Moves a clock away from the true time, by seconds.
fn set_clock(file: &PathBuf, seconds: i64) {
    let next = file.with_extension("next");
    fs::write(&next, format!("{seconds:+}s\n")).expect("written");
    fs::rename(&next, file).expect("in its place"); // never seen half-written
}

/// What a client saw of one token at one replica.
#[derive(Default)]
struct Seen {
    /// When requests began that were accepted.
    accepted: Vec<Instant>,
    /// When the first refusal arrived.
    refused: Option<Instant>,
    requests: usize,
}

/// Uses a token at a replica until it is refused there, and a little longer.
async fn use_until_refused(cluster: &Cluster, replica: usize, value: &str, warm: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let began = Instant::now();
    let mut further = 5;
    while further > 0 {
        let start = Instant::now();
        let answer = cluster.accepts(replica, value).await;
        seen.requests += 1;
        match answer {
            Some(true) => {
                seen.accepted.push(start);
                warm.store(true, Ordering::SeqCst);
            }
            Some(false) => {
                seen.refused.get_or_insert_with(Instant::now);
                further -= 1;
            }
            None => sleep(Duration::from_millis(5)).await,
        }
        assert!(began.elapsed() < PATIENCE, "the token was never refused at replica {replica}");
    }
    seen
}

/// One token's life: the history of its uses, held against the acknowledgement of its deletion.
struct Trial {
    asked: Instant,
    acknowledged: Instant,
    seen: Vec<Seen>,
}

impl Trial {
    /// `deleter` is the replica that is asked to delete, after `delay`.
    async fn run(cluster: Arc<Cluster>, deleter: usize, delay: Duration, ready: Arc<tokio::sync::Barrier>) -> Self {
        let (id, value) = cluster.create().await;
        let mut clients = JoinSet::new();
        let mut warm = Vec::new();
        for replica in 0..cluster.replicas.len() {
            let is_warm = Arc::new(AtomicBool::new(false));
            warm.push(Arc::clone(&is_warm));
            let (cluster, value) = (Arc::clone(&cluster), value.clone());
            clients.spawn(async move { use_until_refused(&cluster, replica, &value, &is_warm).await });
        }
        // Every replica has it in memory before anything happens.
        while !warm.iter().all(|warm| warm.load(Ordering::SeqCst)) {
            sleep(Duration::from_millis(1)).await;
        }
        ready.wait().await;
        sleep(delay).await;
        let (asked, acknowledged) = cluster.delete(deleter, &id).await;
        Self { asked, acknowledged, seen: timeout(PATIENCE, clients.join_all()).await.expect("an end") }
    }

    /// Requests that were accepted although they began after the acknowledgement, and by how much.
    fn violations(&self) -> Vec<Duration> {
        let accepted = self.seen.iter().flat_map(|seen| &seen.accepted);
        accepted.filter_map(|start| start.checked_duration_since(self.acknowledged)).collect()
    }

    /// From when the deletion was asked for until every replica had refused the token.
    fn to_refusal(&self) -> Duration {
        let refused = self.seen.iter().filter_map(|seen| seen.refused);
        refused.map(|refused| refused.saturating_duration_since(self.asked)).max().unwrap_or_default()
    }
}

/// Makes a fault again and again while tokens are deleted; answers the trials.
async fn trials(cluster: &Arc<Cluster>, fault: Fault, rounds: usize) -> Vec<Trial> {
    let env = Env::system();
    let pick = |below: u64| u64::from_le_bytes(env.random()) % below;
    let mut all = Vec::new();
    for _ in 0..rounds {
        let victim = if fault == Fault::Clock { 2 } else { pick(cluster.replicas.len() as u64) as usize };
        let spared = fault == Fault::None || fault == Fault::Clock || fault == Fault::Restart;
        let ready = Arc::new(tokio::sync::Barrier::new(AT_ONCE + 1));
        let mut running = JoinSet::new();
        for _ in 0..AT_ONCE {
            let others = cluster.replicas.len() as u64;
            let mut deleter = pick(others) as usize;
            if !spared && deleter == victim {
                deleter = (victim + 1) % cluster.replicas.len();
            }
            // Before the fault, while it lasts, or when it is over.
            let delay = Duration::from_millis(pick(600));
            running.spawn(Trial::run(Arc::clone(cluster), deleter, delay, Arc::clone(&ready)));
        }
        ready.wait().await;
        sleep(Duration::from_millis(pick(200))).await;
        let longest = if pick(6) == 0 { 5000 } else { 1500 };
        cluster.go_wrong(fault, victim, Duration::from_millis(500 + pick(longest - 499))).await;
        all.extend(running.join_all().await);
    }
    all
}

/// A line about trials, for people.
fn report(what: &str, trials: &[Trial]) -> String {
    let quantiles = |mut times: Vec<Duration>| {
        times.sort();
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize].as_secs_f64() * 1000.0;
        format!("{:8.1} {:8.1} {:8.1}", at(0.5), at(0.99), at(1.0))
    };
    let acknowledged = trials.iter().map(|trial| trial.acknowledged - trial.asked).collect();
    let refused = trials.iter().map(Trial::to_refusal).collect();
    let requests: usize = trials.iter().flat_map(|trial| &trial.seen).map(|seen| seen.requests).sum();
    let violations: usize = trials.iter().map(|trial| trial.violations().len()).sum();
    let mut line = String::new();
    write!(
        line,
        "{what:10} {:6} {requests:9} {violations:10}   {}   {}",
        trials.len(),
        quantiles(acknowledged),
        quantiles(refused)
    )
    .expect("a String takes all");
    line
}

const HEADER: &str = "                                         delete to 204, ms            delete to refusal everywhere, ms\n\
                      fault      trials  requests violations        p50      p99      max        p50      p99      max";

/// How many times as many trials as usual.
#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn soak() -> usize {
    std::env::var("AIRLOCK_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn hold(all: &[(String, Vec<Trial>)]) {
    let lines: Vec<String> = all.iter().map(|(what, trials)| report(what, trials)).collect();
    // Past the test harness, which keeps to itself what a test prints that passes.
    let told = writeln!(std::io::stdout().lock(), "\n{HEADER}\n{}", lines.join("\n"));
    told.expect("standard output");
    for (what, trials) in all {
        let violations: Vec<Duration> = trials.iter().flat_map(Trial::violations).collect();
        assert!(violations.is_empty(), "{what}: accepted after the acknowledged delete: {violations:?}");
        let accepted: usize = trials.iter().flat_map(|trial| &trial.seen).map(|seen| seen.accepted.len()).sum();
        assert!(accepted > trials.len(), "{what}: hardly anything was accepted, so nothing was shown");
    }
}

/// `airlock replicas` shows those that run, and that all have followed; one that has left is not
/// shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_replicas_are_shown() {
    let Some(mut cluster) = block_in_place(Cluster::of_replicas) else { return };
    let (id, _) = cluster.create().await;
    cluster.delete(1, &id).await;
    let Database::Postgres(url) = cluster.links[0].database() else { unreachable!("a link leads to PostgreSQL") };
    let shown = || {
        let mut replicas = command(&["replicas", "--json"]);
        replicas.env("AIRLOCK_DATABASE_URL", &url);
        serde_json::from_str::<Value>(&block_in_place(|| Ran::new(replicas)).out()).expect("JSON")
    };
    let all = shown();
    let replicas = all["replicas"].as_array().expect("replicas");
    assert_eq!(replicas.len(), 3, "{all}");
    for replica in replicas {
        assert_eq!(replica["appliedRevision"], all["newestRevision"], "{all}");
        assert_eq!(replica["leaseMilliseconds"], LEASE, "{all}");
    }
    let leaver = cluster.replicas.pop().expect("a replica");
    block_in_place(|| leaver.stop());
    assert_eq!(shown()["replicas"].as_array().map(Vec::len), Some(2));
}

/// Several replicas on one PostgreSQL, with everything that can go wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_replica_accepts_what_was_deleted() {
    let Some(cluster) = block_in_place(Cluster::of_replicas) else { return };
    let cluster = Arc::new(cluster);
    let mut all = Vec::new();
    for (fault, rounds) in PLAN {
        all.push((format!("{fault:?}").to_lowercase(), trials(&cluster, *fault, rounds * soak()).await));
    }
    hold(&all);
    let count: usize = all.iter().map(|(_, trials)| trials.len()).sum();
    assert!(count >= 200, "only {count} trials");
}

/// One process on SQLite.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_process_accepts_nothing_that_was_deleted() {
    let cluster = Arc::new(block_in_place(Cluster::alone));
    let all = [("sqlite".to_owned(), trials(&cluster, Fault::None, 20 * soak()).await)];
    hold(&all);
}
