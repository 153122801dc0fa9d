//! Bodies go through the gate as they come, within limits, and not beyond the end of the token.

use std::time::Duration;

use airlock_server::{GateSettings, Settings};
use airlock_tests::{
    Database, Site, World,
    airflow::{Fault, JobKey},
    on_both,
    site::TASK,
};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

const SOON: Duration = Duration::from_secs(10);

/// The sending half of a body whose pieces come when the test wants.
type Pieces = mpsc::Sender<&'static [u8]>;

fn piecemeal() -> (Pieces, Body) {
    let (pieces, comes) = mpsc::channel(1);
    let stream = stream::unfold(comes, async |mut comes: mpsc::Receiver<&'static [u8]>| {
        let piece = comes.recv().await?;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(piece)), comes))
    });
    (pieces, Body::from_stream(Box::pin(stream)))
}

/// A server whose gate has other bounds.
async fn bounded(change: impl FnOnce(&mut GateSettings)) -> World {
    let mut settings = Settings::default();
    change(&mut settings.gate);
    World::with_settings(Database::sqlite(), settings).await
}

/// The next piece of an answer; `None` when it broke off.
async fn next(body: &mut BodyDataStream) -> Option<Bytes> {
    timeout(SOON, body.next()).await.expect("the body goes on or ends").and_then(Result::ok)
}

on_both! {
    /// The Airflow has the beginning of an XCom before the task has sent its end.
    async fn an_upload_is_not_kept(world) {
        let site = Site::with_secret(&world).await;
        let (worker, _, token) = site.running(&world, "one", "first", TASK).await;
        let run = worker.task_call(&world, &token, "PATCH", &format!("task-instances/{TASK}/run"), &json!({})).await;
        let token = run.headers["refreshed-api-token"].to_str().expect("text").to_owned();
        let (pieces, body) = piecemeal();
        let request = worker.task_request(&token, "POST", "xcoms/first/run/wait/return_value").body(body);
        let (answer, ()) = tokio::join!(world.send(request.expect("a request")), async {
            pieces.send(b"[0,").await.expect("it is taken");
            timeout(SOON, site.airflow.received(3)).await.expect("the beginning is there");
            pieces.send(b"1]").await.expect("it is taken");
            drop(pieces);
        });
        assert_eq!(answer.status, 201);
        assert_eq!(site.airflow.last().body, b"[0,1]");
    }

    /// An XCom without an end streams to the task, is made only as fast as it is taken, and is cut
    /// when the token is deleted.
    async fn a_download_is_cut_with_its_token(world) {
        let site = Site::with_secret(&world).await;
        let (worker, _, token) = site.running(&world, "one", "first", TASK).await;
        let run = worker.task_call(&world, &token, "PATCH", &format!("task-instances/{TASK}/run"), &json!({})).await;
        let token = run.headers["refreshed-api-token"].to_str().expect("text").to_owned();
        let request = worker.task_request(&token, "GET", "xcoms/first/run/wait/large").body(Body::empty());
        let answer = world.open(request.expect("a request")).await;
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body().into_data_stream();
        let mut taken = 0;
        while taken < 8 << 20 {
            taken += next(&mut body).await.expect("it goes on").len();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let made = site.airflow.made();
        assert!(made < taken + (16 << 20), "{made} bytes were made, of which {taken} were taken");

        site.delete_token(&world, &worker.id).await;
        // On PostgreSQL the gate asks the database whether it was this token; meanwhile more comes.
        let deleted = tokio::time::Instant::now();
        while next(&mut body).await.is_some() {
            assert!(deleted.elapsed() < Duration::from_secs(1), "it was not cut");
        }
    }

    /// So is a log that is being sent, and a call that waits for its Airflow.
    async fn an_upload_is_cut_with_its_token(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        let (pieces, body) = piecemeal();
        let request = worker.request(&world, "POST", &format!("logs/push/{}", key.path())).body(body);
        let (answer, ()) = tokio::join!(world.send(request.expect("a request")), async {
            pieces.send(b"{\"log_chunk_data\":\"").await.expect("it is taken");
            timeout(SOON, site.airflow.received(10)).await.expect("the beginning is there");
            site.delete_token(&world, &worker.id).await;
        });
        assert_eq!((answer.status, &answer.json["detail"]), (403, &json!("the agent token has ended")));

        let (worker, _, _) = site.running(&world, "two", "second", "01a20c4c-41c6-7997-a461-921d5cf62adb").await;
        site.airflow.fail_next(Fault::Hangs);
        let (answer, ()) = tokio::join!(worker.heartbeat(&world, "idle"), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            site.delete_token(&world, &worker.id).await;
        });
        assert_eq!(answer.status, 403);
    }
}

/// A log about another task breaks off before the Airflow has it whole, however it comes.
#[tokio::test]
async fn a_log_about_another_task_breaks_off() {
    let world = World::new(Database::sqlite()).await;
    let site = Site::with_secret(&world).await;
    let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
    let before = site.airflow.calls().len();
    let (pieces, body) = piecemeal();
    let request = worker.request(&world, "POST", &format!("logs/push/{}", key.path())).body(body);
    let (answer, ()) = tokio::join!(world.send(request.expect("a request")), async {
        pieces.send(b"{\"log_chunk_data\":\"x\",\"task_instance_id\":\"01a20c4c").await.expect("it is taken");
        timeout(SOON, site.airflow.received(10)).await.expect("the beginning is there");
        pieces.send(b"-0000-0000-0000-000000000000\"}").await.expect("it is taken");
        drop(pieces);
    });
    assert_eq!(answer.status, 403, "{}", answer.json);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.airflow.calls().len(), before);
}

/// A body that does not say its length is cut at its limit.
#[tokio::test]
async fn a_body_without_a_length_has_a_limit_too() {
    let world = bounded(|gate| gate.value_body = 1 << 20).await;
    let site = Site::with_secret(&world).await;
    let (worker, _, token) = site.running(&world, "one", "first", TASK).await;
    let before = site.airflow.calls().len();
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'1'; 1 << 16])));
    let request = worker.task_request(&token, "POST", "xcoms/first/run/wait/x").body(Body::from_stream(endless));
    let answer = timeout(SOON, world.send(request.expect("a request"))).await.expect("an answer");
    assert_eq!((answer.status, &answer.json["detail"]["reason"]), (413, &json!("too_large")));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.airflow.calls().len(), before);
}

/// An Airflow that does not answer is given up after a while, and the worker tries again.
#[tokio::test]
async fn an_airflow_that_hangs_is_given_up() {
    let world = bounded(|gate| gate.stall_timeout = Duration::from_millis(200)).await;
    let site = Site::with_secret(&world).await;
    let worker = site.worker(&world, "one").await;
    worker.register(&world).await.expect_own(200);
    site.airflow.fail_next(Fault::Hangs);
    let answer = worker.heartbeat(&world, "idle").await;
    assert_eq!((answer.status, answer.headers["retry-after"].as_bytes()), (503, b"1".as_slice()));
    assert_eq!(worker.heartbeat(&world, "idle").await.status, 200);
}

/// One token does not take all connections; what comes too much is tried again, by worker and task.
#[tokio::test]
async fn calls_under_way_are_bounded() {
    let world = bounded(|gate| {
        gate.calls_per_token = 1;
        gate.stall_timeout = Duration::from_millis(500);
    })
    .await;
    let site = Site::with_secret(&world).await;
    let (worker, _, token) = site.running(&world, "one", "first", TASK).await;
    site.airflow.fail_next(Fault::Hangs);
    let ((), first) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let second = worker.heartbeat(&world, "idle").await;
            assert_eq!((second.status, second.headers["retry-after"].as_bytes()), (429, b"1".as_slice()));
            let task = worker.task_call(&world, &token, "GET", "variables/x", &Value::Null).await;
            assert_eq!(task.status, 503, "the task SDK does not try 429 again");
        },
        worker.heartbeat(&world, "idle")
    );
    assert_eq!(first.status, 503);
    assert_eq!(worker.heartbeat(&world, "idle").await.status, 200, "the place is free again");
}

/// A job that cannot be kept is not handed out, and its Airflow is told that it failed.
#[tokio::test]
async fn a_job_that_cannot_be_kept_is_given_back() {
    let world = World::new(Database::sqlite()).await;
    let site = Site::with_secret(&world).await;
    let worker = site.worker(&world, "one").await;
    worker.register(&world).await.expect_own(200);
    let key = JobKey::new("first");
    site.airflow.queue_job(&key, TASK, "default");
    world.database.execute("ALTER TABLE agent_jobs RENAME TO agent_jobs_away").await;
    assert_eq!(worker.fetch(&world).await.status, 503);
    let given_back = site.airflow.last();
    assert_eq!(given_back.method, "PATCH");
    assert_eq!(given_back.path, format!("/edge_worker/v1/jobs/state/{}/failed", key.path()));
}
