//! Sends a call on to the Airflow, and waits for the answer.

use airlock_core::Error;
use airlock_store::live_tokens::LiveToken;
use axum::{
    body::Body,
    http::{HeaderMap, Method, Response, StatusCode, header, response::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::{
    headers, lifeline,
    log_body::{Fault, LogBody},
    refusal::Refusal,
    stream::{Broken, Download, Progress, Upload},
    upstream::{self, Call, Signature, Unanswered},
};
use crate::{
    App,
    airflow::Airflow,
    metrics::{GateCall, UpstreamFault},
    slots::Slot,
};

/// The largest answer that is read as a whole, in bytes.
const LARGEST_ANSWER: usize = 4 << 20;

/// A call that may go on: to which Airflow, and on whose token it hangs.
pub(crate) struct Passage<'a> {
    pub(crate) app: &'a App,
    pub(crate) airflow: &'a Airflow,
    pub(crate) token: &'a LiveToken,
    pub(crate) kind: GateCall,
    /// What a call is answered whose token ends meanwhile.
    pub(crate) cut: fn() -> Refusal,
    pub(crate) slot: Slot,
}

/// What goes on of a worker's call.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// The most that passes of the body, in bytes.
    pub(crate) limit: usize,
    /// What reads along, if the body is a piece of a log.
    pub(crate) log: Option<LogBody>,
}

impl Passage<'_> {
    /// Sends the call, and answers with the Airflow's answer, which streams to the worker.
    pub(crate) async fn stream(self, call: Outgoing, signature: Signature<'_>) -> Result<(Parts, Body), Refusal> {
        let (parts, body) = self.send(call, signature).await?.into_parts();
        let patience = self.app.settings.gate.stall_timeout;
        let body = Download::new(body, lifeline::of(self.app, self.token), patience, self.slot);
        Ok((headers::to_worker(parts), Body::new(body)))
    }

    /// Sends the call, and reads the Airflow's answer as a whole. It is asked for plain text.
    pub(crate) async fn whole(&self, mut call: Outgoing, signature: Signature<'_>) -> Result<(Parts, Bytes), Refusal> {
        call.headers.remove(header::ACCEPT_ENCODING);
        let (parts, body) = self.send(call, signature).await?.into_parts();
        let patience = self.app.settings.gate.stall_timeout;
        let body = timeout(patience, Limited::new(body, LARGEST_ANSWER).collect()).await;
        let body = body.map_err(|_| Refusal::fault("the Airflow's answer does not end"))?;
        let body = body.map_err(|cause| Refusal::fault(format!("the Airflow's answer cannot be read: {cause}")))?;
        Ok((headers::to_worker(parts), body.to_bytes()))
    }

    async fn send(&self, call: Outgoing, signature: Signature<'_>) -> Result<Response<Incoming>, Refusal> {
        let limit = call.limit;
        if content_length(&call.body).is_some_and(|length| length > limit as u64) {
            return Err(Refusal::too_large(limit));
        }
        let progress = Progress::new();
        let (body, broken) = Upload::new(call.body, limit, call.log, progress.clone());
        let call = Call { method: call.method, path: call.path, headers: call.headers, body: Body::new(body) };
        let patience = self.app.settings.gate.stall_timeout;
        let began = Instant::now();
        let answer = tokio::select! {
            answer = upstream::call(self.app, &self.airflow.address, call, signature) => answer,
            () = progress.stalled(patience) => {
                let error =
                    format!("nothing has moved for {} s, neither the call's body nor the Airflow's answer", patience.as_secs());
                Err(Unanswered { fault: Some(UpstreamFault::TimedOut), error: Error::Busy(error) })
            }
            () = lifeline::of(self.app, self.token) => return Err((self.cut)()),
        };
        // A body that broke off looks like a broken connection from here.
        match broken.get() {
            None => {}
            Some(Broken::TooLarge) => return Err(Refusal::too_large(limit)),
            Some(Broken::Content(Fault::OtherTask)) => return Err(Refusal::other_task()),
            Some(Broken::Content(Fault::Odd)) => {
                return Err(Refusal::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "invalid",
                    "the body is not what a worker sends",
                ));
            }
        }
        let fault = match &answer {
            Ok(answer) => fault_of(self.kind, answer.status()),
            Err(unanswered) => unanswered.fault,
        };
        self.app.metrics.forwarded(self.kind, began.elapsed(), fault);
        answer.map_err(|unanswered| unanswered.error.into())
    }
}

fn fault_of(kind: GateCall, status: StatusCode) -> Option<UpstreamFault> {
    match status {
        // A task is refused for what its own token lacks.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if kind != GateCall::Execution => {
            Some(UpstreamFault::Untrusted)
        }
        status if status.is_server_error() => Some(UpstreamFault::ServerError),
        _ => None,
    }
}

fn content_length(body: &Body) -> Option<u64> {
    use http_body::Body as _;
    body.size_hint().exact()
}
