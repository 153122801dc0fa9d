//! Counts over all tenants, for those who run the server.

use std::collections::BTreeMap;

use airlock_contract::{Time, wire::AgentStatus};
use airlock_core::Result;

use crate::{
    agents,
    db::{Reads, params},
};

/// How many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Agent tokens that are neither deleted nor expired.
    pub tokens_live: i64,
    /// Those of them that expire before a time.
    pub tokens_expiring: i64,
    /// Agents that are not deleted, by status.
    pub agents: BTreeMap<AgentStatus, i64>,
    /// Agents that were cut off and whose Airflow is not yet told.
    pub cutoffs_pending: i64,
}

/// Counts. `interval` is the seconds between two heartbeats of an agent.
///
/// # Errors
///
/// Those of the database.
pub async fn take(db: &impl Reads, now: Time, soon: Time, interval: u32) -> Result<Census> {
    // Two statements that an index answers each; one with a condition would read every row.
    let live = "SELECT COUNT(*) FROM agent_tokens WHERE deleted_at IS NULL AND (end_at IS NULL OR end_at > $1)";
    let expiring = "SELECT COUNT(*) FROM agent_tokens WHERE deleted_at IS NULL AND end_at > $1 AND end_at <= $2";
    let mut agents: BTreeMap<AgentStatus, i64> = AgentStatus::ALL.iter().map(|status| (*status, 0)).collect();
    for agent in agents::all(db).await? {
        *agents.entry(agent.status(interval, now).0).or_default() += 1;
    }
    Ok(Census {
        agents,
        tokens_live: db.conn().count(live, params![now]).await?,
        tokens_expiring: db.conn().count(expiring, params![now, soon]).await?,
        cutoffs_pending: db.conn().count("SELECT COUNT(*) FROM cutoffs WHERE done_at IS NULL", &[]).await?,
    })
}
