//! What agents, and strangers, may not do at the gate: each attack is refused with the status that
//! is expected, leaves a record in the audit log, and does not reach the Airflow.

use std::net::SocketAddr;

use airlock_core::env::Clock;
use airlock_tests::{
    Site, Worker, World,
    airflow::{JobKey, SECRET},
    on_both,
    site::TASK,
};
use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, request::Builder},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const OTHER_TASK: &str = "01a20c4c-41c6-7997-a461-921d5cf62adb";

/// Sends a request, and holds the answer against what an attack must meet.
async fn refused(world: &World, site: &Site, name: &str, status: u16, request: Request<Body>) {
    let before = site.airflow.calls().len();
    let answer = world.send(request).await;
    let told = String::from_utf8_lossy(&answer.bytes).into_owned();
    assert_eq!(answer.status, status, "{name}: {told}");
    assert_eq!(site.airflow.calls().len(), before, "{name}: it reached the Airflow");
    assert_eq!(answer.headers["content-type"], "application/json", "{name}");
    assert!(!answer.json["detail"].is_null(), "{name}: {told}");
    let id = answer.headers["x-request-id"].to_str().expect("text").to_owned();
    let log = world.audit_log().await;
    let record = log.iter().find(|record| record["requestId"] == id);
    let record = record.unwrap_or_else(|| panic!("{name}: no record in the audit log"));
    assert_eq!((&record["outcome"], &record["statusCode"]), (&json!("REFUSED"), &json!(status)), "{name}: {record}");
    assert!(record["operationId"].as_str().is_some_and(|id| id.starts_with("Gate")), "{name}: {record}");
    assert!(!record.to_string().contains("agw."), "{name}: {record}");
}

fn with(request: Builder, body: &Value) -> Request<Body> {
    match body {
        Value::Null => request.body(Body::empty()),
        body => request.header("content-type", "application/json").body(Body::from(body.to_string())),
    }
    .expect("a request")
}

/// The JWT of a worker with some of its claims changed.
fn claims(world: &World, worker: &Worker, path: &str, changes: &Value) -> Value {
    let mut claims = worker.claims(world, path);
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("claims").remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

on_both! {
    /// A worker that has a good token, against what that token is bound to.
    async fn a_good_token_is_no_one_else(world) {
        let site = Site::with_secret(&world).await;
        let (one, job, token) = site.running(&world, "one", "first", TASK).await;
        let (two, own_job, own_token) = site.running(&world, "two", "second", OTHER_TASK).await;
        let unused = site.worker(&world, "one").await;
        let state = two.state("idle");
        let fetch = |queues: Value| json!({"queues": queues, "free_concurrency": 1});
        let with_queues = |queues: Value| {
            let mut state = two.state("starting");
            state["queues"] = queues;
            state
        };
        let log = |task: Value| json!({"log_chunk_time": "2026-01-01T00:00:00Z", "log_chunk_data": "x", "task_instance_id": task});
        let job = job.path();
        let own = own_job.path();
        let later = JobKey { try_number: 2, ..own_job.clone() }.path();
        for (name, worker, method, path, body, status) in [
            ("another's name", &two, "POST", "worker/one".into(), state.clone(), 403),
            ("another's heartbeat", &two, "PATCH", "worker/one".into(), state.clone(), 403),
            ("another's work", &two, "POST", "jobs/fetch/one".into(), fetch(json!(["default"])), 403),
            ("a name that another token has", &unused, "POST", "worker/one".into(), state.clone(), 409),
            ("work before it registered", &unused, "POST", "jobs/fetch/one".into(), fetch(json!(["default"])), 403),
            ("a heartbeat before it registered", &unused, "PATCH", "worker/one".into(), state.clone(), 403),
            ("another's job", &two, "PATCH", format!("jobs/state/{job}/success"), Value::Null, 403),
            ("another's log", &two, "POST", format!("logs/push/{job}"), log(Value::Null), 403),
            ("where another's log is", &two, "GET", format!("logs/logfile_path/{job}"), Value::Null, 403),
            ("another try of its job", &two, "PATCH", format!("jobs/state/{later}/running"), Value::Null, 403),
            ("a job that nobody has", &two, "PATCH", "jobs/state/a/b/c/1/-1/failed".into(), Value::Null, 403),
            ("its job as another's", &two, "PATCH", format!("jobs/state/{own}/failed"), json!({"task_instance_id": TASK}), 403),
            ("its log as another's", &two, "POST", format!("logs/push/{own}"), log(json!(TASK)), 403),
            ("its log file as another's", &two, "GET", format!("logs/logfile_path/{own}?task%5Finstance_id={TASK}"), Value::Null, 403),
            ("a state that is not the worker's to say", &two, "PATCH", format!("jobs/state/{own}/removed"), Value::Null, 404),
            ("all queues, to register", &two, "POST", "worker/two".into(), with_queues(Value::Null), 403),
            ("no queues, to register", &two, "POST", "worker/two".into(), with_queues(json!([])), 403),
            ("a foreign queue, to register", &two, "POST", "worker/two".into(), with_queues(json!(["default", "gpu"])), 403),
            ("all queues, to fetch", &two, "POST", "jobs/fetch/two".into(), fetch(Value::Null), 403),
            ("queues left out, to fetch", &two, "POST", "jobs/fetch/two".into(), json!({"free_concurrency": 1}), 403),
            ("no queues, to fetch", &two, "POST", "jobs/fetch/two".into(), fetch(json!([])), 403),
            ("a foreign queue, to fetch", &two, "POST", "jobs/fetch/two".into(), fetch(json!(["gpu"])), 403),
            ("queues for itself", &two, "PATCH", "worker/queues/two".into(), json!({"new_queues": ["gpu"]}), 404),
            ("a body that is too large", &two, "PATCH", "worker/two".into(), json!({"x": "x".repeat(2 << 20)}), 413),
            ("a log that is too large", &two, "POST", format!("logs/push/{own}"), json!({"log_chunk_data": "x".repeat(5 << 20)}), 413),
        ] {
            refused(&world, &site, name, status, with(worker.request(&world, method, &path), &body)).await;
        }
        for (name, token, method, path, status) in [
            ("another task's state", &own_token, "PATCH", format!("task-instances/{TASK}/state"), 403),
            ("another task's run", &token, "PATCH", format!("task-instances/{OTHER_TASK}/run"), 403),
            ("what another task keeps", &token, "GET", format!("store/ti/{OTHER_TASK}/key"), 403),
            ("a token that was changed", &flipped(&token), "GET", "variables/x".into(), 403),
            ("an Airflow's own task token", &site.airflow.task_token(TASK, "execution", 600), "GET", "variables/x".into(), 403),
            ("an Airflow's secret", &SECRET.to_owned(), "GET", "variables/x".into(), 403),
            ("an agent token", &one.token, "GET", "variables/x".into(), 403),
            ("a connection test", &token, "GET", "connection-tests/x".into(), 404),
            ("all variables by another method", &token, "PATCH", "variables/x".into(), 404),
        ] {
            refused(&world, &site, name, status, with(one.task_request(token, method, &path), &Value::Null)).await;
        }
        let too_large = json!({"x": "x".repeat(2 << 20)});
        let run = one.task_request(&token, "PATCH", &format!("task-instances/{TASK}/state"));
        refused(&world, &site, "a task's body that is too large", 413, with(run, &too_large)).await;
    }

    /// Whoever has no token, or has lost it, or has another's.
    async fn nobody_comes_without_a_token(world) {
        let site = Site::with_secret(&world).await;
        let (one, key, token) = site.running(&world, "one", "first", TASK).await;
        let elsewhere = Site::with_secret(&world).await;
        let foreign = elsewhere.worker(&world, "one").await;
        let (_, _, foreign_token) = elsewhere.running(&world, "two", "second", OTHER_TASK).await;
        let deleted = site.worker(&world, "gone").await;
        deleted.register(&world).await.expect_own(200);
        site.delete_token(&world, &deleted.id).await;
        let expired = Worker::new(&site.deployment, "late", site.token(&world, json!({"name": "x", "tokenExpiryPeriodInDays": 1})).await);

        let path = "worker/one";
        let now = world.clock.now().as_seconds();
        let signed = |changes: &Value, secret: &str| Worker::sign(&claims(&world, &one, path, changes), secret);
        let by = |algorithm: Algorithm, secret: &str| {
            let claims = one.claims(&world, path);
            encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a JWT")
        };
        let unsigned = {
            let jwt = Worker::sign(&one.claims(&world, path), &one.token);
            let payload = jwt.split('.').nth(1).expect("a payload").to_owned();
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.") // {"alg":"none","typ":"JWT"}
        };
        let replayed = signed(&json!({}), &one.token);
        let state = one.state("idle");
        let once = one.unsigned("PATCH", path).header("authorization", &replayed);
        assert_eq!(world.send(with(once, &state)).await.status, 200);
        for (name, authorization) in [
            ("a replayed signature", replayed),
            ("a forged signature", signed(&json!({}), &"x".repeat(128))),
            ("a forged signature of nobody", signed(&json!({"iss": null}), &"x".repeat(128))),
            ("an Airflow's own secret", signed(&json!({"iss": null}), SECRET)),
            ("an Airflow's own secret in a worker's name", signed(&json!({}), SECRET)),
            ("a signature for another path", signed(&json!({"method": "jobs/fetch/one"}), &one.token)),
            ("a signature for nothing", signed(&json!({"method": ""}), &one.token)),
            ("a signature for something else", signed(&json!({"aud": "apache-airflow"}), &one.token)),
            ("a signature that has ended", signed(&json!({"iat": now - 120, "nbf": now - 120, "exp": now - 110}), &one.token)),
            ("a signature of tomorrow", signed(&json!({"iat": now + 86_400, "nbf": now + 86_400, "exp": now + 86_410}), &one.token)),
            ("a signature for ever", signed(&json!({"exp": now + 86_400 * 365}), &one.token)),
            ("no algorithm", unsigned),
            ("HS256", by(Algorithm::HS256, &one.token)),
            ("HS384", by(Algorithm::HS384, &one.token)),
            ("no JWT", "agent".into()),
            ("the token itself, without Bearer", one.token.clone()),
            ("a token that was changed", format!("Bearer {}", flipped(&one.token))),
            ("a good token of another Deployment", format!("Bearer {}", foreign.token)),
            ("a signature by a token of another Deployment", Worker::sign(&claims(&world, &one, path, &json!({"iss": foreign.id})), &foreign.token)),
            ("a deleted token", format!("Bearer {}", deleted.token)),
            ("a signature by a deleted token", Worker::sign(&claims(&world, &one, path, &json!({"iss": deleted.id})), &deleted.token)),
            ("a task's token", format!("Bearer {token}")),
            ("an Airflow's own task token", format!("Bearer {}", site.airflow.task_token(TASK, "execution", 600))),
            ("an API token", format!("Bearer {}", world.owner)),
            ("Basic", "Basic YWRtaW46YWRtaW4=".into()),
        ] {
            let request = one.unsigned("PATCH", path).header("authorization", authorization);
            refused(&world, &site, name, 403, with(request, &state)).await;
        }
        refused(&world, &site, "nothing", 403, with(one.unsigned("PATCH", path), &state)).await;
        let twice = one.request(&world, "PATCH", path).header("authorization", format!("Bearer {}", one.token));
        refused(&world, &site, "two authorizations", 403, with(twice, &state)).await;
        let hidden = one.request(&world, "PATCH", path).header("connection", "close, Authorization");
        refused(&world, &site, "an authorization of the connection", 403, with(hidden, &state)).await;
        let foreign_task = one.task_request(&foreign_token, "GET", "variables/x");
        refused(&world, &site, "a task's token of another Deployment", 403, with(foreign_task, &Value::Null)).await;

        // What has ended, ends what hangs on it.
        world.clock.advance(86_400);
        let request = expired.request(&world, "POST", "worker/late");
        refused(&world, &site, "an expired token", 403, with(request, &state)).await;
        site.delete_token(&world, &one.id).await;
        let request = one.request(&world, "PATCH", &format!("jobs/state/{}/success", key.path()));
        refused(&world, &site, "a deleted token's job", 403, with(request, &Value::Null)).await;
        let heartbeat = one.task_request(&token, "PUT", &format!("task-instances/{TASK}/heartbeat"));
        refused(&world, &site, "a deleted token's task", 410, with(heartbeat, &json!({}))).await;
    }

    /// Paths that are not on the list, however they are spelled, with a good token.
    async fn nothing_but_the_list_is_there(world) {
        let site = Site::with_secret(&world).await;
        let (one, _, token) = site.running(&world, "one", "first", TASK).await;
        for path in [
            "", "/", "/api/v2/connections", "/api/v2/version", "/auth/token", "/ui", "/docs", "/openapi.json",
            "/edge_worker", "/edge_worker/", "/edge_worker/v1", "/edge_worker/v1/", "/edge_worker/v2/worker/one",
            "/edge_worker/ui/worker", "/edge_worker/ui/worker/one/maintenance", "/edge_worker/static/x",
            "/edge_worker/docs", "/edge_worker/v1/rpcapi", "/edge_worker/v1/worker", "/edge_worker/v1/worker/",
            "/edge_worker/v1/worker/one/", "/edge_worker/v1//worker/one", "//edge_worker/v1/worker/one",
            "/edge_worker/v1/../../api/v2/connections", "/edge_worker/v1/./worker/one",
            "/edge_worker/v1/%2e%2e/%2e%2e/api/v2/connections", "/edge_worker/v1/.%2e/ui/worker",
            "/edge_worker/v1/worker/..%2f..%2fui", "/edge_worker/v1/worker/one%2fmaintenance",
            "/edge_worker/v1/worker/%252e%252e", "/edge_worker/v1/worker/one;x=1", "/edge_worker/v1/worker/one%3b",
            "/edge_worker/v1/worker/one%00", "/edge_worker/v1/worker/one%0d%0aX-Evil:1", "/edge_worker/v1/worker/%C0%AE",
            "/edge_worker/v1/worker/one%5c..", "/Edge_Worker/v1/worker/one", "/edge%5Fworker/v1/worker/one",
            "/execution", "/execution/", "/execution/../api/v2/connections", "/execution/%2e%2e/api/v2/connections",
            "/execution/variables/", "/execution/variables/..", "/execution/docs", "/execution/openapi.json",
            "/execution/connections/a%2fb", "/execution/connections/a/test",
        ] {
            let uri = format!("/d/{}{path}", one.deployment);
            for (method, authorization) in [("POST", format!("Bearer {}", one.token)), ("GET", format!("Bearer {token}"))] {
                let request = Request::builder().method(method).uri(&uri).header("authorization", authorization);
                refused(&world, &site, path, 404, with(request, &Value::Null)).await;
            }
        }
        assert_eq!(site.airflow.calls().len(), 2, "only what the worker did before");
    }

    /// A Deployment that takes no agents, or none from there, and one that is not.
    async fn the_deployment_decides(world) {
        let site = Site::with_secret(&world).await;
        let here = Site::deployment(&world, &site.airflow.url, true, &json!(["203.0.113.0/24"])).await;
        let path = world.path(&format!("/deployments/{here}/agent-tokens"));
        let made = world.post(&path, json!({"name": "x"})).await.expect(200);
        let text = |key: &str| made[key].as_str().expect("text").to_owned();
        let worker = Worker::new(&here, "one", (text("id"), text("token")));
        let from = |peer: &str, forwarded: &str| {
            let mut request = worker.request(&world, "POST", "worker/one");
            if !forwarded.is_empty() {
                request = request.header("x-forwarded-for", forwarded).header("forwarded", format!("for={forwarded}"));
            }
            let mut request = with(request, &worker.state("starting"));
            let peer: SocketAddr = peer.parse().expect("an address");
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        };
        refused(&world, &site, "another address", 403, from("198.51.100.1:1", "")).await;
        refused(&world, &site, "another address that says otherwise", 403, from("198.51.100.1:1", "203.0.113.7")).await;
        assert_eq!(world.send(from("203.0.113.7:1", "198.51.100.1")).await.status, 200);
        let call = site.airflow.last();
        assert!(!call.headers.contains_key("x-forwarded-for") && !call.headers.contains_key("forwarded"));

        let nowhere = Worker { deployment: "cmjuohs000000000000000000".into(), ..worker.clone() };
        let request = nowhere.request(&world, "POST", "worker/one");
        assert_eq!(world.send(with(request, &worker.state("starting"))).await.status, 403);
    }
}

/// A text with its middle character changed.
fn flipped(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'x' { b'y' } else { b'x' };
    String::from_utf8(bytes).expect("text")
}
