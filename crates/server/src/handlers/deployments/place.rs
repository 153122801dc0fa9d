//! Where a new Deployment runs: of which type it is, and in which cluster.

use airlock_contract::{
    permissions::scope,
    wire::{ClusterType, DeploymentSettings, DeploymentType},
};
use airlock_core::{Error, Result, policy::Granted};
use airlock_store::{Writing, clusters::Cluster, workspaces::Workspace};

use crate::handlers::clusters::find_usable;

/// Decides where a new Deployment runs, and writes it into its settings; answers the cluster, which
/// stays until this change is committed or dropped.
///
/// Without a `type`, it is that of the cluster: the one that is named, or the Workspace's default
/// unless a cloud or a region is named, which only STANDARD has. Otherwise it is STANDARD.
pub(super) async fn decide(
    w: &Writing,
    granted: &Granted<scope::Workspace>,
    workspace: &Workspace,
    settings: &mut DeploymentSettings,
) -> Result<Option<Cluster>> {
    let named = settings.cluster_id.take().filter(|id| !id.is_empty());
    let default = workspace.default_cluster_id.clone();
    let names_a_region = settings.cloud_provider.is_some() || settings.region.is_some();
    let wanted = match settings.kind {
        Some(DeploymentType::Standard) if named.is_some() => {
            return Err(refused(
                "constraint",
                "a STANDARD Deployment runs in none; leave it out, or give another type",
            ));
        }
        Some(DeploymentType::Standard) => None,
        None if names_a_region => named,
        Some(_) | None => named.or(default),
    };
    let Some(id) = wanted else {
        let kind = settings.kind.unwrap_or(DeploymentType::Standard);
        if kind != DeploymentType::Standard {
            return Err(refused(
                "required",
                format!("is required for {}: the Workspace has no default", kind.as_str()),
            ));
        }
        settings.kind = Some(kind);
        settings.cloud_provider = settings.cloud_provider.or(workspace.default_cloud_provider);
        settings.region = settings.region.take().or_else(|| workspace.default_region.clone());
        return Ok(None);
    };
    let cluster = find_usable(w, granted, granted.workspace(), &id, "clusterId").await?;
    let kind = type_of(&cluster);
    if settings.kind.is_some_and(|asked| asked != kind) {
        return Err(refused(
            "constraint",
            format!("the cluster {} is for Deployments of the type {}", cluster.name, kind.as_str()),
        ));
    }
    settings.kind = Some(kind);
    settings.cluster_id = Some(id);
    settings.cloud_provider = Some(cluster.provider);
    settings.region = cluster.settings.region.clone();
    Ok(Some(cluster))
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
