//! What is done in Airflow after an agent token has ended.

use std::time::{Duration, Instant};

use airlock_tests::{
    Database, Site, Worker, World,
    airflow::{Call, Fault},
    on_both,
    site::TASK,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How long something that the server does by itself may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server's own work, until it is told to stop.
fn at_work(world: &World) -> JoinHandle<()> {
    let app = world.app.clone();
    tokio::spawn(async move { app.run_upkeep().await })
}

async fn stop(work: JoinHandle<()>) {
    work.abort();
    let _ = work.await;
}

/// Waits until something is so.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The records of an operation about an agent token.
async fn records(world: &World, operation: &str, token: &str) -> Vec<Value> {
    let log = world.audit_log().await.into_iter();
    log.filter(|entry| entry["operationId"] == operation && entry["entityId"] == token).collect()
}

/// Waits for the record of the end of a cut-off.
async fn finished(world: &World, token: &str) -> Value {
    until("a record CutOff", async || {
        let mut records = records(world, "CutOff", token).await;
        assert!(records.len() <= 1, "{records:?}");
        records.pop()
    })
    .await
}

/// Starts the task, so that it has a token of its own that can fail it.
async fn start_task(world: &World, worker: &Worker, token: &str) {
    let body =
        json!({"state": "running", "hostname": "x", "unixname": "x", "pid": 1, "start_date": "2026-01-01T00:00:00Z"});
    worker.task_call(world, token, "PATCH", &format!("task-instances/{TASK}/run"), &body).await.expect_own(200);
}

/// A call in short: what was asked, and what the body says of it.
fn short(call: &Call) -> String {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let said = ["state", "task_instance_id"].map(|name| body[name].as_str().unwrap_or("-").to_owned());
    format!("{} {} {}", call.method, call.path, said.join(" "))
}

/// What the fake Airflow was asked behind the first so many calls.
fn asked(site: &Site, behind: usize) -> Vec<String> {
    site.airflow.calls()[behind..].iter().map(short).collect()
}

fn line(site: &Site) -> Value {
    let calls = site.airflow.calls();
    let pushes: Vec<&Call> = calls.iter().filter(|call| call.path.contains("/logs/push/")).collect();
    let [push] = pushes[..] else { panic!("{} lines were pushed", pushes.len()) };
    let body: Value = serde_json::from_slice(&push.body).expect("JSON");
    let text = body["log_chunk_data"].as_str().expect("a text");
    assert!(text.ends_with('\n'), "{text}");
    serde_json::from_str(text).expect("a line of JSON, as Airflow's own logs are")
}

async fn in_both_modes(world: World, site: Site) {
    let (worker, _, token) = site.running(&world, "w1", "cut", TASK).await;
    start_task(&world, &worker, &token).await;
    let before = site.airflow.calls().len();
    let work = at_work(&world);
    site.delete_token(&world, &worker.id).await;

    let record = finished(&world, &worker.id).await;
    assert_eq!(record["outcome"], "CHANGED", "{record}");
    assert_eq!(record["entityType"], "agentToken");
    assert_eq!(record["subjectName"], "Airlock");
    assert_eq!(record["organizationId"], json!(world.organization));
    assert_eq!(record["reason"], "tasks failed in Airflow: 1; workers offline: 1");
    let key = "cut/wait/manual__2026-01-01T00:00:00.000001+00:00/1/-1";
    assert_eq!(
        asked(&site, before),
        [
            format!("PATCH /execution/task-instances/{TASK}/state failed -"),
            format!("PATCH /edge_worker/v1/jobs/state/{key}/failed - -"),
            format!("PATCH /edge_worker/v1/jobs/state/{key}/failed - {TASK}"),
            format!("POST /edge_worker/v1/logs/push/{key} - -"),
            "PATCH /edge_worker/v1/worker/w1 offline -".to_owned(),
        ]
    );
    let event = line(&site)["event"].as_str().expect("a text").to_owned();
    let start =
        format!("Agent token revoked: the token w1 ({}) of this task's worker was deleted by First owner", worker.id);
    assert!(event.starts_with(&start), "{event}");
    assert!(event.contains("2026-01-01T00:00:00Z"), "{event}");

    let agents = world.get(&world.path(&format!("/deployments/{}/agents", site.deployment))).await.expect(200);
    assert_eq!(agents["agents"][0]["status"], "TERMINATED", "{agents}");
    // Nothing is left to do, and no task token is kept.
    let cutoffs = world.database.dump("cutoffs").await;
    assert_eq!(cutoffs.lines().count(), 1, "{cutoffs}");
    stop(work).await;
}

on_both! {
    /// The task is failed with its own token, its job too, its log says why, and the worker is
    /// offline: with an Airflow that trusts its secret.
    async fn a_deleted_token_is_finished_in_airflow(world) {
        let site = Site::with_secret(&world).await;
        in_both_modes(world, site).await;
    }

    /// The same with an Airflow that trusts Airlock's key.
    async fn a_deleted_token_is_finished_in_airflow_by_keys(world) {
        let site = Site::with_keys(&world).await;
        in_both_modes(world, site).await;
    }

    /// A token that nobody came with leaves nothing to do.
    async fn an_unused_token_leaves_nothing(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "w1").await;
        site.delete_token(&world, &worker.id).await;
        assert_eq!(world.database.dump("cutoffs").await, "");
    }

    /// Nobody asks for the end of a token that expires: the server sees to it, and leaves a record
    /// of that too.
    async fn an_expired_token_is_cut_off(world) {
        let site = Site::with_secret(&world).await;
        let token = site.token(&world, json!({"name": "short", "tokenExpiryPeriodInDays": 1})).await;
        let worker = Worker::new(&site.deployment, "w1", token);
        worker.register(&world).await.expect_own(200);
        let work = at_work(&world);
        world.clock.advance(86_400);
        let record = finished(&world, &worker.id).await;
        assert_eq!(record["reason"], "tasks failed in Airflow: 0; workers offline: 1", "{record}");
        assert_eq!(records(&world, "EndAgentToken", &worker.id).await.len(), 1);
        let last = site.airflow.last();
        assert_eq!(short(&last), "PATCH /edge_worker/v1/worker/w1 offline -");
        let said: Value = serde_json::from_slice(&last.body).expect("JSON");
        assert_eq!(said["sysinfo"]["edge_provider_version"], "5.1.0", "as the worker said it: {said}");
        stop(work).await;
    }

    /// A job that was handed out while its token was being deleted, so that nobody saw it: it is
    /// found, and failed.
    async fn a_job_that_was_handed_out_meanwhile_is_found(world) {
        let site = Site::with_secret(&world).await;
        let (worker, ..) = site.running(&world, "w1", "cut", TASK).await;
        let work = at_work(&world);
        site.delete_token(&world, &worker.id).await;
        finished(&world, &worker.id).await;
        stop(work).await;
        assert_eq!(world.database.dump("cutoff_variables").await, "", "how the Airflow is reached is kept too long");
        world.clock.advance(1);
        world.database.execute("UPDATE agent_jobs SET ended_at = NULL, state = 'queued'").await;

        let work = at_work(&world);
        until("another record", async || (records(&world, "CutOff", &worker.id).await.len() == 2).then_some(())).await;
        let begun = records(&world, "EndAgentToken", &worker.id).await;
        let reason = "the token was deleted at 2026-01-01T00:00:00Z, and its agent was seen once more";
        assert_eq!((begun.len(), &begun[0]["reason"]), (1, &json!(reason)));
        stop(work).await;

        world.clock.advance(8 * 86_400);
        let work = at_work(&world);
        until("nothing is kept", async || {
            let kept = world.database.dump("cutoffs").await + &world.database.dump("agent_jobs").await;
            kept.is_empty().then_some(())
        })
        .await;
        stop(work).await;
    }

    /// How the Airflow is reached outlives the Deployment that said it.
    async fn a_deleted_deployment_is_finished_too(world) {
        let site = Site::with_secret(&world).await;
        let (worker, _, token) = site.running(&world, "w1", "cut", TASK).await;
        start_task(&world, &worker, &token).await;
        let before = site.airflow.calls().len();
        world.delete(&world.path(&format!("/deployments/{}", site.deployment))).await.expect(204);
        let work = at_work(&world);
        let record = finished(&world, &worker.id).await;
        assert_eq!(record["reason"], "tasks failed in Airflow: 1; workers offline: 1", "{record}");
        assert_eq!(site.airflow.calls().len(), before + 5);
        stop(work).await;
    }

    /// Whatever the execution API answers about a task that is over, or a token that has expired:
    /// the edge job is failed nevertheless, and nothing is tried again.
    async fn the_edge_job_is_the_fallback(world) {
        let site = Site::with_secret(&world).await;
        let work = at_work(&world);
        for (number, status) in [401, 403, 404, 409, 410, 422].into_iter().enumerate() {
            let name = format!("w{number}");
            let (worker, _, token) = site.running(&world, &name, &name, TASK).await;
            start_task(&world, &worker, &token).await;
            let before = site.airflow.calls().len();
            site.airflow.fail_next(Fault::Status(status));
            site.delete_token(&world, &worker.id).await;
            let record = finished(&world, &worker.id).await;
            assert_eq!(record["outcome"], "CHANGED", "{status}: {record}");
            // A task that Airflow does not know has no log either.
            assert_eq!(asked(&site, before).len(), if status == 404 { 4 } else { 5 }, "{status}");
        }
        stop(work).await;
    }

    /// Airflow is away at first, and Airlock is started anew meanwhile: in the end all is done, and
    /// the line is in the log once.
    async fn it_is_tried_again_until_it_works(world) {
        let site = Site::with_secret(&world).await;
        let (worker, _, token) = site.running(&world, "w1", "cut", TASK).await;
        start_task(&world, &worker, &token).await;
        let before = site.airflow.calls().len();
        site.airflow.fail_next(Fault::Status(502)); // the task
        site.delete_token(&world, &worker.id).await;
        let work = at_work(&world);
        until("a first try", async || (site.airflow.calls().len() == before + 2).then_some(())).await;
        until("its fault", async || world.database.dump("cutoffs").await.contains("status 502").then_some(())).await;
        assert_eq!(records(&world, "CutOff", &worker.id).await.len(), 0);
        stop(work).await;
        let world = world.restarted().await;

        site.airflow.fail_next(Fault::Status(204)); // the task
        site.airflow.fail_next(Fault::Status(200)); // its job
        site.airflow.fail_next(Fault::Status(200));
        site.airflow.fail_next(Fault::Status(503)); // its log
        let work = at_work(&world);
        world.clock.advance(2);
        until("a second try", async || world.database.dump("cutoffs").await.contains("status 503").then_some(())).await;
        stop(work).await;

        let work = at_work(&world);
        world.clock.advance(4);
        let record = finished(&world, &worker.id).await;
        assert_eq!(record["outcome"], "CHANGED", "{record}");
        let pushed = asked(&site, before).into_iter().filter(|call| call.contains("/logs/push/")).count();
        assert_eq!(pushed, 2, "one of them was refused");
        stop(work).await;
    }

    /// Airlock ends in the middle of a try: the next process makes it again, once the claim of the
    /// first has run out.
    async fn a_try_that_was_broken_off_is_made_again(world) {
        let site = Site::with_secret(&world).await;
        let (worker, _, token) = site.running(&world, "w1", "cut", TASK).await;
        start_task(&world, &worker, &token).await;
        let before = site.airflow.calls().len();
        site.airflow.fail_next(Fault::Hangs);
        site.delete_token(&world, &worker.id).await;
        let work = at_work(&world);
        until("a first try", async || (site.airflow.calls().len() == before + 1).then_some(())).await;
        stop(work).await;
        let world = world.restarted().await;
        let work = at_work(&world);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(site.airflow.calls().len(), before + 1, "the other may still be at it");
        world.clock.advance(35);
        let record = finished(&world, &worker.id).await;
        assert_eq!(record["reason"], "tasks failed in Airflow: 1; workers offline: 1", "{record}");
        stop(work).await;
    }

    /// An Airflow that stays away for a day: it is given up, and the record says why.
    async fn it_is_given_up_after_a_day(world) {
        let site = Site::with_secret(&world).await;
        let (worker, _, token) = site.running(&world, "w1", "cut", TASK).await;
        start_task(&world, &worker, &token).await;
        site.airflow.set(|airflow| airflow.status = Some(503));
        site.delete_token(&world, &worker.id).await;
        let work = at_work(&world);
        until("a fault", async || world.database.dump("cutoffs").await.contains("status 503").then_some(())).await;
        assert_eq!(records(&world, "CutOff", &worker.id).await.len(), 0);
        world.clock.advance(86_400);
        let record = finished(&world, &worker.id).await;
        assert_eq!((&record["outcome"], &record["statusCode"]), (&json!("FAILED"), &json!(503)), "{record}");
        let reason = record["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("given up after 2 tries: ") && reason.contains("status 503"), "{reason}");
        stop(work).await;
    }

    /// An Airflow that does not trust Airlock is tried again, and done when the Deployment has got
    /// the right secret: it is how the Deployment says now, as long as it is there.
    async fn a_secret_that_is_mended_is_used(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "w1").await;
        worker.register(&world).await.expect_own(200);
        let path = world.path(&format!("/deployments/{}", site.deployment));
        let change = |secret: &str| json!({
            "name": "attached", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false, "schedulerSize": "SMALL",
            "environmentVariables": [
                {"key": "AIRFLOW__API__BASE_URL", "value": site.airflow.url, "isSecret": false},
                {"key": "AIRFLOW__API_AUTH__JWT_SECRET", "value": secret, "isSecret": true},
            ],
        });
        world.post(&path, change("wrong")).await.expect(200);
        site.delete_token(&world, &worker.id).await;
        let work = at_work(&world);
        until("a fault", async || world.database.dump("cutoffs").await.contains("does not trust").then_some(())).await;
        world.post(&path, change(airlock_tests::airflow::SECRET)).await.expect(200);
        world.clock.advance(2);
        assert_eq!(finished(&world, &worker.id).await["outcome"], "CHANGED");
        assert!(!world.database.dump("cutoffs").await.contains("wrong"));
        stop(work).await;
    }

    /// Several who work share what is left to do: each token is done once.
    async fn workers_share_by_claims(world) {
        let site = Site::with_secret(&world).await;
        let mut tokens = Vec::new();
        for number in 0..20 {
            let worker = site.worker(&world, &format!("w{number}")).await;
            worker.register(&world).await.expect_own(200);
            tokens.push(worker.id);
        }
        let before = site.airflow.calls().len();
        for token in &tokens {
            site.delete_token(&world, token).await;
        }
        let work = [at_work(&world), at_work(&world), at_work(&world)];
        for token in &tokens {
            finished(&world, token).await;
        }
        let mut asked = asked(&site, before);
        asked.sort();
        asked.dedup();
        assert_eq!((site.airflow.calls().len() - before, asked.len()), (20, 20));
        for one in work {
            stop(one).await;
        }
    }
}

/// The name of a worker whose token was deleted is free at once, and the worker that took it is
/// not touched by what is left to do for the first.
#[tokio::test]
async fn a_name_that_went_to_another_is_left_alone() {
    let world = World::new(Database::sqlite()).await;
    let site = Site::with_secret(&world).await;
    let old = site.worker(&world, "w1").await;
    old.register(&world).await.expect_own(200);
    site.delete_token(&world, &old.id).await;
    let new = site.worker(&world, "w1").await;
    new.register(&world).await.expect_own(200);
    let before = site.airflow.calls().len();
    let work = at_work(&world);
    let record = finished(&world, &old.id).await;
    assert_eq!(record["reason"], "tasks failed in Airflow: 0; workers offline: 0", "{record}");
    assert_eq!(asked(&site, before), Vec::<String>::new());
    stop(work).await;
}
