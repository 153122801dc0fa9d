//! What a look at a Deployment's Airflow finds. The public API has no such operation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DeploymentStatus, words};
use crate::Time;

words! {
    /// What was looked at.
    AirflowAspect {
        /// Whether the Deployment says where its Airflow is.
        Attachment "ATTACHMENT",
        /// Whether remote agents may reach it.
        RemoteExecution "REMOTE_EXECUTION",
        /// Whether its API server answers.
        Reachability "REACHABILITY",
        /// Whether Airflow and its edge provider are new enough.
        Version "VERSION",
        /// Whether its clock and Airlock's agree.
        Clock "CLOCK",
        /// Whether its edge API is on.
        EdgeApi "EDGE_API",
        /// Whether it takes what Airlock signs.
        Trust "TRUST",
        /// Whether its scheduler and the others are at work.
        Components "COMPONENTS",
    }
    /// What a look came to.
    FindingOutcome {
        Ok "OK",
        Wrong "WRONG",
        /// It could not be looked at because of something else that is wrong.
        Skipped "SKIPPED",
    }
}

/// What a look at a Deployment's Airflow found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AirflowCheck {
    /// The Deployment's status after it.
    pub status: DeploymentStatus,
    /// Why it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// When it was looked at.
    pub checked_at: Time,
    /// The Airflow's version, if it was learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub airflow_version: Option<String>,
    /// The version of the edge provider, as the Deployment's newest agent has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_version: Option<String>,
    /// One finding for each aspect.
    pub findings: Vec<AirflowFinding>,
    /// What the Airflow's own configuration must say for it to trust Airlock. Empty when Airlock
    /// signs with the Airflow's secret.
    pub airflow_settings: Vec<AirflowSetting>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AirflowFinding {
    /// What.
    pub aspect: AirflowAspect,
    /// What it came to.
    pub outcome: FindingOutcome,
    /// The same in plain words, with what to do when it is wrong.
    pub message: String,
}

/// A setting of an Airflow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AirflowSetting {
    /// Its name, as an environment variable.
    pub name: String,
    /// Its value.
    pub value: String,
}
