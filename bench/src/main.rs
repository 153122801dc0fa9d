//! Puts load on a real Airlock server and prints what it came to, as a table.
//!
//! `bench/load` builds and runs this; `bench/README.md` says what the rows mean.

mod http;
mod load;
mod machine;
mod server;
mod tokens;
mod world;

use std::{
    io::{Write, stdout},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use anyhow::ensure;
use clap::Parser;

use crate::{
    load::{Figures, Load, Requests, WARM_UP, measure},
    server::Server,
    tokens::Filled,
    world::World,
};

/// Puts load on an Airlock server and prints what it came to. bench/load builds and runs this.
#[derive(Parser)]
struct Arguments {
    /// The binary to start.
    #[arg(long, value_name = "FILE")]
    airlock: PathBuf,

    /// An empty PostgreSQL database; without it, SQLite.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,

    /// What to say about the database.
    #[arg(long, value_name = "TEXT", default_value = "SQLite, journal_mode=WAL, synchronous=FULL")]
    database: String,

    /// Where to make a folder for the server's files. It should be on a real disk.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,

    /// How long each row is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Only the rows whose name has this in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,

    /// Instead of these rows: verify agent tokens, with so many live ones, on SQLite.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', conflicts_with = "database_url")]
    tokens: Vec<usize>,
}

/// A row of the table, and how to make its load.
type RowKind = (&'static str, fn(&mut World) -> Load);

const ROWS: &[RowKind] = &[
    ("create agent token, 1 client", |world| create(world, 1, world::SINGLE_CREATES)),
    ("create agent token, 64 clients", |world| create(world, 64, world::GROUPED_CREATES)),
    ("get agent token, 1 client", |world| get(world, 1)),
    ("get agent token, 16 clients", |world| get(world, 16)),
    ("list 50 agent tokens, 16 clients", list),
    ("authentication, good token, 16 clients", |world| authentication(world, true)),
    ("authentication, wrong signature, 16 clients", |world| authentication(world, false)),
    ("baseline: jwks.json, 16 clients", baseline),
];

// One thread: the clients must not take both cores from the server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let rows: Vec<_> = ROWS.iter().filter(|(name, _)| name.contains(&arguments.only)).collect();
    ensure!(!rows.is_empty(), "no row has {:?} in its name", arguments.only);
    let folder = tempfile::tempdir_in(&arguments.folder)?;

    let mut out = stdout().lock();
    writeln!(out, "machine    {}, {}", machine::processor()?, machine::kernel()?)?;
    let sync_time = count(machine::sync_time(folder.path())?.as_micros());
    writeln!(out, "disk       {}; 4 KiB and fsync: {sync_time} us", machine::file_system(folder.path())?)?;
    writeln!(out, "database   {}", arguments.database)?;
    writeln!(out, "load       {} processes on average in the minute before", machine::load()?)?;
    if !arguments.tokens.is_empty() {
        return verify(&mut out, &arguments, folder.path()).await;
    }
    let server = Server::start(&arguments.airlock, folder.path(), arguments.database_url.as_deref())?;
    match write_table(&mut out, &server, &rows, Duration::from_secs(arguments.seconds)).await {
        Ok(()) => server.stop(),
        Err(error) => Err(error.context(format!("the server's log:\n{}", server.log()?))),
    }
}

async fn write_table(out: &mut impl Write, server: &Server, rows: &[&RowKind], time: Duration) -> anyhow::Result<()> {
    let mut world = World::prepare(server, time + WARM_UP).await?;
    let (deployments, tokens) = (count(world.deployments()), count(world.tokens()));
    writeln!(out, "records    {deployments} Deployments and {tokens} agent tokens at the start")?;
    write_header(out, time)?;
    for (name, make) in rows {
        let figures = measure(server, make(&mut world), time).await?;
        write_row(out, name, &figures)?;
        if figures.elapsed.mul_f64(1.1) < time {
            writeln!(out, "  (ended after {:.1} s: all Deployments were full)", figures.elapsed.as_secs_f32())?;
        }
    }
    Ok(writeln!(out)?)
}

fn write_header(out: &mut impl Write, time: Duration) -> std::io::Result<()> {
    writeln!(out, "each row   {} s, after {} s of warm-up\n", time.as_secs(), WARM_UP.as_secs())?;
    writeln!(
        out,
        "{:<44}{:>11}{:>11}{:>11}{:>8}{:>12}{:>12}",
        "", "requests/s", "p50 us", "p99 us", "errors", "server us", "client us"
    )?;
    out.flush()
}

/// What a verification costs with few and with many live tokens, and what many need.
async fn verify(out: &mut impl Write, arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    let time = Duration::from_secs(arguments.seconds);
    write_header(out, time)?;
    for tokens in &arguments.tokens {
        let folder = folder.join(tokens.to_string());
        std::fs::create_dir(&folder)?;
        let filled = Rc::new(Filled::start(&arguments.airlock, &folder, *tokens)?);
        let (now, most) = filled.memory;
        let (tokens, ready) = (count(tokens), filled.ready.as_secs_f64());
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        writeln!(
            out,
            "{tokens} live tokens: ready in {ready:.2} s, {:.0} MB resident ({:.0} MB at most)",
            megabytes(now),
            megabytes(most)
        )?;
        for (name, load) in
            [("forward-auth, 16 clients", filled.forward_auth()), ("introspection, 16 clients", filled.introspect())]
        {
            write_row(out, &format!("  {name}"), &measure(&filled.server, load, time).await?)?;
        }
        writeln!(out, "  {:.0} MB resident after the load", megabytes(filled.server.memory("VmRSS")?))?;
    }
    Ok(writeln!(out)?)
}

/// Every error ends the program, so a row that is printed had none.
fn write_row(out: &mut impl Write, name: &str, figures: &Figures) -> std::io::Result<()> {
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / figures.requests as f64;
    let rate = figures.requests as f64 / figures.elapsed.as_secs_f64();
    let (p50, p99) = (count(figures.p50.as_micros()), count(figures.p99.as_micros()));
    let (server, client) = (each(figures.server_cpu), each(figures.client_cpu));
    let rate = count(rate.round() as u64);
    writeln!(out, "{name:<44}{rate:>11}{p50:>11}{p99:>11}{:>8}{server:>12.1}{client:>12.1}", 0)?;
    out.flush()
}

/// A number with a comma after each three digits.
fn count(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn create(world: &mut World, clients: usize, rate: usize) -> Load {
    let (token, paths) = (world.token.clone(), world.take_empty(rate));
    let most = paths.len() * world::CREATES_EACH;
    let requests = Requests::new(move |number, out| {
        if number >= most {
            return false;
        }
        // Not in the order in which the Deployments were made: neighbours would share pages.
        let path = &paths[number * SCATTER % paths.len()];
        http::post(out, path, &token, &format!(r#"{{"name":"agent {number}"}}"#));
        true
    });
    Load { clients, status: 200, shows: r#""token":"agt_"#, requests }
}

/// A prime above the number of Deployments, so that its multiples visit each once in a round.
const SCATTER: usize = 15_485_863;

fn get(world: &mut World, clients: usize) -> Load {
    let requests = world.full.iter().flat_map(|deployment| &deployment.tokens);
    let requests = requests.map(|path| written(path, Some(&world.token))).collect();
    Load { clients, status: 200, shows: r#""scope":"DEPLOYMENT""#, requests: Requests::cycle(requests) }
}

fn list(world: &mut World) -> Load {
    let paths = world.full.iter().map(|deployment| format!("{}?limit=50", deployment.path));
    let requests = paths.map(|path| written(&path, Some(&world.token))).collect();
    Load { clients: 16, status: 200, shows: r#""totalCount":50"#, requests: Requests::cycle(requests) }
}

/// The call that needs a token and does the least besides.
fn authentication(world: &mut World, is_good: bool) -> Load {
    let token = if is_good { world.token.clone() } else { world::with_wrong_signature(&world.token) };
    let (status, shows) = if is_good { (200, r#""organizations":[]"#) } else { (401, "signature is wrong") };
    let request = written("/v1/organizations?limit=0", Some(&token));
    Load { clients: 16, status, shows, requests: Requests::cycle(vec![request]) }
}

fn baseline(_: &mut World) -> Load {
    let request = written("/.well-known/jwks.json", None);
    Load { clients: 16, status: 200, shows: r#""keys""#, requests: Requests::cycle(vec![request]) }
}

fn written(path: &str, token: Option<&str>) -> Vec<u8> {
    let mut request = Vec::new();
    http::get(&mut request, path, token);
    request
}
