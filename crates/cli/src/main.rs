//! The `airlock` binary: the server, and a command line that talks to it like anybody else.

mod commands;
mod listen;
mod local;
mod log;
mod output;
mod settings;
mod signals;
#[cfg(feature = "otlp")]
mod traces;
#[cfg(not(feature = "otlp"))]
#[path = "no_traces.rs"]
mod traces;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{
    commands::{agent, agent_token, api, api_token, attach, docs, doctor, replicas, serve, user},
    settings::ServerSettings,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An open control plane for remote Airflow agents, which speaks the Astro API v1.
#[derive(Parser)]
#[command(name = "airlock", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server. An empty database gets its first records, and their token is shown once.
    Serve(ServerSettings),
    /// Make the database, its first records and the master key, and show the token once.
    Init(ServerSettings),
    /// Make a token that may do everything in an Organization, when none is left: it needs the
    /// database and the master key. On SQLite the server must be stopped.
    NewOwner(NewOwner),
    /// Open a session for an invited user, and so accept the invite: it needs the database and the
    /// master key. On SQLite the server must be stopped.
    SignIn(SignIn),
    /// Local users: people who sign in with a password. It needs the database and the master key. On
    /// SQLite the server must be stopped.
    #[command(subcommand)]
    User(user::User),
    /// Bring the database's schema up to date, and end.
    Migrate(ServerSettings),
    /// Say in plain words what is wrong: with the settings, the key and the database; or with a
    /// Deployment's Airflow.
    Doctor(doctor::Doctor),
    /// Tell a Deployment where its Airflow is, and look at it.
    Attach(attach::Attach),
    /// Show the replicas on a PostgreSQL: version, age of the lease, applied revision.
    Replicas(replicas::Replicas),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the catalogue that is built in: what clusters and Deployments can be made of. Change it,
    /// and give it to `airlock serve --catalogue`.
    Catalogue,
    /// The documentation, which the server shows at /docs/.
    #[command(subcommand)]
    Docs(docs::Docs),
    /// Print the version.
    Version,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Agents: the remote workers that have registered through the gate.
    #[command(subcommand)]
    Agent(agent::Agent),
    /// Agent tokens: the credentials of remote agents.
    #[command(subcommand)]
    AgentToken(agent_token::AgentToken),
    /// API tokens: the credentials of automations.
    #[command(subcommand)]
    ApiToken(api_token::ApiToken),
    /// Any operation of the API, by its name; prints the JSON that it answers.
    #[command(subcommand)]
    Api(api::Api),
}

#[derive(clap::Args)]
struct NewOwner {
    #[command(flatten)]
    settings: ServerSettings,
    /// The Organization; not needed where there is only one.
    #[arg(long, env = "AIRLOCK_ORGANIZATION", value_name = "ID")]
    organization: Option<String>,
}

#[derive(clap::Args)]
struct SignIn {
    #[command(flatten)]
    settings: ServerSettings,
    /// The user's e-mail address.
    address: String,
    /// The Organization; not needed where there is only one.
    #[arg(long, env = "AIRLOCK_ORGANIZATION", value_name = "ID")]
    organization: Option<String>,
}

fn main() -> ExitCode {
    let cli = match settings::parse() {
        Ok(cli) => cli,
        Err(settings::Refused::Clap(error)) => {
            // Prints help and versions to standard output, faults to standard error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
        Err(settings::Refused::File(error)) => return failed(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return failed(&cause.into()),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(settings) => serve::serve(&settings).await,
        Command::Init(settings) => serve::init(&settings).await,
        Command::NewOwner(new) => serve::new_owner(&new.settings, new.organization.as_deref()).await,
        Command::SignIn(who) => serve::sign_in(&who.settings, who.organization.as_deref(), &who.address).await,
        Command::User(command) => user::run(command).await,
        Command::Migrate(settings) => serve::migrate(&settings).await,
        Command::Doctor(what) => doctor::doctor(&what).await,
        Command::Attach(what) => attach::attach(what).await,
        Command::Replicas(command) => replicas::show(&command).await,
        Command::Openapi => output::text(&airlock_contract::openapi::document_text()),
        Command::Catalogue => output::text(airlock_core::catalogue::BUILT_IN),
        Command::Docs(docs::Docs::Build(build)) => build.run(),
        Command::Version => output::text(concat!("airlock ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "airlock", &mut script);
            output::text(&String::from_utf8_lossy(&script))
        }
        Command::Agent(command) => agent::run(command).await,
        Command::AgentToken(command) => agent_token::run(command).await,
        Command::ApiToken(command) => api_token::run(command).await,
        Command::Api(command) => command.run().await,
    }
}

/// One clear line, and exit code 1.
fn failed(error: &anyhow::Error) -> ExitCode {
    output::remark(&format!("{error:#}"));
    ExitCode::FAILURE
}
