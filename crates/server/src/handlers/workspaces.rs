//! `/organizations/{organizationId}/workspaces`

use airlock_contract::{
    WorkspaceId,
    operations::{CreateWorkspace, DeleteWorkspace, GetWorkspace, ListWorkspaces, UpdateWorkspace},
    permissions::{
        Action,
        scope::{self, Scope, Target},
    },
    wire::{Workspace, WorkspacesPaginated},
};
use airlock_core::{
    Error, Result,
    policy::{Granted, Reach},
};
use airlock_store::{
    Reading, Reads, Writing,
    locate::locate,
    workspaces::{self, Workspace as Record},
};

use super::clusters::find_usable;
use crate::adaptor::{Call, Changed, Handlers, Read, Write};

impl Read<ListWorkspaces> for Handlers {
    async fn read(call: &Call<'_, ListWorkspaces>, db: &Reading) -> Result<WorkspacesPaginated> {
        let reach = Reach::of(call.caller, call.granted, Action::WorkspaceGet);
        let (records, total_count) = workspaces::list(db, &reach, call.query).await?;
        Ok(WorkspacesPaginated {
            workspaces: records.into_iter().map(view).collect(),
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetWorkspace> for Handlers {
    async fn read(call: &Call<'_, GetWorkspace>, db: &Reading) -> Result<Workspace> {
        workspaces::get(db, call.granted).await.map(view)
    }
}

impl Write<CreateWorkspace> for Handlers {
    async fn write(call: &Call<'_, CreateWorkspace>, w: &Writing) -> Result<Changed<Workspace>> {
        let id: WorkspaceId = call.app.env.new_id();
        check_default_cluster(w, call.granted, &id, call.body.default_cluster_id.as_deref()).await?;
        let record = workspaces::insert(w, call.granted, &id, call.body, &call.stamp()).await?;
        Ok(Changed::new(view(record), "workspace", &id))
    }
}

impl Write<UpdateWorkspace> for Handlers {
    async fn write(call: &Call<'_, UpdateWorkspace>, w: &Writing) -> Result<Changed<Workspace>> {
        let was = workspaces::get_for_good(w, call.granted).await?.default_cluster_id;
        let asked = call.body.default_cluster_id.as_deref().filter(|asked| Some(*asked) != was.as_deref());
        check_default_cluster(w, call.granted, call.granted.workspace(), asked).await?;
        let record = workspaces::update(w, call.granted, call.body, &call.stamp()).await?;
        Ok(Changed::new(view(record), "workspace", call.granted.workspace()))
    }
}

impl Write<DeleteWorkspace> for Handlers {
    async fn write(call: &Call<'_, DeleteWorkspace>, w: &Writing) -> Result<Changed<()>> {
        workspaces::delete(w, call.granted, &call.stamp()).await?;
        Ok(Changed::new((), "workspace", call.granted.workspace()))
    }
}

/// The cluster of new Deployments must be one that they can run in; an empty id names none.
async fn check_default_cluster<S: Scope>(
    w: &Writing,
    granted: &Granted<S>,
    workspace: &WorkspaceId,
    asked: Option<&str>,
) -> Result<()> {
    if let Some(id) = asked.filter(|id| !id.is_empty()) {
        find_usable(w, granted, workspace, id, "defaultClusterId").await?;
    }
    Ok(())
}

/// Checks that Workspaces are there which a field of a request names, but for those that are known.
pub(super) async fn check_all_there(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    workspaces: &[WorkspaceId],
    field: &str,
    known: &[WorkspaceId],
) -> Result<()> {
    for (at, workspace) in workspaces.iter().enumerate().filter(|(_, one)| !known.contains(one)) {
        let target = Target::Workspace(granted.organization().clone(), workspace.clone());
        if locate(db, &target).await?.is_none() {
            let why = "there is no such Workspace in this Organization";
            return Err(Error::field("unknown", format!("{field}[{at}]"), why));
        }
    }
    Ok(())
}

fn view(record: Record) -> Workspace {
    Workspace {
        id: record.id,
        name: record.name,
        description: Some(record.description),
        organization_id: record.organization,
        organization_name: Some(record.organization_name),
        cicd_enforced_default: record.cicd_enforced_default,
        default_cloud_provider: record.default_cloud_provider,
        default_cluster_id: record.default_cluster_id,
        default_region: record.default_region,
        created_at: record.authorship.created_at,
        created_by: Some(record.authorship.created_by),
        updated_at: record.authorship.updated_at,
        updated_by: Some(record.authorship.updated_by),
    }
}
