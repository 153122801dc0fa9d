//! The roles that a user or a team holds, by what they are on.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{text, words};
use crate::{DeploymentId, WorkspaceId};

words! {
    /// The built-in roles of an Organization.
    OrganizationRoleName {
        Owner "ORGANIZATION_OWNER",
        ObserveAdmin "ORGANIZATION_OBSERVE_ADMIN",
        ObserveMember "ORGANIZATION_OBSERVE_MEMBER",
        BillingAdmin "ORGANIZATION_BILLING_ADMIN",
        Member "ORGANIZATION_MEMBER",
    }
    /// The built-in roles of a Workspace.
    WorkspaceRoleName {
        Owner "WORKSPACE_OWNER",
        Operator "WORKSPACE_OPERATOR",
        Author "WORKSPACE_AUTHOR",
        Member "WORKSPACE_MEMBER",
        Accessor "WORKSPACE_ACCESSOR",
    }
}

/// A role on a Workspace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct WorkspaceRole {
    /// The Workspace.
    pub workspace_id: WorkspaceId,
    /// The role on it.
    pub role: WorkspaceRoleName,
}

/// A role on a Deployment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeploymentRole {
    /// The Deployment.
    pub deployment_id: DeploymentId,
    /// The role on it: DEPLOYMENT_ADMIN, or the name of a custom role.
    #[garde(custom(text::short_line))]
    pub role: String,
}

/// A role on one Dag, or on all Dags with a tag.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DagRole {
    /// The Deployment of the Dag.
    pub deployment_id: DeploymentId,
    /// The Dag; absent when the role is on a tag.
    #[garde(inner(custom(text::short_line)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dag_id: Option<String>,
    /// The tag; absent when the role is on a Dag.
    #[garde(inner(custom(text::short_line)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dag_tag: Option<String>,
    /// The role on it: DAG_VIEWER, DAG_AUTHOR, or the name of a custom role.
    #[garde(custom(text::short_line))]
    pub role: String,
}

/// The roles on what is below an Organization.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolesBelow {
    /// The roles on Workspaces.
    #[serde(default)]
    pub workspace_roles: Vec<WorkspaceRole>,
    /// The roles on Deployments.
    #[serde(default)]
    pub deployment_roles: Vec<DeploymentRole>,
    /// The roles on Dags.
    #[serde(default)]
    pub dag_roles: Vec<DagRole>,
}

/// All roles of a subject, by what they are on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectRoles {
    /// The role on the Organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_role: Option<String>,
    /// The roles on what is below it.
    #[serde(flatten)]
    pub below: RolesBelow,
}
