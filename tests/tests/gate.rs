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
    let missing = worker.task_call(world, &renewed, "GET", "variables/missing", &Value::Null).await;
    assert_eq!((missing.status, &missing.json["detail"]["reason"]), (404, &json!("not_found")));
    assert_eq!(missing.headers["content-type"], "application/json");

    let log = json!({"log_chunk_time": "2026-01-01T00:00:00Z", "log_chunk_data": "said\n", "task_instance_id": null});
    worker.call(world, "POST", &format!("logs/push/{path}"), &log).await.expect_own(200);
    assert_eq!(serde_json::from_slice::<Value>(&site.airflow.last().body).expect("JSON"), log);
    worker.call(world, "PATCH", &format!("jobs/state/{path}/success"), &Value::Null).await.expect_own(200);
    worker.heartbeat(world, "offline").await.expect_own(200);

    // The job is over, and so is what its token opens.
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
