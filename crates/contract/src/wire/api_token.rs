//! API tokens, and the answer's shape that agent tokens share.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, default_limit, default_offset, paged, sorts, text, words};
use crate::{DeploymentId, OrganizationId, Time, WorkspaceId, id::Id};

words! {
    /// The kind of an API token.
    ApiTokenKind {
        /// Does what its roles permit at the time of each request.
        Standard "STANDARD",
        /// Does what its role permitted when the token was created.
        DirectAccess "DIRECT_ACCESS",
    }
    /// The level of the hierarchy that a token belongs to.
    ApiTokenScope {
        Deployment "DEPLOYMENT",
        Workspace "WORKSPACE",
        Organization "ORGANIZATION",
    }
    /// What a role is granted on.
    EntityType {
        Deployment "DEPLOYMENT",
        Workspace "WORKSPACE",
        Organization "ORGANIZATION",
        Dag "DAG",
        DagTag "DAG_TAG",
    }
}

/// A token: of an automation that calls this API, or of a remote agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiToken {
    /// The token's id, which is not secret.
    pub id: String,
    /// What the token is called.
    pub name: String,
    /// What the token is for; may be empty.
    pub description: String,
    /// STANDARD or DIRECT_ACCESS.
    pub kind: ApiTokenKind,
    /// The level that the token belongs to.
    pub scope: ApiTokenScope,
    /// The end of the token's value, or of the fingerprint of its `publicKey` (SHA-256, base64url),
    /// to recognise it by. It opens nothing.
    pub short_token: String,
    /// The token's value. Only in the answer that made it, and never with a `publicKey`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// From when the token is good.
    pub start_at: Time,
    /// When the token ends; absent when it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_at: Option<Time>,
    /// The days after which it ends, as they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_period_in_days: Option<u32>,
    /// When the token was last used, to the minute; absent until it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// When the token was last rotated; absent until it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_rotated_at: Option<Time>,
    /// What the token may do, and on what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<ApiTokenRole>>,
    /// When it was created.
    pub created_at: Time,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<BasicSubjectProfile>,
    /// When it was last changed.
    pub updated_at: Time,
    /// Who last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<BasicSubjectProfile>,
    /// The one worker that may use an agent token; absent until the first has registered with it.
    #[schemars(extend("x-extension" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// The queues of an agent token; absent when they are those of the Deployment.
    #[schemars(extend("x-extension" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
    /// The connections that the tasks of an agent token may read; absent when it is all.
    #[schemars(extend("x-extension" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<String>>,
    /// The variables that the worker of an agent token may have, Airflow's and the environment's;
    /// absent when it is all.
    #[schemars(extend("x-extension" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<String>>,
    /// The public half of an agent's own key, as PEM; such an agent token has no value.
    #[schemars(extend("x-extension" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// A role that a token has on something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ApiTokenRole {
    /// The role's name: a built-in one, or a custom one of the Organization.
    #[garde(custom(text::short_line))]
    pub role: String,
    /// What kind of thing the role is granted on.
    pub entity_type: EntityType,
    /// The id of that thing; for DAG and DAG_TAG the Dag's id or the tag.
    #[garde(custom(text::short_line))]
    pub entity_id: String,
    /// The Deployment of the Dag, for DAG and DAG_TAG only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
}

/// A page of tokens.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiTokensPaginated {
    /// The tokens of this page.
    pub tokens: Vec<ApiToken>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// What an API token is made from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "name": "deploys from CI",
    "scope": "WORKSPACE",
    "entityId": WorkspaceId::EXAMPLE,
    "role": "WORKSPACE_OPERATOR",
    "tokenExpiryPeriodInDays": 90,
}))]
pub struct CreateApiTokenRequest {
    /// What the token is called; names need not be unique.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub name: String,
    /// What the token is for.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The level that the token belongs to.
    pub scope: ApiTokenScope,
    /// The Workspace or Deployment that the token belongs to; not needed for ORGANIZATION.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<String>,
    /// The role that the token has there.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub role: String,
    /// STANDARD when absent. DIRECT_ACCESS needs DEPLOYMENT scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ApiTokenKind>,
    /// After how many days of 24 hours the token ends. It never does when this is absent.
    #[garde(range(min = 1, max = 3650))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expiry_period_in_days: Option<u32>,
}

/// What can be changed about an API token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"name": "deploys from CI", "description": "Used by the pipeline of the main branch."}))]
pub struct UpdateApiTokenRequest {
    /// What the token is called.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub name: String,
    /// What the token is for; emptied when absent.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The roles that a token shall have, instead of those it has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[schemars(example = json!({"roles": [
    {"entityType": "ORGANIZATION", "entityId": OrganizationId::EXAMPLE, "role": "ORGANIZATION_MEMBER"},
    {"entityType": "WORKSPACE", "entityId": WorkspaceId::EXAMPLE, "role": "WORKSPACE_OPERATOR"},
]}))]
pub struct UpdateApiTokenRolesRequest {
    /// Exactly one of them is on the token's own Organization, Workspace or Deployment.
    #[garde(length(min = 1, max = 1000), dive)]
    pub roles: Vec<ApiTokenRole>,
}

sorts! {
    /// The orders in which API tokens can be listed.
    ApiTokenSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        DescriptionAsc "description:asc" "description",
        DescriptionDesc "description:desc" "description",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
        TokenStartAtAsc "tokenStartAt:asc" "start_at",
        TokenStartAtDesc "tokenStartAt:desc" "start_at",
    }
}

/// Which API tokens to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListApiTokensQuery {
    /// Only tokens with a role on this Workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<WorkspaceId>,
    /// Only tokens with a role on this Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<DeploymentId>,
    /// Only tokens with a role on this Dag.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dag_id: Option<String>,
    /// Only tokens with a role on one of these Dag tags.
    #[garde(custom(text::all_prose))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dag_tags: Vec<String>,
    /// Only tokens of ORGANIZATION scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_only_organization_tokens: Option<bool>,
    /// Only tokens of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ApiTokenKind>,
    /// How many tokens to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many tokens to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<ApiTokenSort>,
}
paged!(ListApiTokensQuery);
