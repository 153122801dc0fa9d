//! `/organizations/{organizationId}/clusters`

mod health;
mod node_pools;
mod view;

use std::slice;

use airlock_contract::{
    ClusterId, Operation, WorkspaceId,
    operations::{CreateCluster, DeleteCluster, GetCluster, ListClusters, UpdateCluster},
    permissions::{
        Permission,
        scope::{self, Scope},
    },
    wire::{Cluster, ClusterSettings, ClustersPaginated, Paged, cluster::MOST_CLUSTERS},
};
use airlock_core::{Error, Result, policy::Granted};
use airlock_store::{
    Reading, Reads, Writing,
    clusters::{self, Cluster as Record, ClusterContent, Users},
};

use self::{health::Healths, node_pools::NodePools};
use super::{names::some_of, workspaces::check_all_there};
use crate::adaptor::{Call, Changed, Handlers, Read, Write};

impl Read<ListClusters> for Handlers {
    async fn read(call: &Call<'_, ListClusters>, db: &Reading) -> Result<ClustersPaginated> {
        let (records, total_count) = clusters::list(db, call.granted, call.query).await?;
        let healths = Healths::of(call, db, &records).await?;
        Ok(ClustersPaginated {
            clusters: records.into_iter().map(|record| view::cluster(record, &healths)).collect(),
            limit: call.query.limit(),
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetCluster> for Handlers {
    async fn read(call: &Call<'_, GetCluster>, db: &Reading) -> Result<Cluster> {
        view(call, db, clusters::get(db, call.granted, &call.path.cluster_id).await?).await
    }
}

impl Write<CreateCluster> for Handlers {
    async fn write(call: &Call<'_, CreateCluster>, w: &Writing) -> Result<Changed<Cluster>> {
        if clusters::count_for_good(w, call.granted).await? >= MOST_CLUSTERS {
            return Err(Error::Unmet(format!(
                "an Organization can have {MOST_CLUSTERS} clusters, and this one has them; delete one first"
            )));
        }
        let mut settings = call.body.to_create().map_err(Error::internal)?;
        let workspaces = settings.workspace_ids.take().unwrap_or_default();
        check_all_there(w, call.granted, &workspaces, "workspaceIds", &[]).await?;
        settings.enable_dr = Some(has_second_region(&settings));
        let id: ClusterId = call.app.env.new_id();
        let (kind, provider) = settings.kind.zip(settings.cloud_provider).ok_or_else(incomplete)?;
        let pools = NodePools { app: call.app, cluster: &id, provider, now: call.now };
        let node_pools = pools.of_new(settings.node_pools.take().unwrap_or_default())?;
        let content = ClusterContent {
            name: settings.name.as_deref().ok_or_else(incomplete)?,
            settings: &settings,
            node_pools: &node_pools,
            workspaces: &workspaces,
        };
        let record = clusters::insert(w, call.granted, &id, (kind, provider), &content, &call.stamp()).await?;
        Ok(Changed::new(view(call, w, record).await?, "cluster", &id))
    }
}

impl Write<UpdateCluster> for Handlers {
    async fn write(call: &Call<'_, UpdateCluster>, w: &Writing) -> Result<Changed<Cluster>> {
        let id = &call.path.cluster_id;
        let old = clusters::get_for_good(w, call.granted, id).await?;
        if call.body.updated_kind() != old.kind {
            let why = format!("must be the type of the cluster, which stays: {}", old.kind.as_str());
            return Err(Error::field("constraint", "clusterType", why));
        }
        let mut settings = old.settings.updated_by(call.body).map_err(Error::internal)?;
        follow_recovery(&mut settings, call.body);
        check_recovery(&settings)?;
        let workspaces = match settings.workspace_ids.take() {
            Some(asked) => restricted_to(call, w, &old, asked).await?,
            None => old.workspaces.0.clone(),
        };
        let pools = NodePools { app: call.app, cluster: id, provider: old.provider, now: call.now };
        let node_pools = match settings.node_pools.take() {
            Some(asked) => pools.changed(asked, &old.node_pools)?,
            None => old.node_pools,
        };
        let content = ClusterContent {
            name: settings.name.as_deref().ok_or_else(incomplete)?,
            settings: &settings,
            node_pools: &node_pools,
            workspaces: &workspaces,
        };
        let record = clusters::update(w, call.granted, id, &content, &call.stamp()).await?;
        Ok(Changed::new(view(call, w, record).await?, "cluster", id))
    }
}

impl Write<DeleteCluster> for Handlers {
    async fn write(call: &Call<'_, DeleteCluster>, w: &Writing) -> Result<Changed<()>> {
        let record = clusters::get_for_good(w, call.granted, &call.path.cluster_id).await?;
        if let Some(users) = named(&clusters::users(w, &record, &[]).await?) {
            return Err(Error::refused(format!(
                "the cluster {} is in use: {users}. Delete these Deployments, and give these Workspaces another \
                 default, first",
                record.name
            )));
        }
        clusters::delete(w, &record).await?;
        Ok(Changed::new((), "cluster", &record.id))
    }
}

/// A call about the clusters of one Organization.
trait AboutClusters: Operation<Permission: Permission<Scope = scope::Organization>> {}
impl<O: Operation<Permission: Permission<Scope = scope::Organization>>> AboutClusters for O {}

async fn view<O: AboutClusters>(call: &Call<'_, O>, db: &impl Reads, record: Record) -> Result<Cluster> {
    let healths = Healths::of(call, db, slice::from_ref(&record)).await?;
    Ok(view::cluster(record, &healths))
}

/// The cluster that a Workspace, or a Deployment in it, shall use. It stays as it is until this
/// change is committed or dropped.
///
/// # Errors
///
/// [`Error::Invalid`] naming the field when it is not there, or not for this Workspace.
pub(super) async fn find_usable<S: Scope>(
    w: &Writing,
    granted: &Granted<S>,
    workspace: &WorkspaceId,
    id: &str,
    field: &str,
) -> Result<Record> {
    let Some(cluster) = clusters::find_for_good(w, granted, &id.into()).await? else {
        return Err(Error::field("unknown", field, "there is no such cluster in this Organization"));
    };
    if cluster.workspaces.allows(workspace) {
        Ok(cluster)
    } else {
        let why = format!("the cluster {} is restricted to other Workspaces", cluster.name);
        Err(Error::field("constraint", field, why))
    }
}

/// What every cluster has was checked when the request was read.
fn incomplete() -> Error {
    Error::internal("a cluster without a name, a type or a cloud")
}

fn has_second_region(settings: &ClusterSettings) -> bool {
    settings.dr_region.as_deref().is_some_and(|region| !region.is_empty())
}

/// What a request says of one of these fields alone holds for the others: as at the creation, a
/// second region turns recovery on and none turns it off; and without it nothing has failed over.
fn follow_recovery(settings: &mut ClusterSettings, request: &ClusterSettings) {
    if request.dr_region.is_some() && request.enable_dr.is_none() {
        settings.enable_dr = Some(has_second_region(settings));
    }
    if settings.enable_dr != Some(true) && request.is_failed_over.is_none() {
        settings.is_failed_over = None;
    }
}

/// A second region takes over only where there is one.
fn check_recovery(settings: &ClusterSettings) -> Result<()> {
    let is_enabled = settings.enable_dr == Some(true);
    if is_enabled && !has_second_region(settings) {
        return Err(Error::field("required", "drRegion", "is required where enableDr is on"));
    }
    if settings.is_failed_over == Some(true) && !is_enabled {
        return Err(Error::Unmet(
            "isFailedOver: the cluster has no second region to take over; turn enableDr on first".into(),
        ));
    }
    Ok(())
}

/// The Workspaces that a cluster shall be restricted to, if that takes it away from nobody.
async fn restricted_to(
    call: &Call<'_, UpdateCluster>,
    w: &Writing,
    old: &Record,
    asked: Vec<WorkspaceId>,
) -> Result<Vec<WorkspaceId>> {
    // One that was deleted since is sent back by clients that read before they write.
    check_all_there(w, call.granted, &asked, "workspaceIds", &old.workspaces.0).await?;
    if asked.is_empty() {
        return Ok(asked);
    }
    match named(&clusters::users(w, old, &asked).await?) {
        None => Ok(asked),
        Some(users) => {
            let why = format!("leaves out Workspaces that use the cluster: {users}");
            Err(Error::field("constraint", "workspaceIds", why))
        }
    }
}

/// Who uses a cluster, for people; `None` when nobody does.
fn named(users: &Users) -> Option<String> {
    let list = |names: &[String], what: &str| (!names.is_empty()).then(|| format!("{what} {}", some_of(names)));
    let parts = [
        list(&users.deployments, "it runs the Deployments"),
        list(&users.workspaces, "it is the default of the Workspaces"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", and "))
}
