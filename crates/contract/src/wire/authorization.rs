//! Permissions, for those who make roles of them.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words;

words! {
    /// The scope of a role.
    RoleScopeType {
        Deployment "DEPLOYMENT",
        Workspace "WORKSPACE",
        Organization "ORGANIZATION",
        Dag "DAG",
    }
}

/// Which permissions to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListPermissionGroupsQuery {
    /// Only permissions of this scope.
    #[schemars(example = RoleScopeType::Deployment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_type: Option<RoleScopeType>,
}

/// All groups of permissions.
pub type PermissionGroups = Vec<PermissionGroup>;

/// Permissions on one kind of thing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PermissionGroup {
    /// The common part of the permissions' names, for example `deployment.agentTokens`.
    pub name: String,
    /// The same as words, for example `Deployment AgentTokens`.
    pub scope: String,
    /// What the permissions are about.
    pub description: String,
    /// The permissions.
    pub permissions: Vec<PermissionEntry>,
}

/// One permission of a group.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PermissionEntry {
    /// The last part of its name, for example `create`.
    pub action: String,
    /// What it lets its holder do.
    pub description: String,
}
