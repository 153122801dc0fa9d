//! Roles: named sets of permissions.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, RoleScopeType, default_limit, default_offset, paged, sorts, text, words};
use crate::{RoleId, Time, WorkspaceId};

words! {
    /// The scopes for which custom roles can be made.
    CustomRoleScopeType {
        Deployment "DEPLOYMENT",
        Dag "DAG",
    }
    /// The scope that a built-in role or a template is for.
    DefaultRoleScopeType {
        Deployment "DEPLOYMENT",
        Workspace "WORKSPACE",
        Organization "ORGANIZATION",
        System "SYSTEM",
        Dag "DAG",
    }
    /// The scope that a custom role answers with. The public API's list has no DAG, so a role
    /// for Dags answers with the scope that its Dags live in.
    AnsweredRoleScopeType {
        Deployment "DEPLOYMENT",
        Workspace "WORKSPACE",
        Organization "ORGANIZATION",
    }
}

/// A role that comes with the server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultRole {
    /// Its name, by which it is assigned.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it can be granted on.
    pub scope_type: DefaultRoleScopeType,
    /// What it permits.
    pub permissions: Vec<String>,
}

/// A starting point for a custom role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleTemplate {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What a role made of it can be granted on.
    pub scope_type: DefaultRoleScopeType,
    /// What it permits.
    pub permissions: Vec<String>,
}

/// All role templates.
pub type RoleTemplates = Vec<RoleTemplate>;

/// A custom role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name, by which it is assigned.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it can be granted on.
    pub scope_type: AnsweredRoleScopeType,
    /// The Workspaces in which it can be used; all of them when empty.
    pub restricted_workspace_ids: Vec<WorkspaceId>,
    /// When it was created.
    pub created_at: Time,
    /// Who created it.
    pub created_by: BasicSubjectProfile,
    /// When it was last changed.
    pub updated_at: Time,
    /// Who last changed it.
    pub updated_by: BasicSubjectProfile,
}

/// A custom role and what it permits.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RoleWithPermission {
    /// The role.
    #[serde(flatten)]
    pub role: Role,
    /// What it permits.
    pub permissions: Vec<String>,
}

/// A page of custom roles.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolesPaginated {
    /// The custom roles of this page.
    pub roles: Vec<Role>,
    /// The built-in roles, when they were asked for; on every page, and not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_roles: Option<Vec<DefaultRole>>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many custom roles there are on all pages.
    pub total_count: u32,
}

/// What a custom role is made from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "name": "Agent operator",
    "description": "May watch agents and cordon them.",
    "scopeType": "DEPLOYMENT",
    "permissions": ["deployment.get", "deployment.agents.get", "deployment.agents.update"],
}))]
pub struct CreateCustomRoleRequest {
    /// Its name, unique in the Organization and not that of a built-in role.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub name: String,
    /// What it is for.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it can be granted on.
    pub scope_type: CustomRoleScopeType,
    /// What it permits; names from `GET /authorization/permission-groups`.
    #[garde(length(min = 1, max = 500), custom(text::all_prose))]
    pub permissions: Vec<String>,
    /// The Workspaces in which it can be used; all of them when empty or absent.
    #[garde(length(max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted_workspace_ids: Option<Vec<WorkspaceId>>,
}

/// What can be changed about a custom role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "name": "Agent operator",
    "description": "May watch agents, cordon them and take them off the list.",
    "permissions": [
        "deployment.get", "deployment.agents.get", "deployment.agents.update", "deployment.agents.delete",
    ],
}))]
pub struct UpdateCustomRoleRequest {
    /// Its name, unique in the Organization and not that of a built-in role.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub name: String,
    /// What it is for; emptied when absent.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it permits.
    #[garde(length(min = 1, max = 500), custom(text::all_prose))]
    pub permissions: Vec<String>,
    /// The Workspaces in which it can be used; all of them when empty or absent.
    #[garde(length(max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted_workspace_ids: Option<Vec<WorkspaceId>>,
}

sorts! {
    /// The orders in which roles can be listed.
    RoleSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        ScopeTypeAsc "scopeType:asc" "scope_type",
        ScopeTypeDesc "scopeType:desc" "scope_type",
        DescriptionAsc "description:asc" "description",
        DescriptionDesc "description:desc" "description",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which roles to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListRolesQuery {
    /// Answer with the built-in roles too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_default_roles: Option<bool>,
    /// Only roles of these scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope_types: Vec<RoleScopeType>,
    /// How many roles to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many roles to answer at the most; the server's own bound is 1000.
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<RoleSort>,
}
paged!(ListRolesQuery);

/// Which role templates to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListRoleTemplatesQuery {
    /// Only templates of these scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope_types: Vec<RoleScopeType>,
}
