//! The labels of metrics, each with few values.

use std::{borrow::Cow, fmt};

use airlock_contract::wire;
use axum::http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// Declares a label: an enum, and the word for each value.
macro_rules! labels {
    ($($(#[doc = $doc:literal])+ enum $name:ident { $($(#[doc = $about:literal])* $value:ident = $word:literal,)* })*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($(#[doc = $about])* $value,)* }

        impl $name {
            /// All values.
            #[allow(dead_code, reason = "not every label can begin at zero")]
            pub(crate) const ALL: [Self; [$($word),*].len()] = [$(Self::$value),*];

            /// The word for it.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
                EncodeLabelValue::encode(&self.as_str(), encoder)
            }
        }
    )*};
}

labels! {
    /// The class of an HTTP status (RFC 9110 section 15).
    enum StatusClass {
        Informational = "1xx",
        Success = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }

    /// What came of verifying an agent token.
    enum Verification {
        /// It is good.
        Good = "good",
        /// It was good until its end.
        Expired = "expired",
        /// It was deleted, or something above it was.
        Deleted = "deleted",
        /// It is none: its form or checksum is wrong.
        Malformed = "malformed",
        /// This server did not issue it.
        Unknown = "unknown",
        /// Nobody can say now: the database or the lease is at fault.
        Busy = "busy",
    }

    /// What a worker asks of its Airflow through the gate.
    enum GateCall {
        Register = "register",
        Heartbeat = "heartbeat",
        Fetch = "fetch",
        JobState = "job_state",
        Logs = "logs",
        Execution = "execution",
        EnvironmentVariables = "environment_variables",
        Bundle = "bundle",
        /// Whatever is on no list.
        Other = "other",
    }

    /// What became of a request at the gate.
    enum GateOutcome {
        /// It went to the Airflow, whose answer went back.
        Forwarded = "forwarded",
        /// The gate answered itself, for good or for a cordoned agent.
        Answered = "answered",
        /// It was refused: the token, or what it asks for.
        Refused = "refused",
        /// It could not be served now, and the worker may try again: 503.
        Unavailable = "unavailable",
    }

    /// Why an Airflow did not answer as it should.
    enum UpstreamFault {
        /// It cannot be reached.
        Connect = "connect",
        /// It took too long.
        TimedOut = "timed_out",
        /// The connection ended, or what came was not HTTP.
        Broken = "broken",
        /// It answered that it does not trust the gate: 401 or 403.
        Untrusted = "untrusted",
        /// It answered 5xx.
        ServerError = "server_error",
    }

    /// An agent's status, as the API tells it.
    enum AgentStatus {
        Healthy = "healthy",
        Unhealthy = "unhealthy",
        Cordoned = "cordoned",
        Terminated = "terminated",
    }
}

impl From<wire::AgentStatus> for AgentStatus {
    fn from(status: wire::AgentStatus) -> Self {
        match status {
            wire::AgentStatus::Healthy => Self::Healthy,
            wire::AgentStatus::Unhealthy => Self::Unhealthy,
            wire::AgentStatus::Cordoned => Self::Cordoned,
            wire::AgentStatus::Terminated => Self::Terminated,
        }
    }
}

impl From<StatusCode> for StatusClass {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() / 100 {
            1 => Self::Informational,
            2 => Self::Success,
            3 => Self::Redirection,
            4 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

/// Where a request was routed to: the name of an operation, or the pattern of another path. Both
/// are of the router, so there are as many values as routes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route(pub(crate) Cow<'static, str>);

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.0.as_ref(), encoder)
    }
}

/// Declares sets of labels.
macro_rules! sets {
    ($($name:ident { $($label:ident: $kind:ty),* })*) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name { $(pub(super) $label: $kind),* }
    )*};
}

sets! {
    Answered { route: Route, status: StatusClass }
    Routed { route: Route }
    Verified { result: Verification }
    GateAnswered { call: GateCall, outcome: GateOutcome }
    Gated { call: GateCall }
    Upstream { fault: UpstreamFault }
    Agents { status: AgentStatus }
}
