//! How to reach the Airflow of a Deployment: for the gate, which has a token as its proof, and for
//! the server's own work.

use airlock_contract::{DeploymentId, OrganizationId, WorkspaceId, wire::DeploymentSettings};
use airlock_core::Result;

use crate::{
    db::{Reads, params, record},
    deployments::Variable,
};

record! {
    /// A Deployment, as far as its Airflow is concerned.
    pub struct AirflowRecord {
        /// The Deployment.
        pub deployment: DeploymentId = "t.id",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// The Workspace that it belongs to.
        pub workspace: WorkspaceId = "t.workspace_id",
        /// What was asked for; without its environment variables.
        pub settings: DeploymentSettings = "t.settings",
    }
}

/// A Deployment and its environment variables that begin with `AIRFLOW__`.
///
/// # Errors
///
/// Those of the database.
pub async fn find(db: &impl Reads, deployment: &DeploymentId) -> Result<Option<(AirflowRecord, Vec<Variable>)>> {
    db.conn().begin_snapshot().await?;
    let sql = format!("SELECT {} FROM deployments t WHERE t.id = $1", AirflowRecord::COLUMNS);
    let Some(record) = db.conn().one(&sql, params![deployment]).await? else { return Ok(None) };
    let sql = format!(
        "SELECT {} FROM deployment_variables WHERE deployment_id = $1 AND name LIKE 'AIRFLOW\\_\\_%' ESCAPE '\\' \
         ORDER BY position",
        Variable::COLUMNS
    );
    Ok(Some((record, db.conn().all(&sql, params![deployment]).await?)))
}

/// The Deployments that say where their Airflow is.
///
/// # Errors
///
/// Those of the database.
pub async fn all_known(db: &impl Reads) -> Result<Vec<DeploymentId>> {
    let sql = "SELECT deployment_id FROM deployment_variables WHERE name = 'AIRFLOW__API__BASE_URL' \
               AND plain_value <> '' ORDER BY deployment_id";
    let ids: Vec<(DeploymentId,)> = db.conn().all(sql, &[]).await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}
