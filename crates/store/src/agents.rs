//! Agents: the remote workers that have registered through the gate. The gate writes what they say
//! of themselves; here is what people do with them.

use airlock_contract::{
    AgentId, AgentTokenId, Time,
    permissions::scope,
    wire::{AgentStatus, ListAgentsQuery},
};
use airlock_core::{
    Error, Result,
    agent::{self, Cordon, Known},
    policy::Granted,
};

use crate::{
    Page, Writing,
    db::{Reads, params, record, sealed::Sealed},
    page::total,
};

record! {
    /// An agent, and what became of the token that it came with last.
    pub struct Agent {
        /// Its id.
        pub id: AgentId = "t.id",
        /// Its name.
        pub name: String = "t.name",
        /// The token that it came with last.
        pub token: AgentTokenId = "t.token_id",
        /// Its state, as it last said.
        pub state: String = "t.state",
        /// Its queues, as it last said.
        pub queues: Vec<String> = "t.queues",
        /// How many jobs it last said it runs.
        jobs_active: i64 = "t.jobs_active",
        /// Its machine and software, as it last said: a JSON object.
        pub sysinfo: String = "t.sysinfo",
        /// Whether it may take new work.
        pub cordon: Cordon = "t.cordon",
        /// Why it may not.
        pub cordoning_reason: Option<String> = "t.cordoning_reason",
        /// The IP address that it came from last.
        pub address: Option<String> = "t.source_ip",
        /// When it first registered.
        pub created_at: Time = "t.created_at",
        /// When it was last heard of.
        pub last_heartbeat_at: Time = "t.last_heartbeat_at",
        /// When it was deleted.
        pub deleted_at: Option<Time> = "t.deleted_at",
        /// When its token was deleted.
        pub token_deleted_at: Option<Time> = "k.deleted_at",
        /// When its token ends.
        pub token_end_at: Option<Time> = "k.end_at",
    }
}

/// Agents and their tokens. A token's row stays when the token is deleted.
const TABLES: &str = "agents t JOIN agent_tokens k ON k.id = t.token_id";

impl Agent {
    /// How many jobs it last said it runs. A worker can say any number.
    pub fn running_jobs(&self) -> u32 {
        u32::try_from(self.jobs_active.max(0)).unwrap_or(u32::MAX)
    }

    /// How the agent is, and why; `interval` is the seconds between two heartbeats.
    pub fn status(&self, interval: u32, now: Time) -> (AgentStatus, Option<String>) {
        let known = Known {
            state: &self.state,
            running_jobs: self.running_jobs(),
            cordon: self.cordon,
            last_heartbeat_at: self.last_heartbeat_at,
            token_deleted_at: self.token_deleted_at,
            token_end_at: self.token_end_at,
            deleted_at: self.deleted_at,
        };
        agent::status(&known, interval, now)
    }
}

/// A page of those of a Deployment's agents that are wanted, and how many are.
///
/// All of the Deployment's agents are read for it, because a status is told from the time and not
/// kept. They are few: a token has one agent, and a Deployment has few tokens.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    granted: &Granted<scope::Deployment>,
    query: &ListAgentsQuery,
    wanted: impl Fn(&Agent) -> bool,
) -> Result<(Vec<Agent>, u32)> {
    let page = Page::of(query);
    let deleted = if query.include_deleted == Some(true) { "" } else { " AND t.deleted_at IS NULL" };
    let sql = format!(
        "SELECT {} FROM {TABLES} WHERE t.deployment_id = $1{deleted}{}",
        Agent::COLUMNS,
        page.order(db.conn(), "t")
    );
    let mut agents: Vec<Agent> = db.conn().all(&sql, params![granted.deployment()]).await?;
    agents.retain(wanted);
    let count = i64::try_from(agents.len()).unwrap_or(i64::MAX);
    Ok((page.window(agents), total(count)))
}

/// All agents of all tenants that are not deleted, to be counted.
pub(crate) async fn all(db: &impl Reads) -> Result<Vec<Agent>> {
    let sql = format!("SELECT {} FROM {TABLES} WHERE t.deleted_at IS NULL", Agent::COLUMNS);
    db.conn().all(&sql, &[]).await
}

/// One of a Deployment's agents.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Deployment>, id: &AgentId) -> Result<Agent> {
    let sql = format!(
        "SELECT {} FROM {TABLES} WHERE t.id = $1 AND t.deployment_id = $2 AND t.deleted_at IS NULL",
        Agent::COLUMNS
    );
    let found = db.conn().one(&sql, params![id, granted.deployment()]).await?;
    found.ok_or(Error::NotFound("agent".into()))
}

/// One of a Deployment's agents, kept as it is until this change is committed or dropped.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get_locked(w: &Writing, granted: &Granted<scope::Deployment>, id: &AgentId) -> Result<Agent> {
    w.conn().lock_row("agents", id.as_str()).await?;
    get(w, granted, id).await
}

/// Keeps whether an agent may take new work, and why it may not.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn set_cordon(
    w: &Writing,
    granted: &Granted<scope::Deployment>,
    id: &AgentId,
    cordon: Cordon,
    reason: Option<&str>,
) -> Result<()> {
    let sql = "UPDATE agents SET cordon = $1, cordoning_reason = $2 \
               WHERE id = $3 AND deployment_id = $4 AND deleted_at IS NULL";
    let values = params![cordon.as_str(), reason, id, granted.deployment()];
    found(w.conn().execute(sql, values).await?)
}

/// Deletes an agent; it stays as a tombstone, for what it ran.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn delete(w: &Writing, granted: &Granted<scope::Deployment>, id: &AgentId, now: Time) -> Result<()> {
    let sql = "UPDATE agents SET deleted_at = $1 WHERE id = $2 AND deployment_id = $3 AND deleted_at IS NULL";
    found(w.conn().execute(sql, params![now, id, granted.deployment()]).await?)
}

/// Deletes all agents of the Deployments whose column has the value.
pub(crate) async fn delete_of(w: &Writing, column: &'static str, value: &str, now: Time) -> Result<()> {
    let sql = format!(
        "UPDATE agents SET deleted_at = $1 \
         WHERE deleted_at IS NULL AND deployment_id IN (SELECT id FROM deployments WHERE {column} = $2)"
    );
    w.conn().execute(&sql, params![now, value]).await?;
    Ok(())
}

fn found(rows: u64) -> Result<()> {
    if rows == 0 { Err(Error::NotFound("agent".into())) } else { Ok(()) }
}
