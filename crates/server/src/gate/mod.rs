//! The gate: the one way from remote agents to a Deployment's Airflow.
//!
//! `/d/{deploymentId}/edge_worker/v1/*` is what a worker calls, `/d/{deploymentId}/execution/*`
//! what its tasks call. `/d/{deploymentId}/bundles/*` gives it the code that they run ([`bundles`]), and
//! `/d/{deploymentId}/environment-variables` its environment ([`environment_variables`]). A call passes
//! through, in this order:
//!
//! 1. [`airlock_core::gate::path`], the allow-list; everything else is 404.
//! 2. The agent token: [`crate::verify`] for workers, [`execution`] for tasks.
//! 3. What the token is bound to: [`bindings`].
//! 4. [`edge`] or [`execution`]: what the call does here.
//! 5. [`upstream`] signs it anew and sends it on; [`passage`] waits, and [`stream`] passes bodies.
//!
//! A call that does not go through is a [`refusal::Refusal`], whose status tells the worker what to
//! do next, and which the audit log keeps.

mod bindings;
mod bundles;
mod cordon;
mod edge;
mod environment;
mod environment_variables;
mod execution;
mod handout;
mod headers;
mod knock;
mod lifeline;
mod log_body;
mod off_limits;
mod passage;
mod readings;
mod refusal;
mod replays;
mod stream;
pub(crate) mod upstream;

use std::{num::NonZeroU32, panic::AssertUnwindSafe};

use airlock_contract::{AgentTokenId, DeploymentId, Time};
use airlock_core::{
    Error,
    gate::path::{Resource, Route},
    policy::Credential,
};
use axum::{
    Extension, Router,
    body::Body,
    extract::Request,
    http::header,
    response::{IntoResponse, Response},
    routing::any,
};
use futures_util::FutureExt;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use self::{knock::Knock, readings::Readings, refusal::Refusal, replays::Replays, upstream::Upstream};
use crate::{
    App,
    airflow::Airflow,
    allow_list,
    envelope::panic_text,
    metrics::{GateCall, GateOutcome},
    request::source_ip,
    settings::GateSettings,
    slots::Slots,
};

/// What the gate keeps in memory.
pub(crate) struct Gate {
    pub(crate) upstream: Upstream,
    pub(crate) replays: Replays,
    slots: Slots,
    /// Archives that go out to API tokens and sessions.
    downloads: Slots<Credential>,
    readings: Readings,
    /// Each registration leaves an audit record, so that one token must not make any number.
    registrations: DefaultKeyedRateLimiter<AgentTokenId>,
}

/// How often an agent token may register in a minute. A worker that is restarted again and again
/// does so 12 times.
const REGISTRATIONS: NonZeroU32 = NonZeroU32::new(60).expect("it is not 0");

impl Gate {
    pub(crate) fn new(settings: &GateSettings) -> Self {
        Self {
            upstream: Upstream::new(settings.connect_timeout),
            replays: Replays::default(),
            slots: Slots::default(),
            downloads: Slots::default(),
            readings: Readings::default(),
            registrations: RateLimiter::keyed(Quota::per_minute(REGISTRATIONS)),
        }
    }

    /// Forgets tokens that have not called for a while.
    pub(crate) fn tidy(&self, now: Time) {
        self.replays.tidy(now);
        self.registrations.retain_recent();
    }
}

/// The gate's paths.
pub(crate) fn routes(app: &App) -> Router {
    let app = app.clone();
    Router::new().route("/d/{*path}", any(async move |request: Request| served_or_503(&app, request).await))
}

/// A panic is a fault of ours as well; the 500 of the API would end a worker.
async fn served_or_503(app: &App, request: Request) -> Response {
    let is_of_task = request.uri().path().contains("/execution/");
    AssertUnwindSafe(serve(app, request)).catch_unwind().await.unwrap_or_else(|panic| {
        tracing::error!(cause = panic_text(&*panic), "the gate panicked");
        let fault = Refusal::fault("the gate panicked");
        if is_of_task { fault.for_task() } else { fault.for_worker() }
    })
}

async fn serve(app: &App, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // As it was sent: whatever is decoded is judged by the allow-list.
    let path = parts.uri.path().strip_prefix("/d/").unwrap_or_default();
    let (deployment, below) = path.split_at(path.find('/').unwrap_or(path.len()));
    let route = Route::of(parts.method.as_str(), below);
    let mut knock = Knock::new(app, &parts, DeploymentId::from(deployment), call(route.as_ref()));
    match pass(&mut knock, route, below, body).await {
        Ok(response) => {
            let is_ours = response.extensions().get::<Ours>().is_some();
            app.metrics.gated(knock.call, if is_ours { GateOutcome::Answered } else { GateOutcome::Forwarded });
            response
        }
        Err(refusal) => {
            knock.note(&refusal);
            let outcome = if refusal.is_audited() { GateOutcome::Refused } else { GateOutcome::Unavailable };
            app.metrics.gated(knock.call, outcome);
            if below.starts_with("/execution/") { refusal.for_task() } else { refusal.for_worker() }
        }
    }
}

async fn pass(knock: &mut Knock<'_>, route: Option<Route>, path: &str, body: Body) -> Result<Response, Refusal> {
    let airflow = Airflow::of(knock.app, &knock.deployment).await?;
    knock.organization = airflow.as_ref().map(|airflow| airflow.organization.clone());
    let Some(route) = route else { return Err(Refusal::no_such_path()) };
    if let Some(airflow) = &airflow {
        admit(knock, airflow).await?;
    }
    match &route {
        Route::EdgeHealth | Route::Execution { resource: Resource::Health, .. } => Ok(ours(r#"{"status":"healthy"}"#)),
        Route::EnvironmentVariables => environment_variables::pass(knock, airflow, &route).await,
        Route::Bundles | Route::Bundle { .. } => bundles::pass(knock, airflow, &route).await,
        Route::Execution { .. } => execution::pass(knock, airflow, &route, path, body).await,
        _ => edge::pass(knock, airflow, &route, path, body).await,
    }
}

/// Lets a call through from where both the Organization and the Deployment take calls.
async fn admit(knock: &Knock<'_>, airflow: &Airflow) -> Result<(), Refusal> {
    let denied = |why: String| Refusal::denied("address_not_allowed", why);
    match allow_list::admit(knock.app, &airflow.organization, knock.parts).await {
        Err(Error::Denied(why)) => return Err(denied(why)),
        admitted => admitted?,
    }
    match airflow.admits(source_ip(knock.app, knock.parts)) {
        true => Ok(()),
        false => Err(denied("the Deployment does not allow calls from this address".into())),
    }
}

/// What is asked for, as it is counted.
fn call(route: Option<&Route>) -> GateCall {
    match route {
        Some(Route::Register { .. }) => GateCall::Register,
        Some(Route::Heartbeat { .. }) => GateCall::Heartbeat,
        Some(Route::Fetch { .. }) => GateCall::Fetch,
        Some(Route::JobState { .. }) => GateCall::JobState,
        Some(Route::PushLogs { .. } | Route::LogfilePath { .. }) => GateCall::Logs,
        Some(Route::Execution { .. }) => GateCall::Execution,
        Some(Route::EnvironmentVariables) => GateCall::EnvironmentVariables,
        Some(Route::Bundles | Route::Bundle { .. }) => GateCall::Bundle,
        Some(Route::EdgeHealth) | None => GateCall::Other,
    }
}

/// Marks an answer that the gate gave instead of the Airflow.
#[derive(Clone)]
struct Ours;

/// An answer of the gate itself, instead of the Airflow's.
fn ours(json: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Extension(Ours), json).into_response()
}
