//! What is kept of the logs that pass the gate.

use airlock_contract::{DeploymentId, Time, permissions::scope, wire::LogSource};
use airlock_core::{Result, policy::Granted};

use crate::{
    db::{Reads, Value, params, record},
    filter::Filter,
    upkeep::Upkeep,
};

record! {
    /// A line of a Deployment's logs.
    pub struct LogLine {
        /// When it came to the gate.
        pub at: Time = "t.at",
        /// Names those that were written together.
        pub id: String = "t.id",
        /// Its number among them, in the order in which they came.
        pub line: i64 = "t.line",
        /// Where it is from.
        pub source: LogSource = "t.source",
        /// What it says.
        pub raw: String = "t.raw",
    }
}

/// Which lines are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// From this time on.
    pub start: Time,
    /// Before this time.
    pub end: Time,
    /// From these.
    pub sources: &'a [LogSource],
    /// With this text, in ASCII capitals or not.
    pub text: Option<&'a str>,
}

const FROM: &str = "deployment_logs t";

/// How many rows one statement inserts: both databases bound the number of placeholders.
const ROWS: usize = 200;

/// How many lines there are that are looked for.
///
/// # Errors
///
/// Those of the database.
pub async fn count(db: &impl Reads, granted: &Granted<scope::Deployment>, search: &Search<'_>) -> Result<i64> {
    let text = lowered(search);
    filter(db, granted, search, text.as_deref()).count(db, FROM).await
}

/// Up to `limit` of the lines that are looked for, oldest first, behind the first `skip`.
///
/// # Errors
///
/// Those of the database.
pub async fn page(
    db: &impl Reads,
    granted: &Granted<scope::Deployment>,
    search: &Search<'_>,
    skip: i64,
    limit: u32,
) -> Result<Vec<LogLine>> {
    let text = lowered(search);
    let mut filter = filter(db, granted, search, text.as_deref());
    let (limit, skip) = (filter.bind([limit]), filter.bind([skip]));
    let tail = format!("ORDER BY t.at, t.id{}, t.line LIMIT {limit} OFFSET {skip}", db.conn().text_order());
    filter.rows(db, LogLine::COLUMNS, FROM, &tail).await
}

/// The Deployments that have lines from before a time.
///
/// # Errors
///
/// Those of the database.
pub async fn with_lines_before(db: &impl Reads, time: Time) -> Result<Vec<DeploymentId>> {
    // The index begins with the Deployment.
    let sql = "SELECT d.id FROM deployments d WHERE EXISTS \
               (SELECT 1 FROM deployment_logs t WHERE t.deployment_id = d.id AND t.at < $1)";
    let found: Vec<(DeploymentId,)> = db.conn().all(sql, params![time]).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// The time from which on a Deployment's lines have no more than so many bytes of text; absent when
/// all of them have not. The newest lines are within it, however long they are: those that came
/// together have one time.
///
/// # Errors
///
/// Those of the database.
pub async fn first_within(db: &impl Reads, deployment: &DeploymentId, most: i64) -> Result<Option<Time>> {
    let sql = "SELECT MAX(sized.at) + 1 FROM \
               (SELECT at, CAST(SUM(bytes) OVER (ORDER BY at DESC) AS BIGINT) AS total \
               FROM deployment_logs WHERE deployment_id = $1) sized WHERE sized.total > $2 \
               AND sized.at < (SELECT MAX(at) FROM deployment_logs WHERE deployment_id = $1)";
    let found: Option<(Option<Time>,)> = db.conn().one(sql, params![deployment, most]).await?;
    Ok(found.and_then(|(time,)| time))
}

fn lowered(search: &Search<'_>) -> Option<String> {
    search.text.map(str::to_ascii_lowercase)
}

fn filter<'a>(
    db: &impl Reads,
    granted: &'a Granted<scope::Deployment>,
    search: &Search<'a>,
    text: Option<&'a str>,
) -> Filter<'a> {
    let mut filter = Filter::default();
    filter.among("t.deployment_id", [granted.deployment()]);
    let (start, end) = (filter.bind([search.start]), filter.bind([search.end]));
    filter.require(format!("t.at >= {start} AND t.at < {end}"));
    filter.among("t.source", search.sources.iter().map(|source| source.as_str()));
    if let Some(text) = text {
        let text = filter.bind([text]);
        // LIKE minds capitals in one database and not in the other. In the order of bytes LOWER
        // changes ASCII only, as it always does in SQLite.
        let raw = format!("LOWER(t.raw{})", db.conn().text_order());
        filter.require(format!("REPLACE({raw}, {text}, '') <> {raw}"));
    }
    filter
}

impl Upkeep {
    /// Keeps lines of a Deployment's logs; whether there is such a Deployment.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn keep_logs(&self, deployment: &DeploymentId, lines: &[LogLine]) -> Result<bool> {
        // Nobody deletes it before its lines are there to be deleted too.
        self.conn.lock_row("deployments", deployment.as_str()).await?;
        if self.conn.count("SELECT COUNT(*) FROM deployments WHERE id = $1", params![deployment]).await? == 0 {
            return Ok(false);
        }
        for rows in lines.chunks(ROWS) {
            let mut values: Vec<Value<'_>> = Vec::with_capacity(rows.len() * 7);
            let mut places = Vec::with_capacity(rows.len());
            for row in rows {
                let first = values.len() + 1;
                let bytes = i64::try_from(row.raw.len()).unwrap_or(i64::MAX);
                values.extend_from_slice(params![
                    deployment,
                    row.at,
                    &row.id,
                    row.line,
                    row.source.as_str(),
                    &row.raw,
                    bytes,
                ]);
                places.push(format!("({})", crate::db::placeholders(first, 7)));
            }
            let sql = format!(
                "INSERT INTO deployment_logs (deployment_id, at, id, line, source, raw, bytes) VALUES {}",
                places.join(", ")
            );
            self.conn.execute(&sql, &values).await?;
        }
        Ok(true)
    }

    /// Removes the oldest lines of a Deployment from before a time, about `at_once` of them. While
    /// it answers more than that, there may be others.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget_logs_before(&self, deployment: &DeploymentId, time: Time, at_once: u32) -> Result<u64> {
        // Those of one time go together, so that there is always one that goes.
        let sql = "DELETE FROM deployment_logs WHERE deployment_id = $1 AND at <= COALESCE((SELECT at FROM \
                   deployment_logs WHERE deployment_id = $1 AND at < $2 ORDER BY at LIMIT 1 OFFSET $3), $2 - 1)";
        self.conn.execute(sql, params![deployment, time, at_once]).await
    }
}
