//! What stands for an Airflow: it reads requests, answers at once, and checks nothing.

use std::{cell::RefCell, collections::HashSet, rc::Rc};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use crate::{helper, worker};

/// How much is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// The paths at which a job was fetched. The first fetch of each worker gets a job.
type Fetched = Rc<RefCell<HashSet<String>>>;

/// Serves until its input ends.
pub(crate) async fn run() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    helper::tell(listener.local_addr()?)?;
    let accept = async {
        let fetched = Fetched::default();
        loop {
            let (stream, _) = listener.accept().await?;
            // A connection that breaks is seen by whoever holds its other end.
            tokio::task::spawn_local(serve(stream, Rc::clone(&fetched)));
        }
    };
    let work = async {
        tokio::select! {
            failed = accept => failed,
            () = helper::until_left() => Ok(()),
        }
    };
    LocalSet::new().run_until(work).await
}

async fn serve(mut stream: TcpStream, fetched: Fetched) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(PIECE);
    loop {
        buffer.clear();
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = std::str::from_utf8(&buffer[..end]).context("a head that is not UTF-8")?;
        let length = content_length(head)?;
        let answer = answer(head, &fetched);
        let mut left = (end + length).checked_sub(buffer.len()).context("more than one request")?;
        while left > 0 {
            buffer.clear();
            let read = stream.read_buf(&mut buffer).await?;
            ensure!(read > 0, "a body broke off");
            left = left.checked_sub(read).context("more than one request")?;
        }
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The length of a body. One that comes in chunks would be another thing to measure.
fn content_length(head: &str) -> anyhow::Result<usize> {
    let mut length = 0;
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        ensure!(!name.eq_ignore_ascii_case("transfer-encoding"), "a body in chunks");
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
    }
    Ok(length)
}

/// What Airflow 3.3.2 with edge3 5.1.0 answers.
fn answer(head: &str, fetched: &Fetched) -> String {
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let below = path.strip_prefix("/edge_worker/v1/");
    let body = match (method, below) {
        ("PUT", None) if path.ends_with("/heartbeat") => {
            return "HTTP/1.1 204 No Content\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\n\r\n".into();
        }
        ("POST", Some(below)) if below.starts_with("worker/") => {
            r#"{"last_update":"2026-01-01T00:00:00Z","versions_match":true}"#.into()
        }
        ("PATCH", Some(below)) if below.starts_with("worker/") => {
            r#"{"state":"idle","queues":["default"],"maintenance_comments":null,"concurrency":null,"versions_match":true}"#
                .into()
        }
        ("POST", Some(below)) => match below.strip_prefix("jobs/fetch/") {
            Some(name) if fetched.borrow_mut().insert(name.to_owned()) => job(name),
            _ => "null".into(),
        },
        _ => "{}".into(),
    };
    format!(
        "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: {}\r\n\
         content-type: application/json\r\n\r\n{body}",
        body.len()
    )
}

/// A job for a worker, with a task token as long as a real one.
fn job(name: &str) -> String {
    let (task, run) = (worker::task_of(name), worker::RUN);
    json!({
        "dag_id": name, "task_id": "wait", "run_id": run, "map_index": -1, "try_number": 1,
        "command": {
            "token": format!("eyJhbGciOiJIUzUxMiJ9.{}.{}", "p".repeat(300), "s".repeat(86)),
            "dag_rel_path": "gate.py", "bundle_info": {"name": "dags-folder", "version": null},
            "log_path": "attempt=1.log",
            "ti": {
                "id": task, "task_id": "wait", "dag_id": name, "run_id": run, "try_number": 1, "map_index": -1,
                "hostname": "", "queue": "default", "pool_slots": 1, "priority_weight": 2,
            },
            "type": "ExecuteTask",
        },
        "concurrency_slots": 1, "task_instance_id": null,
    })
    .to_string()
}
