//! How clusters are: as the Deployments in them are.

use std::collections::HashMap;

use airlock_contract::{
    ClusterId,
    permissions::Action,
    wire::{ClusterHealth, ClusterHealthStatus, ClusterHealthStatusDetail, DeploymentStatus},
};
use airlock_core::{Result, hibernation::Hibernation, policy::Reach};
use airlock_store::{
    Reads,
    clusters::{self, Cluster as Record, Resident},
};

use super::AboutClusters;
use crate::{
    App,
    adaptor::Call,
    airflow::health::{Look, judge},
};

/// How many Deployments that are not healthy a cluster names.
const NAMED: usize = 20;

/// The health of several clusters.
pub(super) struct Healths(HashMap<ClusterId, ClusterHealthStatus>);

impl Healths {
    pub(super) async fn of<O: AboutClusters>(call: &Call<'_, O>, db: &impl Reads, records: &[Record]) -> Result<Self> {
        let reach = Reach::of(call.caller, call.granted, Action::DeploymentGet);
        let mut healths = HashMap::new();
        for resident in clusters::residents(db, records).await? {
            let (status, reason) = status(call.app, &resident);
            let health = healths.entry(resident.cluster.clone()).or_insert_with(|| empty(ClusterHealth::Healthy));
            health.value = worse(health.value, of_status(status));
            let details = health.details.get_or_insert_default();
            let is_named = of_status(status) != ClusterHealth::Healthy && details.len() < NAMED;
            if is_named && is_within(&reach, &resident) {
                details.push(detail(resident, status, reason));
            }
        }
        Ok(Self(healths))
    }

    /// The health of one of them.
    pub(super) fn take(&self, cluster: &ClusterId) -> ClusterHealthStatus {
        self.0.get(cluster).cloned().unwrap_or_else(|| empty(ClusterHealth::Unknown))
    }
}

fn empty(value: ClusterHealth) -> ClusterHealthStatus {
    ClusterHealthStatus { value, details: Some(Vec::new()) }
}

fn status(app: &App, resident: &Resident) -> (DeploymentStatus, Option<String>) {
    if Hibernation::of(&resident.settings).is_hibernating(app.env.now()) {
        return (DeploymentStatus::Hibernating, None);
    }
    let look = resident.status.zip(resident.checked_at).map(|(status, at)| Look { status, at });
    let (status, why) = judge(app, resident.airflows > 0, resident.changed_at, look);
    (status, why.or_else(|| resident.reason.clone()))
}

fn of_status(status: DeploymentStatus) -> ClusterHealth {
    match status {
        DeploymentStatus::Healthy | DeploymentStatus::Hibernating => ClusterHealth::Healthy,
        DeploymentStatus::Unhealthy => ClusterHealth::Unhealthy,
        DeploymentStatus::Unknown | DeploymentStatus::Creating | DeploymentStatus::Deploying => ClusterHealth::Unknown,
    }
}

fn worse(one: ClusterHealth, other: ClusterHealth) -> ClusterHealth {
    match (one, other) {
        (ClusterHealth::Unhealthy, _) | (_, ClusterHealth::Unhealthy) => ClusterHealth::Unhealthy,
        (ClusterHealth::Unknown, _) | (_, ClusterHealth::Unknown) => ClusterHealth::Unknown,
        (ClusterHealth::Healthy, ClusterHealth::Healthy) => ClusterHealth::Healthy,
    }
}

/// Whoever may see clusters may not see every Deployment.
fn is_within(reach: &Reach, resident: &Resident) -> bool {
    reach.is_everywhere()
        || reach.workspaces().contains(&resident.workspace)
        || reach.deployments().contains(&resident.id)
}

fn detail(resident: Resident, status: DeploymentStatus, reason: Option<String>) -> ClusterHealthStatusDetail {
    let is_unhealthy = status == DeploymentStatus::Unhealthy;
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    ClusterHealthStatusDetail {
        code: status.as_str().into(),
        component: Some(resident.id.to_string()),
        description: format!("{}{reason}", resident.name),
        severity: if is_unhealthy { "CRITICAL" } else { "WARNING" }.into(),
    }
}
