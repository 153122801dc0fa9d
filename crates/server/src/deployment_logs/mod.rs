//! Deployments' logs on their way to the database: what tasks logged, and what the gate did.
//!
//! The gate only notes them; a worker does not wait for the database on their account. They are
//! written within about a second ([`run`]). What is held in memory meanwhile is bounded: beyond
//! that, pieces are lost, and the log itself says how many.

mod held;
mod lines;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use airlock_contract::{DeploymentId, Time, wire::LogSource};
use airlock_core::{Result, gate::path::JobKey};
use airlock_store::deployment_logs::LogLine;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use self::held::LogCopy;
use self::held::{Budget, Held};
use crate::{App, settings::LogSettings};

const FLUSH_EVERY: Duration = Duration::from_secs(1);
const TIDY_EVERY: usize = 60;

/// How many pieces, and how many bytes of them, are written in one transaction, which on SQLite
/// holds up everybody who writes. One piece is written whole, however long it is.
const PIECES_AT_ONCE: usize = 200;
const BYTES_AT_ONCE: usize = 256 << 10;

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
        let Some(mut held) = Held::begin(&self.budget) else { return self.lose(deployment) };
        held.push(format!("{at} {} {what}", level.as_str()).as_bytes());
        self.note(Piece { deployment: deployment.clone(), at, job: None, held });
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
        let mut pending = self.pending();
        let lost = pending.lost.entry(deployment.clone()).or_default();
        *lost = lost.saturating_add(1);
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what has come together, in batches for one Deployment each.
    fn take(&self, now: Time) -> Vec<Vec<Piece>> {
        let lost = mem::take(&mut self.pending().lost);
        for (deployment, pieces) in lost {
            let what = format!("lost {pieces} of the log's pieces: they came faster than they could be written");
            self.event(&deployment, now, Level::Warning, what);
        }
        let mut pieces = mem::take(&mut self.pending().pieces);
        pieces.sort_by(|one, other| one.deployment.cmp(&other.deployment)); // those of one keep their order
        let mut batches: Vec<Vec<Piece>> = Vec::new();
        let mut bytes = 0;
        for piece in pieces {
            let more = piece.held.text().map_or(0, <[u8]>::len);
            match batches.last_mut() {
                Some(batch)
                    if batch.len() < PIECES_AT_ONCE
                        && bytes + more <= BYTES_AT_ONCE
                        && batch.last().is_some_and(|last| last.deployment == piece.deployment) =>
                {
                    bytes += more;
                    batch.push(piece);
                }
                _ => {
                    bytes = more;
                    batches.push(vec![piece]);
                }
            }
        }
        batches
    }

    /// Takes back what could not be written.
    fn put_back(&self, pieces: impl Iterator<Item = Piece>) {
        let mut pending = self.pending();
        let newer = mem::take(&mut pending.pieces);
        pending.pieces = pieces.chain(newer).collect();
    }
}

/// Writes logs, and removes those that are too old or too many, until it is dropped.
pub(crate) async fn run(app: &App) {
    let mut ticks = interval(FLUSH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in (0..TIDY_EVERY).cycle() {
        ticks.tick().await;
        let mut result = flush(app).await;
        if result.is_ok() && tick == 0 {
            result = tidy(app).await;
        }
        if let Err(cause) = result {
            tracing::warn!(%cause, "logs of Deployments could not be written; it will be tried again");
        }
    }
}

/// Writes what has come.
///
/// # Errors
///
/// Those of the database; what could not be written is kept for the next time.
pub(crate) async fn flush(app: &App) -> Result<()> {
    let mut batches = app.logs.take(app.env.now()).into_iter();
    while let Some(batch) = batches.next() {
        if let Err(cause) = write(app, &batch).await {
            app.logs.put_back(batch.into_iter().chain(batches.flatten()));
            return Err(cause);
        }
    }
    Ok(())
}

async fn write(app: &App, batch: &[Piece]) -> Result<()> {
    let Some(Piece { deployment, .. }) = batch.first() else { return Ok(()) };
    let lines = lines_of(batch, &app.env.new_id());
    if lines.is_empty() {
        return Ok(());
    }
    let upkeep = app.store.upkeep().await?;
    if !upkeep.keep_logs(deployment, &lines).await? {
        return Ok(()); // it was deleted meanwhile, and its logs with it
    }
    upkeep.commit().await?;
    app.logs.kept.inc_by(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    app.logs.pending().grown.insert(deployment.clone());
    Ok(())
}

impl Piece {
    /// Its lines, and where they are from.
    fn lines(&self) -> (LogSource, Vec<String>) {
        let text = self.held.text().unwrap_or_default();
        match &self.job {
            Some(key) => (LogSource::Worker, lines::of_task(key, text).unwrap_or_default()),
            None => (LogSource::Apiserver, vec![lines::kept(&String::from_utf8_lossy(text))]),
        }
    }
}

/// The lines of a batch, numbered as they came.
fn lines_of(batch: &[Piece], id: &DeploymentId) -> Vec<LogLine> {
    let all = batch.iter().flat_map(|piece| {
        let (source, lines) = piece.lines();
        lines.into_iter().map(move |raw| (piece.at, source, raw))
    });
    let numbered = (0..).zip(all);
    numbered.map(|(line, (at, source, raw))| LogLine { at, id: id.to_string(), line, source, raw }).collect()
}

/// Removes what is too old, and what is too much.
///
/// # Errors
///
/// Those of the database.
pub(crate) async fn tidy(app: &App) -> Result<()> {
    let settings = &app.settings.logs;
    let now = app.env.now();
    let oldest = match settings.keep_days {
        _ if settings.keep_bytes == 0 => Some(now), // what was kept before it was turned off
        Some(days) => Some(now.plus_seconds(-i64::from(days.get()) * 86_400)),
        None => None,
    };
    if let Some(oldest) = oldest {
        let upkeep = app.store.upkeep().await?;
        upkeep.forget_logs_before(oldest).await?;
        upkeep.commit().await?;
    }
    let grown = mem::take(&mut app.logs.pending().grown);
    for deployment in grown {
        let upkeep = app.store.upkeep().await?;
        upkeep.keep_log_bytes(&deployment, i64::try_from(settings.keep_bytes).unwrap_or(i64::MAX)).await?;
        upkeep.commit().await?;
    }
    Ok(())
}
