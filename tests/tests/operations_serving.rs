//! The real binary, as those who run it see it: TLS, probes, time-outs, and how it stops.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use airlock_tests::{
    Database, PrivatePostgres,
    binary::{Ran, Server, command},
    link::{Link, State},
};
use reqwest::{Certificate, Client};
use tempfile::TempDir;

/// How long a change may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a certificate, and the files that it comes from.
struct Site {
    server: Server,
    certificate: PathBuf,
    key: PathBuf,
    _folder: TempDir,
}

impl Site {
    /// Starts a server; the certificate is the one that is given.
    fn with(first: &Made) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        first.write(&certificate, &key);
        let data = folder.path().join("data");
        let text = |path: &Path| path.display().to_string();
        let server = Server::start(&data, &["--tls-certificate", &text(&certificate), "--tls-key", &text(&key)]);
        Self { server, certificate, key, _folder: folder }
    }

    /// Whether somebody who trusts only this certificate gets an answer.
    async fn shows(&self, made: &Made) -> bool {
        let client = made.client();
        let answer = client.get(format!("https://{}/livez", self.server.address())).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn comes_to_show(&self, made: &Made) {
        let began = Instant::now();
        while !self.shows(made).await {
            assert!(began.elapsed() < PATIENCE, "the certificate is not used: {}", self.server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A certificate that was made for the test, and its key.
struct Made {
    certificate: String,
    key: String,
}

impl Made {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn write(&self, certificate: &Path, key: &Path) {
        fs::write(key, &self.key).expect("written");
        fs::write(certificate, &self.certificate).expect("written");
    }

    /// A client that trusts this certificate and no other, and keeps no connection.
    fn client(&self) -> Client {
        let root = Certificate::from_pem(self.certificate.as_bytes()).expect("a certificate");
        let builder = Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0);
        builder.build().expect("a client")
    }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    (folder, data)
}

#[tokio::test]
async fn a_changed_certificate_is_used_and_a_bad_one_is_not() {
    let (first, second, third) = (Made::new(), Made::new(), Made::new());
    let site = Site::with(&first);
    assert!(site.shows(&first).await);
    assert!(!site.shows(&second).await, "a client that trusts another certificate is served");

    // Kept open over the change: it goes on with what it began with.
    let client = Client::builder().tls_certs_only([Certificate::from_pem(first.certificate.as_bytes()).expect("one")]);
    let client = client.build().expect("a client");
    let url = format!("https://{}/livez", site.server.address());
    assert!(client.get(&url).send().await.is_ok());

    second.write(&site.certificate, &site.key);
    site.comes_to_show(&second).await;
    assert!(!site.shows(&first).await, "the old certificate is still shown");
    assert!(client.get(&url).send().await.is_ok(), "an open connection was ended by a new certificate");

    fs::write(&site.certificate, "no certificate").expect("written");
    site.server.signal("HUP");
    let began = Instant::now();
    while !site.server.log().contains("of no use") {
        assert!(began.elapsed() < PATIENCE, "a bad certificate is not told of: {}", site.server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(site.shows(&second).await, "a bad file took the good certificate's place");

    third.write(&site.certificate, &site.key);
    site.server.signal("HUP");
    site.comes_to_show(&third).await;
    let (status, _, log) = site.server.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

/// Whoever connects and says nothing, or speaks plain HTTP, holds nobody up.
#[tokio::test]
async fn a_handshake_that_hangs_or_fails_is_alone_with_it() {
    let made = Made::new();
    let site = Site::with(&made);
    let silent: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(site.server.address()).expect("a connection")).collect();
    let mut plain = TcpStream::connect(site.server.address()).expect("a connection");
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n").expect("sent");
    assert!(site.shows(&made).await);
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "plain HTTP is answered where TLS is spoken");
    drop(silent);
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start() {
    let (first, second) = (Made::new(), Made::new());
    let (folder, data) = folder();
    let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let serve = |arguments: &[&Path]| {
        let mut serve = command(&["serve", "--log", "error", "--listen", "127.0.0.1:0", "--data-dir"]);
        serve.arg(&data);
        for (flag, file) in ["--tls-certificate", "--tls-key"].iter().zip(arguments) {
            serve.arg(flag).arg(file);
        }
        Ran::new(serve).fault()
    };
    assert!(serve(&[&certificate]).contains("--tls-key"));
    assert!(serve(&[&certificate, &key]).contains("cannot be read (--tls-certificate)"));
    first.write(&certificate, &key);
    fs::write(&key, &second.key).expect("written");
    assert!(serve(&[&certificate, &key]).contains("do not go together"));
    fs::write(&key, "nothing").expect("written");
    assert!(serve(&[&certificate, &key]).contains("--tls-key"));
    assert!(!data.exists(), "a server that cannot start has made files");
}

/// A client that never finishes its request's head is sent away; one that does is served.
#[test]
fn a_slow_head_ends_the_connection() {
    let (_folder, data) = folder();
    let server = Server::start(&data, &["--idle-timeout", "1"]);
    let mut slow = TcpStream::connect(server.address()).expect("a connection");
    slow.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
    slow.write_all(b"GET /livez HTTP/1.1\r\n").expect("sent");
    let began = Instant::now();
    let mut drip = 0;
    let ended = loop {
        let mut answer = [0; 512];
        match slow.read(&mut answer) {
            Ok(0) => break true,
            Ok(count) => assert!(!answer[..count].starts_with(b"HTTP/1.1 200")),
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break true,
        }
        if began.elapsed() > PATIENCE {
            break false;
        }
        drip += 1;
        let _ = slow.write_all(format!("X-{drip}: 1\r\n").as_bytes());
    };
    assert!(ended, "a connection with half a head was kept for {PATIENCE:?}");
    assert!(began.elapsed() >= Duration::from_millis(900), "it was ended at once");

    let mut quick = TcpStream::connect(server.address()).expect("a connection");
    quick.write_all(b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    quick.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// On SIGTERM: not ready at once, still serving while load balancers notice; then nobody new gets
/// in, and the request that runs is answered.
#[tokio::test]
async fn a_stop_drains() {
    let (_folder, data) = folder();
    let server = Server::start(&data, &["--drain", "2"]);
    let client = Client::new();
    let (url, admin) = (server.url(), server.admin_url());
    let status = async |url: String| client.get(url).send().await.map(|answer| answer.status().as_u16()).ok();
    for base in [&url, &admin] {
        assert_eq!(status(format!("{base}/livez")).await, Some(200));
        assert_eq!(status(format!("{base}/readyz")).await, Some(200));
    }

    // A request that is running: its head is there, its body is not.
    let mut running = TcpStream::connect(server.address()).expect("a connection");
    let head = "POST /v1/organizations/x/workspaces HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\
                Authorization: Bearer ";
    let printed = server.printed(|out| out.contains("API token"));
    let token = printed.lines().find_map(|line| line.trim().strip_prefix("API token")).expect("a token").trim();
    running.write_all(format!("{head}{token}\r\n\r\n").as_bytes()).expect("sent");
    // The server asks for the body once it works on the request.
    let mut asked = [0; 25];
    running.read_exact(&mut asked).expect("100 Continue");
    assert!(asked.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&asked));

    server.signal("TERM");
    let began = Instant::now();
    while status(format!("{url}/readyz")).await != Some(503) {
        assert!(began.elapsed() < Duration::from_secs(1), "the server stays ready after SIGTERM");
    }
    assert_eq!(status(format!("{admin}/readyz")).await, Some(503));
    assert_eq!(status(format!("{url}/livez")).await, Some(200), "a server that drains still serves");

    while TcpStream::connect(server.address()).is_ok() {
        assert!(began.elapsed() < PATIENCE, "the server never stops to accept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(1900), "it stopped to accept after {:?}", began.elapsed());
    running.write_all(b"{}").expect("sent");
    let mut answer = String::new();
    running.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 4"), "the running request was not answered: {answer}");
    let (status, _, log) = server.ended();
    assert!(status.success() && log.contains("stopped"), "{log}");
}

/// A replica that cannot reach its database lives, is not ready, says that it has no lease, and
/// becomes ready again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_its_database_is_not_ready() {
    let Some(postgres) = PrivatePostgres::new(&[]) else { return };
    let link = Link::to(postgres.folder());
    let Database::Postgres(url) = link.database() else { unreachable!("a link leads to PostgreSQL") };
    let (_folder, data) = folder();
    let server = tokio::task::spawn_blocking(move || Server::start(&data, &["--database-url", &url]));
    let server = server.await.expect("a server");
    let client = Client::new();
    let probe = async |path: &str| client.get(server.url() + path).send().await.expect("an answer").status().as_u16();
    let comes_to = async |status: u16| {
        let began = Instant::now();
        while probe("/readyz").await != status {
            assert!(began.elapsed() < PATIENCE, "/readyz does not come to {status}: {}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let lease = async || {
        let text = client.get(server.admin_url() + "/metrics").send().await.expect("an answer").text().await;
        let text = text.expect("a body");
        let line = text.lines().find_map(|line| line.strip_prefix("airlock_lease_remaining_seconds "));
        line.expect("the metric").parse::<f64>().expect("a number")
    };
    comes_to(200).await;
    assert!(lease().await > 0.0);
    for state in [State::Cut, State::Stalled] {
        link.set(state);
        comes_to(503).await;
        assert_eq!(lease().await, 0.0, "{state:?}");
        assert_eq!(probe("/livez").await, 200, "{state:?}");
        link.set(State::Good);
        comes_to(200).await;
    }
}

/// As docs/operate.md says: a backup of the running server, and its master key, are the server.
#[tokio::test]
async fn a_backup_is_restored() {
    let (folder, data) = folder();
    let server = Server::start(&data, &[]);
    let printed = server.printed(|out| out.contains("curl "));
    let after = |label: &str| {
        let line = printed.lines().find_map(|line| line.trim().strip_prefix(label)).expect(label);
        line.trim().to_owned()
    };
    let tokens =
        format!("/v1/organizations/{}/deployments/{}/agent-tokens", after("Organization"), after("Deployment"));
    let client = Client::new();
    let create = client.post(server.url() + &tokens).bearer_auth(after("API token"));
    let created = create.json(&serde_json::json!({"name": "kept"})).send().await.expect("an answer");
    assert_eq!(created.status().as_u16(), 200);

    let restored = folder.path().join("restored");
    fs::create_dir(&restored).expect("a folder");
    let backup = restored.join("airlock.db");
    let db = rusqlite::Connection::open(data.join("airlock.db")).expect("the database");
    db.execute("VACUUM INTO ?1", [backup.display().to_string()]).expect("a backup");
    drop(db);
    fs::copy(data.join("master.key"), restored.join("master.key")).expect("the key");
    server.kill();

    let server = Server::start(&restored, &[]);
    let list = client.get(server.url() + &tokens).bearer_auth(after("API token")).send().await.expect("an answer");
    let list: serde_json::Value = list.json().await.expect("JSON");
    assert_eq!(list["tokens"][0]["name"], "kept", "{list}");
}

/// Rather than that traces are asked for and silently not there.
#[test]
fn traces_are_refused_by_a_binary_without_them() {
    let (_folder, data) = folder();
    let mut serve = command(&["serve", "--otlp-endpoint", "http://127.0.0.1:1", "--log", "error", "--data-dir"]);
    serve.arg(&data).args(["--listen", "127.0.0.1:0"]);
    assert!(Ran::new(serve).fault().contains("--features otlp"));
    assert!(!data.exists());
}

/// The two addresses are two.
#[test]
fn the_admin_address_is_apart() {
    let (_folder, data) = folder();
    let server = Server::start(&data, &["--admin-listen", "off"]);
    assert!(!server.log().contains("admin_address"), "{}", server.log());
    let mut serve = command(&["serve", "--log", "error", "--listen", "127.0.0.1:0", "--data-dir"]);
    serve.arg(data.join("other")).args(["--admin-listen", server.address()]);
    assert!(Ran::new(serve).fault().contains("--admin-listen"));
}
