//! `airlock agent`

use airlock_contract::{
    operations::{DeleteAgent, GetAgent, ListAgents, TriggerAgentAction},
    path::{InDeployment, OneAgent},
    wire::{Agent as View, AgentAction, AgentActionRequest, AgentSort, AgentStatus, ListAgentsQuery, NoQuery},
};
use airlock_core::Env;
use clap::{Subcommand, builder::PossibleValuesParser};

use super::{agent_run::AgentRun, agent_sync::AgentSync, connection::At};
use crate::output;

/// What is shown of one agent.
const FIELDS: &[&str] = &[
    "id",
    "name",
    "status",
    "statusReason",
    "isCordoned",
    "cordoningReason",
    "lastHeartbeatAt",
    "runningJobs",
    "slots",
    "queues",
    "version",
    "airflowVersion",
    "agentTokenId",
    "address",
    "createdAt",
];

/// What to do with agents.
#[derive(Subcommand)]
pub(crate) enum Agent {
    /// List agents, with when each was last heard of and what it runs.
    List {
        #[command(flatten)]
        at: At,
        /// Only those with this status; can be given several times.
        #[arg(long, value_name = "STATUS", value_parser = PossibleValuesParser::new(AgentStatus::ALL.iter().map(|status| status.as_str())))]
        status: Vec<String>,
        /// Those that were deleted as well.
        #[arg(long)]
        include_deleted: bool,
        /// How many to pass over.
        #[arg(long, default_value_t = 0)]
        offset: u32,
        /// How many to show at the most.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Show an agent.
    Get {
        #[command(flatten)]
        at: At,
        /// The agent's id.
        id: String,
    },
    /// Let an agent take no new work; what it runs goes on.
    Cordon {
        #[command(flatten)]
        at: At,
        /// The agent's id.
        id: String,
        /// Why, for whoever looks at the agent later.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let an agent take work again.
    Uncordon {
        #[command(flatten)]
        at: At,
        /// The agent's id.
        id: String,
    },
    /// Keep a folder equal to the Deployment's Dags as they were last deployed, on a machine that
    /// runs them.
    Sync(AgentSync),
    /// Run a command, such as a worker, with the environment variables that the Deployment has as
    /// environment objects. What the environment has already stays as it is.
    Run(AgentRun),
    /// Take an agent that is not connected off the list. To cut one off, delete its agent token.
    Delete {
        #[command(flatten)]
        at: At,
        /// The agent's id.
        id: String,
    },
}

pub(crate) async fn run(command: Agent) -> anyhow::Result<()> {
    match command {
        Agent::List { at, status, include_deleted, offset, limit } => {
            let (client, path) = at.reach().await?;
            let statuses = status.iter().filter_map(|status| AgentStatus::named(status)).collect();
            let include_deleted = include_deleted.then_some(true);
            let query = ListAgentsQuery { statuses, include_deleted, offset, limit, sorts: vec![AgentSort::NameAsc] };
            let page = client.call::<ListAgents>(&path, &query, &()).await?;
            if at.connection.json { output::json(&page) } else { table(&page.agents) }
        }
        Agent::Get { at, id } => {
            let (client, path) = reach_one(&at, &id).await?;
            show(&at, &client.call::<GetAgent>(&path, &NoQuery {}, &()).await?)
        }
        Agent::Cordon { at, id, reason } => act(&at, &id, AgentAction::Cordon, reason).await,
        Agent::Uncordon { at, id } => act(&at, &id, AgentAction::Uncordon, None).await,
        Agent::Sync(sync) => sync.run().await,
        Agent::Run(run) => run.run().await,
        Agent::Delete { at, id } => {
            let (client, path) = reach_one(&at, &id).await?;
            client.call::<DeleteAgent>(&path, &NoQuery {}, &()).await?;
            if at.connection.json { Ok(()) } else { output::text(&format!("{id} is deleted\n")) }
        }
    }
}

async fn act(at: &At, id: &str, action: AgentAction, reason: Option<String>) -> anyhow::Result<()> {
    let (client, path) = reach_one(at, id).await?;
    let body = AgentActionRequest { action, reason };
    show(at, &client.call::<TriggerAgentAction>(&path, &NoQuery {}, &body).await?)
}

async fn reach_one(at: &At, id: &str) -> anyhow::Result<(airlock_client::Client, OneAgent)> {
    let (client, InDeployment { organization_id, deployment_id }) = at.reach().await?;
    Ok((client, OneAgent { organization_id, deployment_id, agent_id: id.into() }))
}

fn show(at: &At, agent: &View) -> anyhow::Result<()> {
    if at.connection.json { output::json(agent) } else { output::fields(agent, FIELDS) }
}

fn table(agents: &[View]) -> anyhow::Result<()> {
    let now = Env::system().now();
    let rows = agents.iter().map(|agent| {
        vec![
            agent.id.to_string(),
            agent.name.clone(),
            agent.status.as_str().to_owned(),
            output::ago(agent.last_heartbeat_at, now),
            agent.running_jobs.to_string(),
            agent.queues.join(", "),
            agent.version.clone(),
            agent.agent_token_id.to_string(),
        ]
    });
    output::table(&["ID", "NAME", "STATUS", "LAST HEARTBEAT", "JOBS", "QUEUES", "VERSION", "TOKEN"], rows.collect())
}
