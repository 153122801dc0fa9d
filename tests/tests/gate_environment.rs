//! Connections and variables at the gate: a task finds what its Deployment has as environment
//! objects, and everything else in its Airflow; a worker gets its environment's variables.

use airlock_tests::{Answer, Site, Worker, World, on_both, site::TASK};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

const OTHER_TASK: &str = "01a20c4c-41c6-7997-a461-921d5cf62adb";

/// A worker with a job that runs, and what its task asks with.
struct Running {
    worker: Worker,
    token: String,
}

impl Running {
    async fn start(world: &World, site: &Site, name: &str, task: &str, body: Value) -> Self {
        let mut token = json!({"name": name});
        token.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
        let worker = Worker::new(&site.deployment, name, site.token(world, token).await);
        let (_, token) = site.run(world, &worker, name, task).await;
        let run = format!("task-instances/{task}/run");
        let begun = worker.task_call(world, &token, "PATCH", &run, &json!({})).await;
        let token = begun.headers["refreshed-api-token"].to_str().expect("text").to_owned();
        Self { worker, token }
    }

    async fn call(&self, world: &World, method: &str, path: &str) -> Answer {
        let body = if method == "PUT" { json!({"val": "x", "description": null}) } else { Value::Null };
        self.worker.task_call(world, &self.token, method, path, &body).await
    }
}

/// An object of the site's Deployment, or of all of its Workspace.
async fn make(world: &World, site: &Site, is_shared: bool, kind: &str, key: &str, value: Value) -> String {
    let field = match kind {
        "CONNECTION" => "connection",
        "AIRFLOW_VARIABLE" => "airflowVariable",
        _ => "environmentVariable",
    };
    let (scope, of) =
        if is_shared { ("WORKSPACE", world.workspace.as_str()) } else { ("DEPLOYMENT", site.deployment.as_str()) };
    world
        .environment_object(json!({
            "objectKey": key, "objectType": kind, "scope": scope, "scopeEntityId": of, "autoLinkDeployments": is_shared,
            field: value,
        }))
        .await
}

/// An object that is a variable of the environment.
async fn export(world: &World, site: &Site, is_shared: bool, key: &str, value: &str, is_secret: bool) -> String {
    make(world, site, is_shared, "ENVIRONMENT_VARIABLE", key, json!({"value": value, "isSecret": is_secret})).await
}

/// Asks for the variables of a worker's environment, with a bearer token.
async fn ask(world: &World, deployment: &str, token: &str) -> Answer {
    let uri = format!("/d/{deployment}/environment-variables");
    let request = Request::builder().uri(uri).header("authorization", format!("Bearer {token}"));
    world.send(request.body(Body::empty()).expect("a request")).await
}

/// The variables of a worker's environment, by key.
async fn environment(world: &World, worker: &Worker) -> Vec<(String, String)> {
    let answer = ask(world, &worker.deployment, &worker.token).await.expect_own(200);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let all = answer["environmentVariables"].as_array().expect("a list");
    all.iter().map(|one| (text(&one["key"]), text(&one["value"]))).collect()
}

/// The records that secrets were read: by whom and what.
async fn readings(world: &World) -> Vec<(String, String)> {
    let log = world.audit_log().await;
    let read = log.iter().filter(|record| record["outcome"] == "READ");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut read: Vec<_> = read.map(|record| (text(&record["subjectId"]), text(&record["entityId"]))).collect();
    read.sort(); // they are of the same time
    read
}

on_both! {
    /// In the very form in which Airflow answers (`airflow/recorded-3.3.2.json`), with the headers
    /// that the SDK wants back; the Airflow hears nothing of it.
    async fn a_task_finds_what_its_deployment_has(world) {
        let site = Site::with_secret(&world).await;
        let connection = json!({"type": "postgres", "host": "db", "port": 5432, "password": "pw", "extra": {"a": [1, "ä"]}});
        make(&world, &site, true, "CONNECTION", "shared one", connection).await;
        make(&world, &site, false, "CONNECTION", "own", json!({"type": "http"})).await;
        make(&world, &site, true, "AIRFLOW_VARIABLE", "a/key ä%", json!({"value": "shared", "isSecret": true})).await;
        let task = Running::start(&world, &site, "one", TASK, json!({})).await;
        let before = site.airflow.calls().len();
        for (path, expected) in [
            ("connections/shared%20one", json!({
                "conn_id": "shared one", "conn_type": "postgres", "host": "db", "schema": null, "login": null,
                "password": "pw", "port": 5432, "extra": "{\"a\":[1,\"ä\"]}",
            })),
            ("connections/own", json!({
                "conn_id": "own", "conn_type": "http", "host": null, "schema": null, "login": null, "password": null,
                "port": null, "extra": null,
            })),
            ("variables/a/key%20%C3%A4%25", json!({"key": "a/key ä%", "value": "shared"})),
        ] {
            let answer = task.call(&world, "GET", path).await;
            assert_eq!((answer.status, &answer.json), (200, &expected), "{path}");
            assert_eq!(answer.headers["content-type"], "application/json");
            assert_eq!(answer.headers["airflow-api-version"], "2026-06-30");
            assert_eq!(answer.headers["correlation-id"], "01a20c4c-4bcd-7188-9cbc");
        }
        assert_eq!(site.airflow.calls().len(), before, "the Airflow heard of it");
    }

    /// What is no object, and what does not read, is the Airflow's.
    async fn everything_else_is_the_airflows(world) {
        let site = Site::with_secret(&world).await;
        make(&world, &site, false, "CONNECTION", "both", json!({"type": "http"})).await;
        make(&world, &site, false, "AIRFLOW_VARIABLE", "mine", json!({"value": "x"})).await;
        let task = Running::start(&world, &site, "one", TASK, json!({})).await;
        for (method, path, status) in [
            ("GET", "connections/missing", 404),
            ("GET", "connections/mine", 200),
            ("GET", "variables/both", 200),
            ("GET", "variables/missing", 404),
            ("GET", "variables/keys", 200),
            ("PUT", "variables/mine", 200),
            ("DELETE", "variables/mine", 200),
        ] {
            let before = site.airflow.calls().len();
            let answer = task.call(&world, method, path).await;
            assert_eq!((answer.status, site.airflow.calls().len()), (status, before + 1), "{method} {path}");
        }
    }

    /// A change acts on the next call: of what the object holds, of its links, of its being there.
    async fn a_change_acts_on_the_next_call(world) {
        let site = Site::with_secret(&world).await;
        let id = make(&world, &site, true, "AIRFLOW_VARIABLE", "region", json!({"value": "one"})).await;
        let task = Running::start(&world, &site, "one", TASK, json!({})).await;
        let path = world.path(&format!("/environment-objects/{id}"));
        let value = async || {
            let answer = task.call(&world, "GET", "variables/region").await;
            assert_eq!(answer.status, 200);
            answer.json["value"].clone()
        };
        assert_eq!(value().await, "one");
        let link = |value: &str| json!({"links": [{
            "scope": "DEPLOYMENT", "scopeEntityId": site.deployment, "overrides": {"airflowVariable": {"value": value}},
        }]});
        for (body, expected) in [
            (json!({"airflowVariable": {"value": "two"}}), json!("two")),
            (link("mine"), json!("mine")),
            (json!({"links": []}), json!("two")),
            (json!({"excludeLinks": [{"scope": "DEPLOYMENT", "scopeEntityId": site.deployment}]}), Value::Null),
            (json!({"excludeLinks": []}), json!("two")),
            (json!({"autoLinkDeployments": false}), Value::Null),
        ] {
            world.post(&path, body.clone()).await.expect(200);
            assert_eq!(value().await, expected, "{body}"); // the fake Airflow's own answer has no value
        }
        let own = make(&world, &site, false, "AIRFLOW_VARIABLE", "region", json!({"value": "own"})).await;
        assert_eq!(value().await, "own");
        world.delete(&world.path(&format!("/environment-objects/{own}"))).await.expect(204);
        assert_eq!(value().await, Value::Null);
    }

    /// Another Workspace's objects are nothing to a task, nor are those of another Deployment.
    async fn only_ones_own(world) {
        let (site, other) = (Site::with_secret(&world).await, Site::with_secret(&world).await);
        make(&world, &other, false, "CONNECTION", "theirs", json!({"type": "http", "password": "x"})).await;
        let elsewhere = world.new_workspace("elsewhere").await;
        world.environment_object(json!({
            "objectKey": "theirs", "objectType": "CONNECTION", "scope": "WORKSPACE", "scopeEntityId": elsewhere,
            "autoLinkDeployments": true, "connection": {"type": "http"},
        })).await;
        let task = Running::start(&world, &site, "one", TASK, json!({})).await;
        assert_eq!(task.call(&world, "GET", "connections/theirs").await.json, json!({"ok": true}));
        // Neither is anything to whoever has no good token of a task.
        let stranger = Running { worker: task.worker.clone(), token: "agw.x".into() };
        assert_eq!(stranger.call(&world, "GET", "connections/theirs").await.status, 403);
        site.delete_token(&world, &task.worker.id).await;
        assert_eq!(task.call(&world, "GET", "connections/theirs").await.status, 410);
    }

    /// Which secrets an agent's tasks were given is in the audit log: once a day for each.
    async fn that_a_secret_was_read_is_recorded_once_a_day(world) {
        let site = Site::with_secret(&world).await;
        let id = make(&world, &site, true, "CONNECTION", "warehouse", json!({"type": "http", "password": "the password"})).await;
        let secret = make(&world, &site, false, "AIRFLOW_VARIABLE", "secret", json!({"value": "the value", "isSecret": true})).await;
        make(&world, &site, false, "AIRFLOW_VARIABLE", "plain", json!({"value": "x"})).await;
        make(&world, &site, false, "CONNECTION", "open", json!({"type": "http"})).await;
        let one = Running::start(&world, &site, "one", TASK, json!({})).await;
        let two = Running::start(&world, &site, "two", OTHER_TASK, json!({})).await;
        for _ in 0..3 {
            for path in ["connections/warehouse", "connections/open", "connections/airflows", "connections/missing", "variables/secret", "variables/plain", "variables/missing"] {
                one.call(&world, "GET", path).await;
            }
        }
        two.call(&world, "GET", "connections/warehouse").await.expect_own(200);
        let reading = |running: &Running, what: &str| (running.worker.id.clone(), what.to_owned());
        let mut first = vec![reading(&one, &id), reading(&one, "airflows"), reading(&one, &secret), reading(&two, &id)];
        first.sort();
        assert_eq!(readings(&world).await, first);
        world.clock.advance(86_400);
        two.call(&world, "GET", "connections/warehouse").await.expect_own(200);
        assert_eq!(readings(&world).await.len(), 5);
        let log = world.audit_log().await;
        let record = log.iter().find(|record| record["entityId"] == json!(id) && record["subjectId"] == json!(one.worker.id)).expect("a record");
        assert_eq!((&record["subjectName"], &record["entityType"]), (&json!("one"), &json!("environmentObject")));
        assert_eq!((&record["operationId"], &record["statusCode"]), (&json!("GateExecution"), &json!(200)));
        let log = format!("{log:?}");
        assert!(!log.contains("the password") && !log.contains("the value"), "a secret is in the audit log");
    }

    /// An agent token with a list gives nothing that is not on it, whether it would be ours or the
    /// Airflow's to answer. The refusals are in the audit log.
    async fn a_token_gives_what_is_on_its_list(world) {
        let site = Site::with_secret(&world).await;
        make(&world, &site, true, "CONNECTION", "mine", json!({"type": "http"})).await;
        make(&world, &site, true, "CONNECTION", "other", json!({"type": "http", "password": "x"})).await;
        let lists = json!({"connections": ["mine", "airflows"], "variables": []});
        let task = Running::start(&world, &site, "one", TASK, lists.clone()).await;
        let path = world.path(&format!("/deployments/{}/agent-tokens/{}", site.deployment, task.worker.id));
        let shown = world.get(&path).await.expect(200);
        assert_eq!((&shown["connections"], &shown["variables"]), (&lists["connections"], &lists["variables"]));
        for path in ["connections/mine", "connections/airflows", "xcoms/a/b/c/d"] {
            assert_eq!(task.call(&world, "GET", path).await.status, 200, "{path}");
        }
        let before = site.airflow.calls().len();
        for (method, path) in [
            ("GET", "connections/other"),
            ("GET", "connections/elsewhere"),
            ("GET", "variables/x"),
            ("PUT", "variables/x"),
            ("DELETE", "variables/x"),
            ("GET", "variables/keys"),
        ] {
            let answer = task.call(&world, method, path).await;
            assert_eq!((answer.status, &answer.json["detail"]["reason"]), (403, &json!("access_denied")), "{method} {path}");
            assert_eq!(answer.headers["content-type"], "application/json");
        }
        assert_eq!(site.airflow.calls().len(), before, "the Airflow heard of it");
        let log = world.audit_log().await;
        let refused = log.iter().filter(|record| record["outcome"] == "REFUSED" && record["entityId"] == json!(task.worker.id));
        assert_eq!(refused.filter_map(|record| record["occurrences"].as_i64()).sum::<i64>(), 6);
        // Others have what they had, also after all was read anew.
        let two = Running::start(&world, &site, "two", OTHER_TASK, json!({})).await;
        let world = world.restarted().await;
        assert_eq!(two.call(&world, "GET", "connections/other").await.status, 200);
        assert_eq!(task.call(&world, "GET", "connections/other").await.status, 403);
        assert_eq!(task.call(&world, "GET", "connections/mine").await.status, 200);
    }

    /// What the Deployment has, as tasks have it: its own first, and with what a link overrides.
    async fn a_worker_gets_its_environment(world) {
        let (site, other) = (Site::with_secret(&world).await, Site::with_secret(&world).await);
        let worker = site.worker(&world, "one").await;
        assert_eq!(environment(&world, &worker).await, []);
        let region = export(&world, &site, true, "REGION", "eu", false).await;
        export(&world, &site, true, "API_KEY", "of all", true).await;
        export(&world, &site, false, "API_KEY", "its own, ä\n", true).await;
        export(&world, &other, false, "THEIRS", "x", false).await;
        make(&world, &site, false, "AIRFLOW_VARIABLE", "NOT_ONE", json!({"value": "x"})).await;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(environment(&world, &worker).await, [pair("API_KEY", "its own, ä\n"), pair("REGION", "eu")]);
        let answer = ask(&world, &site.deployment, &worker.token).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.json["environmentVariables"][1], json!({"key": "REGION", "value": "eu", "isSecret": false}));
        // A change acts on the next worker that starts. The Airflow heard of nothing.
        let link = json!({"links": [{
            "scope": "DEPLOYMENT", "scopeEntityId": site.deployment, "overrides": {"environmentVariable": {"value": "us"}},
        }]});
        world.post(&world.path(&format!("/environment-objects/{region}")), link).await.expect(200);
        assert_eq!(environment(&world, &worker).await[1], pair("REGION", "us"));
        assert_eq!(site.airflow.calls().len(), 0);
    }

    /// Only for an agent token of the Deployment, while it is good; and what its list names.
    async fn nobody_else_gets_it(world) {
        let (site, other) = (Site::with_secret(&world).await, Site::with_secret(&world).await);
        export(&world, &site, true, "REGION", "eu", false).await;
        export(&world, &site, true, "API_KEY", "the secret", true).await;
        let limited = site.token(&world, json!({"name": "limited", "variables": ["REGION"]})).await;
        let limited = Worker::new(&site.deployment, "limited", limited);
        assert_eq!(environment(&world, &limited).await, [("REGION".to_owned(), "eu".to_owned())]);
        let nothing = site.token(&world, json!({"name": "nothing", "variables": []})).await;
        assert_eq!(environment(&world, &Worker::new(&site.deployment, "nothing", nothing)).await, []);
        assert_eq!(readings(&world).await, [], "a secret that was not given");

        let worker = site.worker(&world, "one").await;
        let elsewhere = other.worker(&world, "two").await;
        for (deployment, token) in [
            (&site.deployment, elsewhere.token.as_str()),
            (&site.deployment, world.owner.as_str()),
            (&site.deployment, "agt_nonsense"),
            (&other.deployment, worker.token.as_str()),
            (&"cmjuohs003t3pr10qlva2l82c".to_owned(), worker.token.as_str()),
        ] {
            let answer = ask(&world, deployment, token).await;
            assert_eq!(answer.status, 403, "{deployment} {token}");
            assert!(!String::from_utf8_lossy(&answer.bytes).contains("the secret"));
        }
        site.delete_token(&world, &worker.id).await;
        assert_eq!(ask(&world, &site.deployment, &worker.token).await.status, 403);
        // A worker may sign for it, as it signs for everything else.
        let mut claims = limited.claims(&world, "environment-variables");
        let signed = async |claims: &Value| {
            let jwt = Worker::sign(claims, &limited.token);
            let uri = format!("/d/{}/environment-variables", site.deployment);
            let request = Request::builder().uri(uri).header("authorization", jwt);
            world.send(request.body(Body::empty()).expect("a request")).await.status
        };
        assert_eq!(signed(&claims).await, 200);
        claims["method"] = json!("bundles");
        claims["jti"] = json!("another");
        assert_eq!(signed(&claims).await, 403);
    }

    /// As of what tasks read, and by the same record.
    async fn that_a_worker_got_secrets_is_recorded_once_a_day(world) {
        let site = Site::with_secret(&world).await;
        export(&world, &site, true, "REGION", "eu", false).await;
        let key = export(&world, &site, true, "API_KEY", "the secret", true).await;
        let (one, two) = (site.worker(&world, "one").await, site.worker(&world, "two").await);
        for worker in [&one, &one, &two] {
            environment(&world, worker).await;
        }
        let mut expected = [(one.id.clone(), key.clone()), (two.id.clone(), key.clone())];
        expected.sort();
        assert_eq!(readings(&world).await, expected);
        world.clock.advance(86_400);
        environment(&world, &one).await;
        assert_eq!(readings(&world).await.len(), 3);
        let log = world.audit_log().await;
        let record = log.iter().find(|record| record["outcome"] == "READ").expect("a record");
        assert_eq!((&record["operationId"], &record["entityType"]), (&json!("GateEnvironmentVariables"), &json!("environmentObject")));
        assert!(!format!("{log:?}").contains("the secret"), "a secret is in the audit log");
    }
}
