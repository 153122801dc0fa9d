//! Airlock's own questions to an Airflow: what a cut-off and a health check ask.
//!
//! They go the way of the gate's calls, but are small and answered whole.

use std::time::Duration;

use airlock_contract::{AgentTokenId, Time};
use airlock_core::{
    Error, Result,
    gate::path::{JobKey, JobState, Route},
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use http_body_util::{BodyExt, Limited};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Address;
use crate::{
    App,
    gate::upstream::{self, Signature},
};

/// How long an answer may take. Airflow's first call of the execution API after its start was seen
/// to take 5 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// What an Airflow answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The time on its clock, to the second.
    pub(crate) date: Option<Time>,
    /// The body; null when it is not JSON.
    pub(crate) json: Value,
}

/// An Airflow, and who asks it.
#[derive(Clone, Copy)]
pub(crate) struct AirflowClient<'a> {
    pub(crate) app: &'a App,
    pub(crate) airflow: &'a Address,
    /// The agent token on whose behalf it is asked, if it is on one's.
    pub(crate) token: Option<&'a AgentTokenId>,
}

impl AirflowClient<'_> {
    /// Asks for what anybody may know.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when there is no answer, as for the others.
    pub(crate) async fn get(self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path.into(), None, Signature::Nobody).await
    }

    /// Calls the edge API as a worker would. What is asked for says the path.
    pub(crate) async fn edge(self, route: &Route, body: Option<&Value>) -> Result<Answer> {
        let method = match route {
            Route::Register { .. } | Route::Fetch { .. } | Route::PushLogs { .. } => Method::POST,
            Route::Heartbeat { .. } | Route::JobState { .. } => Method::PATCH,
            Route::LogfilePath { .. } | Route::EdgeHealth | Route::Execution { .. } => Method::GET,
            Route::EnvironmentVariables | Route::Bundles | Route::Bundle { .. } => Method::GET,
        };
        let path = route.edge_path().unwrap_or_default();
        self.send(method, path, body, Signature::Edge(route.method_claim(), self.token)).await
    }

    /// Fails an edge job, of the task instance with this UUID. From edge3 5.1 on a job may be known
    /// by its task instance as well as by its key; one that it does not know, Airflow passes over
    /// (`state` in `edge3/worker_api/routes/jobs.py`).
    pub(crate) async fn fail_job(self, key: &JobKey, task: &str) -> Result<Answer> {
        let route = Route::JobState { key: key.clone(), state: JobState::Failed };
        let answer = self.edge(&route, None).await?;
        if !answer.status.is_success() {
            return Ok(answer);
        }
        self.edge(&route, Some(&json!({"task_instance_id": task}))).await
    }

    /// Changes the state of a task instance, with the task's own token.
    pub(crate) async fn set_task_state(self, id: &str, token: &SecretString, body: &Value) -> Result<Answer> {
        let path = format!("/execution/task-instances/{id}/state"); // it is a UUID
        self.send(Method::PATCH, path, Some(body), Signature::Task(token)).await
    }

    async fn send(
        self,
        method: Method,
        path: String,
        body: Option<&Value>,
        signature: Signature<'_>,
    ) -> Result<Answer> {
        let call = match body {
            Some(body) => upstream::Call::json(method, path, body),
            None => upstream::Call { method, path, headers: HeaderMap::new(), body: Body::empty() },
        };
        let asking = async {
            let answer = upstream::call(self.app, self.airflow, call, signature).await;
            let answer = answer.map_err(|unanswered| unanswered.error)?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, LONGEST).collect().await;
            let body = body.map_err(|cause| Error::Busy(format!("the Airflow broke off its answer: {cause}")))?;
            let date = parts.headers.get(header::DATE).map(HeaderValue::to_str);
            Ok(Answer {
                status: parts.status,
                date: date.and_then(Result::ok).and_then(Time::from_http_date),
                json: serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null),
            })
        };
        let late = || Error::Busy(format!("the Airflow did not answer within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(late()))
    }
}
