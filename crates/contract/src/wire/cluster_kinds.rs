//! The requests about clusters, and which settings each of them has.
//!
//! A new cluster's request is chosen by its `cloudProvider`, an update by its `clusterType`; see
//! [`super::choice`].

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{
    CloudProvider, ClusterSettings, ClusterType, UpdateNodePoolRequest,
    choice::{define, keep_properties, requests, written},
};

/// Settings of a new cluster in every cloud.
const COMMON: &[&str] = &[
    "cloudProvider",
    "dbInstanceType",
    "drRegion",
    "drVpcSubnetRange",
    "enableReplicationTimeControl",
    "k8sTags",
    "name",
    "nodePools",
    "providerAccount",
    "region",
    "type",
    "vpcSubnetRange",
    "workspaceIds",
];

/// Those that must be there.
const NEEDED: &[&str] = &["cloudProvider", "name", "region", "type", "vpcSubnetRange"];

/// Settings of a new cluster in one cloud only.
const AWS: &[&str] = &["drSecondaryVpcCidr", "isPrivateNetworkEgressEnabled", "secondaryVpcCidr"];
const AZURE: &[&str] = &["tenantId"];
const GCP: &[&str] = &["drPodSubnetRange", "drServicePeeringRange", "drServiceSubnetRange"];

/// Likewise; these must be there.
const NEEDED_GCP: &[&str] = &["podSubnetRange", "servicePeeringRange", "serviceSubnetRange"];

/// Settings of an update, by the cluster's type.
const UPDATE_DEDICATED: &[&str] = &[
    "clusterType",
    "dbInstanceType",
    "drPodSubnetRange",
    "drRegion",
    "drServicePeeringRange",
    "drServiceSubnetRange",
    "drVpcSubnetRange",
    "enableDr",
    "enableReplicationTimeControl",
    "isFailedOver",
    "isPrivateNetworkEgressEnabled",
    "k8sTags",
    "name",
    "nodePools",
    "workspaceIds",
];
const UPDATE_HYBRID: &[&str] = &["clusterType", "workspaceIds"];

/// Settings that a cluster in every cloud has once it is there.
const LATER: &[&str] = &["enableDr", "isFailedOver"];

fn created(cloud: CloudProvider) -> Vec<&'static str> {
    let own = match cloud {
        CloudProvider::Aws => AWS,
        CloudProvider::Azure => AZURE,
        CloudProvider::Gcp => &[GCP, NEEDED_GCP].concat(),
    };
    [COMMON, own].concat()
}

fn needed_to_create(cloud: Option<CloudProvider>) -> Vec<&'static str> {
    let own = if cloud == Some(CloudProvider::Gcp) { NEEDED_GCP } else { &[] };
    [NEEDED, own].concat()
}

fn updated(kind: ClusterType) -> &'static [&'static str] {
    match kind {
        ClusterType::Dedicated => UPDATE_DEDICATED,
        ClusterType::Hybrid => UPDATE_HYBRID,
    }
}

fn needed_to_update(kind: ClusterType) -> Vec<&'static str> {
    match kind {
        ClusterType::Dedicated => vec!["k8sTags", "name"],
        ClusterType::Hybrid => vec!["clusterType"],
    }
}

requests! {
    /// What a cluster is made from.
    CreateClusterRequest of ClusterSettings, chosen by "cloudProvider",
        needs |settings| needed_to_create(settings.cloud_provider),
        kinds create_kinds,
        for example {
            "name": "Frankfurt",
            "type": "DEDICATED",
            "cloudProvider": "AWS",
            "region": "eu-central-1",
            "vpcSubnetRange": "172.20.0.0/20",
            "workspaceIds": [],
        }
    /// What a cluster shall be like. What the body leaves out stays as it is.
    UpdateClusterRequest of ClusterSettings, chosen by "clusterType",
        needs |settings| needed_to_update(settings.updated_kind()),
        kinds update_kinds,
        for example {
            "clusterType": "DEDICATED",
            "name": "Frankfurt",
            "k8sTags": [{"key": "team", "value": "data"}],
        }
}

impl ClusterSettings {
    /// The type of the cluster that an update is for: DEDICATED when it does not say.
    pub fn updated_kind(&self) -> ClusterType {
        self.cluster_type.unwrap_or(ClusterType::Dedicated)
    }

    /// Of a request to create a cluster, the settings that its cloud has.
    ///
    /// # Errors
    ///
    /// None, unless the settings cannot be written as JSON and read again.
    pub fn to_create(&self) -> serde_json::Result<Self> {
        let names = self.cloud_provider.map(created).unwrap_or_default();
        read(written(self, |name| names.contains(&name))?)
    }

    /// These settings with those of an update laid over them: the ones that it says, and that a
    /// cluster of this type in this cloud has.
    ///
    /// # Errors
    ///
    /// None, unless the settings cannot be written as JSON and read again.
    pub fn updated_by(&self, update: &Self) -> serde_json::Result<Self> {
        let of_cloud = self.cloud_provider.map(created).unwrap_or_default();
        let of_update = updated(update.updated_kind());
        let mut all = written(self, |_| true)?;
        all.extend(written(update, |name| {
            of_update.contains(&name) && (of_cloud.contains(&name) || LATER.contains(&name))
        })?);
        read(all)
    }
}

fn read(settings: Map<String, Value>) -> serde_json::Result<ClusterSettings> {
    serde_json::from_value(Value::Object(settings))
}

/// The schemas of requests to create a cluster, by `cloudProvider`.
fn create_kinds(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut pool = UpdateNodePoolRequest::json_schema(generator).to_value();
    if let Some(properties) = pool["properties"].as_object_mut() {
        properties.remove("id");
    }
    let pool = define(generator, "CreateNodePoolRequest", pool);
    let define_kind = |&cloud: &CloudProvider| {
        let mut schema = ClusterSettings::json_schema(generator).to_value();
        keep_properties(&mut schema, &created(cloud), &needed_to_create(Some(cloud)));
        let properties = &mut schema["properties"];
        properties["cloudProvider"]["enum"] = json!([cloud.as_str()]);
        properties["nodePools"]["items"] = json!({"$ref": pool});
        let title = match cloud {
            CloudProvider::Aws => "Aws",
            CloudProvider::Azure => "Azure",
            CloudProvider::Gcp => "Gcp",
        };
        (cloud.as_str().to_owned(), define(generator, &format!("Create{title}ClusterRequest"), schema).into())
    };
    CloudProvider::ALL.iter().map(define_kind).collect()
}

/// The schemas of updates, by `clusterType`.
fn update_kinds(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let define_kind = |&kind: &ClusterType| {
        let mut schema = ClusterSettings::json_schema(generator).to_value();
        keep_properties(&mut schema, updated(kind), &needed_to_update(kind));
        schema["properties"]["clusterType"] =
            json!({"type": "string", "enum": [kind.as_str()], "description": "The type that the cluster has."});
        let title = match kind {
            ClusterType::Dedicated => "Dedicated",
            ClusterType::Hybrid => "Hybrid",
        };
        (kind.as_str().to_owned(), define(generator, &format!("Update{title}ClusterRequest"), schema).into())
    };
    ClusterType::ALL.iter().map(define_kind).collect()
}
