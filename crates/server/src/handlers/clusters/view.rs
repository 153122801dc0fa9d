//! How a cluster is answered.

use airlock_contract::wire::{Cluster, ClusterMetadata, ClusterStatus};
use airlock_store::clusters::Cluster as Record;

use super::health::Healths;

/// The cluster, with every configured value as it came. Lists are empty, not absent: stock clients
/// look into them without asking.
pub(super) fn cluster(record: Record, healths: &Healths) -> Cluster {
    let settings = record.settings;
    Cluster {
        health_status: Some(healths.take(&record.id)),
        id: record.id,
        name: record.name,
        organization_id: record.organization,
        kind: record.kind,
        status: ClusterStatus::Created,
        cloud_provider: record.provider,
        region: settings.region.unwrap_or_default(),
        provider_account: settings.provider_account,
        tenant_id: settings.tenant_id,
        db_instance_type: settings.db_instance_type.unwrap_or_default(),
        vpc_subnet_range: settings.vpc_subnet_range.unwrap_or_default(),
        secondary_vpc_cidr: settings.secondary_vpc_cidr,
        pod_subnet_range: settings.pod_subnet_range,
        service_subnet_range: settings.service_subnet_range,
        service_peering_range: settings.service_peering_range,
        is_dr_enabled: settings.enable_dr.unwrap_or_default(),
        dr_region: settings.dr_region.unwrap_or_default(),
        dr_vpc_subnet_range: settings.dr_vpc_subnet_range,
        dr_secondary_vpc_cidr: settings.dr_secondary_vpc_cidr,
        dr_pod_subnet_range: settings.dr_pod_subnet_range,
        dr_service_subnet_range: settings.dr_service_subnet_range,
        dr_service_peering_range: settings.dr_service_peering_range,
        enable_replication_time_control: settings.enable_replication_time_control,
        is_failed_over: Some(settings.is_failed_over.unwrap_or_default()),
        failover_in_progress: Some(false),
        is_limited: None,
        is_private_network_egress_enabled: settings.is_private_network_egress_enabled,
        metadata: Some(ClusterMetadata { external_ips: Some(Vec::new()), ..ClusterMetadata::default() }),
        node_pools: Some(record.node_pools),
        tags: Some(settings.k8s_tags.unwrap_or_default()),
        workspace_ids: Some(record.workspaces.0),
        created_at: record.authorship.created_at,
        updated_at: record.authorship.updated_at,
    }
}
