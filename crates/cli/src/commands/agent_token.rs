//! `airlock agent-token`

use std::path::{Path, PathBuf};

use airlock_contract::{
    operations::{CreateAgentToken, DeleteAgentToken, GetAgentToken, ListAgentTokens},
    path::{InDeployment, OneAgentToken},
    wire::{AgentTokenSort, ApiToken, CreateAgentTokenRequest, ListAgentTokensQuery, NoQuery},
};
use airlock_core::agent_key::AgentPublicKey;
use anyhow::Context;
use clap::Subcommand;

use super::connection::At;
use crate::output;

/// What is shown of one token.
const FIELDS: &[&str] = &[
    "id",
    "name",
    "description",
    "agentName",
    "queues",
    "connections",
    "variables",
    "token",
    "shortToken",
    "startAt",
    "endAt",
    "lastUsedAt",
    "createdAt",
    "createdBy",
];

/// What to do with agent tokens.
#[derive(Subcommand)]
pub(crate) enum AgentToken {
    /// Create a token, and show its value this once.
    Create {
        #[command(flatten)]
        at: At,
        /// What the token is called.
        name: String,
        /// What the token is for.
        #[arg(long)]
        description: Option<String>,
        /// After how many days it ends; never without this.
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<u32>,
        /// The one worker that may use it, by the name that it registers with; the first to
        /// register without this.
        #[arg(long, value_name = "NAME")]
        agent_name: Option<String>,
        /// A queue that the worker may take work from; may be given several times. Those of the
        /// Deployment without this.
        #[arg(long = "queue", value_name = "QUEUE")]
        queues: Vec<String>,
        /// The id of a connection that the worker's tasks may read; may be given several times.
        /// All without this.
        #[arg(long = "connection", value_name = "ID")]
        connections: Vec<String>,
        /// The key of a variable that the worker may have; may be given several times. All without
        /// this.
        #[arg(long = "variable", value_name = "KEY")]
        variables: Vec<String>,
        /// The public half of a key that the agent made for itself, Ed25519 or RSA, as PEM. The
        /// token has no value then.
        #[arg(long, value_name = "FILE")]
        public_key_file: Option<PathBuf>,
    },
    /// List tokens.
    List {
        #[command(flatten)]
        at: At,
        /// How many to pass over.
        #[arg(long, default_value_t = 0)]
        offset: u32,
        /// How many to show at the most.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Show a token, without its value.
    Get {
        #[command(flatten)]
        at: At,
        /// The token's id.
        id: String,
    },
    /// Delete a token: whoever has it is cut off at once.
    Delete {
        #[command(flatten)]
        at: At,
        /// The token's id.
        id: String,
    },
}

pub(crate) async fn run(command: AgentToken) -> anyhow::Result<()> {
    match command {
        AgentToken::Create {
            at,
            name,
            description,
            expires_in_days,
            agent_name,
            queues,
            connections,
            variables,
            public_key_file,
        } => {
            let given = |list: Vec<String>| (!list.is_empty()).then_some(list);
            let public_key = public_key_file.as_deref().map(read_public_key).transpose()?;
            let (client, path) = at.reach().await?;
            let body = CreateAgentTokenRequest {
                name,
                description,
                token_expiry_period_in_days: expires_in_days,
                agent_name,
                queues: given(queues),
                connections: given(connections),
                variables: given(variables),
                public_key,
            };
            show(&at, &client.call::<CreateAgentToken>(&path, &NoQuery {}, &body).await?)
        }
        AgentToken::List { at, offset, limit } => {
            let (client, path) = at.reach().await?;
            let query = ListAgentTokensQuery { offset, limit, sorts: vec![AgentTokenSort::CreatedAtAsc] };
            let page = client.call::<ListAgentTokens>(&path, &query, &()).await?;
            if at.connection.json { output::json(&page) } else { table(&page.tokens) }
        }
        AgentToken::Get { at, id } => {
            let (client, path) = reach_one(&at, &id).await?;
            show(&at, &client.call::<GetAgentToken>(&path, &NoQuery {}, &()).await?)
        }
        AgentToken::Delete { at, id } => {
            let (client, path) = reach_one(&at, &id).await?;
            client.call::<DeleteAgentToken>(&path, &NoQuery {}, &()).await?;
            if at.connection.json { Ok(()) } else { output::text(&format!("{id} is deleted\n")) }
        }
    }
}

async fn reach_one(at: &At, id: &str) -> anyhow::Result<(airlock_client::Client, OneAgentToken)> {
    let (client, InDeployment { organization_id, deployment_id }) = at.reach().await?;
    Ok((client, OneAgentToken { organization_id, deployment_id, agent_token_id: id.into() }))
}

/// Reads a public key. It is looked at here already, so that a private key does not leave the
/// machine.
fn read_public_key(file: &Path) -> anyhow::Result<String> {
    let pem = std::fs::read_to_string(file).with_context(|| format!("the key {} cannot be read", file.display()))?;
    AgentPublicKey::parse(&pem).with_context(|| format!("the key {} is refused", file.display()))?;
    Ok(pem)
}

fn show(at: &At, token: &ApiToken) -> anyhow::Result<()> {
    if at.connection.json { output::json(token) } else { output::fields(token, FIELDS) }
}

fn table(tokens: &[ApiToken]) -> anyhow::Result<()> {
    let never = |time: Option<airlock_contract::Time>| time.map_or_else(|| "never".into(), |time| time.to_string());
    let rows = tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            token.name.clone(),
            token.short_token.clone(),
            token.created_at.to_string(),
            never(token.end_at),
            never(token.last_used_at),
        ]
    });
    output::table(&["ID", "NAME", "VALUE", "CREATED", "ENDS", "LAST USED"], rows.collect())
}
