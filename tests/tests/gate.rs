//! The gate, with a fake Airflow behind it and a worker that signs as the stock one does.

use airlock_tests::{Site, World, airflow::Fault, on_both, site::TASK};
use serde_json::{Value, json};

on_both! {
    /// A worker registers, fetches a job, runs it, and goes; the Airflow hears all of it, signed
    /// with its own secret.
    async fn a_worker_runs_a_job(world) {
        let site = Site::with_secret(&world).await;
        a_whole_life(&world, &site).await;
        assert!(site.airflow.calls().iter().all(|call| call.claims.get("sub").is_none_or(|sub| sub == TASK)));
    }

    /// The same, signed with our own key, which the Airflow finds in the JWKS.
    async fn a_worker_runs_a_job_by_our_own_key(world) {
        let site = Site::with_keys(&world).await;
        let token = a_whole_life(&world, &site).await;
        let heartbeat = site.airflow.calls().into_iter().find(|call| call.method == "PATCH").expect("a heartbeat");
        assert_eq!(heartbeat.claims["sub"], token);
        assert_eq!(heartbeat.claims["iss"], "http://127.0.0.1:8888");
    }
}

async fn a_whole_life(world: &World, site: &Site) -> String {
    let worker = site.worker(world, "one").await;
    let registered = worker.register(world).await.expect_own(200);
    assert_eq!(registered["versions_match"], true);
    assert_eq!(worker.heartbeat(world, "idle").await.expect_own(200)["state"], "idle");
    assert_eq!(worker.fetch(world).await.expect_own(200), Value::Null);

    let key = airlock_tests::airflow::JobKey::new("short ü");
    site.airflow.queue_job(&key, TASK, "default");
    let job = worker.fetch(world).await.expect_own(200);
    assert_eq!((&job["dag_id"], &job["command"]["ti"]["id"]), (&json!("short ü"), &json!(TASK)));
    let token = job["command"]["token"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("agw."), "{token}");
    assert!(!site.airflow.last().headers.contains_key("accept-encoding"), "the gate reads this answer");

    let path = key.path().replace(' ', "%20").replace('ü', "%C3%BC");
    worker.call(world, "PATCH", &format!("jobs/state/{path}/running"), &Value::Null).await.expect_own(200);
    assert_eq!(site.airflow.last().path, format!("/edge_worker/v1/jobs/state/{path}/running"));

    let run = worker.task_call(world, &token, "PATCH", &format!("task-instances/{TASK}/run"), &json!({})).await;
    assert_eq!(run.status, 200);
    assert_eq!(run.headers["correlation-id"], "01a20c4c-4bcd-7188-9cbc");
    let renewed = run.headers["refreshed-api-token"].to_str().expect("text").to_owned();
    assert!(renewed.starts_with("agw.") && renewed != token);
    let call = site.airflow.last();
    assert_eq!(call.claims["scope"], "workload");
    assert_eq!(call.headers["airflow-api-version"], "2026-06-30");

    let path_of_task = format!("task-instances/{TASK}/heartbeat");
    worker.task_call(world, &renewed, "PUT", &path_of_task, &json!({})).await.expect_own(204);
    assert_eq!(site.airflow.last().claims["scope"], "execution");
    let head = worker.task_call(world, &renewed, "HEAD", "xcoms/a/b/c/d", &Value::Null).await;
    assert_eq!((head.status, head.headers.contains_key("content-length"), head.bytes.len()), (200, true, 0));
    let missing = worker.task_call(world, &renewed, "GET", "variables/missing", &Value::Null).await;
    assert_eq!((missing.status, &missing.json["detail"]["reason"]), (404, &json!("not_found")));
    assert_eq!(missing.headers["content-type"], "application/json");

    let log = json!({"log_chunk_time": "2026-01-01T00:00:00Z", "log_chunk_data": "said\n", "task_instance_id": null});
    worker.call(world, "POST", &format!("logs/push/{path}"), &log).await.expect_own(200);
    assert_eq!(serde_json::from_slice::<Value>(&site.airflow.last().body).expect("JSON"), log);
    worker.call(world, "PATCH", &format!("jobs/state/{path}/success"), &Value::Null).await.expect_own(200);
    worker.heartbeat(world, "offline").await.expect_own(200);

    // The job is over, and so is what its token opens; saying that it runs does not begin it again.
    worker.call(world, "PATCH", &format!("jobs/state/{path}/running"), &Value::Null).await.expect_own(200);
    let late = worker.task_call(world, &renewed, "GET", "variables/x", &Value::Null).await;
    assert_eq!((late.status, &late.json["detail"]["reason"]), (410, &json!("job_ended")));
    worker.id
}

on_both! {
    /// Nothing of what is wrong between the gate and the Airflow ends a worker: it may try again.
    async fn faults_are_503_and_can_be_tried_again(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        for fault in [401, 403, 405, 301] {
            site.airflow.fail_next(Fault::Status(fault));
            let answer = worker.heartbeat(&world, "idle").await;
            assert_eq!(answer.status, 503, "{fault}");
            assert_eq!(answer.headers["retry-after"], "1");
            assert_eq!(answer.json, json!({"detail": "the gate cannot serve this now; try again in a moment"}));
        }
        // What the Airflow itself says goes through.
        for status in [400, 404, 409, 422, 500, 503] {
            site.airflow.fail_next(Fault::Status(status));
            assert_eq!(worker.heartbeat(&world, "idle").await.status, status);
        }
        let away = Site::deployment(&world, "http://127.0.0.1:1", true, &json!([])).await;
        let made = world.post(&world.path(&format!("/deployments/{away}/agent-tokens")), json!({"name": "x"})).await.expect(200);
        let token = |key: &str| made[key].as_str().expect("text").to_owned();
        let lonely = airlock_tests::Worker::new(&away, "lonely", (token("id"), token("token")));
        assert_eq!(lonely.register(&world).await.status, 503);
    }
}

/// The private half of `PUBLIC_KEY`, which only a test may have in its text.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

/// The key of RFC 8032 section 7.1, test 1.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

on_both! {
    /// A worker says who it is in `iss`, in `kid`, in both, or not at all; or it sends the token
    /// itself; or it signs with a key of its own.
    async fn all_kinds_of_credentials(world) {
        use airlock_tests::Worker;
        use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
        let site = Site::with_secret(&world).await;
        for n in 0..3 {
            site.worker(&world, &format!("other{n}")).await; // among which it has to be found
        }
        let worker = site.worker(&world, "one").await;
        let path = "worker/one";
        worker.register(&world).await.expect_own(200);
        let key = EncodingKey::from_secret(worker.token.as_bytes());
        let unnamed = || {
            let mut claims = worker.claims(&world, path);
            claims.as_object_mut().expect("claims").remove("iss");
            claims
        };
        let by_kid = Header { kid: Some(worker.id.clone()), ..Header::new(Algorithm::HS512) };
        let no_jti = {
            let mut claims = worker.claims(&world, path);
            claims.as_object_mut().expect("claims").remove("jti"); // Airflow 3.0 sends none
            claims
        };
        for authorization in [
            encode(&by_kid, &unnamed(), &key).expect("a JWT"),
            encode(&by_kid, &worker.claims(&world, path), &key).expect("a JWT"),
            encode(&Header::new(Algorithm::HS512), &unnamed(), &key).expect("a JWT"),
            Worker::sign(&no_jti, &worker.token),
            format!("Bearer {}", worker.token),
        ] {
            let request = worker.unsigned("PATCH", path).header("authorization", authorization);
            let request = request.body(worker.state("idle").to_string().into()).expect("a request");
            assert_eq!(world.send(request).await.status, 200);
        }

        let tokens = world.path(&format!("/deployments/{}/agent-tokens", site.deployment));
        let made = world.post(&tokens, json!({"name": "own", "publicKey": PUBLIC_KEY, "agentName": "own"})).await.expect(200);
        let own = Worker::new(&site.deployment, "own", (made["id"].as_str().expect("an id").into(), String::new()));
        let private = EncodingKey::from_ed_pem(PRIVATE_KEY.as_bytes()).expect("a key");
        let signed = |key: &EncodingKey, algorithm| encode(&Header::new(algorithm), &own.claims(&world, "worker/own"), key).expect("a JWT");
        for (authorization, status) in [
            (signed(&private, Algorithm::EdDSA), 200),
            // The public key is no secret: whoever has it cannot use it as one.
            (signed(&EncodingKey::from_secret(PUBLIC_KEY.as_bytes()), Algorithm::HS512), 403),
            (signed(&EncodingKey::from_secret(b""), Algorithm::HS512), 403),
        ] {
            let request = own.unsigned("POST", "worker/own").header("authorization", authorization);
            let request = request.body(own.state("starting").to_string().into()).expect("a request");
            assert_eq!(world.send(request).await.status, status);
        }
    }

    /// The first registration binds the token; one that the Airflow does not take binds nothing.
    async fn the_first_registration_binds(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "taken").await;
        site.airflow.fail_next(Fault::Status(409));
        assert_eq!(worker.register(&world).await.status, 409);
        let other = airlock_tests::Worker { name: "free".into(), ..worker.clone() };
        other.register(&world).await.expect_own(200);
        assert_eq!(worker.register(&world).await.status, 403);
        // An answer that may still be repeated keeps the name.
        let again = site.worker(&world, "again").await;
        site.airflow.fail_next(Fault::Status(500));
        assert_eq!(again.register(&world).await.status, 500);
        again.register(&world).await.expect_own(200);

        let agents = world.get(&world.path(&format!("/deployments/{}/agents", site.deployment))).await.expect(200);
        let names: Vec<&str> = agents["agents"].as_array().expect("agents").iter().filter_map(|agent| agent["name"].as_str()).collect();
        assert_eq!((names.len(), names.contains(&"free"), names.contains(&"again")), (2, true, true), "{names:?}");
        let log = world.audit_log().await;
        let changes = log.iter().filter(|record| record["operationId"] == "GateRegister" && record["outcome"] == "CHANGED");
        assert_eq!(changes.count(), 5, "two that were taken, one that was tried again, one that was undone");
    }

    /// What was handed out outlives a restart; its task tokens are nowhere in the clear.
    async fn jobs_outlive_a_restart(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, token) = site.running(&world, "one", "first", TASK).await;
        let run = worker.task_call(&world, &token, "PATCH", &format!("task-instances/{TASK}/run"), &json!({})).await;
        let renewed = run.headers["refreshed-api-token"].to_str().expect("text").to_owned();
        let world = world.restarted().await;
        worker.call(&world, "PATCH", &format!("jobs/state/{}/running", key.path()), &Value::Null).await.expect_own(200);
        let heartbeat = format!("task-instances/{TASK}/heartbeat");
        worker.task_call(&world, &renewed, "PUT", &heartbeat, &json!({})).await.expect_own(204);
        let kept = world.database.dump("agent_jobs").await;
        assert!(kept.contains(TASK) && !kept.contains("eyJ") && !kept.contains("agw."), "{kept}");
        assert!(!format!("{:?}", world.audit_log().await).contains("agw."));
    }

    /// A job that its Airflow hands to another worker is no longer the first one's.
    async fn a_job_that_moves_is_the_others(world) {
        let site = Site::with_secret(&world).await;
        let (one, key, token) = site.running(&world, "one", "first", TASK).await;
        let two = site.worker(&world, "two").await;
        two.register(&world).await.expect_own(200);
        site.airflow.queue_job(&key, TASK, "default");
        let job = two.fetch(&world).await.expect_own(200);
        let state = format!("jobs/state/{}/success", key.path());
        assert_eq!(one.call(&world, "PATCH", &state, &Value::Null).await.status, 403);
        let run = format!("task-instances/{TASK}/run");
        let late = one.task_call(&world, &token, "PATCH", &run, &json!({})).await;
        assert_eq!((late.status, &late.json["detail"]["reason"]), (410, &json!("job_not_known")));
        let theirs = job["command"]["token"].as_str().expect("a token");
        assert_eq!(two.task_call(&world, theirs, "PATCH", &run, &json!({})).await.status, 200);
        two.call(&world, "PATCH", &state, &Value::Null).await.expect_own(200);
    }

    /// The gate's own health needs nobody, and asks nobody.
    async fn health_is_the_gates_own(world) {
        let site = Site::with_secret(&world).await;
        for path in ["edge_worker/v1/health", "execution/health"] {
            let answer = world.call(None, "GET", &format!("/d/{}/{path}", site.deployment), &Value::Null).await;
            assert_eq!((answer.status, &answer.json), (200, &json!({"status": "healthy"})), "{path}");
        }
        assert!(site.airflow.calls().is_empty());
    }
}
