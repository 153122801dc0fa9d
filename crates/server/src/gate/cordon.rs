//! How a worker is told to take no new work, and that it may again.
//!
//! A worker goes by the state in the answer to its heartbeat (`edge3/cli/worker.py`): `maintenance
//! request` makes it stop fetching and finish what it runs, and it stays so until it reads `idle`
//! or `running`. So there is a state between cordoned and open: until a heartbeat shows that the
//! worker has understood. The Airflow is not asked, and needs no user for it.

use airlock_core::agent::{Cordon, is_in_maintenance};
use airlock_store::gate::agents::KnownAgent;
use axum::{
    body::Body,
    http::{header, response::Parts},
    response::Response,
};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// The answer to a heartbeat, as the Airflow gave it and as the agent's cordon wants it.
pub(crate) struct Answer {
    parts: Parts,
    body: Bytes,
    said: String,
    /// The Airflow's word for the worker's state.
    state: String,
    fields: Map<String, Value>,
}

impl Answer {
    /// Reads an Airflow's answer to a worker that said that it is in a state.
    pub(crate) fn read(said: String, parts: Parts, body: Bytes) -> Result<Self, Refusal> {
        let fields: Map<String, Value> = serde_json::from_slice(&body)
            .map_err(|cause| Refusal::fault(format!("the Airflow's answer to a heartbeat cannot be read: {cause}")))?;
        let state = fields.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { parts, body, said, state, fields })
    }

    /// Whether a worker that may take work again knows it: neither it nor its Airflow say that it
    /// is in maintenance.
    pub(crate) fn ends_uncordoning(&self, agent: &KnownAgent) -> bool {
        agent.cordon == Cordon::Uncordoning && !is_in_maintenance(&self.said) && !is_in_maintenance(&self.state)
    }

    /// The answer, with the state that a cordon asks for.
    pub(crate) fn tell(mut self, agent: &KnownAgent) -> Response {
        let Some(state) = state_to_tell(agent.cordon, &self.said) else {
            return Response::from_parts(self.parts, Body::from(self.body));
        };
        self.fields.insert("state".into(), state.into());
        if let Some(reason) = agent.cordoning_reason.as_deref().filter(|_| agent.cordon == Cordon::Cordoned) {
            self.fields.insert("maintenance_comments".into(), reason.into());
        }
        self.parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(self.parts, Body::from(Value::Object(self.fields).to_string()))
    }
}

/// The state to tell instead of the Airflow's. A worker whose state differs from what it is told
/// asks again at once, so none is told to do what it does already.
///
/// An Airflow that asks for maintenance, of a worker that shut down in it, asks until it has seen
/// the worker there (`redefine_state` in `edge3/worker_api/routes/worker.py`). So the worker hears
/// it, and is told right afterwards that it is over.
fn state_to_tell(cordon: Cordon, said: &str) -> Option<&'static str> {
    match (cordon, said) {
        (Cordon::Cordoned, "starting" | "running" | "idle") => Some("maintenance request"),
        (Cordon::Uncordoning, "maintenance pending") => Some("running"),
        (Cordon::Uncordoning, "maintenance mode") => Some("idle"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_told_what_it_does_not_know() {
        for (cordon, said, told) in [
            (Cordon::Open, "idle", None),
            (Cordon::Open, "maintenance mode", None),
            (Cordon::Cordoned, "starting", Some("maintenance request")),
            (Cordon::Cordoned, "idle", Some("maintenance request")),
            (Cordon::Cordoned, "running", Some("maintenance request")),
            (Cordon::Cordoned, "maintenance pending", None),
            (Cordon::Cordoned, "maintenance mode", None),
            (Cordon::Cordoned, "terminating", None),
            (Cordon::Cordoned, "offline", None),
            (Cordon::Uncordoning, "maintenance mode", Some("idle")),
            (Cordon::Uncordoning, "maintenance pending", Some("running")),
            (Cordon::Uncordoning, "idle", None),
            (Cordon::Uncordoning, "offline maintenance", None),
        ] {
            assert_eq!(state_to_tell(cordon, said), told, "{cordon:?} {said}");
        }
    }
}
