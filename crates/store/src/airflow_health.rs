//! What the last look at a Deployment's Airflow found.
//!
//! The server looks on its own account, so this is written through [`Upkeep`]; several replicas
//! share the work by claims.

use airlock_contract::{DeploymentId, Time, wire::DeploymentStatus};
use airlock_core::Result;

use crate::{
    db::{Reads, Value, params, placeholders, record},
    deployments::Deployment,
    upkeep::Upkeep,
};

record! {
    /// What the last look found.
    pub struct Health {
        /// The Deployment.
        pub deployment: DeploymentId = "deployment_id",
        /// Its status.
        pub status: DeploymentStatus = "status",
        /// Why it is not healthy, in plain words.
        pub reason: Option<String> = "reason",
        /// The Airflow's version, if it was learned.
        pub airflow_version: Option<String> = "airflow_version",
        /// The version of its edge provider, if it was learned.
        pub edge_version: Option<String> = "edge_version",
        /// When the look began; absent while the first is under way.
        pub checked_at: Option<Time> = "checked_at",
    }
}

/// How Deployments were found to be; those that nobody has looked at are left out.
///
/// # Errors
///
/// Those of the database.
pub async fn of(db: &impl Reads, deployments: &[Deployment]) -> Result<Vec<Health>> {
    let values: Vec<Value<'_>> = deployments.iter().map(|deployment| (&deployment.id).into()).collect();
    let these = placeholders(1, values.len());
    let sql = format!("SELECT {} FROM deployment_health WHERE deployment_id IN ({these})", Health::COLUMNS);
    db.conn().all(&sql, &values).await
}

/// The Deployments with an Airflow that nobody has looked at since a time, the longest ago first.
///
/// # Errors
///
/// Those of the database.
pub async fn due(db: &impl Reads, since: Time, most: u32) -> Result<Vec<DeploymentId>> {
    let sql = "SELECT v.deployment_id FROM deployment_variables v \
               LEFT JOIN deployment_health h ON h.deployment_id = v.deployment_id \
               WHERE v.name = 'AIRFLOW__API__BASE_URL' AND (h.claimed_at IS NULL OR h.claimed_at <= $1) \
               ORDER BY COALESCE(h.claimed_at, 0), v.deployment_id LIMIT $2";
    let ids: Vec<(DeploymentId,)> = db.conn().all(sql, params![since, most]).await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// The version of the edge provider that the agent has which a Deployment heard of last.
///
/// # Errors
///
/// Those of the database.
pub async fn newest_sysinfo(db: &impl Reads, deployment: &DeploymentId) -> Result<Option<String>> {
    let sql = "SELECT sysinfo FROM agents WHERE deployment_id = $1 ORDER BY last_heartbeat_at DESC LIMIT 1";
    let found: Option<(String,)> = db.conn().one(sql, params![deployment]).await?;
    Ok(found.map(|(sysinfo,)| sysinfo))
}

impl Upkeep {
    /// Sets out to look at a Deployment's Airflow, unless somebody has since a time; whether it is
    /// for the caller to look.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn claim_check(&self, deployment: &DeploymentId, since: Time, now: Time) -> Result<bool> {
        let sql = "INSERT INTO deployment_health (deployment_id, status, claimed_at) \
                   SELECT d.id, $1, CAST($2 AS BIGINT) FROM deployments d WHERE d.id = $3 \
                   ON CONFLICT (deployment_id) DO UPDATE SET claimed_at = $2 WHERE deployment_health.claimed_at <= $4";
        let status = DeploymentStatus::Unknown.as_str();
        Ok(self.conn.execute(sql, params![status, now, deployment, since]).await? > 0)
    }

    /// Keeps what a look found, unless the Deployment was deleted meanwhile.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn record_check(&self, found: &Health) -> Result<()> {
        // A version that could not be learned this time is still the last that is known.
        let sql = "INSERT INTO deployment_health (deployment_id, status, reason, airflow_version, edge_version, \
                   claimed_at, checked_at) SELECT d.id, $1, $2, $3, $4, CAST($5 AS BIGINT), CAST($5 AS BIGINT) \
                   FROM deployments d WHERE d.id = $6 \
                   ON CONFLICT (deployment_id) DO UPDATE SET status = excluded.status, reason = excluded.reason, \
                   airflow_version = COALESCE(excluded.airflow_version, deployment_health.airflow_version), \
                   edge_version = COALESCE(excluded.edge_version, deployment_health.edge_version), \
                   checked_at = excluded.checked_at";
        let values = params![
            found.status.as_str(),
            &found.reason,
            &found.airflow_version,
            &found.edge_version,
            found.checked_at,
            &found.deployment,
        ];
        self.conn.execute(sql, values).await?;
        Ok(())
    }
}
