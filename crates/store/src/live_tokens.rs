//! Agent tokens that are good, as those who verify them need them.

use std::time::Duration;

use airlock_contract::{AgentTokenId, DeploymentId, OrganizationId, Time};
use airlock_core::{Env, Error, Result, agent_token::StoredAgentToken, env::since_boot};
use tokio::time::timeout;

use crate::{
    Backend, Store,
    authority::{
        registry::Known,
        replica::{Membership, Replica},
    },
    db::{params, record, sealed::Sealed},
};

/// How often it is looked again whether a token that something open depends on is still good.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
        /// The connections that its tasks may read; absent: all.
        pub connections: Option<Vec<String>> = "t.connections",
        /// The variables that it may have: those of Airflow, which its tasks may read, set and
        /// delete, and those of the environment; absent: all.
        pub variables: Option<Vec<String>> = "t.variables",
    }
}

impl Store {
    /// Reads all live tokens into memory and keeps up with them from now on; on PostgreSQL as one
    /// of the replicas. Before this, every question about a token goes to the database.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn start(&self, membership: Membership, env: &Env) -> Result<()> {
        let applied = self.load().await?;
        match &self.backend {
            Backend::Sqlite(_) => self.authority.registry.completed(),
            Backend::Postgres(postgres) => {
                let target = postgres.target().clone();
                self.authority.join(Replica::join(target, &self.authority, membership, env, applied).await?);
            }
        }
        Ok(())
    }

    /// Leaves the other replicas, if there are any, so that nobody waits for this one. It answers
    /// nothing from memory any more.
    ///
    /// # Errors
    ///
    /// Those of the database; the others wait for a lease then.
    pub async fn leave(&self) -> Result<()> {
        match self.authority.replica() {
            Some(replica) => replica.leave(&self.authority).await,
            None => Ok(()),
        }
    }

    /// The newest revision, and after it all live tokens into memory.
    async fn load(&self) -> Result<u64> {
        let registry = &self.authority.registry;
        let db = self.read().await?;
        let revision = db.conn().count("SELECT revision FROM authority WHERE id = 1", &[]).await?;
        let live = db.conn().count("SELECT COUNT(*) FROM agent_tokens WHERE deleted_at IS NULL", &[]).await?;
        registry.reserve(usize::try_from(live).unwrap_or_default());
        let sql = format!("SELECT {} FROM agent_tokens t WHERE t.deleted_at IS NULL", LiveToken::COLUMNS);
        db.conn().each(&sql, &[], |token: LiveToken| registry.put(token)).await?;
        u64::try_from(revision).map_err(Error::internal)
    }

    /// Finds an agent token that is not deleted. `None` is an answer that can be relied on.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when nobody can say now whether it is still good.
    pub async fn live_token(&self, id: &AgentTokenId) -> Result<Option<LiveToken>> {
        let registry = &self.authority.registry;
        let is_fresh = self.authority.is_fresh();
        if is_fresh {
            match registry.find(id) {
                Known::Live(token) => return Ok(Some(token)),
                Known::Absent => return Ok(None),
                Known::Unknown => {}
            }
        }
        let removals = registry.removals();
        let sql = format!("SELECT {} FROM agent_tokens t WHERE t.id = $1 AND t.deleted_at IS NULL", LiveToken::COLUMNS);
        let found: Option<LiveToken> = self.read().await?.conn().one(&sql, params![id]).await?;
        if let Some(token) = found.as_ref().filter(|_| is_fresh) {
            registry.put_if(token, removals);
        }
        Ok(found)
    }

    /// A Deployment's agent tokens that are not deleted, for a request that does not say whose it
    /// is; at most `most` of them, the youngest first.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when nobody can say now which are still good.
    pub async fn live_tokens_of(&self, deployment: &DeploymentId, most: u32) -> Result<Vec<LiveToken>> {
        let sql = format!(
            "SELECT {} FROM agent_tokens t WHERE t.deployment_id = $1 AND t.deleted_at IS NULL \
             ORDER BY t.created_at DESC LIMIT $2",
            LiveToken::COLUMNS
        );
        self.read().await?.conn().all(&sql, params![deployment, most]).await
    }

    /// Waits until an agent token is not good any more, or nobody can say that it still is: what is
    /// open by it must be cut then.
    pub async fn until_taken(&self, id: &AgentTokenId) {
        let mut taken = self.authority.taken();
        loop {
            let still_good = self.authority.is_fresh() && self.authority.registry.has(id)
                || matches!(self.live_token(id).await, Ok(Some(_)));
            if !still_good {
                return;
            }
            // Whatever happens, it is looked at again after a while: a lease may have run out.
            let _ = timeout(LOOK_AGAIN, taken.changed()).await;
        }
    }

    /// What is known of this process's memory, for metrics and health checks.
    pub fn memory(&self, now: Time) -> Memory {
        let registry = &self.authority.registry;
        Memory {
            is_fresh: self.authority.is_fresh(),
            lease_left: self.authority.lease().map(|lease| lease.left(since_boot())),
            applied: self.authority.replica().map(Replica::applied),
            tokens: registry.len(),
            ending_within_a_week: registry.ending_between(now, now.plus_days(7)),
        }
    }
}

/// The state of this process's memory of tokens.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Whether it may be believed now; if not, every question goes to the database.
    pub is_fresh: bool,
    /// How much of the lease is left; absent where there are no other replicas.
    pub lease_left: Option<Duration>,
    /// Up to which revocation it has followed the other replicas.
    pub applied: Option<u64>,
    /// How many tokens it holds.
    pub tokens: usize,
    /// How many of them end within seven days.
    pub ending_within_a_week: usize,
}
