//! What the server does on its own account, every second, every quarter of a minute and every
//! minute.

use std::time::Duration;

use airlock_core::Result;
use tokio::time::{MissedTickBehavior, interval};

use crate::App;

const FLUSH_EVERY: Duration = Duration::from_secs(1);
const COUNT_EVERY: usize = 15;
const TIDY_EVERY: usize = 60;

/// For how many seconds authorization codes are kept after their end, so that a second use is noticed.
const CODES_KEPT: i64 = 600;

/// For how many seconds jobs, cut-offs and logins that are over are kept.
const ENDED_KEPT: i64 = 7 * 86_400;

pub(crate) async fn run(app: &App) {
    let mut ticks = interval(FLUSH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in (0..TIDY_EVERY).cycle() {
        ticks.tick().await;
        let mut result = flush(app).await;
        if result.is_ok() && tick == 0 {
            result = tidy(app).await;
        }
        if result.is_ok() && tick % COUNT_EVERY == 0 {
            result = app.count().await;
        }
        if let Err(cause) = result {
            tracing::warn!(%cause, "upkeep failed; it will be tried again");
        }
    }
}

pub(crate) async fn flush(app: &App) -> Result<()> {
    let uses = app.usage.due(app.env.now());
    let refusals = app.refusals.take();
    if uses.is_empty() && refusals.is_empty() {
        return Ok(());
    }
    let result = async {
        let upkeep = app.store.upkeep().await?;
        for (token, at) in &uses {
            upkeep.mark_used(token, *at).await?;
        }
        for entry in &refusals {
            upkeep.record_refusal(entry).await?;
        }
        upkeep.commit().await
    }
    .await;
    match &result {
        Ok(()) => app.usage.written(&uses),
        Err(_) => refusals.into_iter().for_each(|entry| app.refusals.keep(entry)),
    }
    result
}

async fn tidy(app: &App) -> Result<()> {
    app.limits.tidy();
    app.login.throttle.tidy();
    app.gate.tidy(app.env.now());
    let upkeep = app.store.upkeep().await?;
    upkeep.keep_refusals(app.settings.refusals_kept).await?;
    upkeep.forget_ended_before(app.env.now().plus_seconds(-ENDED_KEPT)).await?;
    upkeep.forget_codes_before(app.env.now().plus_seconds(-CODES_KEPT)).await?;
    upkeep.forget_sessions_before(app.env.now()).await?;
    upkeep.forget_logins_before(app.env.now().plus_seconds(-ENDED_KEPT)).await?;
    if let Some(days) = app.settings.audit_retention_days {
        let days = i64::from(days.get());
        upkeep.forget_audit_before(app.env.now().plus_seconds(-days * 86_400)).await?;
    }
    upkeep.commit().await
}
