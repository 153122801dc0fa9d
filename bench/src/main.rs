//! Puts load on a real Airlock server and prints what it came to, as a table.
//!
//! `bench/load`, `bench/verify` and `bench/gate` build and run this; `bench/README.md` says what
//! the rows mean.

mod gate;
mod helper;
mod http;
mod lists;
mod load;
mod machine;
mod plain_proxy;
mod server;
mod table;
mod tokens;
mod upstream;
mod worker;
mod world;

use std::{
    future::Future,
    io::{StdoutLock, Write, stdout},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use anyhow::ensure;
use clap::{Args, Parser};
use tokio::runtime::Builder;

use crate::{
    load::{Load, Requests, WARM_UP, measure},
    server::Server,
    table::{count, write_header, write_row},
    tokens::Filled,
    world::World,
};

// As in the server, so that the plain proxy differs from it by what the gate does alone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Puts load on an Airlock server and prints what it came to.
#[derive(Parser)]
enum Command {
    /// The API, on SQLite or PostgreSQL. bench/load builds and runs this.
    Load {
        #[command(flatten)]
        common: Common,

        #[command(flatten)]
        database: DatabaseChoice,

        /// Only the rows whose name has this in it.
        #[arg(long, value_name = "TEXT", default_value = "")]
        only: String,
    },
    /// Verifying agent tokens, with many live ones. bench/verify builds and runs this.
    Verify {
        #[command(flatten)]
        common: Common,

        /// How many live ones, one server after the other.
        #[arg(long, value_name = "N,N,...", value_delimiter = ',', required = true)]
        tokens: Vec<usize>,
    },
    /// Pages of long lists. bench/lists builds and runs this.
    Lists {
        #[command(flatten)]
        common: Common,

        #[command(flatten)]
        database: DatabaseChoice,

        /// How many records of each kind there are.
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        records: usize,
    },
    /// Calls through the gate, beside a proxy without checks. bench/gate builds and runs this.
    Gate {
        #[command(flatten)]
        common: Common,

        #[command(flatten)]
        options: gate::Options,
    },
    /// A proxy that does nothing besides passing on, for `gate`. It ends when its input does.
    #[command(hide = true)]
    PlainProxy {
        /// Where calls go.
        #[arg(long, value_name = "ADDRESS")]
        upstream: std::net::SocketAddr,
    },
    /// What stands for an Airflow, for `gate`. It ends when its input does.
    #[command(hide = true)]
    Upstream,
}

#[derive(Args)]
struct Common {
    /// The binary to start.
    #[arg(long, value_name = "FILE")]
    airlock: PathBuf,

    /// Where to make a folder for the server's files. It should be on a real disk.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,

    /// How long each row is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

#[derive(Args)]
struct DatabaseChoice {
    /// An empty PostgreSQL database; without it, SQLite.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,

    /// What to say about the database.
    #[arg(long, value_name = "TEXT", default_value = SQLITE)]
    database: String,
}

/// What to say about the database where it is not a choice.
const SQLITE: &str = "SQLite, journal_mode=WAL, synchronous=FULL";

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
    ("documentation, a page, gzip, 16 clients", |_| page(PAGE, "accept-encoding: gzip", 200, "")),
    ("documentation, a page that is known, 16 clients", |_| page(PAGE, "if-none-match: *", 304, "")),
    ("documentation, its Markdown, 16 clients", |_| {
        page(PAGE, "accept: text/markdown", 200, "# Create an agent token")
    }),
    ("documentation, all in one text, gzip, 16 clients", |_| page("/llms-full.txt", "accept-encoding: gzip", 200, "")),
    ("baseline: jwks.json, 16 clients", baseline),
];

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Load { common, database, only } => {
            let rows: Vec<_> = ROWS.iter().filter(|(name, _)| name.contains(&only)).collect();
            ensure!(!rows.is_empty(), "no row has {only:?} in its name");
            let time = Duration::from_secs(common.seconds);
            on_a_server(&common, &database, async |out, server| write_table(out, server, &rows, time).await)
        }
        Command::Lists { common, database, records } => {
            let time = Duration::from_secs(common.seconds);
            on_a_server(&common, &database, async |out, server| lists::run(out, server, records, time).await)
        }
        Command::Verify { common, tokens } => {
            let folder = tempfile::tempdir_in(&common.folder)?;
            let mut out = stdout().lock();
            write_machine(&mut out, folder.path(), SQLITE)?;
            on_one_thread(verify(&mut out, &common, &tokens, folder.path()))
        }
        Command::Gate { common, options } => {
            let folder = tempfile::tempdir_in(&common.folder)?;
            let mut out = stdout().lock();
            write_machine(&mut out, folder.path(), SQLITE)?;
            let time = Duration::from_secs(common.seconds);
            on_one_thread(gate::run(&mut out, &common.airlock, folder.path(), time, &options))
        }
        Command::PlainProxy { upstream } => plain_proxy::run(upstream),
        Command::Upstream => on_one_thread(upstream::run()),
    }
}

/// Starts a server with an empty database, does the work with it, and ends it.
fn on_a_server(
    common: &Common,
    database: &DatabaseChoice,
    work: impl AsyncFnOnce(&mut StdoutLock<'_>, &Server) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(&common.folder)?;
    let mut out = stdout().lock();
    write_machine(&mut out, folder.path(), &database.database)?;
    let server = Server::start(&common.airlock, folder.path(), database.database_url.as_deref())?;
    match on_one_thread(work(&mut out, &server)) {
        Ok(()) => server.stop(),
        Err(error) => Err(error.context(format!("the server's log:\n{}", server.log()?))),
    }
}

/// One thread: the clients must not take both cores from the server.
fn on_one_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn write_machine(out: &mut impl Write, folder: &Path, database: &str) -> anyhow::Result<()> {
    writeln!(out, "machine    {}, {}", machine::processor()?, machine::kernel()?)?;
    let sync_time = count(machine::sync_time(folder)?.as_micros());
    writeln!(out, "disk       {}; 4 KiB and fsync: {sync_time} us", machine::file_system(folder)?)?;
    writeln!(out, "database   {database}")?;
    Ok(writeln!(out, "load       {} processes on average in the minute before", machine::load()?)?)
}

async fn write_table(out: &mut impl Write, server: &Server, rows: &[&RowKind], time: Duration) -> anyhow::Result<()> {
    let mut world = World::prepare(server, time + WARM_UP).await?;
    let (deployments, tokens) = (count(world.deployments()), count(world.tokens()));
    writeln!(out, "records    {deployments} Deployments and {tokens} agent tokens at the start")?;
    write_header(out, time)?;
    for (name, make) in rows {
        let figures = measure(server.target(), make(&mut world), time).await?;
        write_row(out, name, &figures)?;
        if figures.elapsed.mul_f64(1.1) < time {
            writeln!(out, "  (ended after {:.1} s: all Deployments were full)", figures.elapsed.as_secs_f32())?;
        }
    }
    Ok(writeln!(out)?)
}

/// What a verification costs with few and with many live tokens, and what many need.
async fn verify(out: &mut impl Write, common: &Common, tokens: &[usize], folder: &Path) -> anyhow::Result<()> {
    let time = Duration::from_secs(common.seconds);
    write_header(out, time)?;
    for tokens in tokens {
        let folder = folder.join(tokens.to_string());
        std::fs::create_dir(&folder)?;
        let filled = Rc::new(Filled::start(&common.airlock, &folder, *tokens)?);
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
            write_row(out, &format!("  {name}"), &measure(filled.server.target(), load, time).await?)?;
        }
        writeln!(out, "  {:.0} MB resident after the load", megabytes(filled.server.memory("VmRSS")?))?;
    }
    Ok(writeln!(out)?)
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

/// One of the largest pages: with fields, and samples in six languages.
const PAGE: &str = "/docs/api/agent-token/create-agent-token";

fn page(path: &str, header: &str, status: u16, shows: &'static str) -> Load {
    let mut request = Vec::new();
    http::get_with(&mut request, path, header);
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
