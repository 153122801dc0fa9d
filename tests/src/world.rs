//! A server with its first records, and people to call it.

use std::{net::SocketAddr, time::Duration};

use airlock_contract::{AgentId, DeploymentId, OrganizationId, WorkspaceId, id::Id, wire::OrganizationRoleName};
use airlock_core::{Env, Result, keyring::Keyring, login::password::NewPassword};
use airlock_server::{App, FirstRecords, Settings, admin_router, bootstrap, router};
use airlock_store::{Membership, Store};
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Request, Response},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    Database, TestClock,
    agents::registered,
    env::{TestDice, test_env},
};

/// The master key of all tests.
pub const MASTER_KEY: &str = "ktest:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A server in process, with its first records.
pub struct World {
    /// The server.
    pub app: App,
    router: Router,
    /// Where it keeps its records.
    pub database: Database,
    /// Its clock.
    pub clock: TestClock,
    env: Env,
    /// Its dice, where the ids of things are not left to chance.
    dice: Option<TestDice>,
    /// Its Organization.
    pub organization: OrganizationId,
    /// Its Workspace.
    pub workspace: WorkspaceId,
    /// The Workspace's Deployment, with remote execution on.
    pub deployment: DeploymentId,
    /// The Organization Owner's token.
    pub owner: String,
}

impl World {
    /// A server with the default settings.
    pub async fn new(database: Database) -> Self {
        Self::with_settings(database, Settings::default()).await
    }

    /// A server with settings.
    pub async fn with_settings(database: Database, settings: Settings) -> Self {
        let (env, clock, _) = test_env();
        Self::begin(database, settings, env, clock, None).await
    }

    /// A server whose things have the ids that examples in the contract name.
    pub async fn of_examples() -> Self {
        let (env, clock, dice) = test_env();
        dice.load(&[Some(OrganizationId::EXAMPLE), Some(WorkspaceId::EXAMPLE), Some(DeploymentId::EXAMPLE)]);
        Self::begin(Database::sqlite(), Settings::default(), env, clock, Some(dice)).await
    }

    async fn begin(database: Database, settings: Settings, env: Env, clock: TestClock, dice: Option<TestDice>) -> Self {
        let store = open(&database).await;
        let keys = Keyring::parse(MASTER_KEY).expect("a master key");
        let app = App::new(store, keys, env.clone(), settings);
        let first = bootstrap(&app).await.expect("bootstrapped");
        let FirstRecords { organization, workspace, deployment, token } = first.expect("an empty database");
        let owner = token.expose().to_owned();
        Self {
            router: router(app.clone()),
            app,
            database,
            clock,
            env,
            dice,
            organization,
            workspace,
            deployment,
            owner,
        }
    }

    /// A second Organization on the same server, with its own Owner.
    pub async fn second_organization(&self) -> Stranger {
        let FirstRecords { organization, workspace, deployment, token } =
            airlock_server::add_organization(&self.app).await.expect("another Organization");
        Stranger { organization, workspace, deployment, owner: token.expose().to_owned() }
    }

    /// The same server after a restart: nothing in memory survives.
    pub async fn restarted(self) -> Self {
        self.restart(Settings::default(), MASTER_KEY).await
    }

    /// [`Self::restarted`], with settings.
    pub async fn restarted_with(self, settings: Settings) -> Self {
        self.restart(settings, MASTER_KEY).await
    }

    /// [`Self::restarted`], with another master key file, which has these lines.
    pub async fn restarted_under(self, master_keys: &str) -> Self {
        self.restart(Settings::default(), master_keys).await
    }

    async fn restart(self, settings: Settings, master_keys: &str) -> Self {
        let Self { app, router: old, database, clock, env, dice, organization, workspace, deployment, owner } = self;
        drop((app, old)); // gives the database free
        let store = open(&database).await;
        let keys = Keyring::parse(master_keys).expect("a master key");
        let app = App::new(store, keys, env.clone(), settings);
        Self {
            router: router(app.clone()),
            app,
            database,
            clock,
            env,
            dice,
            organization,
            workspace,
            deployment,
            owner,
        }
    }

    /// Serves it on a free port of this machine for as long as the test runs: its URL.
    pub async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = self.router.clone();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        format!("http://{address}")
    }

    /// In a server of examples, gives what the next request makes these ids.
    pub(crate) fn expect_ids(&self, examples: &[&str]) {
        if let Some(dice) = &self.dice {
            // The first throw is for the request's own id.
            let throws: Vec<_> = std::iter::once(None).chain(examples.iter().copied().map(Some)).collect();
            dice.load(&throws);
        }
    }

    /// Another replica of the server, on the same PostgreSQL.
    pub async fn replica(&self) -> Self {
        let Database::Postgres(url) = &self.database else { panic!("on SQLite there is one process") };
        let database = Database::Postgres(url.clone());
        let store = open(&database).await;
        let keys = Keyring::parse(MASTER_KEY).expect("a master key");
        let app = App::new(store, keys, self.env.clone(), Settings::default());
        Self {
            router: router(app.clone()),
            app,
            database,
            clock: self.clock.clone(),
            env: self.env.clone(),
            dice: None,
            organization: self.organization.clone(),
            workspace: self.workspace.clone(),
            deployment: self.deployment.clone(),
            owner: self.owner.clone(),
        }
    }

    /// Sends a request, and answers as soon as the answer begins.
    pub async fn open(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("the router always answers")
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            bytes: bytes.to_vec(),
        }
    }

    /// The metrics, as they are scraped.
    pub async fn metrics(&self) -> String {
        let request = Request::get("/metrics").body(Body::empty()).expect("a request");
        let response = admin_router(self.app.clone()).oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    /// Calls from this machine, with a token or without; `body` is `Value::Null` for none.
    pub async fn call(&self, token: Option<&str>, method: &str, path: &str, body: &Value) -> Answer {
        self.call_from("127.0.0.1", token, method, path, body).await
    }

    /// Calls from an address.
    pub async fn call_from(
        &self,
        address: &str,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        let peer = SocketAddr::new(address.parse().expect("an address"), 4711);
        let mut request = Request::builder().method(method).uri(path).extension(ConnectInfo(peer));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = if body.is_null() {
            request.body(Body::empty())
        } else {
            request.header("content-type", "application/json").body(Body::from(body.to_string()))
        };
        self.send(request.expect("a request")).await
    }

    /// The Owner gets.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Some(&self.owner), "GET", path, &Value::Null).await
    }

    /// The Owner posts.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Some(&self.owner), "POST", path, &body).await
    }

    /// The Owner deletes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Some(&self.owner), "DELETE", path, &Value::Null).await
    }

    /// The path of something in the Organization: `/v1/organizations/{id}` and the rest.
    pub fn path(&self, rest: &str) -> String {
        format!("/v1/organizations/{}{rest}", self.organization)
    }

    /// The path of the Deployment's agent tokens, and the rest.
    pub fn agent_tokens(&self, rest: &str) -> String {
        self.path(&format!("/deployments/{}/agent-tokens{rest}", self.deployment))
    }

    /// A new agent token: its id and value.
    pub async fn agent_token(&self, name: &str) -> (String, String) {
        let answer = self.post(&self.agent_tokens(""), json!({"name": name})).await.expect(200);
        (answer["id"].as_str().expect("an id").into(), answer["token"].as_str().expect("a value").into())
    }

    /// The path of the Deployment's deploys, and the rest.
    pub fn deploys(&self, rest: &str) -> String {
        self.path(&format!("/deployments/{}/deploys{rest}", self.deployment))
    }

    /// Uploads the archive of a deploy, as the answer to its creation says: the version.
    pub async fn upload(&self, deploy: &Value, archive: &[u8]) -> String {
        let url = [&deploy["dagsUploadUrl"], &deploy["bundleUploadUrl"]].into_iter().find_map(Value::as_str);
        let answer = self.put(url.expect("an upload URL"), archive).await;
        answer.headers["x-ms-version-id"].to_str().expect("a version").to_owned()
    }

    /// Puts a blob to one of our own URLs.
    pub async fn put(&self, url: &str, body: &[u8]) -> Answer {
        let path = url.strip_prefix("http://127.0.0.1:8888").unwrap_or(url);
        let request = Request::put(path).header("x-ms-blob-type", "BlockBlob").body(Body::from(body.to_vec()));
        self.send(request.expect("a request")).await
    }

    /// The path of the Deployment's agents, and the rest.
    pub fn agents(&self, rest: &str) -> String {
        self.path(&format!("/deployments/{}/agents{rest}", self.deployment))
    }

    /// An agent that has just registered with a token: its id.
    pub async fn agent(&self, token: &str, name: &str) -> String {
        if let Some(dice) = &self.dice {
            dice.load(&[Some(AgentId::EXAMPLE)]);
        }
        let id: AgentId = self.env.new_id();
        self.database.execute(&registered(id.as_str(), token, name, self.env.now())).await;
        id.to_string()
    }

    /// A new API token of the Organization with a role: its id and value.
    pub async fn organization_token(&self, role: &str) -> (String, String) {
        self.api_token(json!({"name": role, "role": role, "scope": "ORGANIZATION"})).await
    }

    /// A new API token of the Workspace with a role: its id and value.
    pub async fn workspace_token(&self, role: &str) -> (String, String) {
        let body = json!({"name": role, "role": role, "scope": "WORKSPACE", "entityId": self.workspace});
        self.api_token(body).await
    }

    /// A new API token of the Deployment with a role: its id and value.
    pub async fn deployment_token(&self, role: &str) -> (String, String) {
        let body = json!({"name": role, "role": role, "scope": "DEPLOYMENT", "entityId": self.deployment});
        self.api_token(body).await
    }

    /// A new API token: its id and value.
    pub async fn api_token(&self, body: Value) -> (String, String) {
        let answer = self.post(&self.path("/tokens"), body).await.expect(200);
        (answer["id"].as_str().expect("an id").into(), answer["token"].as_str().expect("a value").into())
    }

    /// A new environment object: its id.
    pub async fn environment_object(&self, body: Value) -> String {
        let made = self.post(&self.path("/environment-objects"), body).await.expect(200);
        made["id"].as_str().expect("an id").into()
    }

    /// The invite of somebody new, or of somebody who was invited before.
    pub async fn invite(&self, email: &str, role: &str) -> Value {
        self.post(&self.path("/invites"), json!({"inviteeEmail": email, "role": role})).await.expect(200)
    }

    /// A session of somebody who is invited, or has signed in before.
    pub async fn sign_in(&self, email: &str) -> String {
        let session = airlock_server::sign_in(&self.app, Some(&self.organization), email).await;
        session.expect("a session").expose().to_owned()
    }

    /// A new cluster of a type, open to all Workspaces: its id.
    pub async fn new_cluster(&self, kind: &str) -> String {
        let body = json!({
            "name": kind, "type": kind, "cloudProvider": "AWS", "region": "eu-central-1",
            "vpcSubnetRange": "172.20.0.0/20",
        });
        let made = self.post(&self.path("/clusters"), body).await.expect(200);
        made["id"].as_str().expect("an id").into()
    }

    /// A new user with a role on the Organization, who can sign in with a password.
    pub async fn local_user(&self, email: &str, role: OrganizationRoleName, password: &str) {
        self.add_user(email, Some(role), password).await.expect("a user");
    }

    /// Makes a user who can sign in with a password, or gives a password to one who is invited, as the
    /// command line does.
    pub async fn add_user(&self, email: &str, role: Option<OrganizationRoleName>, password: &str) -> Result<()> {
        let password = NewPassword::chosen(password.into()).expect("a password");
        airlock_server::add_user(&self.app, Some(&self.organization), email, role, &password).await
    }

    /// Runs the upkeep until a table is empty.
    pub async fn tidied(&self, table: &str) {
        let emptied = async {
            while !self.database.dump(table).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = self.app.run_upkeep() => {}
            done = tokio::time::timeout(Duration::from_secs(30), emptied) => done.expect("nothing is left"),
        }
    }

    /// A new Workspace: its id.
    pub async fn new_workspace(&self, name: &str) -> String {
        let answer = self.post(&self.path("/workspaces"), json!({"name": name})).await.expect(200);
        answer["id"].as_str().expect("an id").into()
    }

    /// A new Deployment in a Workspace: its id.
    pub async fn new_deployment(&self, workspace: &str, remote: bool) -> String {
        let body = json!({"name": "another", "workspaceId": workspace, "remoteExecution": {"enabled": remote}});
        let answer = self.post(&self.path("/deployments"), body).await.expect(200);
        answer["id"].as_str().expect("an id").into()
    }

    /// The audit log, oldest first.
    pub async fn audit_log(&self) -> Vec<Value> {
        self.app.flush().await.expect("flushed");
        let answer = self.get(&self.path("/audit-logs")).await;
        assert_eq!(answer.status, 200);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&answer.bytes[..]), &mut text).expect("gzip");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
    }

    /// Everything that is kept, but for the audit log and the times of last use.
    pub async fn dump(&self) -> String {
        let mut out = String::new();
        for table in TABLES {
            out += &format!("== {table}\n{}", self.database.dump(table).await);
        }
        out
    }
}

/// An open database, and all live tokens in memory. The replica has dice of its own, so that the
/// test's fall the same way on both databases.
async fn open(database: &Database) -> Store {
    let store = Store::open(&database.location()).await.expect("an open database");
    let membership = Membership { name: "test".into(), version: "0", lease: Duration::from_secs(1) };
    store.start(membership, &Env::system()).await.expect("started");
    store
}

/// All tables of records that people make.
const TABLES: &[&str] = &[
    "subjects",
    "organizations",
    "allowed_ip_address_ranges",
    "workspaces",
    "clusters",
    "deployments",
    "deployment_variables",
    "deploys",
    "tarballs",
    "current_tarballs",
    "environment_objects",
    "environment_object_links",
    "roles",
    "api_tokens",
    "role_bindings",
    "users",
    "invites",
    "teams",
    "team_members",
    "passwords",
    "logins",
    "sessions",
    "authorization_codes",
    "identities",
    "agent_tokens",
    "agents",
];

/// Another Organization on the same server.
#[allow(missing_docs, reason = "each field is what it is named after")]
pub struct Stranger {
    pub organization: OrganizationId,
    pub workspace: WorkspaceId,
    pub deployment: DeploymentId,
    pub owner: String,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as JSON; null when it is none.
    pub json: Value,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body, of an answer with this status; every other status must be the envelope.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.json);
        if status >= 400 {
            self.assert_envelope();
        }
        self.json
    }

    /// The body, of an answer with this status that is not the API's: the gate's, or an Airflow's.
    #[track_caller]
    pub fn expect_own(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.json
    }

    /// Holds an error against the API's envelope.
    #[track_caller]
    pub fn assert_envelope(&self) {
        let json = &self.json;
        assert_eq!(json["statusCode"], self.status, "{json}");
        assert!(json["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
        let id = self.headers.get("x-request-id").and_then(|id| id.to_str().ok());
        assert_eq!(json["requestId"].as_str(), id, "{json}");
        assert_eq!(self.headers["content-type"], "application/json");
    }

    /// The message of an error.
    pub fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or_default()
    }

    /// The fields that an error names.
    pub fn fields(&self) -> Vec<&str> {
        let errors = self.json["fieldErrors"].as_array().into_iter().flatten();
        errors.filter_map(|error| error["field"].as_str()).collect()
    }
}
