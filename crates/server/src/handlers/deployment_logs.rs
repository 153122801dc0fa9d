//! `/organizations/{organizationId}/deployments/{deploymentId}/logs`

use airlock_contract::{
    Time,
    operations::GetDeploymentLogs,
    wire::{DeploymentLog, DeploymentLogEntry, GetDeploymentLogsQuery, MOST_LOG_LINES},
};
use airlock_core::{Error, Result};
use airlock_store::{
    Reading,
    deployment_logs::{self, LogLine, Search},
};

use crate::adaptor::{Call, Handlers, Read};

impl Read<GetDeploymentLogs> for Handlers {
    /// A text is looked for in all lines of the time.
    const IS_LONG: bool = true;

    async fn read(call: &Call<'_, GetDeploymentLogs>, db: &Reading) -> Result<DeploymentLog> {
        let query = call.query;
        let search =
            |start: Time, end: Time| Search { start, end, sources: &query.sources, text: query.search_text.as_deref() };
        let count = async |start: Time, end: Time| deployment_logs::count(db, call.granted, &search(start, end)).await;
        let (frame, gone) = match &query.search_id {
            Some(id) => {
                let frame = Frame::parse(id)?;
                let left = count(frame.start, frame.end).await?;
                let gone = frame.found.saturating_sub(left).max(0);
                (frame, gone)
            }
            None => {
                let (start, end) = times(query, call.now)?;
                let found = count(start, end).await?;
                (Frame { start, end, skip: found.saturating_sub(query.max_num_results.into()).max(0), found }, 0)
            }
        };
        let limit = query.limit.min(MOST_LOG_LINES);
        let left = query.max_num_results.saturating_sub(query.offset);
        let skip = frame.skip.saturating_add(query.offset.into()).saturating_sub(gone).max(0);
        let lines =
            deployment_logs::page(db, call.granted, &search(frame.start, frame.end), skip, limit.min(left)).await?;
        Ok(DeploymentLog {
            limit,
            max_num_results: query.max_num_results,
            offset: query.offset,
            result_count: u32::try_from(lines.len()).unwrap_or(u32::MAX),
            results: lines.into_iter().map(view).collect(),
            search_id: frame.to_string(),
        })
    }
}

/// The times between which lines are looked for.
fn times(query: &GetDeploymentLogsQuery, now: Time) -> Result<(Time, Time)> {
    let wrong = |field: &str, message: &str| Err(Error::field("constraint", field, message));
    match (query.start_date, query.end_date) {
        (None, None) => Ok((now.plus_seconds(-i64::from(query.range)), now.plus_seconds(1))),
        (Some(start), Some(end)) if start < end => Ok((start, end)),
        (Some(_), Some(_)) => wrong("endDate", "must be later than startDate"),
        (Some(_), None) => wrong("endDate", "goes with startDate, and is missing"),
        (None, Some(_)) => wrong("startDate", "goes with endDate, and is missing"),
    }
}

/// What all pages of a search share, so that they follow each other while new lines come and old ones
/// are removed.
struct Frame {
    start: Time,
    end: Time,
    /// How many of the oldest lines are not among the newest that were asked for.
    skip: i64,
    /// How many there were at the first page. What is missing since was removed, the oldest first.
    found: i64,
}

impl std::fmt::Display for Frame {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}-{}-{}-{}", self.start.as_micros(), self.end.as_micros(), self.skip, self.found)
    }
}

impl Frame {
    fn parse(id: &str) -> Result<Self> {
        let mut parts = id.split('-').map(|part| part.parse().ok().filter(|number: &i64| *number >= 0));
        let mut next = || parts.next().flatten();
        match (next(), next(), next(), next(), parts.next()) {
            (Some(start), Some(end), Some(skip), Some(found), None) => {
                Ok(Self { start: Time::from_micros(start), end: Time::from_micros(end), skip, found })
            }
            _ => Err(Error::field("constraint", "searchId", "is not the searchId of an answer")),
        }
    }
}

fn view(line: LogLine) -> DeploymentLogEntry {
    DeploymentLogEntry { raw: line.raw, source: line.source, timestamp: milliseconds(line.at) }
}

/// Milliseconds since the Unix epoch. Microseconds are exact for the next centuries.
fn milliseconds(time: Time) -> f64 {
    time.as_micros() as f64 / 1000.0
}
