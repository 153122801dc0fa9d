//! Jobs that were handed to agents.

use airlock_contract::{AgentId, AgentJobId, AgentTokenId, Time};
use airlock_core::{Error, Result, gate::path::JobKey, keyring::Sealed};

use super::Recording;
use crate::{
    db::{Column, Reads, Row, params, record, sealed::Sealed as _},
    live_tokens::LiveToken,
};

record! {
    /// A job that was handed to an agent.
    pub struct Job {
        /// Our id of it, which names the place of its sealed token.
        pub id: AgentJobId = "id",
        /// The agent that it was handed to.
        pub agent: AgentId = "agent_id",
        /// The token that the agent came with.
        pub token: AgentTokenId = "token_id",
        /// Airflow's key of it.
        pub key: JobKey = "dag_id, task_id, run_id, try_number, map_index",
        /// The UUID of its task instance.
        pub ti_id: String = "ti_id",
        /// Airflow's word for its state.
        pub state: String = "state",
        /// The newest token that Airflow gave for the task; its place is [`Job::place`].
        pub task_token: Option<Sealed> = "task_token, task_token_key",
        /// When it ended.
        pub ended_at: Option<Time> = "ended_at",
    }
}

impl Column for JobKey {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        Ok(Self {
            dag_id: row.take()?,
            task_id: row.take()?,
            run_id: row.take()?,
            try_number: row.take()?,
            map_index: row.take()?,
        })
    }
}

impl Job {
    /// Names the place where a job's task token is sealed ([`airlock_core::keyring::Keyring::seal`]).
    pub fn place(id: &AgentJobId) -> String {
        format!("agent_jobs/{id}/task_token")
    }
}

/// A job that an Airflow hands out.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// Our id of it, if it is new.
    pub id: &'a AgentJobId,
    /// The agent that gets it.
    pub agent: &'a AgentId,
    /// Airflow's key of it.
    pub key: &'a JobKey,
    /// The UUID of its task instance.
    pub ti_id: &'a str,
    /// The queue that it was in.
    pub queue: &'a str,
    /// The task token that Airflow gave, sealed for the place of `id`.
    pub task_token: &'a Sealed,
}

/// Keeps a job that is being handed out. One that was handed out before, under the same key, now
/// belongs to this agent alone.
///
/// # Errors
///
/// [`Error::NotFound`] when the token was deleted while the Airflow was asked: whoever ends its
/// tasks may have looked for them already, and would not find this one.
pub async fn hand_out(r: &Recording, token: &LiveToken, job: &NewJob<'_>, now: Time) -> Result<()> {
    r.conn().lock_row("agent_tokens", token.id.as_str()).await?; // whoever deletes it waits
    let sql = "SELECT COUNT(*) FROM agent_tokens WHERE id = $1 AND deleted_at IS NULL";
    if r.conn().count(sql, params![&token.id]).await? == 0 {
        return Err(Error::NotFound("agent token".into()));
    }
    let sql = "INSERT INTO agent_jobs (id, organization_id, deployment_id, agent_id, token_id, dag_id, task_id, \
               run_id, try_number, map_index, ti_id, queue, state, task_token, task_token_key, handed_at, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'queued', $13, $14, $15, $15) \
               ON CONFLICT (deployment_id, dag_id, task_id, run_id, try_number, map_index) DO UPDATE SET \
               id = excluded.id, agent_id = excluded.agent_id, token_id = excluded.token_id, \
               ti_id = excluded.ti_id, queue = excluded.queue, state = excluded.state, \
               task_token = excluded.task_token, task_token_key = excluded.task_token_key, \
               handed_at = excluded.handed_at, updated_at = excluded.updated_at, ended_at = NULL";
    let values = params![
        job.id,
        &token.organization,
        &token.deployment,
        job.agent,
        &token.id,
        &job.key.dag_id,
        &job.key.task_id,
        &job.key.run_id,
        job.key.try_number,
        job.key.map_index,
        job.ti_id,
        job.queue,
        job.task_token.bytes.as_slice(),
        &job.task_token.key_id,
        now,
    ];
    r.conn().execute(sql, values).await?;
    Ok(())
}

/// The job of a key, if it was handed out with this token.
///
/// # Errors
///
/// Those of the database.
pub async fn find(db: &impl Reads, token: &LiveToken, key: &JobKey) -> Result<Option<Job>> {
    let sql = format!(
        "SELECT {} FROM agent_jobs WHERE deployment_id = $1 AND dag_id = $2 AND task_id = $3 AND run_id = $4 \
         AND try_number = $5 AND map_index = $6 AND token_id = $7",
        Job::COLUMNS
    );
    let values =
        params![&token.deployment, &key.dag_id, &key.task_id, &key.run_id, key.try_number, key.map_index, &token.id,];
    db.conn().one(&sql, values).await
}

/// The newest job of a task instance, if it was handed out with this token.
///
/// # Errors
///
/// Those of the database.
pub async fn find_task(db: &impl Reads, token: &LiveToken, ti_id: &str) -> Result<Option<Job>> {
    let sql = format!(
        "SELECT {} FROM agent_jobs WHERE deployment_id = $1 AND ti_id = $2 AND token_id = $3 \
         ORDER BY handed_at DESC LIMIT 1",
        Job::COLUMNS
    );
    db.conn().one(&sql, params![&token.deployment, ti_id, &token.id]).await
}

/// Keeps what an agent said of a job that goes on. One that has ended does not begin again, unless
/// it is handed out again.
///
/// # Errors
///
/// Those of the database.
pub async fn report(r: &Recording, job: &AgentJobId, state: &str, now: Time) -> Result<()> {
    let sql = "UPDATE agent_jobs SET state = $1, updated_at = $2 WHERE id = $3 AND ended_at IS NULL";
    r.conn().execute(sql, params![state, now, job]).await?;
    Ok(())
}

/// Keeps how a job ended. Nobody has to end its task any more, so its token goes.
///
/// # Errors
///
/// Those of the database.
pub async fn end(r: &Recording, job: &AgentJobId, state: &str, now: Time) -> Result<()> {
    let sql = "UPDATE agent_jobs SET state = $1, updated_at = $2, ended_at = COALESCE(ended_at, $2), \
               task_token = NULL, task_token_key = NULL WHERE id = $3";
    r.conn().execute(sql, params![state, now, job]).await?;
    Ok(())
}

/// Keeps a newer task token of a job that goes on.
///
/// # Errors
///
/// Those of the database.
pub async fn renew_task_token(r: &Recording, job: &AgentJobId, task_token: &Sealed, now: Time) -> Result<()> {
    let sql = "UPDATE agent_jobs SET task_token = $1, task_token_key = $2, updated_at = $3 \
               WHERE id = $4 AND ended_at IS NULL";
    r.conn().execute(sql, params![task_token.bytes.as_slice(), &task_token.key_id, now, job]).await?;
    Ok(())
}
