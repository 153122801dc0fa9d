//! Workspaces.

use airlock_contract::{
    OrganizationId, WorkspaceId,
    permissions::scope,
    wire::{CloudProvider, CreateWorkspaceRequest, ListWorkspacesQuery, UpdateWorkspaceRequest},
};
use airlock_core::{
    Error, Result,
    policy::{Granted, Reach},
};

use crate::{
    Page, Stamp, Writing, api_tokens,
    db::{Reads, params, record, sealed::Sealed},
    deployments, environment_objects,
    filter::Filter,
    role_bindings,
    subjects::JOIN_SUBJECTS,
};

record! {
    /// A Workspace.
    pub struct Workspace {
        /// Its id.
        pub id: WorkspaceId = "t.id",
        /// Its name.
        pub name: String = "t.name",
        /// What it is for.
        pub description: String = "t.description",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// The Organization's name.
        pub organization_name: String = "o.name",
        /// Whether new Deployments take deploys from automations only.
        pub cicd_enforced_default: bool = "t.cicd_enforced_default",
        /// The cloud of new Deployments.
        pub default_cloud_provider: Option<CloudProvider> = "t.default_cloud_provider",
        /// The cluster of new Deployments.
        pub default_cluster_id: Option<String> = "t.default_cluster_id",
        /// The region of new Deployments.
        pub default_region: Option<String> = "t.default_region",
    } and authorship
}

const JOIN_ORGANIZATION: &str = " JOIN organizations o ON o.id = t.organization_id";

/// A page of the Workspaces within reach, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(db: &impl Reads, reach: &Reach, query: &ListWorkspacesQuery) -> Result<(Vec<Workspace>, u32)> {
    let mut filter = Filter::of_organization(reach.organization());
    if !reach.is_everywhere() {
        filter.among("t.id", reach.workspaces());
    }
    if !query.workspace_ids.is_empty() {
        filter.among("t.id", &query.workspace_ids);
    }
    if !query.names.is_empty() {
        filter.among("t.name", &query.names);
    }
    filter.page(db, Workspace::COLUMNS, "workspaces t", JOIN_ORGANIZATION, &Page::of(query)).await
}

/// The granted Workspace.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Workspace>) -> Result<Workspace> {
    find(db, granted.workspace()).await
}

/// The granted Workspace, which stays as it is until this change is committed or dropped.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn get_for_good(w: &Writing, granted: &Granted<scope::Workspace>) -> Result<Workspace> {
    w.conn().lock_row("workspaces", granted.workspace().as_str()).await?;
    get(w, granted).await
}

async fn find(db: &impl Reads, id: &WorkspaceId) -> Result<Workspace> {
    let sql =
        format!("SELECT {} FROM workspaces t{JOIN_ORGANIZATION}{JOIN_SUBJECTS} WHERE t.id = $1", Workspace::COLUMNS);
    db.conn().one(&sql, params![id]).await?.ok_or(Error::NotFound("Workspace".into()))
}

/// Keeps a new Workspace.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    id: &WorkspaceId,
    request: &CreateWorkspaceRequest,
    stamp: &Stamp,
) -> Result<Workspace> {
    insert_into(w, granted.organization(), id, request, stamp).await?;
    find(w, id).await
}

pub(crate) async fn insert_into(
    w: &Writing,
    organization: &OrganizationId,
    id: &WorkspaceId,
    request: &CreateWorkspaceRequest,
    stamp: &Stamp,
) -> Result<()> {
    let sql = "INSERT INTO workspaces (id, organization_id, name, description, cicd_enforced_default, \
               default_cloud_provider, default_cluster_id, default_region, created_at, created_by, updated_at, \
               updated_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $10)";
    let values = params![
        id,
        organization,
        &request.name,
        request.description.as_deref().unwrap_or_default(),
        request.cicd_enforced_default.unwrap_or_default(),
        request.default_cloud_provider.map(CloudProvider::as_str),
        request.default_cluster_id.as_deref().filter(|id| !id.is_empty()),
        &request.default_region,
        stamp.at,
        &stamp.by,
    ];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// Changes the granted Workspace. Defaults that the request leaves out stay; an empty id of a
/// cluster takes the default away.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn update(
    w: &Writing,
    granted: &Granted<scope::Workspace>,
    request: &UpdateWorkspaceRequest,
    stamp: &Stamp,
) -> Result<Workspace> {
    let sql = "UPDATE workspaces SET name = $1, description = $2, cicd_enforced_default = $3, \
               default_cloud_provider = COALESCE($4, default_cloud_provider), \
               default_cluster_id = NULLIF(COALESCE($5, default_cluster_id), ''), \
               default_region = COALESCE($6, default_region), updated_at = $7, updated_by = $8 WHERE id = $9";
    let values = params![
        &request.name,
        &request.description,
        request.cicd_enforced_default,
        request.default_cloud_provider.map(CloudProvider::as_str),
        &request.default_cluster_id,
        &request.default_region,
        stamp.at,
        &stamp.by,
        granted.workspace(),
    ];
    w.conn().execute(sql, values).await?;
    get(w, granted).await
}

/// Deletes the granted Workspace, its Deployments, and all tokens below it.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn delete(w: &Writing, granted: &Granted<scope::Workspace>, stamp: &Stamp) -> Result<()> {
    let id = granted.workspace().as_str();
    w.conn().lock_row("workspaces", id).await?;
    w.conn().lock_deployments_of(id).await?;
    environment_objects::delete_of_workspace(w, id).await?;
    deployments::delete_where(w, "workspace_id", id, stamp).await?;
    api_tokens::delete_where(w, "workspace_id = $3", id, stamp).await?;
    role_bindings::delete_on(w, id).await?;
    match w.conn().execute("DELETE FROM workspaces WHERE id = $1", params![id]).await? {
        0 => Err(Error::NotFound("Workspace".into())),
        _ => Ok(()),
    }
}
