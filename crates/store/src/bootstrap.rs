//! The first records of an empty database.

use airlock_contract::{
    DeploymentId, OrganizationId, SubjectId, WorkspaceId,
    wire::{CreateWorkspaceRequest, DeploymentSettings},
};
use airlock_core::Result;

use crate::{
    Stamp, Writing,
    api_tokens::{self, NewApiToken},
    db::{Reads, sealed::Sealed},
    deployments, organizations, subjects, workspaces,
};

/// Who makes the first records: the server itself.
pub const SYSTEM: &str = "csystem000000000000000000";

/// The first records.
#[derive(Debug)]
pub struct Bootstrap<'a> {
    /// The Organization's id and name.
    pub organization: (&'a OrganizationId, &'a str),
    /// The Workspace's id and what it is made from.
    pub workspace: (&'a WorkspaceId, &'a CreateWorkspaceRequest),
    /// The Deployment's id and what it is made from.
    pub deployment: (&'a DeploymentId, &'a DeploymentSettings),
    /// When.
    pub stamp: &'a Stamp,
}

/// Whether there is no Organization yet.
///
/// # Errors
///
/// Those of the database.
pub async fn is_empty(db: &impl Reads) -> Result<bool> {
    Ok(db.conn().count("SELECT COUNT(*) FROM organizations", &[]).await? == 0)
}

/// [`is_empty`], such that it stays so until this change is committed or dropped: replicas may
/// start at the same time.
///
/// # Errors
///
/// Those of the database.
pub async fn is_empty_for_good(w: &Writing) -> Result<bool> {
    w.conn().lock_table("organizations").await?;
    is_empty(w).await
}

/// The master keys under which something is sealed that is still needed.
///
/// # Errors
///
/// Those of the database.
pub async fn sealing_keys(db: &impl Reads) -> Result<Vec<String>> {
    let sql = "SELECT key_id FROM deployment_variables WHERE key_id IS NOT NULL \
               UNION SELECT value_key FROM environment_objects \
               UNION SELECT overrides_key FROM environment_object_links WHERE overrides_key IS NOT NULL \
               UNION SELECT hash_key FROM passwords";
    let ids: Vec<(String,)> = db.conn().all(sql, &[]).await?;
    Ok(ids.into_iter().map(|(id,)| id).collect())
}

/// Keeps the first records.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(w: &Writing, first: &Bootstrap<'_>) -> Result<()> {
    let (organization, name) = first.organization;
    let (workspace, workspace_request) = first.workspace;
    let (deployment, settings) = first.deployment;
    subjects::put_token(w, &SubjectId::from(SYSTEM), "Airlock").await?;
    organizations::insert(w, organization, name, first.stamp).await?;
    workspaces::insert_into(w, organization, workspace, workspace_request, first.stamp).await?;
    deployments::insert_into(w, organization, workspace, deployment, None, settings, first.stamp).await
}

/// Keeps an Owner's token that nobody granted: whoever has the database and the master key makes it.
///
/// # Errors
///
/// Those of the database.
pub async fn insert_owner(
    w: &Writing,
    organization: &OrganizationId,
    token: &NewApiToken<'_>,
    stamp: &Stamp,
) -> Result<()> {
    api_tokens::insert_into(w, organization, token, stamp).await
}

/// All Organizations with their names, the oldest first.
///
/// # Errors
///
/// Those of the database.
pub async fn organizations(db: &impl Reads) -> Result<Vec<(OrganizationId, String)>> {
    db.conn().all("SELECT id, name FROM organizations ORDER BY created_at, id", &[]).await
}
