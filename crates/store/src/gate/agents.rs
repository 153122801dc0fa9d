//! Agents: workers that have registered through the gate.

use airlock_contract::{AgentId, Time};
use airlock_core::{Error, Result, agent::Cordon};

use super::Recording;
use crate::{
    Writing, agent_tokens,
    db::{Reads, params, record, sealed::Sealed},
    live_tokens::LiveToken,
};

record! {
    /// An agent, as far as the gate is concerned.
    pub struct KnownAgent {
        /// Its id.
        pub id: AgentId = "id",
        /// Whether it may take new work.
        pub cordon: Cordon = "cordon",
        /// Why it may not.
        pub cordoning_reason: Option<String> = "cordoning_reason",
    }
}

/// What a worker says of itself when it registers, and at each heartbeat.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Its name.
    pub name: &'a str,
    /// Airflow's word for its state.
    pub state: &'a str,
    /// The queues that it takes work from.
    pub queues: &'a [String],
    /// How many jobs it runs.
    pub jobs_active: i64,
    /// What it runs on: a JSON object.
    pub sysinfo: &'a str,
    /// The address that it calls from.
    pub source_ip: Option<&'a str>,
    /// Its `User-Agent`.
    pub user_agent: Option<&'a str>,
}

/// The refusal of a name that a token is not bound to.
pub fn not_its_name(bound: &str) -> Error {
    Error::Denied(format!("the agent token belongs to the worker {bound}; start the worker with -H {bound}"))
}

/// The name that a token is bound to, if it has one: for tokens that were not bound when they were
/// read.
///
/// # Errors
///
/// Those of the database.
pub async fn pinned_name(db: &impl Reads, token: &LiveToken) -> Result<Option<String>> {
    let sql = "SELECT agent_name FROM agent_tokens WHERE id = $1 AND deleted_at IS NULL";
    let found: Option<(Option<String>,)> = db.conn().one(sql, params![&token.id]).await?;
    Ok(found.and_then(|(name,)| name))
}

/// The agent of a name, if it has registered.
///
/// # Errors
///
/// Those of the database.
pub async fn find(db: &impl Reads, token: &LiveToken, name: &str) -> Result<Option<KnownAgent>> {
    let sql = format!(
        "SELECT {} FROM agents WHERE deployment_id = $1 AND name = $2 AND deleted_at IS NULL",
        KnownAgent::COLUMNS
    );
    db.conn().one(&sql, params![&token.deployment, name]).await
}

/// What registering an agent has changed.
#[derive(Debug)]
pub struct Registered {
    /// The agent.
    pub agent: AgentId,
    is_new: bool,
    is_pinned: bool,
}

impl Registered {
    /// Whether there is something to undo when the Airflow does not take the agent.
    pub fn is_first(&self) -> bool {
        self.is_new || self.is_pinned
    }
}

/// Keeps an agent that registers, a new one or one that comes again, and binds its token to it if
/// that is bound to none.
///
/// # Errors
///
/// [`Error::Denied`] when the token is bound to another name; [`Error::NotFound`] when it was
/// deleted meanwhile; [`Error::Invalid`] when the name is that of another token that is good:
/// two workers of one name are one worker to Airflow.
pub async fn register(
    w: &Writing,
    token: &LiveToken,
    new_id: &AgentId,
    report: &Report<'_>,
    now: Time,
) -> Result<Registered> {
    let is_pinned = pin_name(w, token, report.name, now).await?;
    if let Some(known) = find(w, token, report.name).await? {
        update(w, token, &known.id, report, now).await?;
        return Ok(Registered { agent: known.id, is_new: false, is_pinned });
    }
    insert(w, token, new_id, report, now).await?;
    Ok(Registered { agent: new_id.clone(), is_new: true, is_pinned })
}

/// Undoes what [`register`] did, for an agent that its Airflow did not take.
///
/// # Errors
///
/// Those of the database.
pub async fn unregister(w: &Writing, token: &LiveToken, registered: &Registered) -> Result<()> {
    if registered.is_new {
        w.conn().execute("DELETE FROM agents WHERE id = $1", params![&registered.agent]).await?;
    }
    if registered.is_pinned {
        agent_tokens::unpin(w, &token.id).await?;
    }
    Ok(())
}

/// Binds a token to the worker that registers with it first, and holds a bound one to its name.
/// Answers whether it was bound just now.
async fn pin_name(w: &Writing, token: &LiveToken, name: &str, now: Time) -> Result<bool> {
    w.conn().lock_row("deployments", token.deployment.as_str()).await?;
    if let Some(bound) = pinned_name(w, token).await? {
        return if bound == name { Ok(false) } else { Err(not_its_name(&bound)) };
    }
    let sql = "SELECT COUNT(*) FROM agent_tokens WHERE deployment_id = $1 AND agent_name = $2 AND id <> $3 \
               AND deleted_at IS NULL AND (end_at IS NULL OR end_at > $4)";
    if w.conn().count(sql, params![&token.deployment, name, &token.id, now]).await? > 0 {
        return Err(Error::refused(format!(
            "the name {name} belongs to another agent token of this Deployment; give the worker another with -H, or \
             delete that token"
        )));
    }
    let pinned = agent_tokens::pin(w, &token.id, name).await?;
    match pinned.agent_name {
        Some(bound) if bound != name => Err(not_its_name(&bound)),
        _ => Ok(true),
    }
}

/// Keeps what an agent says at a heartbeat. One whose row was deleted meanwhile gets a new one.
///
/// # Errors
///
/// Those of the database.
pub async fn heartbeat(
    r: &Recording,
    token: &LiveToken,
    new_id: &AgentId,
    report: &Report<'_>,
    now: Time,
) -> Result<KnownAgent> {
    if let Some(known) = find(r, token, report.name).await? {
        update(r, token, &known.id, report, now).await?;
        return Ok(known);
    }
    insert(r, token, new_id, report, now).await?;
    Ok(KnownAgent { id: new_id.clone(), cordon: Cordon::Open, cordoning_reason: None })
}

async fn insert(db: &impl Reads, token: &LiveToken, id: &AgentId, report: &Report<'_>, now: Time) -> Result<()> {
    let sql = "INSERT INTO agents (id, organization_id, deployment_id, token_id, name, state, queues, jobs_active, \
               sysinfo, cordon, source_ip, user_agent, created_at, last_heartbeat_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)";
    let queues = serde_json::to_string(report.queues).map_err(Error::internal)?;
    let values = params![
        id,
        &token.organization,
        &token.deployment,
        &token.id,
        report.name,
        report.state,
        &queues,
        report.jobs_active,
        report.sysinfo,
        Cordon::Open.as_str(),
        report.source_ip,
        report.user_agent,
        now,
    ];
    db.conn().execute(sql, values).await?;
    Ok(())
}

async fn update(db: &impl Reads, token: &LiveToken, id: &AgentId, report: &Report<'_>, now: Time) -> Result<()> {
    let sql = "UPDATE agents SET token_id = $1, state = $2, queues = $3, jobs_active = $4, sysinfo = $5, \
               source_ip = $6, user_agent = $7, last_heartbeat_at = $8 WHERE id = $9";
    let queues = serde_json::to_string(report.queues).map_err(Error::internal)?;
    let values = params![
        &token.id,
        report.state,
        &queues,
        report.jobs_active,
        report.sysinfo,
        report.source_ip,
        report.user_agent,
        now,
        id,
    ];
    db.conn().execute(sql, values).await?;
    Ok(())
}

/// Says that an agent was told that it may take work again.
///
/// # Errors
///
/// Those of the database.
pub async fn uncordoned(r: &Recording, agent: &AgentId) -> Result<()> {
    let sql = "UPDATE agents SET cordon = $1, cordoning_reason = NULL WHERE id = $2 AND cordon = $3";
    let values = params![Cordon::Open.as_str(), agent, Cordon::Uncordoning.as_str()];
    r.conn().execute(sql, values).await?;
    Ok(())
}
