//! Agent tokens. Their answers have the shape of [`super::ApiToken`].

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{default_limit, default_offset, paged, sorts, text};

/// What an agent token is made from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "name": "edge worker 1",
    "tokenExpiryPeriodInDays": 90,
    "queues": ["default"],
}))]
pub struct CreateAgentTokenRequest {
    /// What the token is called; names need not be unique.
    #[garde(length(chars, min = 1, max = 256), custom(text::line))]
    pub name: String,
    /// What the token is for.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// After how many days of 24 hours the token ends. It never does when this is absent.
    #[garde(range(min = 1, max = 3650))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expiry_period_in_days: Option<u32>,
    /// The one worker that may use the token, by the name that it registers with (`airflow edge
    /// worker -H`). The first to register when this is absent.
    #[garde(inner(length(min = 1, max = 64), custom(text::worker_name)))]
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_name: Option<String>,
    /// The queues that the worker may take work from. Those of the Deployment's worker queues when
    /// this is absent, and `default` when it has none.
    #[garde(length(min = 1, max = 64), inner(inner(length(min = 1, max = 256), custom(text::line))))]
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
    /// The ids of the connections that the worker's tasks may read; no other. All when this is
    /// absent, none when it is empty.
    #[garde(length(max = 1000), inner(inner(length(min = 1, max = 256), custom(text::line))))]
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<String>>,
    /// The keys of the variables that the worker may have: those of Airflow, which its tasks may
    /// read, set and delete, and those of the environment, which `airlock agent run` sets; no
    /// other. All when this is absent, none when it is empty.
    #[garde(length(max = 1000), inner(inner(length(min = 1, max = 256), custom(text::line))))]
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<String>>,
    /// The public half of a key that the agent made for itself, Ed25519 or RSA, as PEM (RFC 7468,
    /// `PUBLIC KEY`). The agent signs with the other half; there is no secret value then, and the
    /// answer has no `token`.
    #[garde(length(max = 8192))]
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

sorts! {
    /// The orders in which agent tokens can be listed.
    AgentTokenSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        DescriptionAsc "description:asc" "description",
        DescriptionDesc "description:desc" "description",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
        CreatedByIdAsc "createdById:asc" "created_by",
        CreatedByIdDesc "createdById:desc" "created_by",
        UpdatedByIdAsc "updatedById:asc" "updated_by",
        UpdatedByIdDesc "updatedById:desc" "updated_by",
        TokenStartAtAsc "tokenStartAt:asc" "start_at",
        TokenStartAtDesc "tokenStartAt:desc" "start_at",
    }
}

/// Which agent tokens to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct ListAgentTokensQuery {
    /// How many tokens to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many tokens to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[schemars(example = json!(["createdAt:desc"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<AgentTokenSort>,
}
paged!(ListAgentTokensQuery);
