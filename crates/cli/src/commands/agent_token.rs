//! `airlock agent-token`

use airlock_contract::{
    operations::{CreateAgentToken, DeleteAgentToken, GetAgentToken, ListAgentTokens},
    path::{InDeployment, OneAgentToken},
    wire::{AgentTokenSort, ApiToken, CreateAgentTokenRequest, ListAgentTokensQuery, NoQuery},
};
use clap::{Args, Subcommand};

use super::connection::Connection;
use crate::output;

/// What is shown of one token.
const FIELDS: &[&str] =
    &["id", "name", "description", "token", "shortToken", "startAt", "endAt", "lastUsedAt", "createdAt", "createdBy"];

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

/// Which Deployment's tokens.
#[derive(Args)]
pub(crate) struct At {
    #[command(flatten)]
    connection: Connection,
    /// The Deployment.
    #[arg(long, env = "AIRLOCK_DEPLOYMENT", value_name = "ID")]
    deployment: String,
}

pub(crate) async fn run(command: AgentToken) -> anyhow::Result<()> {
    match command {
        AgentToken::Create { at, name, description, expires_in_days } => {
            let (client, path) = at.reach().await?;
            let body = CreateAgentTokenRequest {
                name,
                description,
                token_expiry_period_in_days: expires_in_days,
                agent_name: None,
                queues: None,
                public_key: None,
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
            let (client, path) = at.reach_one(&id).await?;
            show(&at, &client.call::<GetAgentToken>(&path, &NoQuery {}, &()).await?)
        }
        AgentToken::Delete { at, id } => {
            let (client, path) = at.reach_one(&id).await?;
            client.call::<DeleteAgentToken>(&path, &NoQuery {}, &()).await?;
            if at.connection.json { Ok(()) } else { output::text(&format!("{id} is deleted\n")) }
        }
    }
}

impl At {
    async fn reach(&self) -> anyhow::Result<(airlock_client::Client, InDeployment)> {
        let client = self.connection.client()?;
        let organization_id = self.connection.organization(&client).await?;
        Ok((client, InDeployment { organization_id, deployment_id: self.deployment.as_str().into() }))
    }

    async fn reach_one(&self, id: &str) -> anyhow::Result<(airlock_client::Client, OneAgentToken)> {
        let (client, InDeployment { organization_id, deployment_id }) = self.reach().await?;
        Ok((client, OneAgentToken { organization_id, deployment_id, agent_token_id: id.into() }))
    }
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
