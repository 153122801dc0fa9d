//! Logs of a Deployment.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{text, words};
use crate::Time;

words! {
    /// Which part of an Airflow a line of a log is from.
    LogSource {
        Scheduler "scheduler",
        Triggerer "triggerer",
        Worker "worker",
        Webserver "webserver",
        DagProcessor "dag-processor",
        Apiserver "apiserver",
    }
}

/// The most lines that one answer can have, whatever was asked for.
pub const MOST_LOG_LINES: u32 = 5000;

fn default_log_limit() -> u32 {
    500
}

fn default_log_range() -> u32 {
    3600
}

fn default_max_num_results() -> u32 {
    10_000
}

/// Which lines of a Deployment's logs to answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct GetDeploymentLogsQuery {
    /// Only lines from these. `worker` has what tasks logged, `apiserver` what the gate did; nothing
    /// else passes the gate.
    #[schemars(example = json!(["worker", "apiserver"]))]
    pub sources: Vec<LogSource>,
    /// How many lines to answer at the most; the server's own bound is 5000.
    #[garde(range(min = 1))]
    #[serde(default = "default_log_limit")]
    pub limit: u32,
    /// How many lines to pass over.
    #[garde(range(min = 0))]
    #[serde(default)]
    pub offset: u32,
    /// How many seconds to look back, when no dates are given.
    #[garde(range(min = 60))]
    #[serde(default = "default_log_range")]
    pub range: u32,
    /// How many lines there are on all pages together at the most: the newest.
    #[garde(range(min = 1))]
    #[serde(default = "default_max_num_results")]
    pub max_num_results: u32,
    /// Goes on with a search: the `searchId` of its first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_id: Option<String>,
    /// Only lines that have this text, in capitals or not.
    #[garde(custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_text: Option<String>,
    /// From this time on, included; goes with `endDate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Time>,
    /// Up to this time, excluded; goes with `startDate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Time>,
}

/// A page of a Deployment's logs, oldest line first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentLog {
    /// The `limit` that was used.
    #[schemars(range(min = 1))]
    pub limit: u32,
    /// The `maxNumResults` that was used.
    pub max_num_results: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many lines this page has. When it is less than `limit`, it is the last page.
    pub result_count: u32,
    /// The lines.
    pub results: Vec<DeploymentLogEntry>,
    /// What the next page is asked for with, so that it follows this one.
    pub search_id: String,
}

/// A line of a Deployment's logs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentLogEntry {
    /// The line.
    pub raw: String,
    /// Where it is from.
    pub source: LogSource,
    /// When it came to the gate, in milliseconds since the Unix epoch.
    pub timestamp: f64,
}
