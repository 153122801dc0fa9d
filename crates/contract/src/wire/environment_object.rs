//! Environment objects: connections, variables and metrics exports, kept for the Deployments of a
//! Workspace or for one Deployment. What they hold is in [`super::environment_value`].

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    BasicSubjectProfile, ConnectionOverrides, ConnectionRequest, EnvironmentConnection, EnvironmentVariable,
    EnvironmentVariableOverrides, EnvironmentVariableRequest, EnvironmentVariableValue, MetricsExport,
    MetricsExportOverrides, default_limit, default_offset, paged, sorts, text, words,
};
use crate::{DeploymentId, EnvironmentObjectId, Time, WorkspaceId, id::Id};

words! {
    /// What an environment object is.
    EnvironmentObjectType {
        /// An Airflow connection.
        Connection "CONNECTION",
        /// A variable of the processes that run Airflow.
        EnvironmentVariable "ENVIRONMENT_VARIABLE",
        /// An Airflow variable.
        AirflowVariable "AIRFLOW_VARIABLE",
        /// Where metrics are sent to.
        MetricsExport "METRICS_EXPORT",
    }
    /// What an environment object belongs to.
    EnvironmentObjectScope {
        Workspace "WORKSPACE",
        Deployment "DEPLOYMENT",
    }
    /// What an environment object can be linked to.
    EnvironmentObjectLinkScope {
        Deployment "DEPLOYMENT",
    }
}

/// What an environment object is made from. Of `connection`, `airflowVariable`,
/// `environmentVariable` and `metricsExport`, the one of its type.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "objectKey": "warehouse",
    "objectType": "CONNECTION",
    "scope": "WORKSPACE",
    "scopeEntityId": WorkspaceId::EXAMPLE,
    "autoLinkDeployments": true,
    "connection": {
        "type": "postgres",
        "host": "db.example.com",
        "port": 5432,
        "login": "etl",
        "password": "correct horse battery staple",
        "extra": {"sslmode": "require"},
    },
}))]
pub struct CreateEnvironmentObjectRequest {
    /// The connection's id, or the variable's name. One of its type can have it in the Workspace
    /// or Deployment.
    #[garde(custom(text::short_line))]
    pub object_key: String,
    /// What it is.
    pub object_type: EnvironmentObjectType,
    /// What it belongs to: a Workspace, whose Deployments can be linked to it, or one Deployment.
    pub scope: EnvironmentObjectScope,
    /// The id of that Workspace or Deployment.
    #[garde(custom(text::short_line))]
    pub scope_entity_id: String,
    /// What it is for.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The connection, for CONNECTION.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionRequest>,
    /// The variable, for AIRFLOW_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_variable: Option<EnvironmentVariableRequest>,
    /// The variable, for ENVIRONMENT_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_variable: Option<EnvironmentVariableRequest>,
    /// The export, for METRICS_EXPORT.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_export: Option<MetricsExport>,
    /// Whether all Deployments of the Workspace have it, also those that are made later; for the
    /// scope WORKSPACE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_link_deployments: Option<bool>,
    /// The Deployments that have it, and what is different for each; for the scope WORKSPACE.
    #[garde(length(max = 1000), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<CreateEnvironmentObjectLinkRequest>>,
    /// The Deployments that do not have it although `autoLinkDeployments` is on; for the scope
    /// WORKSPACE.
    #[garde(length(max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_links: Option<Vec<EnvironmentObjectExcludeLink>>,
}

/// What can be changed about an environment object. What is left out stays as it is; a list
/// replaces the one that was there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "connection": {"type": "postgres", "host": "db2.example.com"},
    "links": [{
        "scope": "DEPLOYMENT",
        "scopeEntityId": DeploymentId::EXAMPLE,
        "overrides": {"connection": {"schema": "staging"}},
    }],
}))]
pub struct UpdateEnvironmentObjectRequest {
    /// What it is for.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Fields of the connection, for CONNECTION.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionRequest>,
    /// The variable, for AIRFLOW_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_variable: Option<EnvironmentVariableValue>,
    /// The variable, for ENVIRONMENT_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_variable: Option<EnvironmentVariableValue>,
    /// Fields of the export, for METRICS_EXPORT.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_export: Option<MetricsExportOverrides>,
    /// Whether all Deployments of the Workspace have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_link_deployments: Option<bool>,
    /// The Deployments that have it. One that had it keeps its overrides, changed by those given.
    #[garde(length(max = 1000), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<UpdateEnvironmentObjectLinkRequest>>,
    /// The Deployments that do not have it although `autoLinkDeployments` is on.
    #[garde(length(max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_links: Option<Vec<EnvironmentObjectExcludeLink>>,
}

/// A Deployment that shall have an environment object.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct CreateEnvironmentObjectLinkRequest {
    /// DEPLOYMENT.
    pub scope: EnvironmentObjectLinkScope,
    /// The Deployment, one of the object's Workspace.
    pub scope_entity_id: DeploymentId,
    /// What is different for this Deployment.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<CreateEnvironmentObjectOverridesRequest>,
}

/// What shall be different for one Deployment: the one of the object's type.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct CreateEnvironmentObjectOverridesRequest {
    /// For CONNECTION.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionOverrides>,
    /// For AIRFLOW_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_variable: Option<EnvironmentVariableValue>,
    /// For ENVIRONMENT_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_variable: Option<EnvironmentVariableValue>,
    /// For METRICS_EXPORT.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_export: Option<MetricsExportOverrides>,
}

/// A Deployment that shall have an environment object from now on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct UpdateEnvironmentObjectLinkRequest {
    /// DEPLOYMENT.
    pub scope: EnvironmentObjectLinkScope,
    /// The Deployment, one of the object's Workspace.
    pub scope_entity_id: DeploymentId,
    /// What is different for this Deployment.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<UpdateEnvironmentObjectOverridesRequest>,
}

/// What shall change in what is different for one Deployment. Fields that are left out stay as
/// they are; an empty object takes all of them away.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct UpdateEnvironmentObjectOverridesRequest {
    /// For CONNECTION.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionOverrides>,
    /// For AIRFLOW_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_variable: Option<EnvironmentVariableValue>,
    /// For ENVIRONMENT_VARIABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_variable: Option<EnvironmentVariableValue>,
    /// For METRICS_EXPORT.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_export: Option<MetricsExportOverrides>,
    /// The fields, by their names, that are no longer different.
    #[garde(length(max = 100))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unset_fields: Option<Vec<String>>,
}

/// A Deployment that does not have an environment object although all of its Workspace do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"scope": "DEPLOYMENT", "scopeEntityId": DeploymentId::EXAMPLE}))]
pub struct EnvironmentObjectExcludeLink {
    /// DEPLOYMENT.
    pub scope: EnvironmentObjectLinkScope,
    /// The Deployment, one of the object's Workspace.
    pub scope_entity_id: DeploymentId,
}

/// The id of a new environment object.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreatedEnvironmentObject {
    /// The id.
    pub id: EnvironmentObjectId,
}

/// An environment object. Of `connection`, `airflowVariable`, `environmentVariable` and
/// `metricsExport` it has the one of its type.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentObject {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<EnvironmentObjectId>,
    /// The connection's id, or the variable's name.
    pub object_key: String,
    /// What it is.
    pub object_type: EnvironmentObjectType,
    /// What it belongs to; with `resolveLinked`, the Deployment that has it.
    pub scope: EnvironmentObjectScope,
    /// The id of that Workspace or Deployment.
    pub scope_entity_id: String,
    /// With `resolveLinked`, what it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_scope: Option<EnvironmentObjectScope>,
    /// The id of that Workspace or Deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_scope_entity_id: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<EnvironmentConnection>,
    /// The Airflow variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub airflow_variable: Option<EnvironmentVariable>,
    /// The environment variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_variable: Option<EnvironmentVariable>,
    /// The metrics export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_export: Option<MetricsExport>,
    /// The fields that have a value, also those whose value is secret and not shown.
    pub set_fields: Vec<String>,
    /// Whether all Deployments of the Workspace have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_link_deployments: Option<bool>,
    /// The Deployments that have it, and what is different for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<EnvironmentObjectLink>>,
    /// The Deployments that do not have it although `autoLinkDeployments` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_links: Option<Vec<EnvironmentObjectExcludeLink>>,
    /// When it was created.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<BasicSubjectProfile>,
    /// When it was last changed.
    #[schemars(with = "Option<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// Who last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<BasicSubjectProfile>,
}

/// A Deployment that has an environment object, and what is different for it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentObjectLink {
    /// DEPLOYMENT.
    pub scope: EnvironmentObjectLinkScope,
    /// The Deployment.
    pub scope_entity_id: DeploymentId,
    /// What is different, for CONNECTION.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_overrides: Option<ConnectionOverrides>,
    /// What is different, for AIRFLOW_VARIABLE; absent when it is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub airflow_variable_overrides: Option<EnvironmentVariableOverrides>,
    /// What is different, for ENVIRONMENT_VARIABLE; absent when it is secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_variable_overrides: Option<EnvironmentVariableOverrides>,
    /// What is different, for METRICS_EXPORT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_export_overrides: Option<MetricsExportOverrides>,
    /// The fields that are different, also those whose value is secret and not shown.
    pub set_fields: Vec<String>,
}

/// A page of environment objects.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentObjectsPaginated {
    /// The objects of this page.
    pub environment_objects: Vec<EnvironmentObject>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

sorts! {
    /// The orders in which environment objects can be listed.
    EnvironmentObjectSort {
        ObjectTypeAsc "objectType:asc" "object_type",
        ObjectTypeDesc "objectType:desc" "object_type",
        ObjectKeyAsc "objectKey:asc" "object_key",
        ObjectKeyDesc "objectKey:desc" "object_key",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which environment objects to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListEnvironmentObjectsQuery {
    /// How many objects to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many objects to answer at the most; never more than 1000.
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<EnvironmentObjectSort>,
    /// Only objects that belong to this Workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// Only objects that belong to this Deployment; not together with `workspaceId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
    /// Only objects of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_type: Option<EnvironmentObjectType>,
    /// Only objects with this key.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_key: Option<String>,
    /// Show secret values. The Organization must have `allowEnvironmentSecretsFetching` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show_secrets: Option<bool>,
    /// With `deploymentId`: all that the Deployment has, with those that are linked to it from its
    /// Workspace, each as it is for the Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_linked: Option<bool>,
}
paged!(ListEnvironmentObjectsQuery);
