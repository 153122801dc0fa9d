//! Agent tokens that are good, as those who verify them need them.

use airlock_contract::{AgentTokenId, DeploymentId, OrganizationId, Time};
use airlock_core::{Result, agent_token::StoredAgentToken};

use crate::{
    Store,
    db::{params, record, sealed::Sealed},
};

record! {
    /// An agent token that is not deleted, and what it is bound to. Whether it has ended is for
    /// whoever asks, for time goes on.
    pub struct LiveToken {
        /// Its id.
        pub id: AgentTokenId = "t.id",
        /// The Organization of its Deployment.
        pub organization: OrganizationId = "t.organization_id",
        /// The Deployment that it opens.
        pub deployment: DeploymentId = "t.deployment_id",
        /// Its name.
        pub name: String = "t.name",
        /// How to derive its value.
        pub stored: StoredAgentToken = "t.key_id, t.generation",
        /// From when it is good.
        pub start_at: Time = "t.start_at",
        /// When it ends.
        pub end_at: Option<Time> = "t.end_at",
        /// The public half of the agent's own key, as PEM; then it has no value to derive.
        pub public_key: Option<String> = "t.public_key",
        /// The worker that may use it; absent until the first registration pins it.
        pub agent_name: Option<String> = "t.agent_name",
        /// The queues that it may take work from; absent: those of the Deployment.
        pub queues: Option<Vec<String>> = "t.queues",
    }
}

impl Store {
    /// Finds an agent token that is not deleted. `None` is an answer that can be relied on.
    ///
    /// # Errors
    ///
    /// [`airlock_core::Error::Busy`] when nobody can say now whether it is still good.
    pub async fn live_token(&self, id: &AgentTokenId) -> Result<Option<LiveToken>> {
        let sql = format!("SELECT {} FROM agent_tokens t WHERE t.id = $1 AND t.deleted_at IS NULL", LiveToken::COLUMNS);
        self.read().await?.conn().one(&sql, params![id]).await
    }

    /// A Deployment's agent tokens that are not deleted, for a request that does not say whose it
    /// is; at most `most` of them, the youngest first.
    ///
    /// # Errors
    ///
    /// [`airlock_core::Error::Busy`] when nobody can say now which are still good.
    pub async fn live_tokens_of(&self, deployment: &DeploymentId, most: u32) -> Result<Vec<LiveToken>> {
        let sql = format!(
            "SELECT {} FROM agent_tokens t WHERE t.deployment_id = $1 AND t.deleted_at IS NULL \
             ORDER BY t.created_at DESC LIMIT $2",
            LiveToken::COLUMNS
        );
        self.read().await?.conn().all(&sql, params![deployment, most]).await
    }
}
