//! What is counted in the database, every so often.

use airlock_core::Result;
use airlock_store::census::{self, Census};

use super::Agents;
use crate::App;

/// Seconds within which a token that expires is told of.
const SOON: i64 = 7 * 86_400;

/// Counts, and sets the gauges.
///
/// # Errors
///
/// Those of the database; the gauges keep their values then, and one of them says so.
pub(crate) async fn count(app: &App) -> Result<()> {
    let now = app.env.now();
    let interval = app.settings.agent_heartbeat_interval;
    let counted = async { census::take(&app.store.read().await?, now, now.plus_seconds(SOON), interval).await }.await;
    app.metrics.counted.set(counted.is_ok().into());
    let Census { tokens_live, tokens_expiring, agents, cutoffs_pending } = counted?;
    app.metrics.agent_tokens_live.set(tokens_live);
    app.metrics.agent_tokens_expiring.set(tokens_expiring);
    app.metrics.cutoffs_pending.set(cutoffs_pending);
    for (status, count) in agents {
        app.metrics.agents.get_or_create(&Agents { status: status.into() }).set(count);
    }
    Ok(())
}
