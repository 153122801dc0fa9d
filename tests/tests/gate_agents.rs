//! What the gate tells of the workers that come through it, and what it tells them.

use airlock_tests::{Site, Worker, World, airflow::JobKey, on_both, site::TASK};
use serde_json::{Value, json};

/// Another task's UUID.
const ANOTHER: &str = "01a20c4c-41c5-784e-98e6-afeb7d01b68f";

/// The Deployment's only agent.
async fn agent(world: &World, site: &Site) -> Value {
    let page = world.get(&world.path(&format!("/deployments/{}/agents", site.deployment))).await.expect(200);
    assert_eq!(page["totalCount"], 1, "{page}");
    page["agents"][0].clone()
}

/// How it is, and why.
async fn status(world: &World, site: &Site) -> (String, String) {
    let agent = agent(world, site).await;
    let text = |key: &str| agent[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("statusReason"))
}

async fn act(world: &World, site: &Site, body: Value) -> Value {
    let id = agent(world, site).await["id"].as_str().expect("an id").to_owned();
    let path = world.path(&format!("/deployments/{}/agents/{id}/action", site.deployment));
    world.post(&path, body).await.expect(200)
}

/// The state that the worker is told at a heartbeat.
async fn told(world: &World, worker: &Worker, said: &str) -> String {
    worker.heartbeat(world, said).await.expect_own(200)["state"].as_str().expect("a state").to_owned()
}

on_both! {
    /// A worker that registers is an agent, from what it says and where it comes from.
    async fn a_worker_is_an_agent(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        let shown = agent(&world, &site).await;
        assert_eq!((&shown["name"], &shown["agentTokenId"]), (&json!("one"), &json!(worker.id)));
        assert_eq!((&shown["version"], &shown["airflowVersion"]), (&json!("5.1.0"), &json!("3.3.2")));
        assert_eq!((&shown["queues"], &shown["slots"]), (&json!(["default"]), &json!({"total": 8, "free": 8})));
        assert_eq!((&shown["status"], &shown["lastHeartbeatAt"]), (&json!("HEALTHY"), &json!("2026-01-01T00:00:00Z")));

        world.clock.advance(89);
        assert_eq!(status(&world, &site).await.0, "HEALTHY");
        world.clock.advance(1);
        assert_eq!(status(&world, &site).await.0, "UNHEALTHY");
        worker.heartbeat(&world, "idle").await.expect_own(200);
        assert_eq!(status(&world, &site).await, ("HEALTHY".into(), String::new()));
        assert_eq!(agent(&world, &site).await["lastHeartbeatAt"], "2026-01-01T00:01:30Z");
        worker.heartbeat(&world, "offline").await.expect_own(200);
        assert_eq!(status(&world, &site).await, ("TERMINATED".into(), "it shut down at 2026-01-01T00:01:30Z".into()));
    }

    /// Cordoned, a worker finishes what it runs and is given nothing new, from that moment on and
    /// without its Airflow being asked; uncordoned, it is told so and works again.
    async fn cordon_drains_and_uncordon_ends_it(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, token) = site.running(&world, "one", "long", TASK).await;
        assert_eq!(told(&world, &worker, "running").await, "running");
        assert_eq!(act(&world, &site, json!({"action": "CORDON", "reason": "new disk"})).await["status"], "CORDONED");

        let next = JobKey::new("next");
        site.airflow.queue_job(&next, ANOTHER, "default");
        let calls = site.airflow.calls().len();
        assert_eq!(worker.fetch(&world).await.expect_own(200), Value::Null);
        assert_eq!(site.airflow.calls().len(), calls, "the Airflow was not asked");

        let answer = worker.heartbeat(&world, "running").await.expect_own(200);
        assert_eq!((&answer["state"], &answer["maintenance_comments"]), (&json!("maintenance request"), &json!("new disk")));
        assert_eq!(told(&world, &worker, "maintenance pending").await, "maintenance pending");
        let heartbeat = format!("task-instances/{TASK}/heartbeat");
        worker.task_call(&world, &token, "PATCH", &format!("task-instances/{TASK}/run"), &json!({})).await.expect_own(200);
        assert_ne!(worker.task_call(&world, &token, "PUT", &heartbeat, &json!({})).await.status, 410, "its task goes on");
        let state = format!("jobs/state/{}/success", key.path());
        worker.call(&world, "PATCH", &state, &Value::Null).await.expect_own(200);
        assert_eq!(told(&world, &worker, "maintenance mode").await, "maintenance mode");
        assert_eq!(status(&world, &site).await, ("CORDONED".into(), String::new()));

        assert_eq!(act(&world, &site, json!({"action": "UNCORDON"})).await["isCordoned"], false);
        assert_eq!(told(&world, &worker, "maintenance mode").await, "idle");
        assert_eq!(told(&world, &worker, "idle").await, "idle");
        assert_eq!(status(&world, &site).await, ("HEALTHY".into(), String::new()));
        assert_eq!(worker.fetch(&world).await.expect_own(200)["dag_id"], "next");
    }

    /// Uncordoned before it has finished what it ran, a worker is told that it runs.
    async fn uncordoned_with_work_in_hand(world) {
        let site = Site::with_secret(&world).await;
        let (worker, ..) = site.running(&world, "one", "long", TASK).await;
        act(&world, &site, json!({"action": "CORDON"})).await;
        assert_eq!(told(&world, &worker, "running").await, "maintenance request");
        assert_eq!(told(&world, &worker, "maintenance pending").await, "maintenance pending");
        act(&world, &site, json!({"action": "UNCORDON"})).await;
        assert_eq!(told(&world, &worker, "maintenance pending").await, "running");
        assert_eq!(told(&world, &worker, "running").await, "running");
        assert_eq!(status(&world, &site).await, ("HEALTHY".into(), String::new()));
    }

    /// Uncordoned before it has heard of the cordon, a worker need not hear of it.
    async fn uncordoned_before_it_was_told(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        act(&world, &site, json!({"action": "CORDON"})).await;
        act(&world, &site, json!({"action": "UNCORDON"})).await;
        assert_eq!(told(&world, &worker, "idle").await, "idle");
        assert_eq!(status(&world, &site).await, ("HEALTHY".into(), String::new()));
    }

    /// A cordon is there again when the worker comes back.
    async fn a_cordon_outlives_a_restart(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        act(&world, &site, json!({"action": "CORDON"})).await;
        worker.heartbeat(&world, "offline").await.expect_own(200);
        assert_eq!(status(&world, &site).await.0, "TERMINATED");
        worker.register(&world).await.expect_own(200);
        assert_eq!(status(&world, &site).await.0, "CORDONED");
        assert_eq!(worker.fetch(&world).await.expect_own(200), Value::Null);
        assert_eq!(told(&world, &worker, "idle").await, "maintenance request");
    }

    /// Its Airflow sends a worker back into maintenance that shut down in it. Uncordoned meanwhile,
    /// the worker goes in, and is told that it is over.
    async fn uncordoned_while_it_was_away(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        act(&world, &site, json!({"action": "CORDON"})).await;
        assert_eq!(told(&world, &worker, "idle").await, "maintenance request");
        assert_eq!(told(&world, &worker, "maintenance mode").await, "maintenance mode");
        worker.heartbeat(&world, "offline maintenance").await.expect_own(200);
        act(&world, &site, json!({"action": "UNCORDON"})).await;
        worker.register(&world).await.expect_own(200);
        assert_eq!(told(&world, &worker, "idle").await, "maintenance request", "the Airflow's own word");
        assert_eq!(told(&world, &worker, "maintenance mode").await, "idle");
        assert_eq!(told(&world, &worker, "idle").await, "idle");
        assert_eq!(status(&world, &site).await, ("HEALTHY".into(), String::new()));
    }

    /// Deleted while its network was away, a worker is there again, and is not cordoned. What its
    /// Airflow keeps of the maintenance can be ended.
    async fn deleted_while_it_was_away(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        act(&world, &site, json!({"action": "CORDON"})).await;
        assert_eq!(told(&world, &worker, "idle").await, "maintenance request");
        assert_eq!(told(&world, &worker, "maintenance mode").await, "maintenance mode");
        let id = agent(&world, &site).await["id"].as_str().expect("an id").to_owned();
        let one = world.path(&format!("/deployments/{}/agents/{id}", site.deployment));
        world.delete(&one).await.expect(400);
        world.clock.advance(90);
        world.delete(&one).await.expect(204);

        assert_eq!(told(&world, &worker, "maintenance mode").await, "maintenance mode");
        let again = agent(&world, &site).await;
        assert_ne!(again["id"], id);
        assert_eq!((&again["status"], &again["isCordoned"]), (&json!("HEALTHY"), &json!(false)));
        assert_eq!(again["statusReason"], "it is in maintenance in its Airflow, and takes no new work");
        act(&world, &site, json!({"action": "UNCORDON"})).await;
        assert_eq!(told(&world, &worker, "maintenance mode").await, "idle");
        assert_eq!(told(&world, &worker, "idle").await, "idle");
        assert_eq!(status(&world, &site).await, ("HEALTHY".into(), String::new()));
    }
}
