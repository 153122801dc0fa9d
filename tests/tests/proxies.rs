//! The configurations of docs/forward-auth.md, run as they stand there: the real nginx, Caddy and
//! Envoy in front of a service, and the real binary that they ask.
//!
//! nginx is Debian's, by `scripts/install test`; Caddy and Envoy come by `scripts/install-proxies`.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use airlock_tests::binary::Server;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, Uri},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// From where the client calls. The proxy, which Airlock trusts, calls from 127.0.0.1.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nginx,
    Caddy,
    Envoy,
}

impl Kind {
    /// The configuration in docs/forward-auth.md: the first block below the heading with its name.
    fn configuration(self) -> String {
        let page = std::fs::read_to_string(root().join("docs/forward-auth.md")).expect("the page");
        let heading = match self {
            Self::Nginx => "\n## nginx\n",
            Self::Caddy => "\n## Caddy\n",
            Self::Envoy => "\n## Envoy\n",
        };
        let (_, section) = page.split_once(heading).expect("its section");
        let block = section.split("```").nth(1).expect("a block");
        block.split_once('\n').expect("a language, and the text").1.to_owned()
    }

    /// The program. Where it is missing this says so loudly, and in CI it fails.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a test has no command line, and must be heard"
    )]
    fn program(self) -> Option<PathBuf> {
        let installed = root().join("target/proxies/bin");
        let path = match self {
            Self::Nginx => PathBuf::from("/usr/sbin/nginx"),
            Self::Caddy => installed.join("caddy"),
            Self::Envoy => installed.join("envoy"),
        };
        if path.exists() {
            return Some(path);
        }
        let missing = format!("there is no {}", path.display());
        assert!(std::env::var("CI").is_err(), "{missing}: in CI no proxy may be skipped");
        eprintln!("SKIPPED {self:?}: {missing}; run scripts/install test and scripts/install-proxies");
        None
    }

    /// How the program is run with a configuration, in the foreground.
    fn command(self, program: &Path, folder: &Path, configuration: &Path) -> Command {
        let mut command = Command::new(program);
        match self {
            Self::Nginx => {
                let own = format!("daemon off; pid {};", folder.join("nginx.pid").display());
                command.arg("-p").arg(folder).args(["-e", "stderr", "-g", &own, "-c"]).arg(configuration);
            }
            Self::Caddy => {
                command.env("HOME", folder).args(["run", "--adapter", "caddyfile", "--config"]).arg(configuration);
            }
            Self::Envoy => {
                command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "-c"]);
                command.arg(configuration);
            }
        }
        command
    }

    /// What the client is told when Airlock does not answer.
    fn without_airlock(self) -> StatusCode {
        match self {
            Self::Nginx => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Caddy => StatusCode::BAD_GATEWAY,
            Self::Envoy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

/// A proxy that runs. It does not outlive this value, however the test ends.
struct Proxy(Kind, Child);

impl Proxy {
    /// Runs a proxy with its configuration, in which the addresses and the Deployment are replaced.
    fn start(kind: Kind, program: &Path, folder: &Path, scene: &[(&str, String)], port: u16) -> Self {
        let mut text = kind.configuration();
        for (there, here) in scene.iter().cloned().chain([("8080", port.to_string())]) {
            assert!(text.contains(there), "the configuration of {kind:?} does not name {there}");
            text = text.replace(there, &here);
        }
        if kind == Kind::Nginx {
            // Debian's nginx keeps these where only root can write.
            let own = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().fold(
                String::from("http {\n    access_log off;\n"),
                |mut own, name| {
                    writeln!(own, "    {name}_temp_path {}/{name};", folder.display()).expect("a String takes all");
                    own
                },
            );
            text = text.replacen("http {\n", &own, 1);
            // Its workers are not root.
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        let configuration = folder.join("proxy.yaml"); // a name by which Envoy knows its form
        std::fs::write(&configuration, text).expect("written");
        let log = std::fs::File::create(folder.join("proxy.log")).expect("a log");
        let mut command = kind.command(program, folder, &configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut proxy = Self(kind, command.spawn().expect("the proxy starts"));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(folder.join("proxy.log")).unwrap_or_default();
            assert!(proxy.1.try_wait().expect("its state").is_none(), "{kind:?} has ended: {}", log());
            assert!(began.elapsed() < PATIENCE, "{kind:?} does not listen: {}", log());
            sleep(Duration::from_millis(20));
        }
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if self.0 == Kind::Nginx {
            // It ends its workers when it is asked to end, and not when it is killed.
            let _ = Command::new("/bin/bash").arg("-c").arg(format!("kill -TERM {}", self.1.id())).status();
            let began = Instant::now();
            while matches!(self.1.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(5) {
                sleep(Duration::from_millis(10));
            }
        }
        let _ = self.1.kill(); // does nothing to one whose end is known
        let _ = self.1.wait();
    }
}

/// What has reached the service behind the proxy.
#[derive(Clone, Default)]
struct Service(Arc<Mutex<Vec<Arrived>>>);

#[derive(Clone)]
struct Arrived {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: usize,
}

impl Service {
    async fn start() -> (Self, u16) {
        let service = Self::default();
        let inner = service.clone();
        let router = Router::new().fallback(async move |method, uri, headers, body: Bytes| {
            inner.all().push(Arrived { method, uri, headers, body: body.len() });
            "the service"
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (service, port)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Arrived>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has arrived since the last time, which is one request.
    #[track_caller]
    fn one(&self) -> Arrived {
        let mut all = self.all();
        assert_eq!(all.len(), 1, "requests that have reached the service");
        all.pop().expect("one")
    }
}

/// Airlock, a service, and a proxy between it and the client.
struct Scene {
    kind: Kind,
    airlock: Server,
    api: Api,
    service: Service,
    url: String,
    client: reqwest::Client,
    _proxy: Proxy,
    _folders: (TempDir, TempDir),
}

/// Airlock's API, as its Owner calls it.
struct Api {
    url: String,
    token: String,
    organization: String,
    workspace: String,
    deployment: String,
    client: reqwest::Client,
}

impl Api {
    fn of(airlock: &Server) -> Self {
        let printed = airlock.printed(|text| text.contains("\ncurl "));
        let after = |label: &str| {
            let found = printed.lines().find_map(|line| line.trim().strip_prefix(label));
            found.unwrap_or_else(|| panic!("no {label} in {printed}")).trim().to_owned()
        };
        Self {
            url: airlock.url(),
            token: after("API token"),
            organization: after("Organization"),
            workspace: after("Workspace"),
            deployment: after("Deployment"),
            client: reqwest::Client::new(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/v1/organizations/{}{path}", self.url, self.organization);
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A new agent token: its id and value.
    async fn agent_token(&self, deployment: &str, name: &str) -> (String, String) {
        let path = format!("/deployments/{deployment}/agent-tokens");
        let made = self.call(Method::POST, &path, &json!({"name": name})).await;
        let text = |key: &str| made[key].as_str().expect("a text").to_owned();
        (text("id"), text("token"))
    }

    async fn delete_agent_token(&self, id: &str) {
        let path = format!("/deployments/{}/agent-tokens/{id}", self.deployment);
        self.call(Method::DELETE, &path, &Value::Null).await;
    }

    /// A new Deployment, or new settings for one.
    async fn set_deployment(&self, id: Option<&str>, remote: Value) -> String {
        let path = id.map(|id| format!("/deployments/{id}")).unwrap_or("/deployments".into());
        let mut body = json!({"name": "for proxies", "workspaceId": self.workspace, "remoteExecution": remote});
        if let Some(id) = id {
            let known = self.call(Method::GET, &format!("/deployments/{id}"), &Value::Null).await;
            for key in [
                "type",
                "executor",
                "isCicdEnforced",
                "isDagDeployEnabled",
                "isHighAvailability",
                "defaultTaskPodCpu",
                "defaultTaskPodMemory",
                "resourceQuotaCpu",
                "resourceQuotaMemory",
                "schedulerSize",
            ] {
                body[key] = known[key].clone();
            }
            body["environmentVariables"] = json!([]);
        }
        self.call(Method::POST, &path, &body).await["id"].as_str().expect("an id").to_owned()
    }
}

impl Scene {
    async fn new(kind: Kind) -> Option<Self> {
        let program = kind.program()?;
        let folders = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let settings = ["--trusted-proxies", "127.0.0.1", "--admin-listen", "off"];
        let airlock = Server::start(folders.0.path(), &settings);
        let api = Api::of(&airlock);
        let (service, service_port) = Service::start().await;
        let scene = [
            ("127.0.0.1:8888", airlock.url().trim_start_matches("http://").to_owned()),
            ("127.0.0.1:9000", format!("127.0.0.1:{service_port}")),
            ("DEPLOYMENT_ID", api.deployment.clone()),
        ];
        let scene: Vec<_> = match kind {
            // It wants addresses and ports apart.
            Kind::Envoy => {
                let port = |address: &str| address.rsplit(':').next().expect("a port").to_owned();
                let (airlock, service) = (port(&scene[0].1), port(&scene[1].1));
                vec![("8888", airlock), ("port_value: 9000", format!("port_value: {service}")), scene[2].clone()]
            }
            _ => scene.to_vec(),
        };
        let port = free_port();
        let proxy = Proxy::start(kind, &program, folders.1.path(), &scene, port);
        let client = reqwest::Client::builder().local_address(CLIENT).no_proxy().build().expect("a client");
        let url = format!("http://127.0.0.1:{port}");
        Some(Self { kind, airlock, api, service, url, client, _proxy: proxy, _folders: folders })
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    async fn status(&self, token: &str) -> u16 {
        let answer = self.get("/").bearer_auth(token).send().await.expect("an answer");
        answer.status().as_u16()
    }

    /// What is refused has not reached the service.
    #[track_caller]
    fn assert_nothing_arrived(&self) {
        assert_eq!(self.service.all().len(), 0, "{:?}: a request that was refused has reached the service", self.kind);
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// What the service is told of whose request it is.
fn about(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut about: Vec<_> = headers
        .iter()
        .filter(|(name, _)| name.as_str().replace('_', "-").starts_with("x-airlock-"))
        .map(|(name, value)| (name.to_string(), value.to_str().expect("visible ASCII").to_owned()))
        .collect();
    about.sort_unstable();
    about
}

async fn good_tokens_go_through(scene: &Scene) {
    let api = &scene.api;
    let (id, value) = api.agent_token(&api.deployment, "edge ü 1").await;
    let expected = [
        ("x-airlock-deployment-id", &api.deployment),
        ("x-airlock-organization-id", &api.organization),
        ("x-airlock-token-id", &id),
        ("x-airlock-token-name", &"edge%20%C3%BC%201".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()));

    let answer = scene.get("/a/path?with=query").bearer_auth(&value).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("a body"), "the service");
    let arrived = scene.service.one();
    assert_eq!((arrived.method.as_str(), arrived.uri.to_string().as_str()), ("GET", "/a/path?with=query"));
    assert_eq!(about(&arrived.headers), expected);
    assert!(!arrived.headers.contains_key("authorization"), "the service sees no token");

    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = scene.client.request(method.clone(), format!("{}/x", scene.url)).bearer_auth(&value);
        // Headers of the client's own API are nothing to Airlock.
        let request = request.header("x-api-version", "7").body(vec![b'x'; 200_000]);
        assert_eq!(request.send().await.expect("an answer").status(), 200, "{method}");
        let arrived = scene.service.one();
        assert_eq!(
            (arrived.method, arrived.body, arrived.headers["x-api-version"].as_bytes()),
            (method, 200_000, &b"7"[..])
        );
        assert_eq!(about(&arrived.headers), expected);
    }
    for method in [Method::HEAD, Method::OPTIONS] {
        let request = scene.client.request(method.clone(), format!("{}/x", scene.url)).bearer_auth(&value);
        assert_eq!(request.send().await.expect("an answer").status(), 200, "{method}");
        assert_eq!(scene.service.one().method, method);
    }

    // What the client says about itself under Airlock's names does not get through.
    let mut request = scene.get("/").bearer_auth(&value);
    for name in [
        "X-Airlock-Token-Id",
        "x-airlock-token-id",
        "X-AIRLOCK-Token-Name",
        "X-Airlock-Deployment-Id",
        "X-Airlock-Organization-Id",
        "X_Airlock_Token_Id",
        "X-Airlock_Token-Id",
    ] {
        request = request.header(name, "forged");
    }
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let arrived = scene.service.one();
    assert_eq!(about(&arrived.headers), expected);
    assert!(!format!("{:?}", arrived.headers).contains("forged"), "{:?}", arrived.headers);
}

async fn all_others_are_refused(scene: &Scene) {
    let api = &scene.api;
    let (_, value) = api.agent_token(&api.deployment, "x").await;
    let other = api.set_deployment(None, json!({"enabled": true})).await;
    let (_, elsewhere) = api.agent_token(&other, "x").await;

    let answer = scene.get("/").header("X-Airlock-Token-Id", "forged").send().await.expect("an answer");
    assert_eq!(answer.status(), 401);
    assert!(answer.headers()["www-authenticate"].to_str().expect("a text").starts_with("Bearer realm="));
    for (token, status) in [("nonsense", 401), (&value[1..], 401), (&api.token, 401), (&elsewhere, 403)] {
        assert_eq!(scene.status(token).await, status, "{token}");
    }
    for path in [format!("/../forward-auth/{other}"), format!("/%2e%2e/{other}"), format!("//{other}/..;/")] {
        assert_eq!(scene.get(&path).bearer_auth(&elsewhere).send().await.expect("an answer").status(), 403, "{path}");
    }
    let post = scene.client.post(&scene.url).body(vec![b'x'; 200_000]);
    assert_eq!(post.send().await.expect("an answer").status(), 401);
    scene.assert_nothing_arrived();
    assert_eq!(scene.status(&value).await, 200);
    scene.service.one();
}

async fn deleted_tokens_are_refused_at_the_next_request(scene: &Scene) {
    for n in 0..20 {
        let (id, value) = scene.api.agent_token(&scene.api.deployment, &format!("t{n}")).await;
        assert_eq!(scene.status(&value).await, 200, "{n}");
        scene.service.one();
        scene.api.delete_agent_token(&id).await;
        assert_eq!(scene.status(&value).await, 401, "{n}");
        scene.assert_nothing_arrived();
    }
}

async fn the_clients_address_counts(scene: &Scene) {
    let api = &scene.api;
    let (_, value) = api.agent_token(&api.deployment, "x").await;
    for (ranges, status) in [("127.0.0.2/32", 200), ("203.0.113.0/24", 403), ("127.0.0.1/32", 403)] {
        let remote = json!({"enabled": true, "allowedIpAddressRanges": [ranges]});
        api.set_deployment(Some(&api.deployment), remote).await;
        for lie in [None, Some("203.0.113.7"), Some("127.0.0.1"), Some("203.0.113.7, 127.0.0.1")] {
            let mut request = scene.get("/").bearer_auth(&value);
            if let Some(lie) = lie {
                request = request.header("x-forwarded-for", lie);
            }
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), status, "{ranges} {lie:?}");
        }
    }
    api.set_deployment(Some(&api.deployment), json!({"enabled": true})).await;
    scene.service.all().clear();
}

/// Ends Airlock, so this comes last.
async fn without_airlock_nothing_goes_through(scene: Scene) {
    let (_, value) = scene.api.agent_token(&scene.api.deployment, "x").await;
    assert_eq!(scene.status(&value).await, 200);
    scene.service.one();
    let Scene { kind, airlock, service, url, client, _proxy: proxy, .. } = scene;
    airlock.kill();
    for _ in 0..5 {
        let answer = client.get(&url).bearer_auth(&value).send().await.expect("an answer");
        assert_eq!(answer.status(), kind.without_airlock());
        assert_eq!(service.all().len(), 0, "a request has reached the service");
    }
    drop(proxy);
}

async fn all(kind: Kind) {
    let Some(scene) = Scene::new(kind).await else { return };
    good_tokens_go_through(&scene).await;
    all_others_are_refused(&scene).await;
    deleted_tokens_are_refused_at_the_next_request(&scene).await;
    the_clients_address_counts(&scene).await;
    without_airlock_nothing_goes_through(scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx() {
    all(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy() {
    all(Kind::Caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy() {
    all(Kind::Envoy).await;
}
