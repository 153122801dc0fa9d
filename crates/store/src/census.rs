//! Counts over all tenants, for those who run the server.

use airlock_contract::Time;
use airlock_core::Result;

use crate::db::{Reads, params};

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Agent tokens that are neither deleted nor expired.
    pub tokens_live: i64,
    /// Those of them that expire before a time.
    pub tokens_expiring: i64,
    /// Agents that were cut off and whose Airflow is not yet told.
    pub cutoffs_pending: i64,
}

/// Counts.
///
/// # Errors
///
/// Those of the database.
pub async fn take(db: &impl Reads, now: Time, soon: Time) -> Result<Census> {
    // Two statements that an index answers each; one with a condition would read every row.
    let live = "SELECT COUNT(*) FROM agent_tokens WHERE deleted_at IS NULL AND (end_at IS NULL OR end_at > $1)";
    let expiring = "SELECT COUNT(*) FROM agent_tokens WHERE deleted_at IS NULL AND end_at > $1 AND end_at <= $2";
    Ok(Census {
        tokens_live: db.conn().count(live, params![now]).await?,
        tokens_expiring: db.conn().count(expiring, params![now, soon]).await?,
        cutoffs_pending: db.conn().count("SELECT COUNT(*) FROM cutoffs WHERE done_at IS NULL", &[]).await?,
    })
}
