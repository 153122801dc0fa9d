//! What workers call: the edge API.

use std::sync::Arc;

use airlock_contract::AgentId;
use airlock_core::{
    Error, Result,
    agent::Cordon,
    gate::path::{JobKey, JobState, Route},
};
use airlock_store::{
    Writing,
    audit::Entry,
    gate::{
        agents::{self, Registered, Report},
        jobs::{self, Job},
    },
    live_tokens::LiveToken,
};
use axum::{
    body::Body,
    http::{StatusCode, response::Parts},
    response::Response,
};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    bindings::{refuse_other_name, refuse_other_queues},
    cordon, handout, headers,
    knock::Knock,
    log_body::LogBody,
    ours,
    passage::{Outgoing, Passage},
    refusal::Refusal,
    upstream::Signature,
};
use crate::{
    airflow::Airflow,
    change::{self, Change},
    deployment_logs::Level,
    input,
    request::Origin,
};

/// The longest that a worker says of itself, or of the work that it wants, in bytes. It is kept, so
/// it is bounded; a stock worker's has some 400.
const LONGEST: usize = 64 << 10;

/// What a worker says of itself (`WorkerStateBody`). What else it says goes on unread.
#[derive(Deserialize)]
struct WorkerState {
    state: State,
    #[serde(default)]
    queues: Option<Vec<String>>,
    #[serde(default)]
    jobs_active: i64,
    #[serde(default)]
    sysinfo: serde_json::Map<String, serde_json::Value>,
}

/// Airflow's word for a worker's state.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct State(String);

impl TryFrom<String> for State {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        let fits =
            !word.is_empty() && word.len() <= 32 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ');
        if fits { Ok(Self(word)) } else { Err("the state is no word of Airflow's") }
    }
}

/// What a worker asks for (`WorkerQueuesBody`).
#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    queues: Option<Vec<String>>,
}

/// What a worker says of a job besides its state.
#[derive(Default, Deserialize)]
struct JobIdentity {
    #[serde(default)]
    task_instance_id: Option<String>,
}

/// A worker's call, of which is known who makes it.
struct Caller<'a> {
    knock: &'a Knock<'a>,
    airflow: &'a Airflow,
    token: &'a LiveToken,
    route: &'a Route,
    path: &'a str,
    passage: Passage<'a>,
}

pub(crate) async fn pass(
    knock: &mut Knock<'_>,
    airflow: Option<Arc<Airflow>>,
    route: &Route,
    path: &str,
    body: Body,
) -> Result<Response, Refusal> {
    let app = knock.app;
    let (token, airflow) = knock.agent(airflow, route).await?;
    let most = app.settings.gate.calls_per_token;
    let slot = app.gate.slots.take(&token.id, most).ok_or_else(|| Refusal::too_many_calls(most))?;
    let passage = Passage { app, airflow: &airflow, token: &token, kind: knock.call, cut, slot };
    let caller = Caller { knock, airflow: &airflow, token: &token, route, path, passage };
    match route {
        Route::Register { worker } => caller.register(worker, body).await,
        Route::Heartbeat { worker } => caller.heartbeat(worker, body).await,
        Route::Fetch { worker } => caller.fetch(worker, body).await,
        Route::JobState { key, state } => caller.job_state(key, *state, body).await,
        Route::PushLogs { key } => caller.push_logs(key, body).await,
        Route::LogfilePath { key } => caller.logfile_path(key).await,
        Route::EdgeHealth
        | Route::EnvironmentVariables
        | Route::Bundles
        | Route::Bundle { .. }
        | Route::Execution { .. } => Err(Refusal::no_such_path()),
    }
}

fn cut() -> Refusal {
    Refusal::denied("agent_token_revoked", "the agent token has ended")
}

impl<'a> Caller<'a> {
    /// A worker starts. It is bound to the token and kept before its Airflow hears of it, so that
    /// no worker is in an Airflow that we do not know; if the Airflow does not take it, both are
    /// undone.
    async fn register(self, worker: &str, body: Body) -> Result<Response, Refusal> {
        let (bytes, said) = self.read::<WorkerState>(body).await?;
        refuse_other_queues(self.airflow, self.token, said.queues.as_deref())?;
        if self.knock.app.gate.registrations.check_key(&self.token.id).is_err() {
            return Err(Refusal::too_many("the agent token registers too often; try again in a minute"));
        }
        let source = Source::of(self.knock);
        let sysinfo = text(&said.sysinfo)?;
        let report = report(worker, &said, &sysinfo, &source);
        let app = self.knock.app;
        let registration = Registration { knock: self.knock, token: self.token, report: &report, id: app.env.new_id() };
        let registered = match change::commit(app, &registration).await {
            Ok(registered) => registered,
            Err(Error::Invalid { message, .. }) => {
                return Err(Refusal::new(StatusCode::CONFLICT, "name_taken", message));
            }
            Err(error) => return Err(error.into()),
        };
        let (parts, body) = self.send(bytes).await?;
        if parts.status.is_client_error() && registered.is_first() {
            let undo = Undo { knock: self.knock, token: self.token, registered, status: parts.status };
            change::commit(app, &undo).await?;
        } else if parts.status.is_success() {
            let (id, name) = (&self.token.id, &self.token.name);
            self.tell(Level::Info, format_args!("worker {worker} registered with the agent token {name} ({id})"));
        }
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    async fn heartbeat(self, worker: &str, body: Body) -> Result<Response, Refusal> {
        let app = self.knock.app;
        refuse_other_name(app, self.token, worker).await?;
        let (bytes, said) = self.read::<WorkerState>(body).await?;
        let (parts, answer) = self.send(bytes).await?;
        if !parts.status.is_success() {
            return Ok(Response::from_parts(parts, Body::from(answer)));
        }
        let source = Source::of(self.knock);
        let sysinfo = text(&said.sysinfo)?;
        let report = report(worker, &said, &sysinfo, &source);
        if said.state.0 == "offline" {
            self.tell(Level::Info, format_args!("worker {worker} is offline"));
        }
        let answer = cordon::Answer::read(said.state.0.clone(), parts, answer)?;
        let r = app.store.recording().await?;
        let agent = agents::heartbeat(&r, self.token, &app.env.new_id(), &report, app.env.now()).await?;
        if answer.ends_uncordoning(&agent) {
            agents::uncordoned(&r, &agent.id).await?;
        }
        r.commit().await?;
        Ok(answer.tell(&agent))
    }

    async fn fetch(self, worker: &str, body: Body) -> Result<Response, Refusal> {
        let app = self.knock.app;
        refuse_other_name(app, self.token, worker).await?;
        let (bytes, wanted) = self.read::<Wanted>(body).await?;
        refuse_other_queues(self.airflow, self.token, wanted.queues.as_deref())?;
        let agent = agents::find(&app.store.read().await?, self.token, worker).await?;
        let agent = agent.ok_or_else(|| {
            Refusal::denied("agent_not_registered", format!("the worker {worker} has not registered"))
        })?;
        // What is fetched runs to its end, so holding back new work is all that there is to do.
        if agent.cordon == Cordon::Cordoned || self.airflow.hibernation.is_hibernating(app.env.now()) {
            return Ok(ours("null"));
        }
        let (parts, answer) = self.send(bytes).await?;
        if !parts.status.is_success() {
            return Ok(Response::from_parts(parts, Body::from(answer)));
        }
        handout::hand_out(app, self.airflow, self.token, &agent, parts, answer).await
    }

    async fn job_state(self, key: &JobKey, state: JobState, body: Body) -> Result<Response, Refusal> {
        let app = self.knock.app;
        let job = self.job(key).await?;
        let bytes = self.collect(body).await?;
        if !bytes.is_empty() {
            refuse_other_task(&job, parse::<JobIdentity>(&bytes)?.task_instance_id.as_deref())?;
        }
        let (parts, answer) = self.send(bytes).await?;
        if parts.status.is_success() {
            let (r, now) = (app.store.recording().await?, app.env.now());
            match state {
                JobState::Running => jobs::report(&r, &job.id, state.as_str(), now).await?,
                JobState::Success | JobState::Failed => jobs::end(&r, &job.id, state.as_str(), now).await?,
            }
            r.commit().await?;
            let level = if state == JobState::Failed { Level::Warning } else { Level::Info };
            self.tell(level, format_args!("job {}: {key}", state.as_str()));
        }
        Ok(Response::from_parts(parts, Body::from(answer)))
    }

    /// Tells in the Deployment's logs what happened.
    fn tell(&self, level: Level, what: impl std::fmt::Display) {
        let app = self.knock.app;
        app.logs.event(&self.token.deployment, app.env.now(), level, what);
    }

    async fn push_logs(self, key: &JobKey, body: Body) -> Result<Response, Refusal> {
        let job = self.job(key).await?;
        let limit = self.knock.app.settings.gate.logs_body;
        let (app, deployment) = (self.knock.app, &self.token.deployment);
        let copy = app.logs.copy(deployment);
        let log = Some(LogBody::of(&job.ti_id, copy.clone()));
        let call = Outgoing { log, ..self.outgoing(body, limit, "") };
        let signature = self.signature();
        let (parts, body) = self.passage.stream(call, signature).await?;
        judge(self.route, &parts)?;
        if let Some(copy) = copy.filter(|_| parts.status.is_success()) {
            app.logs.task(deployment, key, &copy, app.env.now());
        }
        Ok(Response::from_parts(parts, body))
    }

    async fn logfile_path(self, key: &JobKey) -> Result<Response, Refusal> {
        let job = self.job(key).await?;
        let query = self.knock.parts.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name == "task_instance_id" {
                refuse_other_task(&job, Some(&value))?;
            }
        }
        let call = self.outgoing(Body::empty(), 0, query);
        let signature = self.signature();
        let (parts, body) = self.passage.stream(call, signature).await?;
        judge(self.route, &parts)?;
        Ok(Response::from_parts(parts, body))
    }

    /// The job of a key, which must have been handed out with this token.
    async fn job(&self, key: &JobKey) -> Result<Job, Refusal> {
        let job = jobs::find(&self.knock.app.store.read().await?, self.token, key).await?;
        job.ok_or_else(|| Refusal::denied("job_not_known", "the job was not handed to this agent, or no longer is its"))
    }

    /// Reads a small body.
    async fn collect(&self, body: Body) -> Result<Bytes, Refusal> {
        let bytes = input::collect_up_to(body, self.knock.app.settings.gate.json_body).await;
        bytes.map_err(|error| match error {
            // A worker behind a bad network may try again.
            Error::Invalid { message, .. } => Refusal::fault(message),
            other => other.into(),
        })
    }

    /// Reads a small body, and what a worker says in it.
    async fn read<T: DeserializeOwned>(&self, body: Body) -> Result<(Bytes, T), Refusal> {
        let bytes = self.collect(body).await?;
        if bytes.len() > LONGEST {
            return Err(Refusal::too_large(LONGEST));
        }
        let said = parse(&bytes)?;
        Ok((bytes, said))
    }

    /// Sends a small body on, and reads the answer.
    async fn send(&self, body: Bytes) -> Result<(Parts, Bytes), Refusal> {
        let limit = body.len();
        let (parts, answer) = self.passage.whole(self.outgoing(Body::from(body), limit, ""), self.signature()).await?;
        judge(self.route, &parts)?;
        Ok((parts, answer))
    }

    fn outgoing(&self, body: Body, limit: usize, query: &str) -> Outgoing {
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        Outgoing {
            method: self.knock.parts.method.clone(),
            path: format!("{}{query}", self.path),
            headers: headers::to_airflow(&self.knock.parts.headers),
            body,
            limit,
            log: None,
        }
    }

    fn signature(&self) -> Signature<'a> {
        Signature::Edge(self.route.method_claim(), Some(&self.token.id))
    }
}

/// Looks at an Airflow's answer. What is between the Airflow and us is no affair of the worker,
/// which would end.
fn judge(route: &Route, parts: &Parts) -> Result<(), Refusal> {
    match (parts.status, route) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Err(Refusal::fault(
            "the Airflow does not take the gate's signature: see airlock doctor --deployment for what it lacks",
        )),
        (StatusCode::METHOD_NOT_ALLOWED, _) | (StatusCode::NOT_FOUND, Route::Register { .. }) => {
            Err(Refusal::fault("the Airflow's edge API is off: set [edge] api_enabled, and restart its API server"))
        }
        _ => Ok(()),
    }
}

/// Refuses what a worker says of a job in the name of another task.
fn refuse_other_task(job: &Job, said: Option<&str>) -> Result<(), Refusal> {
    match said {
        Some(other) if other != job.ti_id => Err(Refusal::other_task()),
        _ => Ok(()),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let said = serde_json::from_slice(bytes);
    said.map_err(|cause| {
        Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            format!("the body is not what a worker sends: {cause}"),
        )
    })
}

fn text(value: &serde_json::Map<String, serde_json::Value>) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// Where a worker calls from.
struct Source {
    ip: Option<String>,
    user_agent: Option<String>,
}

impl Source {
    fn of(knock: &Knock<'_>) -> Self {
        let origin = Origin::of(knock.app, knock.parts);
        Self { ip: origin.source_ip.map(|ip| ip.to_string()), user_agent: origin.user_agent }
    }
}

fn report<'a>(worker: &'a str, said: &'a WorkerState, sysinfo: &'a str, source: &'a Source) -> Report<'a> {
    Report {
        name: worker,
        state: &said.state.0,
        queues: said.queues.as_deref().unwrap_or_default(),
        jobs_active: said.jobs_active,
        sysinfo,
        source_ip: source.ip.as_deref(),
        user_agent: source.user_agent.as_deref(),
    }
}

/// A worker registers.
struct Registration<'a> {
    knock: &'a Knock<'a>,
    token: &'a LiveToken,
    report: &'a Report<'a>,
    id: AgentId,
}

impl Change for Registration<'_> {
    type Output = Registered;

    async fn make(&self, w: &Writing) -> Result<(Registered, Entry)> {
        let now = self.knock.app.env.now();
        let registered = agents::register(w, self.token, &self.id, self.report, now).await?;
        let entry = self.knock.change("agent", registered.agent.as_str());
        Ok((registered, entry))
    }
}

/// The Airflow did not take a worker that registers.
struct Undo<'a> {
    knock: &'a Knock<'a>,
    token: &'a LiveToken,
    registered: Registered,
    status: StatusCode,
}

impl Change for Undo<'_> {
    type Output = ();

    async fn make(&self, w: &Writing) -> Result<((), Entry)> {
        agents::unregister(w, self.token, &self.registered).await?;
        let entry = self.knock.change("agent", self.registered.agent.as_str());
        let reason = format!("the Airflow answered {}, so the registration was undone", self.status);
        Ok(((), Entry { status: self.status.as_u16().into(), reason: Some(reason), ..entry }))
    }
}
