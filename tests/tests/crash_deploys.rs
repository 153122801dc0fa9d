//! What agents get survives `kill -9`, and is whole.
//!
//! The real binary runs on SQLite and a folder. Several clients deploy at the same time, each to its own
//! Deployment: archives of a few KiB to 2 MiB, at once and in blocks. At a random moment the process
//! gets SIGKILL, and is started again on what it left behind. Then, for each Deployment:
//!
//! - what the gate serves is, byte for byte, the archive that was acknowledged as finalized last, or the
//!   one whose finalization was not answered; its ETag is that archive's version, it is whole gzip, and
//!   the API says the same of the Deployment and of the deploy;
//! - a deploy that was not answered can be finalized again, whether it happened or not, and its archive,
//!   whose upload was acknowledged, is then what is served;
//! - the storage has every archive that the database keeps, while old ones are let go and removed, also
//!   by servers that are killed in the midst of it.
//!
//! The operating system survives here, so this shows that nothing is answered or named before it is
//! there as a whole; that it has reached the disk is `fsync`'s affair.
//!
//! `AIRLOCK_CRASH_ROUNDS` asks for more rounds. Figures:
//! `cargo test -p airlock-tests --test crash_deploys -- --nocapture`.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    io::Read,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use airlock_tests::{archives::archive_of, binary::Server};
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use reqwest::{Method, Response};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};

/// The least number of rounds; each ends with a kill under load.
const ROUNDS: usize = 25;

/// Deployments, each with a client.
const DEPLOYMENTS: usize = 3;

/// From the first acknowledged deploy of a round to the kill, in milliseconds.
const KILL_WITHIN: u64 = 400;

/// The largest archive, in bytes.
const LARGEST: u64 = 2 << 20;

/// How many archives each client has, and deploys in turn: to make one takes longer than to deploy it.
const ARCHIVES: usize = 12;

/// The bytes of a block.
const BLOCK: usize = 300_000;

/// How long anything of the server may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_agents_get_survives_kill_9() {
    let mut dice = Dice(RandomState::new().hash_one("seed"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = start(folder.path());
    let mut api = Api::of_first_start(&server);
    let mut clients = Vec::new();
    for number in 0..DEPLOYMENTS {
        clients.push(Client::new(api.new_deployment(number).await, dice.next()));
    }
    let mut figures = BTreeMap::<&str, usize>::new();
    for round in 1..=rounds() {
        clients = run_round(clients, server, &api, dice.next() % KILL_WITHIN).await;
        server = start(folder.path());
        api.url = server.url();
        for client in &mut clients {
            let what = client.check(&api, round).await;
            *figures.entry(what).or_default() += 1;
        }
        check_storage(folder.path());
    }
    let acknowledged: usize = clients.iter().map(|client| client.acknowledged).sum();
    println!("{} kills; {acknowledged} deploys acknowledged; of those in flight: {figures:?}", rounds());
}

fn start(folder: &Path) -> Server {
    Server::start(folder, &["--deploys-kept", "2"])
}

/// Lets the clients deploy until the server is killed, some time after the first has deployed.
async fn run_round(clients: Vec<Client>, server: Server, api: &Api, wait: u64) -> Vec<Client> {
    let round = Arc::new(Round { api: api.clone(), is_killed: AtomicBool::new(false), acknowledged: Notify::new() });
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client.work(Arc::clone(&round)));
    }
    timeout(PATIENCE, round.acknowledged.notified()).await.expect("a deploy is acknowledged");
    sleep(Duration::from_millis(wait)).await;
    // Before the kill: from here on, and only from here on, requests may stay without an answer.
    round.is_killed.store(true, Ordering::SeqCst);
    server.kill();
    let mut clients = timeout(PATIENCE, running.join_all()).await.expect("the clients end when the server is gone");
    clients.sort_by(|one, other| one.deployment.cmp(&other.deployment));
    clients
}

/// How many rounds: [`ROUNDS`], or more if somebody asks for it.
#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn rounds() -> usize {
    let asked = std::env::var("AIRLOCK_CRASH_ROUNDS").ok();
    asked.map_or(ROUNDS, |text| text.parse::<usize>().expect("AIRLOCK_CRASH_ROUNDS is a number").max(ROUNDS))
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

    /// An archive of any size that compresses badly, so that it is as large as what is in it.
    fn archive(&mut self) -> Vec<u8> {
        let size = if self.next().is_multiple_of(4) { self.next() % LARGEST } else { self.next() % 20_000 };
        let bytes: Vec<u8> = (0..size / 8).flat_map(|_| self.next().to_le_bytes()).collect();
        archive_of([("dags/reports.py", &bytes[..])])
    }
}

/// An Organization's API, called by its Owner.
#[derive(Clone)]
struct Api {
    http: reqwest::Client,
    url: String,
    organization: String,
    workspace: String,
    token: String,
}

impl Api {
    /// What a server prints at its first start.
    fn of_first_start(server: &Server) -> Self {
        let said = server.printed(|said| said.contains("API token"));
        let after = |label: &str| {
            let found = said.lines().find_map(|line| line.trim().strip_prefix(label));
            found.expect("the first records are printed").trim().to_owned()
        };
        Self {
            // A server that was killed answers nobody's next request.
            http: reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("an HTTP client"),
            url: server.url(),
            organization: after("Organization"),
            workspace: after("Workspace"),
            token: after("API token"),
        }
    }

    async fn new_deployment(&self, number: usize) -> String {
        let body = json!({
            "name": format!("crash {number}"), "workspaceId": self.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": false, "isDagDeployEnabled": true, "isHighAvailability": false, "schedulerSize": "SMALL",
        });
        let (status, made) = self.send(Method::POST, "", Some(body)).await.expect("an answer");
        assert_eq!(status, 200, "{made}");
        text(&made, "id")
    }

    /// Calls something below the Deployments.
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}/v1/organizations/{}/deployments{path}", self.url, self.organization);
        let mut call = self.http.request(method, url).bearer_auth(&self.token).timeout(PATIENCE);
        if let Some(body) = &body {
            call = call.json(body);
        }
        let answer = call.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.send(Method::GET, path, None).await.expect("a server that lives answers");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    async fn put(&self, url: String, body: Vec<u8>) -> reqwest::Result<Response> {
        self.http.put(url).header("x-ms-blob-type", "BlockBlob").body(body).timeout(PATIENCE).send().await
    }

    /// What agents get of a Deployment: the ETag and the bytes; nothing before the first deploy.
    async fn served(&self, deployment: &str) -> Option<(String, Vec<u8>)> {
        let url = format!("{}/d/{deployment}/bundles/dags", self.url);
        let answer = self.http.get(url).bearer_auth(&self.token).timeout(PATIENCE).send().await.expect("an answer");
        if answer.status() == 404 {
            return None;
        }
        assert_eq!(answer.status(), 200);
        let etag = answer.headers()["etag"].to_str().expect("text").trim_matches('"').to_owned();
        Some((etag, answer.bytes().await.expect("a whole body").to_vec()))
    }
}

/// What the clients of a round share.
struct Round {
    api: Api,
    is_killed: AtomicBool,
    acknowledged: Notify,
}

impl Round {
    /// What was answered; nothing if the server was killed first. One that lives has to answer.
    fn answered<T>(&self, answer: reqwest::Result<T>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(_) if self.is_killed.load(Ordering::SeqCst) => None,
            Err(cause) => panic!("a server that lives gives no answer: {cause:?}"),
        }
    }
}

/// An archive that was uploaded.
#[derive(Clone)]
struct Uploaded {
    deploy: String,
    version: String,
    bytes: Vec<u8>,
}

/// Somebody who deploys to a Deployment, one time after the other.
struct Client {
    deployment: String,
    dice: Dice,
    archives: Vec<Vec<u8>>,
    /// What was acknowledged as finalized last.
    current: Option<Uploaded>,
    /// What was to be finalized, without an answer so far.
    in_flight: Option<Uploaded>,
    acknowledged: usize,
}

impl Client {
    fn new(deployment: String, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let archives = (0..ARCHIVES).map(|_| dice.archive()).collect();
        Self { deployment, dice, archives, current: None, in_flight: None, acknowledged: 0 }
    }

    /// Deploys until a request stays without an answer.
    async fn work(mut self, round: Arc<Round>) -> Self {
        while self.deploy(&round).await.is_some() {}
        self
    }

    async fn deploy(&mut self, round: &Round) -> Option<()> {
        let deploys = format!("/{}/deploys", self.deployment);
        let made = round.api.send(Method::POST, &deploys, Some(json!({"type": "DAG_ONLY"}))).await;
        let (status, made) = round.answered(made)?;
        assert_eq!(status, 200, "{made}");
        // The server was started anew, on another port.
        let link = text(&made, "dagsUploadUrl");
        let link = format!("{}{}", round.api.url, &link[link.find("/uploads/").expect("an upload link")..]);
        // Never the one that was deployed last.
        self.archives.rotate_left(1);
        let bytes = self.archives[0].clone();
        let version = self.upload(round, &link, &bytes).await?;
        let uploaded = Uploaded { deploy: text(&made, "id"), version, bytes };
        self.in_flight = Some(uploaded.clone());
        let body = json!({"dagTarballVersion": uploaded.version});
        let path = format!("{deploys}/{}/finalize", uploaded.deploy);
        let (status, done) = round.answered(round.api.send(Method::POST, &path, Some(body)).await)?;
        assert_eq!(status, 200, "{done}");
        self.current = self.in_flight.take();
        self.acknowledged += 1;
        round.acknowledged.notify_one();
        Some(())
    }

    /// Uploads an archive, at once or in blocks: its version.
    async fn upload(&mut self, round: &Round, link: &str, bytes: &[u8]) -> Option<String> {
        let answer = if self.dice.next().is_multiple_of(2) {
            round.answered(round.api.put(link.to_owned(), bytes.to_vec()).await)?
        } else {
            let mut list = String::from("<BlockList>");
            for (number, block) in bytes.chunks(BLOCK).enumerate() {
                let id = STANDARD.encode(format!("{number:09}"));
                let url = format!("{link}&comp=block&blockid={id}");
                let answer = round.answered(round.api.put(url, block.to_vec()).await)?;
                assert_eq!(answer.status(), 201);
                list += &format!("<Latest>{id}</Latest>");
            }
            list += "</BlockList>";
            round.answered(round.api.put(format!("{link}&comp=blocklist"), list.into()).await)?
        };
        assert_eq!(answer.status(), 201);
        Some(answer.headers()["x-ms-version-id"].to_str().expect("a version").to_owned())
    }

    /// Holds what is served against what was answered, and says what became of the deploy in flight.
    async fn check(&mut self, api: &Api, round: usize) -> &'static str {
        let served = api.served(&self.deployment).await;
        let is = |one: &Option<Uploaded>| {
            one.as_ref().map(|one| (&one.version, &one.bytes)) == served.as_ref().map(|(etag, bytes)| (etag, bytes))
        };
        let was_done = self.in_flight.is_some() && is(&self.in_flight);
        assert!(was_done || is(&self.current), "after kill {round}, {} serves something else", self.deployment);
        if let Some((etag, bytes)) = &served {
            let mut tar = Vec::new();
            GzDecoder::new(&bytes[..]).read_to_end(&mut tar).expect("whole gzip");
            let deployment = api.get(&format!("/{}", self.deployment)).await;
            assert_eq!(deployment["dagTarballVersion"], json!(etag), "after kill {round}");
        }
        let Some(in_flight) = self.in_flight.take() else { return "none" };
        let path = format!("/{}/deploys/{}", self.deployment, in_flight.deploy);
        let status = if was_done { "DEPLOYED" } else { "INITIALIZED" };
        assert_eq!(api.get(&path).await["status"], status, "after kill {round}");
        if was_done {
            self.current = Some(in_flight.clone());
        }
        if self.dice.next().is_multiple_of(2) {
            let body = json!({"dagTarballVersion": in_flight.version});
            let (status, done) =
                api.send(Method::POST, &format!("{path}/finalize"), Some(body)).await.expect("an answer");
            assert_eq!(status, 200, "after kill {round}: {done}");
            let served = api.served(&self.deployment).await.expect("a version");
            assert!(served == (in_flight.version.clone(), in_flight.bytes.clone()), "after kill {round}");
            self.current = Some(in_flight);
        }
        if was_done { "done" } else { "not done" }
    }
}

/// Every archive that the database keeps is in the storage, and the database is sound.
fn check_storage(folder: &Path) {
    let conn = Connection::open_with_flags(folder.join("airlock.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let conn = conn.expect("the database opens");
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
    assert_eq!(verdict, "ok");
    let mut kept = conn.prepare("SELECT deploy_id, id FROM tarballs").expect("a query");
    let kept = kept.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).expect("rows");
    for (deploy, version) in kept.map(|row| row.expect("a row")) {
        let file = folder.join("bundles/archives").join(deploy).join(format!("{version}.tar.gz"));
        // The server may let go of it between the two looks.
        let is_kept = || {
            let count = conn.query_row("SELECT COUNT(*) FROM tarballs WHERE id = $1", [&version], |row| row.get(0));
            count.is_ok_and(|count: i64| count == 1)
        };
        assert!(file.exists() || !is_kept(), "{} is kept, but is not there", file.display());
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}")).to_owned()
}
