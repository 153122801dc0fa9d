//! Agents: the remote workers that have registered through the gate.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{default_limit, default_offset, paged, sorts, text, words};
use crate::{AgentId, AgentTokenId, Time};

words! {
    /// How an agent is.
    AgentStatus {
        /// It reports in time, and takes work.
        Healthy "HEALTHY",
        /// Three of its heartbeats are missing.
        Unhealthy "UNHEALTHY",
        /// It reports in time, but was told to take no new work.
        Cordoned "CORDONED",
        /// It shut down, or its agent token is not good any more.
        Terminated "TERMINATED",
    }
    /// What an agent can do.
    AgentCapability {
        /// Run tasks. Airflow's edge workers do nothing else.
        Worker "WORKER",
    }
    /// What can be done with an agent.
    AgentAction {
        /// Let it take no new work; what it runs goes on.
        Cordon "CORDON",
        /// Let it take work again.
        Uncordon "UNCORDON",
    }
}

/// An agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The name that it registered with (`airflow edge worker -H`).
    pub name: String,
    /// How it is.
    pub status: AgentStatus,
    /// Why it is so, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Whether it was told to take no new work.
    pub is_cordoned: bool,
    /// Why it was, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoning_reason: Option<String>,
    /// What it can do.
    pub capabilities: Vec<AgentCapability>,
    /// The queues that it last said it takes work from.
    pub queues: Vec<String>,
    /// How much it can run.
    pub slots: AgentSlots,
    /// The version of its edge provider; empty when it did not say.
    pub version: String,
    /// When it first registered.
    pub created_at: Time,
    /// When it was last heard of.
    pub last_heartbeat_at: Time,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Time>,
    /// The agent token that it came with last.
    #[schemars(extend("x-extension" = true))]
    pub agent_token_id: AgentTokenId,
    /// How many jobs it ran when it was last heard of.
    #[schemars(extend("x-extension" = true))]
    pub running_jobs: u32,
    /// The version of its Airflow.
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_version: Option<String>,
    /// The IP address that it came from last.
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// How many jobs an agent can run at the same time. A number that it did not tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSlots {
    /// In all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// Of those, how many were free when it was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u32>,
}

/// A page of agents.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentsPaginated {
    /// The agents of this page.
    pub agents: Vec<Agent>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// What to do with an agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"action": "CORDON", "reason": "the disk is replaced today"}))]
pub struct AgentActionRequest {
    /// What to do.
    pub action: AgentAction,
    /// Why, for whoever looks at the agent later. For `CORDON` only.
    #[garde(length(chars, max = 500), custom(text::optional_line))]
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

sorts! {
    /// The orders in which agents can be listed.
    AgentSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        LastHeartbeatAtAsc "lastHeartbeatAt:asc" "last_heartbeat_at",
        LastHeartbeatAtDesc "lastHeartbeatAt:desc" "last_heartbeat_at",
    }
}

/// Which agents to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListAgentsQuery {
    /// Only those with one of these statuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<AgentStatus>,
    /// List those that were deleted too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_deleted: Option<bool>,
    /// How many agents to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many agents to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<AgentSort>,
}
paged!(ListAgentsQuery);
