//! Looks after the Airflows of the Deployments.
//!
//! Each is looked at every so often ([`crate::Settings::airflow_check_interval`]), by one replica,
//! and when somebody asks. What is found is the Deployment's status.

use std::time::Duration;

use airlock_contract::{
    DeploymentId, Time,
    wire::{AirflowCheck, DeploymentStatus},
};
use airlock_core::{Error, Result};
use airlock_store::{
    airflow_health::{self, Health},
    deployments::Variable,
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{Airflow, BASE_URL, check};
use crate::App;

/// How often the database is asked whose turn it is.
const POLL: Duration = Duration::from_secs(1);

/// How many Airflows are looked at at a time.
const AT_ONCE: usize = 32;

/// How many looks may be missed before nothing is claimed to be known, and for how many seconds the
/// next one may still be under way: each of its questions has its time-out.
const MISSED: u32 = 3;
const UNDER_WAY: i64 = 60;

/// Looks until it is dropped.
pub(crate) async fn run(app: &App) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looking = JoinSet::new(); // whose tasks end with it
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(_) = looking.join_next() => continue,
        }
        match claim(app, AT_ONCE.saturating_sub(looking.len())).await {
            Ok(claimed) => claimed.into_iter().for_each(|one| _ = looking.spawn(look_after(app.clone(), one))),
            Err(cause) => tracing::warn!(%cause, "whose Airflow is to be looked at cannot be read"),
        }
    }
}

/// Up to so many Deployments whose turn it is, and which no other replica looks at.
async fn claim(app: &App, most: usize) -> Result<Vec<DeploymentId>> {
    let now = app.env.now();
    let since = now.plus_seconds(-i64::from(app.settings.airflow_check_interval));
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let due = airflow_health::due(&app.store.read().await?, since, most).await?;
    if due.is_empty() {
        return Ok(due);
    }
    let upkeep = app.store.upkeep().await?;
    let mut claimed = Vec::new();
    for deployment in due {
        if upkeep.claim_check(&deployment, since, now).await? {
            claimed.push(deployment);
        }
    }
    upkeep.commit().await?;
    Ok(claimed)
}

async fn look_after(app: App, deployment: DeploymentId) {
    if let Err(cause) = look(&app, &deployment).await {
        tracing::warn!(%deployment, %cause, "its Airflow could not be looked at");
    }
}

/// Looks at a Deployment's Airflow now, and keeps what was found.
///
/// # Errors
///
/// [`Error::NotFound`] when there is no such Deployment; those of the database.
pub(crate) async fn look(app: &App, deployment: &DeploymentId) -> Result<AirflowCheck> {
    let airflow = Airflow::of(app, deployment).await?.ok_or(Error::NotFound("Deployment".into()))?;
    let found = check::look(app, &airflow).await?;
    let upkeep = app.store.upkeep().await?;
    upkeep
        .record_check(&Health {
            deployment: deployment.clone(),
            status: found.status,
            reason: found.status_reason.clone(),
            airflow_version: found.airflow_version.clone(),
            edge_version: found.edge_version.clone(),
            checked_at: Some(found.checked_at),
        })
        .await?;
    upkeep.commit().await?;
    Ok(found)
}

/// A Deployment's status, why it is not healthy, and its Airflow's version, from what was last
/// found. What was found before the Deployment's variables were changed tells nothing any more.
pub(crate) fn status(
    app: &App,
    variables: &[&Variable],
    found: Option<&Health>,
) -> (DeploymentStatus, Option<String>, String) {
    let is_attached = variables.iter().any(|variable| variable.name == BASE_URL);
    let changed = variables.iter().filter(|variable| variable.name.starts_with("AIRFLOW__"));
    let changed_at = changed.map(|variable| variable.updated_at).max();
    let look = found.and_then(|found| Some(Look { status: found.status, at: found.checked_at? }));
    let (status, why) = judge(app, is_attached, changed_at, look);
    let reason = why.or_else(|| found.and_then(|found| found.reason.clone()));
    let version = found.filter(|_| is_attached).and_then(|found| found.airflow_version.clone());
    (status, reason, version.unwrap_or_default())
}

/// What a look found, and when.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) status: DeploymentStatus,
    pub(crate) at: Time,
}

/// A Deployment's status, and why it is not the one that was last found: whether an Airflow is
/// attached, when what says so was last changed, and the last look.
pub(crate) fn judge(
    app: &App,
    is_attached: bool,
    changed_at: Option<Time>,
    look: Option<Look>,
) -> (DeploymentStatus, Option<String>) {
    let reason = match look {
        _ if !is_attached => format!("no Airflow is attached: the environment variable {BASE_URL} is missing"),
        None => "its Airflow has not been looked at yet".into(),
        Some(look) if changed_at.is_some_and(|changed_at| changed_at > look.at) => {
            "its Airflow has not been looked at since its environment variables were changed".into()
        }
        Some(look) if is_stale(app, look.at) => format!("its Airflow was last looked at at {}", look.at),
        Some(look) => return (look.status, None),
    };
    (DeploymentStatus::Unknown, Some(reason))
}

fn is_stale(app: &App, checked_at: Time) -> bool {
    let longest = i64::from(app.settings.airflow_check_interval.saturating_mul(MISSED));
    app.env.now() > checked_at.plus_seconds(longest + UNDER_WAY)
}
