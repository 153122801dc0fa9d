//! A fake Airflow: an HTTP server that checks what reaches it as the real one does, and notes it.
//!
//! What it answers is what Airflow 3.3.2 with edge3 5.1.0 answered; see `tests/tests/airflow/`.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use airlock_contract::Time;
use airlock_core::env::Clock;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::StreamExt;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, jwk::JwkSet,
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::TestClock;

/// The Airflow's signing secret (`[api_auth] jwt_secret`).
pub const SECRET: &str = "the Airflow's own secret, which no worker has: 0123456789abcdef0123456789abcdef";

/// The size of the pieces of an endless answer, in bytes.
const LARGE_PIECE: usize = 1 << 16;

/// How far clocks may be apart, in seconds (`[api_auth] jwt_leeway`).
const LEEWAY: i64 = 10;

/// Whom the Airflow's edge API trusts.
#[derive(Clone)]
pub enum Trust {
    /// Whoever signs with its secret: edge3 below 5.0, or without `[edge] trusted_jwks_url`.
    Secret,
    /// The keys of a JWKS, of this issuer: `[edge] trusted_jwks_url` and `jwt_issuer`;
    /// [`Airflow::expect_audience`] is `jwt_audience`.
    Keys(JwkSet, String),
}

/// A fake Airflow. It ends with this value.
pub struct Airflow {
    /// Its base URL.
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    trust: Trust,
    clock: TestClock,
    calls: Mutex<Vec<Call>>,
    jobs: Mutex<VecDeque<Value>>,
    /// The workers' states, by their names.
    states: Mutex<HashMap<String, String>>,
    /// What is answered to the next calls, instead of what is right.
    faults: Mutex<VecDeque<Fault>>,
    renews: Mutex<bool>,
    condition: Mutex<Condition>,
    looks: AtomicUsize,
    /// To whom the JWTs of edge calls must be made out.
    audience: Mutex<String>,
    /// How many bytes of the body that is being received have come.
    received: watch::Sender<usize>,
    /// How many bytes of endless answers were made.
    made: Arc<AtomicUsize>,
}

/// A call that reached the Airflow, and was one that it takes.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Path and query, as they came.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// What its JWT claims.
    pub claims: Map<String, Value>,
    /// The body.
    pub body: Vec<u8>,
}

/// How an Airflow is.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What it answers to everything, instead of what is right.
    pub status: Option<u16>,
    /// Its version.
    pub version: &'static str,
    /// Whether its edge API is on; if not, its web interface answers in its place.
    pub has_edge_api: bool,
    /// By how many seconds its clock is ahead.
    pub ahead: i64,
    /// How its scheduler is.
    pub scheduler: &'static str,
}

impl Condition {
    fn good() -> Self {
        Self { status: None, version: "3.3.2", has_edge_api: true, ahead: 0, scheduler: "healthy" }
    }
}

/// What can be wrong with an Airflow.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It answers with this status.
    Status(u16),
    /// It does not answer.
    Hangs,
}

impl Airflow {
    /// Starts one on a free port.
    pub async fn start(trust: Trust, clock: TestClock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let shared = Arc::new(Shared {
            trust,
            clock,
            calls: Mutex::default(),
            jobs: Mutex::default(),
            states: Mutex::default(),
            faults: Mutex::default(),
            renews: Mutex::default(),
            condition: Mutex::new(Condition::good()),
            looks: AtomicUsize::new(0),
            audience: Mutex::new("api".into()),
            received: watch::Sender::new(0),
            made: Arc::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self { url, shared, server }
    }

    /// From now on, takes edge calls only whose JWT is made out to this audience.
    pub fn expect_audience(&self, audience: String) {
        *locked(&self.shared.audience) = audience;
    }

    /// The calls that it took so far.
    pub fn calls(&self) -> Vec<Call> {
        locked(&self.shared.calls).clone()
    }

    /// The last call that it took.
    pub fn last(&self) -> Call {
        self.calls().pop().expect("a call")
    }

    /// Queues a job for whoever fetches next: its key's parts, and its task's UUID.
    pub fn queue_job(&self, key: &JobKey, task: &str, queue: &str) {
        let JobKey { dag, task: task_id, run, try_number, map_index } = key;
        let job = json!({
            "dag_id": dag, "task_id": task_id, "run_id": run, "map_index": map_index, "try_number": try_number,
            "command": {
                "token": self.task_token(task, "workload", 600),
                "dag_rel_path": "gate.py",
                "bundle_info": {"name": "dags-folder", "version": null},
                "log_path": "attempt=1.log",
                "ti": {
                    "id": task, "task_id": task_id, "dag_id": dag, "run_id": run, "try_number": try_number,
                    "map_index": map_index, "hostname": "", "queue": queue, "pool_slots": 1, "priority_weight": 2,
                },
                "type": "ExecuteTask",
            },
            "concurrency_slots": 1, "task_instance_id": null,
        });
        locked(&self.shared.jobs).push_back(job);
    }

    /// A token of this Airflow for a task, good for some seconds.
    pub fn task_token(&self, task: &str, scope: &str, seconds: i64) -> String {
        self.shared.task_token(task, scope, seconds)
    }

    /// Goes wrong at the next call.
    pub fn fail_next(&self, fault: Fault) {
        locked(&self.shared.faults).push_back(fault);
    }

    /// How often it was looked at: asked for its version.
    pub fn looks(&self) -> usize {
        self.shared.looks.load(Ordering::SeqCst)
    }

    /// Changes how it is, for all further calls.
    pub fn set(&self, change: impl FnOnce(&mut Condition)) {
        change(&mut locked(&self.shared.condition));
    }

    /// From now on, answers each task with a renewed token.
    pub fn renew_tokens(&self) {
        *locked(&self.shared.renews) = true;
    }

    /// How many bytes of endless answers it has made.
    pub fn made(&self) -> usize {
        self.shared.made.load(Ordering::SeqCst)
    }

    /// Waits until so many bytes of a body have come.
    pub async fn received(&self, bytes: usize) {
        let mut received = self.shared.received.subscribe();
        received.wait_for(|so_far| *so_far >= bytes).await.expect("it serves");
    }
}

impl Drop for Airflow {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// How an Airflow names a job.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each field is what it is named after")]
pub struct JobKey {
    pub dag: String,
    pub task: String,
    pub run: String,
    pub try_number: i64,
    pub map_index: i64,
}

impl JobKey {
    /// A job with all that makes its path interesting.
    pub fn new(dag: &str) -> Self {
        let run = "manual__2026-01-01T00:00:00.000001+00:00".into();
        Self { dag: dag.into(), task: "wait".into(), run, try_number: 1, map_index: -1 }
    }

    /// As it is in a path.
    pub fn path(&self) -> String {
        format!("{}/{}/{}/{}/{}", self.dag, self.task, self.run, self.try_number, self.map_index)
    }
}

impl Shared {
    /// Keeps what a worker says of its state, and answers what it is to be (`redefine_state` in
    /// `edge3/worker_api/routes/worker.py`): who shut down in maintenance is sent back into it.
    fn keep_state(&self, worker: &str, said: &Value) -> String {
        let said = said["state"].as_str().unwrap_or_default();
        let mut states = locked(&self.states);
        let state = match states.get(worker).map(String::as_str) {
            Some("maintenance request") if !matches!(said, "maintenance pending" | "maintenance mode") => {
                "maintenance request"
            }
            Some("offline maintenance" | "maintenance mode" | "maintenance pending") if said == "starting" => {
                "maintenance request"
            }
            _ => said,
        };
        states.insert(worker.into(), state.into());
        state.into()
    }

    fn now(&self) -> Time {
        self.clock.now().plus_seconds(locked(&self.condition).ahead)
    }

    fn task_token(&self, task: &str, scope: &str, seconds: i64) -> String {
        let now = self.clock.now().as_seconds();
        let claims = json!({
            "sub": task, "scope": scope, "aud": "urn:airflow.apache.org:task", "iat": now, "nbf": now,
            "exp": now + seconds,
        });
        encode(&Header::new(Algorithm::HS512), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a JWT")
    }

    /// The claims of the JWT of an edge call, if it is as the real Airflow wants it.
    fn edge_claims(&self, headers: &HeaderMap, method: &str) -> Option<Map<String, Value>> {
        let jwt = only(headers)?;
        let (key, algorithm) = match &self.trust {
            Trust::Secret => (DecodingKey::from_secret(SECRET.as_bytes()), Algorithm::HS512),
            Trust::Keys(keys, _) => {
                let kid = decode_header(jwt).ok()?.kid?;
                (DecodingKey::from_jwk(keys.find(&kid)?).ok()?, Algorithm::EdDSA)
            }
        };
        let claims = self.claims(jwt, &key, algorithm, &locked(&self.audience))?;
        match &self.trust {
            Trust::Secret => (claims.get("method")?.as_str()? == method).then_some(claims),
            Trust::Keys(_, issuer) => (claims.get("iss")?.as_str()? == issuer).then_some(claims),
        }
    }

    /// The claims of a task's own token.
    fn task_claims(&self, headers: &HeaderMap) -> Option<Map<String, Value>> {
        let jwt = only(headers)?.strip_prefix("Bearer ")?;
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        self.claims(jwt, &key, Algorithm::HS512, "urn:airflow.apache.org:task")
    }

    fn claims(&self, jwt: &str, key: &DecodingKey, algorithm: Algorithm, audience: &str) -> Option<Map<String, Value>> {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.validate_exp = false; // by the clock of the test instead
        let claims = decode::<Map<String, Value>>(jwt, key, &validation).ok()?.claims;
        let now = self.now().as_seconds();
        let at = |name: &str| claims.get(name).and_then(Value::as_i64);
        let is_now = at("exp")? + LEEWAY > now && at("iat")? <= now + LEEWAY && at("nbf")? <= now + LEEWAY;
        is_now.then_some(claims)
    }
}

fn only(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let first = all.next()?;
    if all.next().is_some() { None } else { first.to_str().ok() }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let mut response = answer_undated(&shared, request).await;
    let now = jiff::Timestamp::from_microsecond(shared.now().as_micros()).expect("a time");
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).expect("a date");
    response.headers_mut().insert(header::DATE, date.parse().expect("a header"));
    response
}

/// What anybody may ask, and what is answered while something is wrong.
fn open(condition: &Condition, method: &Method, path: &str) -> Option<Response> {
    if let Some(status) = condition.status {
        return Some((StatusCode::from_u16(status).expect("a status"), "something is wrong").into_response());
    }
    let is_edge = path.starts_with("/edge_worker/");
    Some(match (method.as_str(), path) {
        ("GET", "/api/v2/version") if condition.version.starts_with('3') => {
            json_answer(StatusCode::OK, &json!({"version": condition.version, "git_version": null}))
        }
        ("GET", "/api/v2/version") => json_answer(StatusCode::NOT_FOUND, &json!({"detail": "Not Found"})),
        ("GET", "/api/v2/monitor/health") => {
            let health = json!({
                "metadatabase": {"status": "healthy"}, "triggerer": {"status": null},
                "scheduler": {"status": condition.scheduler}, "dag_processor": {"status": "healthy"},
            });
            json_answer(StatusCode::OK, &health)
        }
        ("GET", _) if is_edge && !condition.has_edge_api => {
            (StatusCode::OK, [(header::CONTENT_TYPE, "text/html")], "<!DOCTYPE html>").into_response()
        }
        _ if is_edge && !condition.has_edge_api => {
            json_answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"detail": "Method Not Allowed"}))
        }
        ("GET", "/edge_worker/v1/health") => json_answer(StatusCode::OK, &json!({"status": "healthy"})),
        _ => return None,
    })
}

async fn answer_undated(shared: &Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
    let condition = locked(&shared.condition).clone();
    if path == "/api/v2/version" {
        shared.looks.fetch_add(1, Ordering::SeqCst);
    }
    if let Some(response) = open(&condition, &parts.method, &path) {
        return response;
    }
    let claims = match path.strip_prefix("/edge_worker/v1/") {
        Some(method) => shared.edge_claims(&parts.headers, method),
        None => shared.task_claims(&parts.headers),
    };
    let Some(claims) = claims else {
        return json_answer(StatusCode::FORBIDDEN, &json!({"detail": "Forbidden."}));
    };
    let Some(body) = receive(shared, body).await else { return StatusCode::BAD_REQUEST.into_response() };
    if body == b"{}" && path.starts_with("/edge_worker/v1/worker/") {
        // Airlock looks whether it is trusted; nobody else asks for nothing, and no test counts it.
        let detail = json!({"detail": [{"type": "missing", "loc": ["body", "state"], "msg": "Field required"}]});
        return json_answer(StatusCode::UNPROCESSABLE_ENTITY, &detail);
    }
    let path_and_query = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    locked(&shared.calls).push(Call {
        method: parts.method.to_string(),
        path: path_and_query,
        headers: parts.headers.clone(),
        claims: claims.clone(),
        body: body.clone(),
    });
    let fault = locked(&shared.faults).pop_front();
    match fault {
        Some(Fault::Status(status)) => {
            return (StatusCode::from_u16(status).expect("a status"), "Internal Server Error").into_response();
        }
        Some(Fault::Hangs) => tokio::time::sleep(Duration::from_secs(600)).await,
        None => {}
    }
    match path.strip_prefix("/edge_worker/v1/") {
        Some(path) => edge(shared, &parts.method, path, &body),
        None => execution(shared, &parts.method, &path, &parts.headers, &claims),
    }
}

/// Receives a body, and tells how much has come. `None` when it broke off.
async fn receive(shared: &Shared, body: Body) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let mut stream = body.into_data_stream();
    shared.received.send_replace(0);
    while let Some(chunk) = stream.next().await {
        whole.extend_from_slice(&chunk.ok()?);
        shared.received.send_replace(whole.len());
    }
    Some(whole)
}

fn edge(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> Response {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let answer = match (method.as_str(), parts.as_slice()) {
        ("POST", ["worker", worker]) => {
            shared.keep_state(worker, &said);
            json!({"last_update": "2026-01-01T00:00:00Z", "versions_match": true})
        }
        ("PATCH", ["worker", worker]) => json!({
            "state": shared.keep_state(worker, &said), "queues": said["queues"], "maintenance_comments": null, "concurrency": null,
            "versions_match": true,
        }),
        ("POST", ["jobs", "fetch", _]) => locked(&shared.jobs).pop_front().unwrap_or_default(),
        ("PATCH", ["jobs", "state", ..]) | ("POST", ["logs", "push", ..]) => Value::Null,
        ("GET", ["logs", "logfile_path", ..]) => json!("attempt=1.log"),
        _ => return json_answer(StatusCode::NOT_FOUND, &json!({"detail": "Not Found"})),
    };
    json_answer(StatusCode::OK, &answer)
}

fn execution(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    claims: &Map<String, Value>,
) -> Response {
    let task = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let is_run = path.ends_with("/run");
    if !is_run && claims.get("scope").is_some_and(|scope| scope == "workload") {
        return json_answer(StatusCode::FORBIDDEN, &json!({"detail": "Invalid auth token"}));
    }
    let mut response = match (method.as_str(), path) {
        ("PATCH" | "PUT", path) if path.ends_with("/heartbeat") || path.ends_with("/state") => {
            StatusCode::NO_CONTENT.into_response()
        }
        ("GET", path) if path.ends_with("/large") => large(Arc::clone(&shared.made)),
        ("POST", path) if path.starts_with("/execution/xcoms/") => {
            json_answer(StatusCode::CREATED, &json!({"message": "XCom successfully set"}))
        }
        ("GET", path) if path.ends_with("/missing") => {
            let detail = json!({"detail": {"reason": "not_found", "message": "not found"}});
            json_answer(StatusCode::NOT_FOUND, &detail)
        }
        _ => json_answer(StatusCode::OK, &json!({"ok": true})),
    };
    for name in ["correlation-id", "airflow-api-version"] {
        if let Some(value) = headers.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if is_run || *locked(&shared.renews) {
        let renewed = shared.task_token(task, "execution", 600);
        response.headers_mut().insert("refreshed-api-token", renewed.parse().expect("a header"));
    }
    response
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// A body without an end, of which more is made only as it is taken.
fn large(made: Arc<AtomicUsize>) -> Response {
    let chunks = futures_util::stream::repeat_with(move || {
        made.fetch_add(LARGE_PIECE, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; LARGE_PIECE]))
    });
    Response::new(Body::from_stream(chunks))
}
