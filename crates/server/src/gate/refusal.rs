//! What the gate itself answers when a call does not go through.
//!
//! Workers act on the status alone. 403 ends a worker, and 410 a task at once; 503 makes both try
//! again. So whatever is our own fault, or the Airflow's, is 503, and nothing else is.

use airlock_core::Error;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// The answer of calls that may be tried again says when, in seconds.
const RETRY_AFTER: u64 = 1;

/// The longest text of a refusal, in bytes. Some repeat what the caller has sent, and the audit log
/// keeps them.
const LONGEST: usize = 400;

/// Why a call does not go through.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A word for programs.
    pub(crate) reason: &'static str,
    /// What is wrong, for people. Of a fault it is for the log only.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > LONGEST {
            message.truncate(message.floor_char_boundary(LONGEST));
            message.push_str("...");
        }
        Self { status, reason, message }
    }

    /// The caller is known, or not, and may not do this.
    pub(crate) fn denied(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, reason, message)
    }

    /// The task must end: its agent was cut off, or it is nobody's any more.
    pub(crate) fn gone(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, reason, message)
    }

    /// There is no such path here.
    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "the gate has no such path")
    }

    /// What is asked is about another task than it may be.
    pub(crate) fn other_task() -> Self {
        Self::denied("not_this_task", "the call names another task than the one that it may be about")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body is larger than {limit} bytes"))
    }

    /// It may be tried again, later.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
    }

    /// The token has as many calls under way as it can have.
    pub(crate) fn too_many_calls(most: u32) -> Self {
        Self::too_many(format!("the token has {most} calls under way; try again in a moment"))
    }

    /// The Deployment takes no agents.
    pub(crate) fn remote_execution_off() -> Self {
        let message = "the Deployment has remote execution off; update it with remoteExecution.enabled";
        Self::denied("remote_execution_off", message)
    }

    /// Nothing is wrong with the call.
    pub(crate) fn fault(cause: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", cause.to_string())
    }

    /// Whether somebody was refused something, which the audit log tells.
    pub(crate) fn is_audited(&self) -> bool {
        !matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
    }

    fn is_fault(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// What the caller is told.
    fn told(&self) -> &str {
        if self.is_fault() { "the gate cannot serve this now; try again in a moment" } else { &self.message }
    }

    /// The answer on a path of the edge API.
    pub(crate) fn for_worker(&self) -> Response {
        self.answer(json!({"detail": self.told()}))
    }

    /// The answer on a path of the execution API, in the form that the task SDK reads.
    pub(crate) fn for_task(&self) -> Response {
        self.answer(json!({"detail": {"reason": self.reason, "message": self.told()}}))
    }

    fn answer(&self, body: serde_json::Value) -> Response {
        // The SDK compares the type with ==, so it has no charset.
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (self.status, headers, body.to_string()).into_response();
        if !self.is_audited() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated(reason) => Self::denied("agent_token_invalid", reason),
            Error::Denied(reason) => Self::denied("denied", reason),
            Error::RateLimited(seconds) => Self::too_many(format!("too many calls; try again in {seconds} s")),
            Error::TooLarge(limit) => Self::too_large(limit),
            Error::Invalid { message, .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message),
            hidden @ (Error::NotFound(_) | Error::Hidden(_)) => Self::denied("denied", hidden.to_string()),
            other => Self::fault(other),
        }
    }
}
