//! What somebody who holds something can try at the gate: an agent token, a Deployment's variables,
//! the database.

use airlock_tests::{Database, Site, Worker, World, airflow::SECRET, on_both, site::TASK};
use serde_json::{Value, json};

/// A Deployment with variables, and a worker with a token of it.
async fn deployment(world: &World, variables: &[(&str, &str)]) -> Worker {
    let variables: Vec<Value> =
        variables.iter().map(|(key, value)| json!({"key": key, "value": value, "isSecret": false})).collect();
    let body = json!({
        "name": "odd", "workspaceId": world.workspace, "environmentVariables": variables,
        "remoteExecution": {"enabled": true},
    });
    let made = world.post(&world.path("/deployments"), body).await.expect(200);
    let id = made["id"].as_str().expect("an id");
    let made = world.post(&world.path(&format!("/deployments/{id}/agent-tokens")), json!({"name": "x"})).await;
    let made = made.expect(200);
    let text = |key: &str| made[key].as_str().expect("text").to_owned();
    Worker::new(id, "one", (text("id"), text("token")))
}

/// The reasons of all refusals so far.
async fn reasons(world: &World) -> Vec<String> {
    let log = world.audit_log().await.into_iter();
    log.filter_map(|record| record["reason"].as_str().map(str::to_owned)).collect()
}

on_both! {
    /// One key signs for all Deployments. Whoever has a Deployment, and so sees what is signed for
    /// its Airflow, must not be able to use it at another's.
    async fn what_is_signed_for_one_airflow_is_worth_nothing_at_another(world) {
        let site = Site::with_keys(&world).await;
        site.worker(&world, "one").await.register(&world).await.expect_own(200);
        let audience = format!("http://127.0.0.1:8888/d/{}", site.deployment);
        let before = site.airflow.calls().len();
        for variables in [
            vec![],
            vec![("AIRFLOW__EDGE__JWT_AUDIENCE", audience.as_str())],
            vec![("AIRFLOW__EDGE__JWT_ISSUER", "http://127.0.0.1:8888"), ("AIRFLOW__EDGE__JWT_AUDIENCE", &audience)],
            vec![("AIRFLOW__API_AUTH__JWT_ISSUER", "http://127.0.0.1:8888")],
        ] {
            let variables = [vec![("AIRFLOW__API__BASE_URL", site.airflow.url.as_str())], variables].concat();
            let worker = deployment(&world, &variables).await;
            assert_eq!(worker.register(&world).await.status, 503, "{variables:?}");
            assert_eq!(site.airflow.calls().len(), before, "{variables:?}");
        }
    }

    /// Whoever may set a Deployment's variables does not get to what the server's machine alone
    /// reaches, nor to other paths than an Airflow's.
    async fn the_gate_is_no_way_to_elsewhere(world) {
        let site = Site::with_secret(&world).await;
        let airflow = site.airflow.url.trim_start_matches("http://").to_owned();
        for url in [
            format!("http://{airflow}/api/v2/connections?x="),
            format!("http://{airflow}/#"),
            format!("http://someone:secret@{airflow}"),
            format!("file://{airflow}"),
            "http://169.254.169.254".to_owned(),
            "http://169.254.169.254:80/latest/meta-data".to_owned(),
            "http://[::ffff:169.254.169.254]".to_owned(),
            "http://[fe80::1]".to_owned(),
            "http://2852039166".to_owned(),
            "https://169.254.169.254".to_owned(),
        ] {
            let worker = deployment(&world, &[("AIRFLOW__API__BASE_URL", &url)]).await;
            let answer = worker.register(&world).await;
            assert_eq!(answer.status, 503, "{url}");
            let path = world.path(&format!("/deployments/{}/airflow-check", worker.deployment));
            let check = world.get(&path).await.expect(200);
            assert_ne!(check["status"], "HEALTHY", "{url}: {check}");
            assert!(!check.to_string().contains("secret@"), "{url}: {check}");
        }
        assert!(site.airflow.calls().is_empty());
    }

    /// What a worker sends is repeated to it, and kept in the audit log, in short; and what is kept
    /// of it is bounded, and is words.
    async fn what_a_worker_says_is_bounded(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        let before = site.airflow.calls().len();
        let long = "x".repeat(60_000);
        let with = |name: &str, value: Value| {
            let mut state = worker.state("idle");
            state[name] = value;
            state
        };
        for (method, body, status) in [
            ("POST", with("queues", json!([long])), 403),
            ("PATCH", with("jobs_active", json!(long)), 422),
            ("PATCH", with("jobs_active", json!(u64::MAX)), 422),
            ("PATCH", with("state", json!(long)), 422),
            ("PATCH", with("state", json!("idle\u{0}")), 422),
            ("PATCH", with("state", json!("")), 422),
            ("PATCH", with("sysinfo", json!({"x": "x".repeat(70_000)})), 413),
            ("PATCH", Value::String(long.clone()), 422),
            ("PATCH", json!([[[[long]]]]), 422),
        ] {
            let answer = worker.call(&world, method, "worker/one", &body).await;
            assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.bytes));
            assert!(answer.bytes.len() < 1000, "{} bytes", answer.bytes.len());
        }
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let request = worker.request(&world, "PATCH", "worker/one").body(deep.into()).expect("a request");
        assert_eq!(world.send(request).await.status, 422);
        assert_eq!(site.airflow.calls().len(), before);
        assert!(reasons(&world).await.iter().all(|reason| reason.len() < 500));
        // Neither can a path be used to fill the log, or to have a secret written down.
        let path = format!("/forward-auth/agt_{}", "x".repeat(5000));
        assert_eq!(world.call(None, "GET", &path, &Value::Null).await.status, 401);
        world.audit_log().await; // which writes them
        assert!(!world.database.dump("audit_log").await.contains("agt_xxx"));
    }

    /// A job that has ended does not begin again, and what its task's token opens stays shut.
    async fn a_job_that_ended_stays_so(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, token) = site.running(&world, "one", "first", TASK).await;
        let say = async |state: &str| {
            worker.call(&world, "PATCH", &format!("jobs/state/{}/{state}", key.path()), &Value::Null).await.status
        };
        let ask = async || worker.task_call(&world, &token, "PATCH", &format!("task-instances/{TASK}/run"), &json!({})).await.status;
        assert_eq!((say("running").await, ask().await), (200, 200));
        assert_eq!((say("success").await, ask().await), (200, 410));
        assert_eq!((say("running").await, ask().await), (200, 410));
        assert_eq!((say("failed").await, ask().await), (200, 410));
        // Unless its Airflow hands it out again.
        site.airflow.queue_job(&key, TASK, "default");
        worker.fetch(&world).await.expect_own(200);
        assert_eq!((say("running").await, ask().await), (200, 200));
    }

    /// What is wrong in the database is no fault of a worker's, and must not end it.
    async fn poisoned_records_are_503(world) {
        let site = Site::with_secret(&world).await;
        let mut world = world;
        for (poison, remedy) in [
            ("UPDATE agent_tokens SET public_key = 'none'", "UPDATE agent_tokens SET public_key = NULL"),
            ("UPDATE agent_tokens SET key_id = 'klost'", "UPDATE agent_tokens SET key_id = 'ktest'"),
            ("UPDATE agents SET cordon = 'WHAT'", "UPDATE agents SET cordon = 'OPEN'"),
            ("UPDATE deployment_variables SET key_id = 'klost' WHERE key_id IS NOT NULL",
             "UPDATE deployment_variables SET key_id = 'ktest' WHERE key_id IS NOT NULL"),
            ("UPDATE deployments SET settings = REPLACE(settings, '{', '[')", ""),
        ] {
            let name = format!("w{}", poison.len());
            let worker = site.worker(&world, &name).await;
            worker.register(&world).await.expect_own(200);
            world.database.execute(poison).await;
            world = world.restarted().await;
            let answer = worker.fetch(&world).await;
            assert_eq!((answer.status, &answer.json["detail"]), (503, &json!("the gate cannot serve this now; try again in a moment")), "{poison}");
            assert_eq!(answer.headers["retry-after"], "1", "{poison}");
            world.database.execute(remedy).await;
            if !remedy.is_empty() {
                world = world.restarted().await;
                worker.fetch(&world).await.expect_own(200);
            }
        }
    }
}

/// Each registration leaves an audit record, so a token has only so many of them.
#[tokio::test]
async fn registrations_do_not_flood_the_audit_log() {
    let world = World::new(Database::sqlite()).await;
    let site = Site::with_secret(&world).await;
    let worker = site.worker(&world, "one").await;
    let other = site.worker(&world, "two").await;
    let mut refused = 0;
    for _ in 0..90 {
        let answer = worker.register(&world).await;
        refused += usize::from(answer.status == 429);
        assert!(matches!(answer.status, 200 | 429), "{}", answer.status);
    }
    assert!(refused > 10, "{refused}");
    other.register(&world).await.expect_own(200);
    let log = world.audit_log().await;
    assert_eq!(log.iter().filter(|record| record["operationId"] == "GateRegister").count(), 91 - refused);
}

/// Nothing that opens anything is kept in the clear, whatever became of it.
#[tokio::test]
async fn no_secret_is_kept() {
    let database = Database::sqlite();
    let Database::Sqlite(folder) = &database else { unreachable!() };
    let folder = folder.path().to_owned();
    let world = World::new(database).await;
    let site = Site::with_secret(&world).await;
    let (worker, key, token) = site.running(&world, "one", "first", TASK).await;
    let run = worker.task_call(&world, &token, "PATCH", &format!("task-instances/{TASK}/run"), &json!({})).await;
    let renewed = run.headers["refreshed-api-token"].to_str().expect("text").to_owned();
    let log = json!({"log_chunk_time": "2026-01-01T00:00:00Z", "log_chunk_data": "said\n"});
    worker.call(&world, "POST", &format!("logs/push/{}", key.path()), &log).await.expect_own(200);
    // What is refused is written down, too.
    for odd in [&token, &renewed, &worker.token, SECRET] {
        let path = format!("/d/{}/edge_worker/v1/worker/{}", site.deployment, odd.replace(' ', "%20"));
        assert_eq!(world.call(Some(odd), "PATCH", &path, &Value::Null).await.status / 100, 4);
        let path = format!("variables/{}", odd.replace(' ', "%20"));
        worker.task_call(&world, odd, "GET", &path, &Value::Null).await;
    }
    let real: Vec<String> = site.airflow.calls().iter().filter_map(bearer).collect();
    assert!(real.len() > 2 && real.iter().all(|jwt| jwt.starts_with("eyJ")), "{real:?}");
    let work = tokio::spawn({
        let app = world.app.clone();
        async move { app.run_upkeep().await }
    });
    site.delete_token(&world, &worker.id).await;
    for _ in 0..1000 {
        if world.audit_log().await.iter().any(|record| record["operationId"] == "CutOff") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    work.abort();
    assert!(world.audit_log().await.iter().any(|record| record["operationId"] == "CutOff"));
    assert_eq!(world.database.dump("cutoff_variables").await, "", "it is done");

    let agent_secret = worker.token.splitn(3, '_').nth(2).expect("agt_id_secret").to_owned();
    let wanted = [vec![agent_secret, SECRET.to_owned(), "agw.".to_owned(), "eyJ".to_owned()], real].concat();
    let files: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").map(|file| file.expect("a file").path()).collect();
    assert!(files.len() >= 3, "database, WAL, lock: {files:?}");
    for file in files {
        let bytes = std::fs::read(&file).expect("a file");
        for secret in &wanted {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            // API tokens of the same world are JWTs, and are kept as hashes.
            assert!(!found, "{} has {secret}", file.display());
        }
    }
}

/// The JWT with which a call came to the Airflow.
fn bearer(call: &airlock_tests::airflow::Call) -> Option<String> {
    let value = call.headers.get("authorization")?.to_str().ok()?;
    Some(value.trim_start_matches("Bearer ").to_owned())
}
