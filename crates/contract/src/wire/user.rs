//! Users: the people of an Organization.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    DagRole, DeploymentRole, OrganizationRoleName, RolesBelow, WorkspaceRole, default_limit, default_offset, paged,
    sorts, text, words,
};
use crate::{DeploymentId, InviteId, OrganizationId, SubjectId, Time, UserId, WorkspaceId, id::Id};

words! {
    /// Whether a user can log in. A user is PENDING from its invite until the first login.
    UserStatus {
        Active "ACTIVE",
        Inactive "INACTIVE",
        Pending "PENDING",
        Banned "BANNED",
    }
}

/// A user, and the roles that were given to the user directly; those of its teams are not among them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The user's e-mail address.
    pub username: String,
    /// The user's name; the e-mail address until it is known.
    pub full_name: String,
    /// Where the user's picture is; may be empty.
    pub avatar_url: String,
    /// Whether the user can log in.
    pub status: UserStatus,
    /// The role on the Organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_role: Option<OrganizationRoleName>,
    /// The roles on what is below it.
    #[serde(flatten)]
    pub below: RolesBelow,
    /// When the user was invited.
    pub created_at: Time,
    /// When the user or its roles were last changed.
    pub updated_at: Time,
}

/// A page of users.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsersPaginated {
    /// The users of this page.
    pub users: Vec<User>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// The roles that a user shall have, instead of those it has. Roles on a Dag tag name the tag
/// instead of the Dag.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "organizationRole": "ORGANIZATION_MEMBER",
    "workspaceRoles": [{"workspaceId": WorkspaceId::EXAMPLE, "role": "WORKSPACE_AUTHOR"}],
    "deploymentRoles": [{"deploymentId": DeploymentId::EXAMPLE, "role": "DEPLOYMENT_ADMIN"}],
}))]
pub struct UpdateUserRolesRequest {
    /// The role on the Organization; stays as it is when absent.
    #[garde(inner(custom(text::short_line)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_role: Option<String>,
    /// The roles on Workspaces; none when absent.
    #[garde(length(max = 1000), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_roles: Option<Vec<WorkspaceRole>>,
    /// The roles on Deployments; none when absent.
    #[garde(length(max = 1000), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_roles: Option<Vec<DeploymentRole>>,
    /// The roles on Dags; none when absent.
    #[garde(length(max = 1000), dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dag_roles: Option<Vec<DagRole>>,
}

sorts! {
    /// The orders in which users can be listed.
    UserSort {
        IdAsc "id:asc" "id",
        IdDesc "id:desc" "id",
        UsernameAsc "username:asc" "username",
        UsernameDesc "username:desc" "username",
        FullNameAsc "fullName:asc" "full_name",
        FullNameDesc "fullName:desc" "full_name",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which users to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListUsersQuery {
    /// Only users with a role of their own on this Workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// Only users with a role of their own on this Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
    /// Only users with a role of their own on this Dag.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dag_id: Option<String>,
    /// Only users with a role of their own on one of these Dag tags.
    #[garde(custom(text::all_prose))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dag_tags: Vec<String>,
    /// How many users to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many users to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<UserSort>,
}
paged!(ListUsersQuery);

/// Whoever calls, as a user. An API token has the same fields: its name stands where a user's
/// name and e-mail address do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfUser {
    /// The caller's id.
    pub id: SubjectId,
    /// The caller's e-mail address; the name of an API token.
    pub username: String,
    /// The caller's name.
    pub full_name: String,
    /// Where the caller's picture is; may be empty.
    pub avatar_url: String,
    /// ACTIVE, for everybody who can call.
    pub status: UserStatus,
    /// The Organization that the caller belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// Whether an identity provider says who the caller is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_idp_managed: Option<bool>,
    /// What the caller may do, and on what; with the roles of its teams.
    #[serde(default)]
    pub roles: Vec<SelfUserRole>,
    /// Invites that wait for the caller: none, for who can call has accepted.
    #[serde(default)]
    pub invites: Vec<SelfUserInvite>,
    /// None here.
    #[serde(default)]
    pub feature_flags: Vec<SelfUserFeatureFlag>,
    /// When the caller was invited or created.
    pub created_at: Time,
    /// When the caller was last changed.
    pub updated_at: Time,
}

/// A role of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelfUserRole {
    /// The role's name.
    pub role: String,
    /// What it is on.
    pub scope: SelfUserRoleScope,
}

/// What a role of the caller is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfUserRoleScope {
    /// ORGANIZATION, WORKSPACE, DEPLOYMENT, DAG or DAG_TAG.
    pub r#type: String,
    /// The id of the thing; for DAG_TAG the tag.
    pub entity_id: String,
    /// The Deployment of a Dag or a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
    /// The tag, for DAG_TAG.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dag_tag: Option<String>,
}

/// An invite that waits for the caller.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SelfUserInvite {
    /// The invite's id.
    pub invite_id: InviteId,
    /// The Organization that the caller is invited to.
    pub organization_id: OrganizationId,
    /// When the invite ends.
    pub expires_at: Time,
}

/// Whether something that is not for everybody is on for the caller.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SelfUserFeatureFlag {
    /// What it is.
    pub key: String,
    /// Whether it is on.
    pub value: bool,
}

/// How to look at the caller.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct GetSelfUserQuery {
    /// The CLI sends it after a login. Whoever calls is there already, so it changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_if_not_exist: Option<bool>,
}
