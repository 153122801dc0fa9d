//! What clusters and Deployments can be made of, as an operator's catalogue has it.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AstroMachine, CloudProvider, ClusterType, DeploymentType, Executor, SchedulerSize};
use crate::{DeploymentId, Time};

/// Which options for clusters to get.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct GetClusterOptionsQuery {
    /// Only those of this cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<CloudProvider>,
    /// For clusters of which type.
    #[serde(rename = "type")]
    #[schemars(example = json!("DEDICATED"))]
    pub kind: ClusterType,
}

/// Which options for Deployments to get.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct GetDeploymentOptionsQuery {
    /// For this Deployment: what is not given besides is as the Deployment has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
    /// For Deployments of this type.
    #[schemars(example = json!("STANDARD"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_type: Option<DeploymentType>,
    /// For Deployments with this executor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<Executor>,
    /// For Deployments in this cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_provider: Option<CloudProvider>,
}

/// The options for clusters, a cloud each.
pub type ClusterOptionsOfClouds = Vec<ClusterOptions>;

/// What a cluster in one cloud can be made of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterOptions {
    /// The cloud.
    pub provider: CloudProvider,
    /// The regions that a cluster can be in.
    pub regions: Vec<ProviderRegion>,
    /// The one to begin with.
    pub default_region: ProviderRegion,
    /// The machines that nodes can be.
    pub node_instances: Vec<ProviderInstanceType>,
    /// The one to begin with.
    pub default_node_instance: ProviderInstanceType,
    /// The machines that the database can be on.
    pub database_instances: Vec<ProviderInstanceType>,
    /// The one to begin with.
    pub default_database_instance: ProviderInstanceType,
    /// The fewest nodes of a node pool.
    pub node_count_min: u32,
    /// The most nodes of a node pool.
    pub node_count_max: u32,
    /// The number to begin with.
    pub node_count_default: u32,
    /// The network's addresses to begin with, in CIDR form.
    pub default_vpc_subnet_range: String,
    /// The pods' addresses to begin with, where the cloud wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_pod_subnet_range: Option<String>,
    /// The services' addresses to begin with, where the cloud wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_service_subnet_range: Option<String>,
    /// The addresses of peered services to begin with, where the cloud wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_service_peering_range: Option<String>,
}

/// A region of a cloud.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderRegion {
    /// Its name.
    pub name: String,
    /// Where it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whether not every machine is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limited: Option<bool>,
    /// The machines that are not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banned_instances: Option<Vec<String>>,
}

/// A machine of a cloud.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderInstanceType {
    /// Its name.
    pub name: String,
    /// How many CPUs it has.
    pub cpu: u32,
    /// How much memory it has.
    pub memory: String,
}

/// What a Deployment can be made of.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentOptions {
    /// What can run its tasks.
    pub executors: Vec<String>,
    /// What its tasks can have of CPU and memory.
    pub resource_quotas: ResourceQuotaOptions,
    /// The versions of Airflow, the newest first. For a Deployment: its own and those after it.
    pub runtime_releases: Vec<RuntimeRelease>,
    /// The sizes that its scheduler can have.
    pub scheduler_machines: Vec<SchedulerMachine>,
    /// The machines that its workers can be.
    pub worker_machines: Vec<WorkerMachine>,
    /// The bounds of its worker queues.
    pub worker_queues: WorkerQueueOptions,
    /// The identities that it can have in the cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_identity_options: Option<Vec<WorkloadIdentityOption>>,
}

/// What tasks can have of CPU and memory.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceQuotaOptions {
    /// A task that does not ask for its own.
    pub default_pod_size: ResourceOption,
    /// All tasks of a Deployment together.
    pub resource_quota: ResourceOption,
}

/// Bounds for CPU and memory.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceOption {
    /// For CPU.
    pub cpu: ResourceRange,
    /// For memory.
    pub memory: ResourceRange,
}

/// Bounds for an amount, as Kubernetes writes it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRange {
    /// The least.
    pub floor: String,
    /// The most.
    pub ceiling: String,
    /// The amount to begin with.
    pub default: String,
}

/// A version of Airflow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeRelease {
    /// What it is called in `astroRuntimeVersion`.
    pub version: String,
    /// The version of Airflow in it.
    pub airflow_version: String,
    /// How far it is tried, such as `stable`.
    pub channel: String,
    /// Since when it is there.
    pub release_date: Time,
    /// Whether Airflow's database changes with it.
    pub airflow_database_migration: bool,
    /// Whether a second database changes with it, which Airlock does not have.
    pub stellar_database_migration: bool,
}

/// A size of schedulers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerMachine {
    /// What it is called in `schedulerSize`.
    pub name: SchedulerSize,
    /// What it has.
    pub spec: MachineSpec,
}

/// A machine of workers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerMachine {
    /// What it is called in `astroMachine`.
    pub name: AstroMachine,
    /// How many tasks it can run at once.
    pub concurrency: Range,
    /// What it has.
    pub spec: MachineSpec,
}

/// What a machine has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineSpec {
    /// Its CPU, as Kubernetes writes it.
    pub cpu: String,
    /// Its memory, as Kubernetes writes it.
    pub memory: String,
    /// Its disk, as Kubernetes writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<String>,
    /// How many tasks it runs at once to begin with.
    #[schemars(with = "Option<f64>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

/// The bounds of worker queues.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerQueueOptions {
    /// For the fewest workers.
    pub min_workers: Range,
    /// For the most workers.
    pub max_workers: Range,
    /// For how many tasks a worker runs at once.
    pub worker_concurrency: Range,
}

/// Bounds for a number.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// The least.
    #[schemars(with = "f64")]
    pub floor: u32,
    /// The most.
    #[schemars(with = "f64")]
    pub ceiling: u32,
    /// The number to begin with.
    #[schemars(with = "f64")]
    pub default: u32,
}

/// An identity in a cloud.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentityOption {
    /// What it is called, for people.
    pub label: String,
    /// What it is called in `workloadIdentity`.
    pub role: String,
}
