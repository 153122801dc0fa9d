//! Clusters: named places where Airflows run.
//!
//! The public API has a request to create a cluster for each cloud, and two to update one. Here is
//! one set of fields, [`ClusterSettings`], and one table that says which request has which of them
//! ([`super::cluster_kinds`]).

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CloudProvider, default_limit, default_offset, paged, sorts, text, words};
use crate::{ClusterId, OrganizationId, Time, WorkspaceId};

pub use super::cluster_kinds::{CreateClusterRequest, UpdateClusterRequest};

/// How many clusters an Organization can have.
pub const MOST_CLUSTERS: u32 = 1000;

words! {
    /// Whose cloud account a cluster is in: one of its own, or the Organization's.
    ClusterType {
        Dedicated "DEDICATED",
        Hybrid "HYBRID",
    }
    /// What is being done with a cluster. Airlock provisions none, so they are all CREATED.
    ClusterStatus {
        Creating "CREATING",
        Created "CREATED",
        CreateFailed "CREATE_FAILED",
        UpdateFailed "UPDATE_FAILED",
        Updating "UPDATING",
        AccessDenied "ACCESS_DENIED",
        UpgradePending "UPGRADE_PENDING",
        FailingOver "FAILING_OVER",
        FailoverFailed "FAILOVER_FAILED",
    }
    /// How the Deployments in a cluster are, together.
    ClusterHealth {
        /// All are.
        Healthy "HEALTHY",
        /// One is not, or more.
        Unhealthy "UNHEALTHY",
        /// There is none, or of one it is not known.
        Unknown "UNKNOWN",
    }
}

/// A tag of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ClusterK8sTag {
    /// Its key.
    #[garde(custom(text::optional_short_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its value.
    #[garde(custom(text::optional_short_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A node pool that a cluster shall have.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct UpdateNodePoolRequest {
    /// The node pool's id, to keep an existing one.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether what asks for no other node pool runs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_default: Option<bool>,
    /// How many nodes at the most.
    pub max_node_count: u32,
    /// The node pool's name.
    #[garde(length(chars, max = 256), custom(text::filled_line))]
    pub name: String,
    /// The nodes' machines.
    #[garde(length(chars, max = 256), custom(text::filled_line))]
    pub node_instance_type: String,
}

/// A node pool that a cluster has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePool {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The cluster that it belongs to.
    pub cluster_id: ClusterId,
    /// The cluster's cloud.
    pub cloud_provider: CloudProvider,
    /// Whether what asks for no other node pool runs here.
    pub is_default: bool,
    /// How many nodes at the most.
    pub max_node_count: u32,
    /// The nodes' machines.
    pub node_instance_type: String,
    /// The machines of worker queues that can run here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_astro_machines: Option<Vec<String>>,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// All that can be asked for of a cluster, in whatever cloud it is. Which of it is needed, and
/// which of it is there at all, is up to the request ([`super::cluster_kinds`]).
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase", default)]
#[garde(allow_unvalidated)]
pub struct ClusterSettings {
    /// The cloud that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud_provider: Option<CloudProvider>,
    /// The type that the cluster has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_type: Option<ClusterType>,
    /// The machine of its database.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub db_instance_type: Option<String>,
    /// The pods' addresses in the region for disaster recovery, in CIDR form.
    #[garde(custom(text::cidr_or_empty))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_pod_subnet_range: Option<String>,
    /// The region for disaster recovery.
    #[garde(length(chars, max = 64), custom(text::optional_prose))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_region: Option<String>,
    /// More addresses in the region for disaster recovery, in CIDR form.
    #[garde(custom(text::cidr_or_empty))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_secondary_vpc_cidr: Option<String>,
    /// The addresses of peered services in the region for disaster recovery, in CIDR form.
    #[garde(custom(text::cidr_or_empty))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_service_peering_range: Option<String>,
    /// The services' addresses in the region for disaster recovery, in CIDR form.
    #[garde(custom(text::cidr_or_empty))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_service_subnet_range: Option<String>,
    /// The network's addresses in the region for disaster recovery, in CIDR form.
    #[garde(custom(text::cidr_or_empty))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_vpc_subnet_range: Option<String>,
    /// Whether there is a second region for disaster recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_dr: Option<bool>,
    /// Whether copies to the second region arrive within a promised time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_replication_time_control: Option<bool>,
    /// Whether the second region has taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_failed_over: Option<bool>,
    /// Whether it reaches others over private networks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_private_network_egress_enabled: Option<bool>,
    /// Its tags: those given are all that it has.
    #[garde(length(max = 100), dive)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k8s_tags: Option<Vec<ClusterK8sTag>>,
    /// Its name.
    #[garde(length(chars, min = 1, max = 256), custom(text::optional_line))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its node pools: those given are all that it has.
    #[garde(length(max = 100), dive)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_pools: Option<Vec<UpdateNodePoolRequest>>,
    /// The pods' addresses, in CIDR form.
    #[garde(custom(text::optional_cidr))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_subnet_range: Option<String>,
    /// The cloud account that it is in.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_account: Option<String>,
    /// The region that it is in.
    #[garde(length(chars, min = 1, max = 64), custom(text::optional_line))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// More addresses of the network, in CIDR form.
    #[garde(custom(text::cidr_or_empty))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secondary_vpc_cidr: Option<String>,
    /// The addresses of peered services, in CIDR form.
    #[garde(custom(text::optional_cidr))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_peering_range: Option<String>,
    /// The services' addresses, in CIDR form.
    #[garde(custom(text::optional_cidr))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_subnet_range: Option<String>,
    /// The cloud's tenant that the account belongs to.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Whose cloud account it is in.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ClusterType>,
    /// The network's addresses, in CIDR form.
    #[garde(custom(text::optional_cidr))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_subnet_range: Option<String>,
    /// The Workspaces whose Deployments can run in it; all when there are none.
    #[garde(length(max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_ids: Option<Vec<WorkspaceId>>,
}

/// A cluster.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the fields that say something about this server are documented; the others echo")]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Its name.
    pub name: String,
    /// The Organization that it belongs to.
    pub organization_id: OrganizationId,
    #[serde(rename = "type")]
    pub kind: ClusterType,
    /// `CREATED`: Airlock provisions nothing, so there is nothing to wait for.
    pub status: ClusterStatus,
    /// How the Deployments in it are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_status: Option<ClusterHealthStatus>,
    pub cloud_provider: CloudProvider,
    pub region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    pub db_instance_type: String,
    pub vpc_subnet_range: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secondary_vpc_cidr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_subnet_range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_subnet_range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_peering_range: Option<String>,
    /// Whether there is a second region for disaster recovery.
    pub is_dr_enabled: bool,
    pub dr_region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_vpc_subnet_range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_secondary_vpc_cidr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_pod_subnet_range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_service_subnet_range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dr_service_peering_range: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_replication_time_control: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_failed_over: Option<bool>,
    /// Never: Airlock moves nothing from one region to the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover_in_progress: Option<bool>,
    /// Whether not every type of machine is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_limited: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_private_network_egress_enabled: Option<bool>,
    /// What only who provisions a cluster knows; here empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ClusterMetadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_pools: Option<Vec<NodePool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<ClusterK8sTag>>,
    /// The Workspaces whose Deployments can run in it; all when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_ids: Option<Vec<WorkspaceId>>,
    /// When it was created.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// How the Deployments in a cluster are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterHealthStatus {
    /// How they are together.
    pub value: ClusterHealth,
    /// Those that are not healthy, as far as the caller may see them: up to 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Vec<ClusterHealthStatusDetail>>,
}

/// What keeps a cluster from being healthy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterHealthStatusDetail {
    /// The Deployment's status.
    pub code: String,
    /// The Deployment's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The Deployment's name, and why it is so.
    pub description: String,
    /// `CRITICAL` when it is unhealthy, `WARNING` when that is not known.
    pub severity: String,
}

/// What only who provisions a cluster knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterMetadata {
    /// The addresses from which it calls others.
    #[serde(rename = "externalIPs", skip_serializing_if = "Option::is_none")]
    pub external_ips: Option<Vec<String>>,
    /// The address of its name server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_dns_ip: Option<String>,
    /// Who vouches for its workloads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc_issuer_url: Option<String>,
}

/// A page of clusters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClustersPaginated {
    /// The clusters of this page.
    pub clusters: Vec<Cluster>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

sorts! {
    /// The orders in which clusters can be listed.
    ClusterSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which clusters to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListClustersQuery {
    /// Only those with one of these names.
    #[garde(custom(text::all_prose))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Only those in this cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<CloudProvider>,
    /// How many clusters to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many clusters to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<ClusterSort>,
}
paged!(ListClustersQuery);
