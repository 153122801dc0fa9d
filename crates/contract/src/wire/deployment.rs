//! Deployments: one Airflow each.
//!
//! The public API has three kinds of requests to create a Deployment and three to update one,
//! which differ in a few fields. Here is one set of fields, [`DeploymentSettings`], and one table
//! that says which kind has which of them ([`super::deployment_kinds`]).

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, CloudProvider, default_limit, default_offset, paged, sorts, text, words};
use crate::{DeploymentId, OrganizationId, Time, WorkspaceId, id::Id};

pub use super::deployment_kinds::{CreateDeploymentRequest, UpdateDeploymentRequest, workspace_of};

words! {
    /// What a Deployment runs on.
    DeploymentType {
        Dedicated "DEDICATED",
        Hybrid "HYBRID",
        Standard "STANDARD",
    }
    /// What runs a Deployment's tasks.
    Executor {
        Celery "CELERY",
        Kubernetes "KUBERNETES",
        Astro "ASTRO",
    }
    /// How large a Deployment's scheduler is.
    SchedulerSize {
        Small "SMALL",
        Medium "MEDIUM",
        Large "LARGE",
        ExtraLarge "EXTRA_LARGE",
    }
    /// The machines of a worker queue.
    AstroMachine {
        A5 "A5",
        A10 "A10",
        A20 "A20",
        A40 "A40",
        A60 "A60",
        A120 "A120",
        A160 "A160",
    }
    /// How a Deployment is.
    DeploymentStatus {
        Creating "CREATING",
        Deploying "DEPLOYING",
        Healthy "HEALTHY",
        Unhealthy "UNHEALTHY",
        Unknown "UNKNOWN",
        Hibernating "HIBERNATING",
    }
    /// What a hibernating Deployment does next.
    HibernationEvent {
        Hibernate "HIBERNATE",
        Wake "WAKE",
    }
}

/// An environment variable that a Deployment shall have.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentEnvironmentVariableRequest {
    /// Its name.
    #[garde(length(chars, min = 1, max = 512), custom(text::line))]
    pub key: String,
    /// Whether the value is kept encrypted and never answered.
    pub is_secret: bool,
    /// Its value. A secret without one keeps the value that it has.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// An environment variable that a Deployment has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentEnvironmentVariable {
    /// Its name.
    pub key: String,
    /// Whether the value is kept encrypted and never answered.
    pub is_secret: bool,
    /// Its value; absent for a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When it was last changed.
    pub updated_at: Time,
}

/// How remote agents shall reach a Deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentRemoteExecutionRequest {
    /// Whether they can at all.
    pub enabled: bool,
    /// The addresses from which they can, in CIDR form; any when empty.
    #[garde(length(max = 1000), custom(text::optional_cidrs))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_ip_address_ranges: Option<Vec<String>>,
    /// Where task logs are kept.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_log_bucket: Option<String>,
    /// Where task logs can be looked at.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_log_url_pattern: Option<String>,
}

/// How remote agents reach a Deployment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentRemoteExecution {
    /// Whether they can at all.
    pub enabled: bool,
    /// The addresses from which they can, in CIDR form; any when empty.
    pub allowed_ip_address_ranges: Vec<String>,
    /// The address that a remote agent is given to reach this Deployment's Airflow.
    pub remote_api_url: String,
    /// Where task logs are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_log_bucket: Option<String>,
    /// Where task logs can be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_log_url_pattern: Option<String>,
}

/// When a Deployment shall sleep.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentScalingSpecRequest {
    /// The rules for sleeping.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hibernation_spec: Option<DeploymentHibernationSpecRequest>,
}

/// The rules by which a Deployment shall sleep.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentHibernationSpecRequest {
    /// What holds instead of the schedules, for a while.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#override: Option<DeploymentHibernationOverrideRequest>,
    /// When to sleep and wake.
    #[garde(length(max = 10), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules: Option<Vec<DeploymentHibernationSchedule>>,
}

/// What shall hold instead of the schedules.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentHibernationOverrideRequest {
    /// Sleep, or be awake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_hibernating: Option<bool>,
    /// Until when; until it is removed when absent.
    #[garde(custom(text::optional_time))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_until: Option<String>,
}

/// When a Deployment sleeps and wakes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentHibernationSchedule {
    /// What the schedule is for.
    #[garde(length(chars, max = 200), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When to go to sleep, as a cron expression of five fields.
    #[garde(custom(text::filled_line))]
    pub hibernate_at_cron: String,
    /// When to wake, as a cron expression of five fields.
    #[garde(custom(text::filled_line))]
    pub wake_at_cron: String,
    /// Whether the schedule is followed.
    pub is_enabled: bool,
    /// The time zone of both expressions, by its name in the IANA database; UTC when absent.
    #[garde(custom(text::optional_line))]
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What shall hold instead of a Deployment's hibernation schedules.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"isHibernating": true, "overrideUntil": "2035-01-31T12:00:00Z"}))]
pub struct OverrideDeploymentHibernationBody {
    /// Sleep, or be awake.
    pub is_hibernating: bool,
    /// Until when; until it is removed when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_until: Option<Time>,
}

/// When a Deployment sleeps.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentScalingSpec {
    /// The rules for sleeping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hibernation_spec: Option<DeploymentHibernationSpec>,
}

/// The rules by which a Deployment sleeps.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentHibernationSpec {
    /// What holds instead of the schedules, for a while.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#override: Option<DeploymentHibernationOverride>,
    /// When it sleeps and wakes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedules: Option<Vec<DeploymentHibernationSchedule>>,
}

/// What holds instead of the schedules.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentHibernationOverride {
    /// Whether it holds now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// Sleep, or be awake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_hibernating: Option<bool>,
    /// Until when; until it is removed when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_until: Option<Time>,
}

/// What a Deployment does about sleeping.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentScalingStatus {
    /// Whether it sleeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hibernation_status: Option<DeploymentHibernationStatus>,
}

/// Whether a Deployment sleeps.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentHibernationStatus {
    /// Whether it does.
    pub is_hibernating: bool,
    /// When that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_event_at: Option<String>,
    /// To what it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_event_type: Option<HibernationEvent>,
    /// Why it is as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The size of a HYBRID Deployment's scheduler.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
pub struct CreateDeploymentInstanceSpecRequest {
    /// Astronomer units for each replica.
    #[garde(range(min = 5, max = 24))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub au: Option<u32>,
    /// How many replicas.
    #[garde(range(min = 1, max = 4))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
}

/// A worker queue that a Deployment shall have.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct UpdateWorkerQueueRequest {
    /// The queue's id, to keep an existing one.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The queue's name.
    #[garde(length(chars, max = 63), custom(text::filled_line))]
    pub name: String,
    /// Whether tasks without a queue go here.
    pub is_default: bool,
    /// How many workers at the most.
    #[garde(range(min = 1))]
    pub max_worker_count: u32,
    /// How many workers at the least.
    #[garde(range(min = 0))]
    pub min_worker_count: u32,
    /// How many tasks a worker runs at once.
    #[garde(range(min = 1))]
    pub worker_concurrency: u32,
    /// The workers' machines, unless HYBRID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub astro_machine: Option<AstroMachine>,
    /// The workers' node pool, for HYBRID.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_pool_id: Option<String>,
    /// The disk of each worker, unless HYBRID.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_ephemeral_storage: Option<String>,
}

/// A worker queue that a Deployment has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerQueue {
    /// The queue's id.
    pub id: String,
    /// The queue's name.
    pub name: String,
    /// Whether tasks without a queue go here.
    pub is_default: bool,
    /// How many workers at the most.
    pub max_worker_count: u32,
    /// How many workers at the least.
    pub min_worker_count: u32,
    /// How many tasks a worker runs at once.
    pub worker_concurrency: u32,
    /// The workers' machines, unless HYBRID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub astro_machine: Option<String>,
    /// The workers' node pool, for HYBRID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_pool_id: Option<String>,
    /// The CPU of each worker.
    pub pod_cpu: String,
    /// The memory of each worker.
    pub pod_memory: String,
    /// The disk of each worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_ephemeral_storage: Option<String>,
}

/// All that can be asked for of a Deployment, of whatever kind it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentSettings {
    /// Its name.
    #[garde(length(chars, min = 1, max = 500), custom(text::line))]
    pub name: String,
    /// The Workspace that it belongs to.
    pub workspace_id: WorkspaceId,
    /// What it is for.
    #[garde(length(chars, max = 1000), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it runs on. When a new Deployment's is absent: that of the cluster which `clusterId` names,
    /// or which is the Workspace's default; otherwise STANDARD.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeploymentType>,
    /// The version of Airflow, as the name of a runtime.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub astro_runtime_version: Option<String>,
    /// The cloud that it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_provider: Option<CloudProvider>,
    /// The cluster that it runs in, unless STANDARD; without it, the Workspace's default.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The region that it runs in.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Who is told when something is wrong.
    #[garde(length(max = 1000), custom(text::optional_all_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_emails: Option<Vec<String>>,
    /// The CPU of a task that does not ask for its own.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_task_pod_cpu: Option<String>,
    /// The memory of a task that does not ask for its own.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_task_pod_memory: Option<String>,
    /// The identity that it has in the cloud after a failover.
    #[garde(length(chars, max = 1000), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dr_workload_identity: Option<String>,
    /// Its environment variables: those given are all that it has.
    #[garde(length(max = 1000), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_variables: Option<Vec<DeploymentEnvironmentVariableRequest>>,
    /// What runs its tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<Executor>,
    /// Whether it takes deploys from automations only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_cicd_enforced: Option<bool>,
    /// Whether Dags can be deployed without an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_dag_deploy_enabled: Option<bool>,
    /// Whether it is for development, and may sleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_development_mode: Option<bool>,
    /// Whether its parts run more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_high_availability: Option<bool>,
    /// How remote agents reach it.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_execution: Option<DeploymentRemoteExecutionRequest>,
    /// The CPU that all its tasks have together.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_quota_cpu: Option<String>,
    /// The memory that all its tasks have together.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_quota_memory: Option<String>,
    /// When it sleeps.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling_spec: Option<DeploymentScalingSpecRequest>,
    /// The size of its scheduler, for HYBRID.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<CreateDeploymentInstanceSpecRequest>,
    /// The size of its scheduler, unless HYBRID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler_size: Option<SchedulerSize>,
    /// The node pool of its tasks, for HYBRID.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_pod_node_pool_id: Option<String>,
    /// Its worker queues.
    #[garde(length(min = 1, max = 100), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_queues: Option<Vec<UpdateWorkerQueueRequest>>,
    /// The identity that it has in the cloud.
    #[garde(length(chars, max = 1000), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<String>,
}

/// A Deployment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields that say something about this server are documented; the others echo")]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Its name.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The Organization that it belongs to.
    pub organization_id: OrganizationId,
    /// The Workspace that it belongs to.
    pub workspace_id: WorkspaceId,
    /// The Workspace's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_name: Option<String>,
    /// What it runs on.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeploymentType>,
    /// How it is.
    pub status: DeploymentStatus,
    /// Why it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    pub airflow_version: String,
    pub astro_runtime_version: String,
    pub runtime_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_provider: Option<CloudProvider>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    pub namespace: String,
    /// The Airflow's own API.
    pub api_url: String,
    /// The Airflow's web interface.
    pub ui_url: String,
    pub web_server_url: String,
    pub web_server_airflow_api_url: String,
    pub web_server_ingress_hostname: String,
    pub web_server_cpu: String,
    pub web_server_memory: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_server_replicas: Option<u32>,
    pub image_repository: String,
    pub image_tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dag_tarball_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_dag_tarball_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact_emails: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_task_pod_cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_task_pod_memory: Option<String>,
    #[serde(rename = "drExternalIPs", skip_serializing_if = "Option::is_none")]
    pub dr_external_ips: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_oidc_issuer_url: Option<String>,
    #[serde(rename = "effectiveDRWorkloadIdentity", skip_serializing_if = "Option::is_none")]
    pub effective_dr_workload_identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_workload_identity: Option<String>,
    /// Its environment variables, secret values left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_variables: Option<Vec<DeploymentEnvironmentVariable>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<Executor>,
    #[serde(rename = "externalIPs", skip_serializing_if = "Option::is_none")]
    pub external_ips: Option<Vec<String>>,
    pub is_cicd_enforced: bool,
    pub is_dag_deploy_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_development_mode: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_high_availability: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc_issuer_url: Option<String>,
    /// How remote agents reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_execution: Option<DeploymentRemoteExecution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_quota_cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_quota_memory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_spec: Option<DeploymentScalingSpec>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_status: Option<DeploymentScalingStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_au: Option<u32>,
    pub scheduler_cpu: String,
    pub scheduler_memory: String,
    pub scheduler_replicas: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_size: Option<SchedulerSize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_pod_node_pool_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_queues: Option<Vec<WorkerQueue>>,
    /// When it was created.
    pub created_at: Time,
    /// Who created it.
    pub created_by: BasicSubjectProfile,
    /// When it was last changed.
    pub updated_at: Time,
    /// Who last changed it.
    pub updated_by: BasicSubjectProfile,
}

/// A page of Deployments.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentsPaginated {
    /// The Deployments of this page.
    pub deployments: Vec<Deployment>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

sorts! {
    /// The orders in which Deployments can be listed.
    DeploymentSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which Deployments to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListDeploymentsQuery {
    /// Only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployment_ids: Vec<DeploymentId>,
    /// Only those with one of these names.
    #[garde(custom(text::all_prose))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Only those of these Workspaces.
    #[schemars(example = json!([WorkspaceId::EXAMPLE]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspace_ids: Vec<WorkspaceId>,
    /// How many Deployments to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many Deployments to answer at the most; the server's own bound is 1000.
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<DeploymentSort>,
}
paged!(ListDeploymentsQuery);
