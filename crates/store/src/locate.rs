//! Finds what a request is about, with everything above it, before the policy is asked.
//!
//! This answers without a [`Granted`](airlock_core::policy::Granted), and so tells nothing but
//! ids that stand above the one that was given.

use airlock_contract::{DeploymentId, OrganizationId, WorkspaceId, permissions::scope::Target};
use airlock_core::{Result, policy::Place};

use crate::{
    Writing,
    db::{Reads, params, sealed::Sealed},
};

/// The place of a request's target; `None` when there is none.
///
/// # Errors
///
/// Those of the database.
pub async fn locate(db: &impl Reads, target: &Target) -> Result<Option<Place>> {
    match target {
        Target::Installation => Ok(Some(Place::Installation)),
        Target::Organization(organization) => {
            let found: Option<(OrganizationId,)> =
                db.conn().one("SELECT id FROM organizations WHERE id = $1", params![organization]).await?;
            Ok(found.map(|(id,)| Place::Organization(id)))
        }
        Target::Workspace(organization, workspace) => {
            let sql = "SELECT organization_id FROM workspaces WHERE id = $1 AND organization_id = $2";
            let found: Option<(OrganizationId,)> = db.conn().one(sql, params![workspace, organization]).await?;
            Ok(found.map(|(id,)| Place::Workspace(id, workspace.clone())))
        }
        Target::Deployment(organization, deployment) => {
            let found = workspace_of(db, organization, deployment).await?;
            Ok(found.map(|workspace| Place::Deployment(organization.clone(), workspace, deployment.clone())))
        }
    }
}

/// [`locate`], such that what was found stays until this change is committed or dropped: nothing
/// is made below a thing that is being deleted.
///
/// # Errors
///
/// Those of the database.
pub async fn locate_for_good(w: &Writing, target: &Target) -> Result<Option<Place>> {
    match target {
        Target::Installation | Target::Organization(_) => {}
        Target::Workspace(_, workspace) => w.conn().lock_row("workspaces", workspace.as_str()).await?,
        Target::Deployment(_, deployment) => w.conn().lock_row("deployments", deployment.as_str()).await?,
    }
    locate(w, target).await
}

/// The Workspace that a Deployment of the Organization belongs to.
///
/// # Errors
///
/// Those of the database.
pub async fn workspace_of(
    db: &impl Reads,
    organization: &OrganizationId,
    deployment: &DeploymentId,
) -> Result<Option<WorkspaceId>> {
    let sql = "SELECT workspace_id FROM deployments WHERE id = $1 AND organization_id = $2";
    let found: Option<(WorkspaceId,)> = db.conn().one(sql, params![deployment, organization]).await?;
    Ok(found.map(|(workspace,)| workspace))
}
