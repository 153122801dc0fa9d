//! Deployments' logs on their way to the database: what tasks logged, and what the gate did.
//!
//! The gate only notes them; a worker does not wait for the database on their account. They are
//! written within about a second ([`run`]). What is held in memory meanwhile is bounded: beyond
//! that, pieces are lost, and the log itself says how many.

mod batch;
mod held;
mod lines;
mod tidy;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use airlock_contract::{DeploymentId, Time};
use airlock_core::{Result, gate::path::JobKey};
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::{
    batch::Batch,
    held::{Budget, Held},
};
pub(crate) use self::{held::LogCopy, tidy::tidy};
use crate::{App, settings::LogSettings};

const FLUSH_EVERY: Duration = Duration::from_secs(1);
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// How grave a thing is that the gate tells.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    Info,
    Warning,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
        }
    }
}

/// What has come and is not written yet.
pub(crate) struct Logs {
    is_on: bool,
    budget: Budget,
    pending: Mutex<Pending>,
    kept: Counter,
    lost: Counter,
}

#[derive(Default)]
struct Pending {
    pieces: Vec<Piece>,
    /// How many pieces were lost, by Deployment.
    lost: BTreeMap<DeploymentId, u64>,
    /// The Deployments whose logs have grown since they were last looked through.
    grown: BTreeSet<DeploymentId>,
    /// Whether those are among them whose logs have grown before this server began.
    has_earlier: bool,
}

/// What came at once.
struct Piece {
    deployment: DeploymentId,
    at: Time,
    /// The job whose log it is of; absent for what the gate did.
    job: Option<JobKey>,
    held: Held,
}

impl Logs {
    /// Counts lines that are kept, and pieces that are lost.
    pub(crate) fn new(settings: &LogSettings, (kept, lost): (Counter, Counter)) -> Self {
        let is_on = settings.keep_bytes > 0;
        Self { is_on, budget: Budget::default(), pending: Mutex::default(), kept, lost }
    }

    /// A copy of a piece of a log that is about to come; `None` when it will not be kept.
    pub(crate) fn copy(&self, deployment: &DeploymentId) -> Option<LogCopy> {
        if !self.is_on {
            return None;
        }
        let held = Held::begin(&self.budget);
        if held.is_none() {
            self.lose(deployment);
        }
        held.map(LogCopy::of)
    }

    /// Notes a piece of a job's log that has gone to its Airflow.
    pub(crate) fn task(&self, deployment: &DeploymentId, key: &JobKey, copy: &LogCopy, at: Time) {
        if let Some(held) = copy.take() {
            self.note(Piece { deployment: deployment.clone(), at, job: Some(key.clone()), held });
        }
    }

    /// Notes something that the gate did.
    pub(crate) fn event(&self, deployment: &DeploymentId, at: Time, level: Level, what: impl Display) {
        if !self.is_on {
            return;
        }
        match self.piece_of_event(deployment, at, level, what) {
            Some(piece) => self.pending().pieces.push(piece),
            None => self.lose(deployment),
        }
    }

    /// What tells something that the gate did; `None` when there is no room for it.
    fn piece_of_event(&self, deployment: &DeploymentId, at: Time, level: Level, what: impl Display) -> Option<Piece> {
        let mut held = Held::begin(&self.budget)?;
        held.push(format!("{at} {} {what}", level.as_str()).as_bytes());
        held.text()?;
        Some(Piece { deployment: deployment.clone(), at, job: None, held })
    }

    fn note(&self, piece: Piece) {
        if piece.held.text().is_some() {
            self.pending().pieces.push(piece);
        } else {
            self.lose(&piece.deployment);
        }
    }

    fn lose(&self, deployment: &DeploymentId) {
        self.lost.inc();
        self.remember_lost(deployment, 1);
    }

    fn remember_lost(&self, deployment: &DeploymentId, pieces: u64) {
        let mut pending = self.pending();
        let lost = pending.lost.entry(deployment.clone()).or_default();
        *lost = lost.saturating_add(pieces);
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come together, one Deployment's after the other's.
    fn take(&self, now: Time) -> Vec<Piece> {
        let lost = mem::take(&mut self.pending().lost);
        for (deployment, pieces) in lost {
            self.tell_lost(&deployment, pieces, now);
        }
        let mut pieces = mem::take(&mut self.pending().pieces);
        pieces.sort_by(|one, other| one.deployment.cmp(&other.deployment)); // those of one keep their order
        pieces
    }

    /// Notes how many pieces were lost, or remembers it for the next time when there is no room.
    fn tell_lost(&self, deployment: &DeploymentId, pieces: u64, now: Time) {
        let what = format!("lost {pieces} of the log's pieces: they came faster than they could be written");
        match self.piece_of_event(deployment, now, Level::Warning, what) {
            Some(piece) => self.pending().pieces.push(piece),
            None => self.remember_lost(deployment, pieces),
        }
    }

    /// Takes back what could not be written.
    fn put_back(&self, pieces: impl Iterator<Item = Piece>) {
        let mut pending = self.pending();
        let newer = mem::take(&mut pending.pieces);
        pending.pieces = pieces.chain(newer).collect();
    }
}

/// Writes logs, and removes those that are too old or too many, until it is dropped. Neither waits for
/// the other.
pub(crate) async fn run(app: &App) {
    tokio::join!(run_flush(app), run_tidy(app));
}

async fn run_flush(app: &App) {
    let mut ticks = ticks(FLUSH_EVERY);
    loop {
        ticks.tick().await;
        if let Err(cause) = flush(app).await {
            tracing::warn!(%cause, "logs of Deployments could not be written; it will be tried again");
        }
    }
}

async fn run_tidy(app: &App) {
    let mut ticks = ticks(TIDY_EVERY);
    loop {
        ticks.tick().await;
        if let Err(cause) = tidy(app).await {
            tracing::warn!(%cause, "logs of Deployments could not be removed; it will be tried again");
        }
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Writes what has come.
///
/// # Errors
///
/// Those of the database; what could not be written is kept for the next time.
pub(crate) async fn flush(app: &App) -> Result<()> {
    let mut pieces = app.logs.take(app.env.now()).into_iter().peekable();
    while let Some(batch) = Batch::take(&mut pieces, &app.env.new_id::<DeploymentId>().to_string()) {
        if let Err(cause) = write(app, &batch).await {
            app.logs.put_back(batch.into_pieces().chain(pieces));
            return Err(cause);
        }
    }
    Ok(())
}

async fn write(app: &App, batch: &Batch) -> Result<()> {
    let lines = batch.lines();
    if lines.is_empty() {
        return Ok(());
    }
    let upkeep = app.store.upkeep().await?;
    if !upkeep.keep_logs(batch.deployment(), lines).await? {
        return Ok(()); // it was deleted meanwhile, and its logs with it
    }
    upkeep.commit().await?;
    app.logs.kept.inc_by(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    app.logs.pending().grown.insert(batch.deployment().clone());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// While there is no room to tell how many were lost, none of them is forgotten and no others
    /// are counted.
    #[test]
    fn what_was_lost_stays_counted() {
        let counter = Counter::default();
        let logs = Logs::new(&LogSettings::default(), (Counter::default(), counter.clone()));
        let (deployment, now) = (DeploymentId::from("one"), Time::from_micros(0));
        let full = held::full(&logs.budget);
        for _ in 0..1000 {
            assert!(logs.copy(&deployment).is_none());
        }
        assert!(logs.take(now).is_empty() && logs.take(now).is_empty());
        logs.event(&deployment, now, Level::Info, "what is lost too");
        drop(full);
        let told = logs.take(now);
        let [Piece { held, .. }] = &told[..] else { panic!("{} pieces", told.len()) };
        let text = String::from_utf8_lossy(held.text().expect("a text"));
        assert!(text.contains(" WARNING lost 1001 of the log's pieces: "), "{text}");
        assert_eq!(counter.get(), 1001);
        assert!(logs.take(now).is_empty());
    }
}
