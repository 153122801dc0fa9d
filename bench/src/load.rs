//! Clients that send one request after the other, and what they saw.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Duration};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::{
    task::{JoinSet, LocalSet},
    time::{Instant, sleep_until, timeout},
};

use crate::{http::Connection, machine};

/// What is sent before the measured time begins, so that connections, caches and prepared
/// statements are there.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// How long a row may take beyond its time before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a load goes, and the process whose processor time it costs.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
}

impl Target {
    fn cpu_time(self) -> anyhow::Result<Duration> {
        machine::cpu_time(&self.pid.to_string())
    }
}

/// One kind of load.
pub(crate) struct Load {
    pub(crate) clients: usize,
    /// The status of every answer.
    pub(crate) status: u16,
    /// What the first answer's body must have in it, so that the right thing is measured.
    pub(crate) shows: &'static str,
    pub(crate) requests: Requests,
}

/// Writes the request with this number, counted from 0; false when there are no more.
type WriteRequest = Box<dyn Fn(usize, &mut Vec<u8>) -> bool>;

/// Requests, one after the other, for all clients together.
pub(crate) struct Requests {
    sent: Cell<usize>,
    write: WriteRequest,
}

impl Requests {
    pub(crate) fn new(write: impl Fn(usize, &mut Vec<u8>) -> bool + 'static) -> Self {
        Self { sent: Cell::new(0), write: Box::new(write) }
    }

    /// The same few requests round and round.
    pub(crate) fn cycle(requests: Vec<Vec<u8>>) -> Self {
        Self::new(move |number, out| {
            out.extend_from_slice(&requests[number % requests.len()]);
            true
        })
    }

    /// Replaces what is in `out` by the next request.
    fn next(&self, out: &mut Vec<u8>) -> bool {
        out.clear();
        (self.write)(self.sent.replace(self.sent.get() + 1), out)
    }
}

/// What a load came to.
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) elapsed: Duration,
    /// Half of the requests were answered within this time.
    pub(crate) p50: Duration,
    /// 99 of 100 requests were answered within this time.
    pub(crate) p99: Duration,
    /// The processor time of the target, and of the clients.
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
}

impl Figures {
    /// A processor time by the requests that it was used for, in microseconds.
    pub(crate) fn each(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.requests as f64
    }
}

/// Puts a load on a server for a time. Anything that is not the expected answer is an error.
pub(crate) async fn measure(target: Target, load: Load, time: Duration) -> anyhow::Result<Figures> {
    let address = target.address;
    let mut first = Vec::new();
    ensure!(load.requests.next(&mut first), "there is no request");
    let mut connection = Connection::open(address).await?;
    let body = String::from_utf8_lossy(connection.exchange(&first, load.status).await?);
    ensure!(body.contains(load.shows), "the answer has no {}: {body}", load.shows);
    drop(connection);

    let load = Rc::new(load);
    let from = Instant::now() + WARM_UP;
    let until = from + time;
    let work = async {
        let mut clients = JoinSet::new();
        for _ in 0..load.clients {
            clients.spawn_local(client(address, Rc::clone(&load), from, until));
        }
        sleep_until(from).await;
        let (begun, server_before, client_before) = (Instant::now(), target.cpu_time()?, machine::cpu_time("self")?);
        let mut times = Vec::new();
        while let Some(client) = clients.join_next().await {
            times.append(&mut client??);
        }
        let elapsed = begun.elapsed();
        let server_cpu = target.cpu_time()? - server_before;
        let client_cpu = machine::cpu_time("self")? - client_before;
        times.sort_unstable();
        let part = |of: f64| times.get((times.len() as f64 * of) as usize).copied();
        let (p50, p99) = part(0.50).zip(part(0.99)).context("no request fell into the measured time")?;
        anyhow::Ok(Figures { requests: times.len(), elapsed, p50, p99, server_cpu, client_cpu })
    };
    let local = LocalSet::new();
    timeout(WARM_UP + time + PATIENCE, local.run_until(work)).await.context("the server did not answer in time")?
}

/// Answers with the times of the requests that it sent after `from` and before `until`.
async fn client(address: SocketAddr, load: Rc<Load>, from: Instant, until: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut request = Vec::new();
    let mut times = Vec::with_capacity(1 << 16);
    loop {
        let sent = Instant::now();
        if sent >= until || !load.requests.next(&mut request) {
            return Ok(times);
        }
        connection.exchange(&request, load.status).await?;
        if sent >= from {
            times.push(sent.elapsed());
        }
    }
}

/// Sends requests that prepare something, by several clients, and reads their answers. They come
/// in any order.
pub(crate) async fn send_all(
    address: SocketAddr,
    clients: usize,
    requests: Vec<Vec<u8>>,
) -> anyhow::Result<Vec<Value>> {
    let requests = Rc::new((Cell::new(0), requests));
    let work = async {
        let mut all = JoinSet::new();
        for _ in 0..clients {
            let requests = Rc::clone(&requests);
            all.spawn_local(async move {
                let (next, requests) = &*requests;
                let mut connection = Connection::open(address).await?;
                let mut answers = Vec::new();
                while let Some(request) = requests.get(next.replace(next.get() + 1)) {
                    answers.push(serde_json::from_slice(connection.exchange(request, 200).await?)?);
                }
                anyhow::Ok(answers)
            });
        }
        let mut answers = Vec::new();
        while let Some(client) = all.join_next().await {
            answers.append(&mut client??);
        }
        Ok(answers)
    };
    LocalSet::new().run_until(work).await
}
