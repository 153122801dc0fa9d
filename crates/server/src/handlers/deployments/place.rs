//! Where a new Deployment runs: of which type it is, and in which cluster.

use airlock_contract::{
    permissions::scope,
    wire::{CloudProvider, ClusterType, DeploymentSettings, DeploymentType},
};
use airlock_core::{Error, Result, policy::Granted};
use airlock_store::{Writing, clusters::Cluster, workspaces::Workspace};

use crate::handlers::clusters::find_usable;

/// Where a new Deployment runs.
pub(super) struct Place {
    /// Of which type it is.
    pub(super) kind: DeploymentType,
    /// The cluster, which stays until this change is committed or dropped; none for STANDARD.
    pub(super) cluster: Option<Cluster>,
    cloud: Option<CloudProvider>,
    region: Option<String>,
}

impl Place {
    /// Writes it into the Deployment's settings.
    pub(super) fn put_into(&self, settings: &mut DeploymentSettings) {
        settings.kind = Some(self.kind);
        settings.cluster_id = self.cluster.as_ref().map(|cluster| cluster.id.to_string());
        settings.cloud_provider = self.cloud;
        settings.region.clone_from(&self.region);
    }
}

/// Decides where a new Deployment runs.
///
/// Without a `type`, it is that of the cluster: the one that is named, or the Workspace's default
/// unless a cloud or a region is named, which only STANDARD has. Otherwise it is STANDARD.
///
/// # Errors
///
/// [`Error::Invalid`] naming `clusterId` when it is missing, or does not fit.
pub(super) async fn decide(
    w: &Writing,
    granted: &Granted<scope::Workspace>,
    workspace: &Workspace,
    asked: &DeploymentSettings,
) -> Result<Place> {
    let named = asked.cluster_id.clone().filter(|id| !id.is_empty());
    let default = workspace.default_cluster_id.clone();
    let names_a_region = asked.cloud_provider.is_some() || asked.region.is_some();
    let wanted = match asked.kind {
        Some(DeploymentType::Standard) if named.is_some() => {
            let why = "a STANDARD Deployment runs in none; leave it out, or give another type";
            return Err(refused("constraint", why));
        }
        Some(DeploymentType::Standard) => None,
        None if names_a_region => named,
        Some(_) | None => named.or(default),
    };
    match (wanted, asked.kind) {
        (Some(id), kind) => {
            let cluster = find_usable(w, granted, granted.workspace(), &id, "clusterId").await?;
            in_cluster(cluster, kind)
        }
        (None, None | Some(DeploymentType::Standard)) => Ok(Place {
            kind: DeploymentType::Standard,
            cluster: None,
            cloud: asked.cloud_provider.or(workspace.default_cloud_provider),
            region: asked.region.clone().or_else(|| workspace.default_region.clone()),
        }),
        (None, Some(kind)) => {
            let why = format!("is required for the type {}: the Workspace has no default", kind.as_str());
            Err(refused("required", why))
        }
    }
}

fn in_cluster(cluster: Cluster, asked: Option<DeploymentType>) -> Result<Place> {
    let kind = type_of(&cluster);
    if asked.is_some_and(|asked| asked != kind) {
        let why = format!("the cluster {} is for Deployments of the type {}", cluster.name, kind.as_str());
        return Err(refused("constraint", why));
    }
    let (cloud, region) = (Some(cluster.provider), cluster.settings.region.clone());
    Ok(Place { kind, cluster: Some(cluster), cloud, region })
}

fn type_of(cluster: &Cluster) -> DeploymentType {
    match cluster.kind {
        ClusterType::Dedicated => DeploymentType::Dedicated,
        ClusterType::Hybrid => DeploymentType::Hybrid,
    }
}

fn refused(code: &'static str, why: impl Into<String>) -> Error {
    Error::field(code, "clusterId", why)
}
