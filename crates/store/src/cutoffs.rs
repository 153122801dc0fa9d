//! What is left to do in an Airflow after an agent token stopped being good: fail the tasks that
//! its agent was running, take its worker offline.
//!
//! A row is written in the transaction that ends the token, so that no crash loses it. Airlock's
//! server works the rows off, see its `cutoffs` module; several replicas share them by claims.

use std::sync::atomic::Ordering;

use airlock_contract::{AgentId, AgentTokenId, DeploymentId, OrganizationId, Time};
use airlock_core::{Result, keyring::Sealed};

use crate::{
    Writing,
    db::{Column, Reads, Row, params, record, sealed::Sealed as _},
    deployments::Variable,
    gate::jobs::Job,
    upkeep::Upkeep,
};

/// Why a token stopped being good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was deleted, or what it belonged to was.
    Deleted,
    /// Its time was up.
    Expired,
    /// It got another value.
    Replaced,
}

impl Cause {
    /// The word by which it is kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "DELETED",
            Self::Expired => "EXPIRED",
            Self::Replaced => "REPLACED",
        }
    }
}

impl Column for Cause {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let word: String = row.take()?;
        let named = [Self::Deleted, Self::Expired, Self::Replaced].into_iter().find(|cause| cause.as_str() == word);
        named.ok_or_else(|| crate::corrupt("cause of a cut-off", word))
    }
}

record! {
    /// What is left to do for one token.
    pub struct Cutoff {
        /// Its id.
        pub id: String = "t.id",
        /// The Organization that the token's Deployment belonged to.
        pub organization: OrganizationId = "t.organization_id",
        /// The Deployment that the token opened; it may be gone.
        pub deployment: DeploymentId = "t.deployment_id",
        /// The token.
        pub token: AgentTokenId = "t.token_id",
        /// What the token was called.
        pub token_name: String = "a.name",
        /// Why the token stopped being good.
        pub cause: Cause = "t.cause",
        /// The name of whoever last changed the token: of who deleted or replaced it.
        pub by: String = "s.name",
        /// When the token stopped being good, as far as Airlock has noticed.
        pub created_at: Time = "t.created_at",
        /// How often it was tried, this time included.
        pub attempts: u32 = "t.attempts",
        /// When it is to be tried next.
        next_at: Time = "t.next_at",
    }
}

record! {
    /// A worker that Airflow still takes for online.
    pub struct LiveAgent {
        /// Its id.
        pub id: AgentId = "g.id",
        /// Its name in Airflow.
        pub name: String = "g.name",
        /// Its queues, a JSON array.
        pub queues: String = "g.queues",
        /// What it last said of itself, a JSON object.
        pub sysinfo: String = "g.sysinfo",
    }
}

impl Column for Option<Sealed> {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let (bytes, key): (Option<Vec<u8>>, Option<String>) = (row.take()?, row.take()?);
        Ok(bytes.zip(key).map(|(bytes, key_id)| Sealed { key_id, bytes }))
    }
}

/// The variables of a Deployment that say how to reach its Airflow, as SQL.
const REACH: &str = "('AIRFLOW__API__BASE_URL', 'AIRFLOW__API_AUTH__JWT_SECRET', 'AIRFLOW__API_AUTH__JWT_ISSUER')";

/// A job `j` of token `t` that Airflow still takes for running, as SQL.
const HAS_JOBS: &str = "EXISTS (SELECT 1 FROM agent_jobs j WHERE j.token_id = t.id AND j.ended_at IS NULL)";

/// A worker `g` that Airflow still takes for online, as SQL. It may have been deleted here, with
/// its Deployment; but its name must not have gone to another since.
const ONLINE: &str = "g.state NOT IN ('offline', 'offline maintenance') AND NOT EXISTS (SELECT 1 FROM agents o \
                      WHERE o.deployment_id = g.deployment_id AND o.name = g.name AND o.id <> g.id \
                      AND o.deleted_at IS NULL)";

/// For each of the tokens `t` that the condition picks, if an agent came with it and Airflow is
/// not done with that agent: writes down what is left to do. `$3` is the condition's value. To be
/// called in the transaction that ends the tokens, before their Deployment's variables go.
///
/// # Errors
///
/// Those of the database.
pub(crate) async fn insert_for_tokens(
    w: &Writing,
    condition: &str,
    value: &str,
    cause: Cause,
    at: Time,
) -> Result<u64> {
    // The id is made of what it is for, so that replicas who do the same at once make one row.
    let sql = format!(
        "INSERT INTO cutoffs (id, organization_id, deployment_id, token_id, cause, created_at, attempts, next_at) \
         SELECT t.id || '-' || CAST(CAST($1 AS BIGINT) AS TEXT), t.organization_id, t.deployment_id, t.id, \
         CAST($2 AS TEXT), CAST($1 AS BIGINT), 0, CAST($1 AS BIGINT) FROM agent_tokens t \
         WHERE {condition} AND ({HAS_JOBS} OR EXISTS (SELECT 1 FROM agents g WHERE g.token_id = t.id AND {ONLINE})) \
         AND NOT EXISTS (SELECT 1 FROM cutoffs c WHERE c.token_id = t.id AND c.done_at IS NULL) \
         ON CONFLICT (id) DO NOTHING"
    );
    let count = w.conn().execute(&sql, params![at, cause.as_str(), value]).await?;
    if count > 0 {
        w.leaves_cutoffs.store(true, Ordering::Relaxed);
        let sql = format!(
            "INSERT INTO cutoff_variables (cutoff_id, name, plain_value, sealed_value, key_id, updated_at) \
             SELECT c.id, v.name, v.plain_value, v.sealed_value, v.key_id, v.updated_at \
             FROM cutoffs c JOIN deployment_variables v ON v.deployment_id = c.deployment_id \
             JOIN agent_tokens t ON t.id = c.token_id \
             WHERE {condition} AND c.created_at = $1 AND c.cause = $2 AND v.name IN {REACH} \
             ON CONFLICT (cutoff_id, name) DO NOTHING"
        );
        w.conn().execute(&sql, params![at, cause.as_str(), value]).await?;
    }
    Ok(count)
}

/// [`insert_for_tokens`] for one token that has ended; whether there was something to write down.
///
/// # Errors
///
/// Those of the database.
pub async fn insert_for_ended(w: &Writing, token: &AgentTokenId, cause: Cause, at: Time) -> Result<bool> {
    Ok(insert_for_tokens(w, "t.id = $3", token.as_str(), cause, at).await? > 0)
}

record! {
    /// A token that has ended, while Airflow is not done with its agent and nobody is at it.
    pub struct Ended {
        /// The token.
        pub token: AgentTokenId = "t.id",
        /// Its Organization.
        pub organization: OrganizationId = "t.organization_id",
        /// When it expired, if it did.
        pub end_at: Option<Time> = "t.end_at",
        /// When it was deleted, if it was.
        pub deleted_at: Option<Time> = "t.deleted_at",
    }
}

/// Tokens that have ended without anything being written down for them: they expired, or were
/// deleted while a job was being handed out.
///
/// # Errors
///
/// Those of the database.
pub async fn ended(db: &impl Reads, now: Time) -> Result<Vec<Ended>> {
    let sql = format!(
        "SELECT {} FROM agent_tokens t WHERE t.id IN \
         (SELECT j.token_id FROM agent_jobs j WHERE j.ended_at IS NULL \
          UNION SELECT g.token_id FROM agents g WHERE {ONLINE}) \
         AND (t.deleted_at IS NOT NULL OR t.end_at <= $1) \
         AND NOT EXISTS (SELECT 1 FROM cutoffs c WHERE c.token_id = t.id AND c.done_at IS NULL)",
        Ended::COLUMNS
    );
    db.conn().all(&sql, params![now]).await
}

/// Whether something is due.
///
/// # Errors
///
/// Those of the database.
pub async fn is_due(db: &impl Reads, now: Time) -> Result<bool> {
    let sql = "SELECT id FROM cutoffs WHERE done_at IS NULL AND next_at <= $1 LIMIT 1";
    Ok(db.conn().one::<(String,)>(sql, params![now]).await?.is_some())
}

impl Cutoff {
    /// How its Airflow was reached when the token ended, for when the Deployment is gone.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn variables(&self, db: &impl Reads) -> Result<Vec<Variable>> {
        let sql = format!(
            "SELECT {} FROM cutoff_variables v JOIN cutoffs c ON c.id = v.cutoff_id WHERE v.cutoff_id = $1",
            Variable::COLUMNS
        );
        db.conn().all(&sql, params![&self.id]).await
    }

    /// The jobs that are left to fail. A token that was replaced may have new ones, which stay.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn jobs(&self, db: &impl Reads) -> Result<Vec<Job>> {
        let sql = format!(
            "SELECT {} FROM agent_jobs WHERE token_id = $1 AND ended_at IS NULL AND {} ORDER BY handed_at",
            Job::COLUMNS,
            self.before("handed_at")
        );
        db.conn().all(&sql, params![&self.token, self.created_at]).await
    }

    /// The workers that are left to take offline.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn agents(&self, db: &impl Reads) -> Result<Vec<LiveAgent>> {
        let sql = format!(
            "SELECT {} FROM agents g WHERE g.token_id = $1 AND {ONLINE} AND {} ORDER BY g.id",
            LiveAgent::COLUMNS,
            self.before("g.last_heartbeat_at")
        );
        db.conn().all(&sql, params![&self.token, self.created_at]).await
    }

    /// What is older than this, where that matters; as SQL. `$2` is [`Self::created_at`].
    fn before(&self, column: &str) -> String {
        let every = if self.cause == Cause::Replaced { "" } else { "1 = 1 OR " };
        format!("({every}{column} <= $2)")
    }

    /// Marks it as over, its jobs as ended and its agents as offline. With a fault it was given up.
    /// Answers how many jobs and agents it was about, earlier tries included.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn settle(&self, w: &Writing, fault: Option<&str>, now: Time) -> Result<(i64, u64)> {
        let sql = "UPDATE cutoffs SET done_at = $1, fault = $2 WHERE id = $3 AND done_at IS NULL";
        w.conn().execute(sql, params![now, fault, &self.id]).await?;
        // The Airflow's secret may be among them, of a Deployment that is gone.
        w.conn().execute("DELETE FROM cutoff_variables WHERE cutoff_id = $1", params![&self.id]).await?;
        let sql = format!(
            "UPDATE agent_jobs SET state = 'failed', ended_at = $3, updated_at = $3, task_token = NULL, \
             task_token_key = NULL WHERE token_id = $1 AND ended_at IS NULL AND {}",
            self.before("handed_at")
        );
        w.conn().execute(&sql, params![&self.token, self.created_at, now]).await?;
        let sql = format!(
            "UPDATE agents SET state = 'offline', jobs_active = 0 WHERE token_id = $1 \
             AND state NOT IN ('offline', 'offline maintenance') AND {}",
            self.before("last_heartbeat_at")
        );
        let agents = w.conn().execute(&sql, params![&self.token, self.created_at]).await?;
        let sql = "SELECT COUNT(*) FROM agent_jobs WHERE token_id = $1 AND ended_at >= $2";
        Ok((w.conn().count(sql, params![&self.token, self.created_at]).await?, agents))
    }
}

impl Upkeep {
    /// Takes a cut-off that is due, such that nobody else does until a time. Each is due again
    /// then, unless it was settled or postponed. New ones come first: those that were tried in vain
    /// may be many, of an Airflow that is away.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn claim_cutoff(&self, now: Time, until: Time) -> Result<Option<Cutoff>> {
        let sql = format!(
            "SELECT {} FROM cutoffs t JOIN agent_tokens a ON a.id = t.token_id JOIN subjects s ON s.id = a.updated_by \
             WHERE t.done_at IS NULL AND t.next_at <= $1 ORDER BY t.attempts > 0, t.next_at LIMIT 1",
            Cutoff::COLUMNS
        );
        while let Some(mut cutoff) = self.conn.one::<Cutoff>(&sql, params![now]).await? {
            // Whoever was faster has moved it: then there is nothing to update here, and another
            // one is looked for.
            let sql = "UPDATE cutoffs SET next_at = $1, attempts = attempts + 1 \
                       WHERE id = $2 AND next_at = $3 AND done_at IS NULL";
            if self.conn.execute(sql, params![until, &cutoff.id, cutoff.next_at]).await? > 0 {
                cutoff.attempts += 1;
                return Ok(Some(cutoff));
            }
        }
        Ok(None)
    }

    /// Says what went wrong with a cut-off, and when it is to be tried again.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn postpone_cutoff(&self, cutoff: &Cutoff, fault: &str, until: Time) -> Result<()> {
        let sql = "UPDATE cutoffs SET next_at = $1, fault = $2 WHERE id = $3 AND done_at IS NULL";
        self.conn.execute(sql, params![until, fault, &cutoff.id]).await?;
        Ok(())
    }

    /// Removes what was over before a time: cut-offs, of which the audit log tells, and jobs.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget_ended_before(&self, time: Time) -> Result<()> {
        self.conn.execute("DELETE FROM cutoffs WHERE done_at < $1", params![time]).await?;
        self.conn.execute("DELETE FROM agent_jobs WHERE ended_at < $1", params![time]).await?;
        Ok(())
    }

    /// Says that a job has ended in Airflow, so that it is not failed again.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn end_job(&self, job: &Job, now: Time) -> Result<()> {
        let sql = "UPDATE agent_jobs SET state = 'failed', ended_at = $1, updated_at = $1, task_token = NULL, \
                   task_token_key = NULL WHERE id = $2 AND ended_at IS NULL";
        self.conn.execute(sql, params![now, &job.id]).await?;
        Ok(())
    }
}
