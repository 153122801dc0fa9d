//! Removes what is too old or too much of Deployments' logs.

use std::{collections::BTreeSet, mem};

use airlock_contract::{DeploymentId, Time};
use airlock_core::Result;
use airlock_store::deployment_logs;

use crate::App;

/// How many lines one transaction removes, about: on SQLite it holds up everybody who writes.
const LINES_AT_ONCE: u32 = 2000;

/// Removes what is too old, and what is too much. Where something of it fails, the rest is done all
/// the same.
///
/// # Errors
///
/// The first of those of the database; what could not be removed is removed the next time.
pub(crate) async fn tidy(app: &App) -> Result<()> {
    let by_age = forget_old(app).await;
    let by_size = keep_small(app).await;
    by_age.and(by_size)
}

async fn forget_old(app: &App) -> Result<()> {
    let settings = &app.settings.logs;
    let now = app.env.now();
    let oldest = match settings.keep_days {
        _ if settings.keep_bytes == 0 => now, // what was kept before it was turned off
        Some(days) => now.plus_seconds(-i64::from(days.get()) * 86_400),
        None => return Ok(()),
    };
    let mut result = Ok(());
    for deployment in with_lines_before(app, oldest).await? {
        result = result.and(forget_before(app, &deployment, oldest).await);
    }
    result
}

async fn keep_small(app: &App) -> Result<()> {
    let mut result = Ok(());
    for deployment in take_grown(app).await? {
        let kept = keep_one_small(app, &deployment).await;
        if kept.is_err() {
            app.logs.pending().grown.insert(deployment);
        }
        result = result.and(kept);
    }
    result
}

/// The Deployments whose logs may have become too much.
async fn take_grown(app: &App) -> Result<BTreeSet<DeploymentId>> {
    let has_earlier = app.logs.pending().has_earlier;
    let earlier = match has_earlier {
        true => Vec::new(),
        false => with_lines_before(app, Time::from_micros(i64::MAX)).await?,
    };
    let mut pending = app.logs.pending();
    pending.has_earlier = true;
    let mut grown = mem::take(&mut pending.grown);
    grown.extend(earlier);
    Ok(grown)
}

async fn with_lines_before(app: &App, time: Time) -> Result<Vec<DeploymentId>> {
    let db = app.store.read().await?;
    deployment_logs::with_lines_before(&db, time).await
}

async fn keep_one_small(app: &App, deployment: &DeploymentId) -> Result<()> {
    let most = i64::try_from(app.settings.logs.keep_bytes).unwrap_or(i64::MAX);
    let db = app.store.read_long().await?;
    let first = deployment_logs::first_within(&db, deployment, most).await?;
    drop(db); // nobody holds one connection while waiting for another
    match first {
        Some(first) => forget_before(app, deployment, first).await,
        None => Ok(()),
    }
}

async fn forget_before(app: &App, deployment: &DeploymentId, time: Time) -> Result<()> {
    loop {
        let upkeep = app.store.upkeep().await?;
        let gone = upkeep.forget_logs_before(deployment, time, LINES_AT_ONCE).await?;
        upkeep.commit().await?;
        if gone <= LINES_AT_ONCE.into() {
            return Ok(());
        }
    }
}
