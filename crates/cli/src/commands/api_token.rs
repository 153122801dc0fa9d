//! `airlock api-token`

use airlock_contract::{
    operations::{CreateApiToken, DeleteApiToken, GetApiToken, ListApiTokens, RotateApiToken},
    path::{InOrganization, OneApiToken},
    wire::{
        ApiToken as Token, ApiTokenKind, ApiTokenScope, ApiTokenSort, CreateApiTokenRequest, ListApiTokensQuery,
        NoQuery,
    },
};
use clap::{Subcommand, ValueEnum};

use super::connection::Connection;
use crate::output;

/// What is shown of one token.
const FIELDS: &[&str] = &[
    "id",
    "name",
    "description",
    "token",
    "shortToken",
    "kind",
    "scope",
    "startAt",
    "endAt",
    "lastUsedAt",
    "lastRotatedAt",
    "createdAt",
    "createdBy",
];

/// What to do with API tokens.
#[derive(Subcommand)]
pub(crate) enum ApiToken {
    /// Create a token, and show its value this once.
    Create {
        #[command(flatten)]
        connection: Connection,
        /// What the token is called.
        name: String,
        /// The role that the token has, for example ORGANIZATION_MEMBER.
        #[arg(long)]
        role: String,
        /// What the token belongs to.
        #[arg(long, value_enum, default_value_t = Scope::Organization)]
        scope: Scope,
        /// The Workspace or Deployment that the token belongs to.
        #[arg(long, value_name = "ID")]
        entity: Option<String>,
        /// Fix what the role permits now, for good (DEPLOYMENT scope only).
        #[arg(long)]
        direct_access: bool,
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
        connection: Connection,
        /// Only tokens with a role on this Workspace.
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// Only tokens with a role on this Deployment.
        #[arg(long, value_name = "ID")]
        deployment: Option<String>,
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
        connection: Connection,
        /// The token's id.
        id: String,
    },
    /// Delete a token: it stops working at once.
    Delete {
        #[command(flatten)]
        connection: Connection,
        /// The token's id.
        id: String,
    },
    /// Give a token a new value, and show it this once: the old one stops working at once.
    Rotate {
        #[command(flatten)]
        connection: Connection,
        /// The token's id.
        id: String,
    },
}

/// What a token belongs to.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Scope {
    Organization,
    Workspace,
    Deployment,
}

impl From<Scope> for ApiTokenScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Organization => Self::Organization,
            Scope::Workspace => Self::Workspace,
            Scope::Deployment => Self::Deployment,
        }
    }
}

pub(crate) async fn run(command: ApiToken) -> anyhow::Result<()> {
    match command {
        ApiToken::Create { connection, name, role, scope, entity, direct_access, description, expires_in_days } => {
            let client = connection.client()?;
            let path = InOrganization { organization_id: connection.organization(&client).await? };
            let body = CreateApiTokenRequest {
                name,
                description,
                scope: scope.into(),
                entity_id: entity,
                role,
                kind: direct_access.then_some(ApiTokenKind::DirectAccess),
                token_expiry_period_in_days: expires_in_days,
            };
            show(&connection, &client.call::<CreateApiToken>(&path, &NoQuery {}, &body).await?)
        }
        ApiToken::List { connection, workspace, deployment, offset, limit } => {
            let client = connection.client()?;
            let path = InOrganization { organization_id: connection.organization(&client).await? };
            let query = ListApiTokensQuery {
                workspace_id: workspace.map(Into::into),
                deployment_id: deployment.map(Into::into),
                dag_id: None,
                dag_tags: Vec::new(),
                include_only_organization_tokens: None,
                kind: None,
                offset,
                limit,
                sorts: vec![ApiTokenSort::CreatedAtAsc],
            };
            let page = client.call::<ListApiTokens>(&path, &query, &()).await?;
            if connection.json { output::json(&page) } else { table(&page.tokens) }
        }
        ApiToken::Get { connection, id } => {
            let (client, path) = reach_one(&connection, &id).await?;
            show(&connection, &client.call::<GetApiToken>(&path, &NoQuery {}, &()).await?)
        }
        ApiToken::Delete { connection, id } => {
            let (client, path) = reach_one(&connection, &id).await?;
            client.call::<DeleteApiToken>(&path, &NoQuery {}, &()).await?;
            if connection.json { Ok(()) } else { output::text(&format!("{id} is deleted\n")) }
        }
        ApiToken::Rotate { connection, id } => {
            let (client, path) = reach_one(&connection, &id).await?;
            show(&connection, &client.call::<RotateApiToken>(&path, &NoQuery {}, &()).await?)
        }
    }
}

async fn reach_one(connection: &Connection, id: &str) -> anyhow::Result<(airlock_client::Client, OneApiToken)> {
    let client = connection.client()?;
    let organization_id = connection.organization(&client).await?;
    Ok((client, OneApiToken { organization_id, token_id: id.into() }))
}

fn show(connection: &Connection, token: &Token) -> anyhow::Result<()> {
    if connection.json { output::json(token) } else { output::fields(token, FIELDS) }
}

fn table(tokens: &[Token]) -> anyhow::Result<()> {
    let never = |time: Option<airlock_contract::Time>| time.map_or_else(|| "never".into(), |time| time.to_string());
    let rows = tokens.iter().map(|token| {
        let roles = token.roles.iter().flatten().map(|role| role.role.as_str()).collect::<Vec<_>>();
        vec![
            token.id.clone(),
            token.name.clone(),
            token.kind.as_str().into(),
            token.scope.as_str().into(),
            roles.join(", "),
            token.short_token.clone(),
            never(token.end_at),
            never(token.last_used_at),
        ]
    });
    output::table(&["ID", "NAME", "KIND", "SCOPE", "ROLES", "VALUE", "ENDS", "LAST USED"], rows.collect())
}
