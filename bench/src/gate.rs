//! What a call costs that goes through the gate, beside the same call through a proxy that checks
//! nothing, and beside the same call straight to what stands for the Airflow.

use std::{io::Write, path::Path, rc::Rc, time::Duration};

use airlock_core::Env;
use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::{
    helper::Helper,
    http::{self, Connection},
    load::{Figures, Load, Requests, Target, WARM_UP, measure},
    server::Server,
    table::count,
    worker::{Call, Worker},
};

/// Workers of each Deployment: as many as it can have tokens.
const WORKERS: usize = 50;

#[derive(Args)]
pub(crate) struct Options {
    /// Only the rows whose name has this in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// How often each row is measured, the three ways in turn; the medians are printed.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
}

/// How the gate signs what goes to the Airflow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    /// With the Airflow's secret: HS512.
    Secret,
    /// With Airlock's own key: EdDSA.
    OwnKey,
}

struct Row {
    name: &'static str,
    call: Call,
    clients: usize,
    signing: Signing,
}

const fn row(name: &'static str, call: Call, clients: usize, signing: Signing) -> Row {
    Row { name, call, clients, signing }
}

const ROWS: &[Row] = &[
    row("jobs/fetch, none, 1 client", Call::Fetch, 1, Signing::Secret),
    row("jobs/fetch, none, 16 clients", Call::Fetch, 16, Signing::Secret),
    row("jobs/fetch, none, 16 clients, EdDSA", Call::Fetch, 16, Signing::OwnKey),
    row("logs/push, 1 KiB, 16 clients", Call::Logs(1 << 10), 16, Signing::Secret),
    row("logs/push, 512 KiB, 4 clients", Call::Logs(512 << 10), 4, Signing::Secret),
    row("task heartbeat, 1 client", Call::TaskHeartbeat, 1, Signing::Secret),
    row("task heartbeat, 16 clients", Call::TaskHeartbeat, 16, Signing::Secret),
    row("worker heartbeat (writes), 16 clients", Call::Heartbeat, 16, Signing::Secret),
];

/// A Deployment with workers, and where its calls go.
struct Site {
    deployment: String,
    workers: Vec<Worker>,
}

/// Measures all rows and prints them.
pub(crate) async fn run(
    out: &mut impl Write,
    binary: &Path,
    folder: &Path,
    time: Duration,
    options: &Options,
) -> anyhow::Result<()> {
    let rows: Vec<_> = ROWS.iter().filter(|row| row.name.contains(&options.only)).collect();
    ensure!(!rows.is_empty(), "no row has {:?} in its name", options.only);
    let upstream = Helper::start(&["upstream"])?;
    let to = upstream.target().address.to_string();
    let plain = Helper::start(&["plain-proxy", "--upstream", &to])?;
    let server = Server::start(binary, folder, None)?;
    let ways = [server.target(), plain.target(), upstream.target()];
    match write_rows(out, &server, ways, &rows, time, options.rounds).await {
        Ok(()) => server.stop(),
        Err(error) => Err(error.context(format!("the server's log:\n{}", server.log()?))),
    }
}

async fn write_rows(
    out: &mut impl Write,
    server: &Server,
    ways: [Target; 3],
    rows: &[&Row],
    time: Duration,
    rounds: u64,
) -> anyhow::Result<()> {
    let [_, _, upstream] = ways;
    let secret = Rc::new(Site::prepare(server, upstream, Signing::Secret).await?);
    let own_key = Rc::new(Site::prepare(server, upstream, Signing::OwnKey).await?);
    let (seconds, warm_up) = (time.as_secs(), WARM_UP.as_secs());
    writeln!(out, "each row   {rounds} times {seconds} s each way, after {warm_up} s of warm-up; medians\n")?;
    let head = ["gate", "plain", "direct", "gate", "plain", "direct", "gate", "plain", "more"];
    writeln!(out, "{:<38}{:^27}{:^27}{:^30}", "", "p50 us", "p99 us", "server CPU us a request")?;
    let wide = |text: &[&str], width: usize| text.iter().map(|text| format!("{text:>width$}")).collect::<String>();
    writeln!(out, "{:<38}{}{}", "", wide(&head[..6], 9), wide(&head[6..], 10))?;
    out.flush()?;
    for row in rows {
        let site = if row.signing == Signing::Secret { &secret } else { &own_key };
        let mut figures = ways.map(|_| Vec::new());
        for _ in 0..rounds {
            for (at, target) in ways.iter().enumerate() {
                // The Airflow knows nothing of Deployments.
                let base = if at < 2 { format!("/d/{}", site.deployment) } else { String::new() };
                figures[at].push(measure(*target, site.load(row, base), time).await?);
            }
        }
        let each = |of: &dyn Fn(&Figures) -> u128| figures.each_ref().map(|all| count(median(all.iter().map(of))));
        let (p50, p99) = (each(&|figures| figures.p50.as_micros()), each(&|figures| figures.p99.as_micros()));
        let cpu = |all: &[Figures]| median(all.iter().map(|figures| figures.each(figures.server_cpu)));
        let (gate, plain) = (cpu(&figures[0]), cpu(&figures[1]));
        let times: String = p50.iter().chain(&p99).map(|text| format!("{text:>9}")).collect();
        writeln!(out, "{:<38}{times}{gate:>10.1}{plain:>10.1}{:>10.1}", row.name, gate - plain)?;
        out.flush()?;
    }
    Ok(writeln!(out)?)
}

/// The middle one; the lower of two.
fn median<T: PartialOrd + Default>(all: impl Iterator<Item = T>) -> T {
    let mut all: Vec<T> = all.collect();
    all.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    let middle = all.len().saturating_sub(1) / 2;
    all.into_iter().nth(middle).unwrap_or_default()
}

impl Site {
    /// Makes a Deployment and its workers, each of which runs a job.
    async fn prepare(server: &Server, upstream: Target, signing: Signing) -> anyhow::Result<Self> {
        let first = &server.first;
        let mut api = Connection::open(first.address).await?;
        let url = format!("http://{}", upstream.address);
        let mut variables = vec![json!({"key": "AIRFLOW__API__BASE_URL", "value": url, "isSecret": false})];
        let name = if signing == Signing::Secret { "secret" } else { "own-key" };
        if signing == Signing::Secret {
            let secret = "s".repeat(64);
            variables.push(json!({"key": "AIRFLOW__API_AUTH__JWT_SECRET", "value": secret, "isSecret": true}));
        }
        let body = json!({
            "name": name, "workspaceId": first.workspace, "environmentVariables": variables,
            "remoteExecution": {"enabled": true},
        });
        let mut request = Vec::new();
        let path = format!("/v1/organizations/{}/deployments", first.organization);
        http::post(&mut request, &path, &first.token, &body.to_string());
        let made: Value = serde_json::from_slice(api.exchange(&request, 200).await?)?;
        let deployment = made["id"].as_str().context("a Deployment without an id")?.to_owned();
        let env = Rc::new(Env::system());
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            let name = format!("{name}-{number}");
            workers.push(Worker::start(&mut api, first, &deployment, &name, Rc::clone(&env)).await?);
        }
        Ok(Self { deployment, workers })
    }

    /// One kind of call, by all workers in turn. Each is signed anew when it is sent.
    fn load(self: &Rc<Self>, row: &Row, base: String) -> Load {
        let (site, call) = (Rc::clone(self), row.call);
        let bodies: Vec<_> = self.workers.iter().map(|worker| worker.body(call)).collect();
        let requests = Requests::new(move |number, out| {
            let at = number % WORKERS;
            site.workers[at].write_call(out, &base, call, &bodies[at]).is_ok()
        });
        let (status, shows) = match call {
            Call::TaskHeartbeat => (204, ""),
            Call::Heartbeat => (200, r#""versions_match":true"#),
            Call::Fetch | Call::Logs(_) => (200, "null"),
        };
        Load { clients: row.clients, status, shows, requests }
    }
}
