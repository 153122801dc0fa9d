//! Teams: users who have roles together.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    BasicSubjectProfile, DagRole, DeploymentRole, OrganizationRoleName, RolesBelow, WorkspaceRole, default_limit,
    default_offset, paged, sorts, text,
};
use crate::{DeploymentId, OrganizationId, TeamId, Time, UserId, WorkspaceId, id::Id};

/// A team, and the roles that each of its members has by it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// The team's id.
    pub id: TeamId,
    /// The Organization that the team belongs to.
    pub organization_id: OrganizationId,
    /// What the team is called.
    pub name: String,
    /// What the team is for; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether an identity provider says who is in the team. Such a team cannot be changed here
    /// but for its roles.
    pub is_idp_managed: bool,
    /// The role on the Organization.
    pub organization_role: OrganizationRoleName,
    /// The roles on what is below it.
    #[serde(flatten)]
    pub below: RolesBelow,
    /// How many roles these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles_count: Option<u32>,
    /// When it was created.
    pub created_at: Time,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<BasicSubjectProfile>,
    /// When it, its members or its roles were last changed.
    pub updated_at: Time,
    /// Who changed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<BasicSubjectProfile>,
}

/// A page of teams.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamsPaginated {
    /// The teams of this page.
    pub teams: Vec<Team>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// What a team is made from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "name": "data platform",
    "description": "Looks after the Deployments.",
    "organizationRole": "ORGANIZATION_MEMBER",
    "memberIds": [UserId::EXAMPLE],
}))]
pub struct CreateTeamRequest {
    /// What the team is called, unique in the Organization.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub name: String,
    /// What the team is for.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The role on the Organization; ORGANIZATION_MEMBER when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_role: Option<OrganizationRoleName>,
    /// Users who are in the team from the start.
    #[garde(length(max = 1000))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_ids: Option<Vec<UserId>>,
}

/// What can be changed about a team.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"name": "platform", "description": "Looks after all Deployments."}))]
pub struct UpdateTeamRequest {
    /// What the team is called, unique in the Organization.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub name: String,
    /// What the team is for; emptied when absent.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The roles that a team shall have, instead of those it has. Roles on a Dag tag name the tag
/// instead of the Dag.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "organizationRole": "ORGANIZATION_MEMBER",
    "workspaceRoles": [{"workspaceId": WorkspaceId::EXAMPLE, "role": "WORKSPACE_OPERATOR"}],
}))]
pub struct UpdateTeamRolesRequest {
    /// The role on the Organization.
    #[garde(custom(text::short_line))]
    pub organization_role: String,
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
    /// The orders in which teams can be listed.
    TeamSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        DescriptionAsc "description:asc" "description",
        DescriptionDesc "description:desc" "description",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which teams to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListTeamsQuery {
    /// Only teams of these names.
    #[garde(custom(text::all_prose))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Only teams with a role on this Workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// Only teams with a role on this Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
    /// How many teams to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many teams to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<TeamSort>,
}

/// A team that a user is in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTeamMembership {
    /// The team's id.
    pub id: TeamId,
    /// What the team is called.
    pub name: String,
    /// What the team is for; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether an identity provider says who is in the team.
    pub is_idp_managed: bool,
    /// The team's role on the Organization.
    pub organization_role: OrganizationRoleName,
    /// The team's roles on what is below it.
    #[serde(flatten)]
    pub below: RolesBelow,
    /// How many roles these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles_count: Option<u32>,
}

/// A page of the teams that a user is in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserTeamsPaginated {
    /// The teams of this page.
    pub teams: Vec<UserTeamMembership>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// Which of a user's teams to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListUserTeamsQuery {
    /// How many teams to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many teams to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<TeamSort>,
}

/// A user who is in a team.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamMember {
    /// The user's id.
    pub user_id: UserId,
    /// The user's e-mail address.
    pub username: String,
    /// The user's name; the e-mail address until it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Where the user's picture is; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// When the user was added to the team.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
}

/// A page of the users who are in a team.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamMembersPaginated {
    /// The users of this page.
    pub team_members: Vec<TeamMember>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// Users to add to a team.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(example = json!({"memberIds": [UserId::EXAMPLE]}))]
pub struct AddTeamMembersRequest {
    /// The users. Those who are in the team already stay in it.
    #[garde(length(min = 1, max = 1000))]
    pub member_ids: Vec<UserId>,
}

sorts! {
    /// The orders in which the members of a team can be listed.
    TeamMemberSort {
        UserIdAsc "userId:asc" "id",
        UserIdDesc "userId:desc" "id",
        FullNameAsc "fullName:asc" "full_name",
        FullNameDesc "fullName:desc" "full_name",
        UsernameAsc "username:asc" "username",
        UsernameDesc "username:desc" "username",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
    }
}

/// Which members of a team to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListTeamMembersQuery {
    /// How many members to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many members to answer at the most; the server's own bound is 1000.
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<TeamMemberSort>,
}
paged!(ListTeamsQuery ListUserTeamsQuery ListTeamMembersQuery);
