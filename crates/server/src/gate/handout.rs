//! Handing out a job: what an Airflow answers to a fetch.

use airlock_contract::AgentJobId;
use airlock_core::{
    Error, Result,
    gate::{
        path::{JobKey, TaskInstanceId},
        task_token::TaskToken,
    },
};
use airlock_store::{
    gate::{
        agents::KnownAgent,
        jobs::{self, Job, NewJob},
    },
    live_tokens::LiveToken,
};
use axum::{
    body::Body,
    http::{header, response::Parts},
    response::Response,
};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::refusal::Refusal;
use crate::{
    App,
    airflow::{Airflow, client::AirflowClient},
    deployment_logs::Level,
};

/// How often it is tried to keep a job.
const TRIES: u32 = 3;

/// A job as an Airflow hands it out (`EdgeJobFetched`), as far as the gate is concerned.
struct Fetched {
    key: JobKey,
    task: TaskInstanceId,
    queue: String,
    token: SecretString,
}

/// The answer to a fetch: with a job, its token is replaced by one that only this agent can use
/// here, and the job is kept first, for without its row the agent could not even say that it runs.
pub(crate) async fn hand_out(
    app: &App,
    airflow: &Airflow,
    token: &LiveToken,
    agent: &KnownAgent,
    mut parts: Parts,
    body: Bytes,
) -> Result<Response, Refusal> {
    let unreadable = |cause: &dyn std::fmt::Display| {
        Refusal::fault(format!("the Airflow handed out a job that cannot be read: {cause}"))
    };
    let mut answer: Value = serde_json::from_slice(&body).map_err(|cause| unreadable(&cause))?;
    if answer.is_null() {
        return Ok(Response::from_parts(parts, Body::from(body)));
    }
    let fetched = Fetched::read(&answer).ok_or_else(|| unreadable(&"it lacks its key, its token or its task's id"))?;
    if let Err(cause) = keep(app, token, agent, &fetched).await {
        give_back(app, airflow, token, &fetched).await;
        return Err(cause.into());
    }
    let worker = token.agent_name.as_deref().unwrap_or(&token.name);
    let what = format_args!("job handed to {worker}: {}", fetched.key);
    app.logs.event(&token.deployment, app.env.now(), Level::Info, what);
    let held = TaskToken {
        agent_token: token.id.clone(),
        generation: token.stored.generation,
        agent: agent.id.clone(),
        task: fetched.task,
        jwt: fetched.token,
    };
    let sealed = held.seal(&app.keys, &app.env, &token.deployment)?;
    answer["command"]["token"] = sealed.expose_secret().into();
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(answer.to_string())))
}

impl Fetched {
    fn read(answer: &Value) -> Option<Self> {
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let command = &answer["command"];
        // A callback has no task instance; its own id takes the place.
        let task = command["ti"]["id"].as_str().or_else(|| command["callback"]["id"].as_str())?;
        Some(Self {
            key: JobKey {
                dag_id: text("dag_id")?,
                task_id: text("task_id")?,
                run_id: text("run_id")?,
                try_number: answer["try_number"].as_i64()?,
                map_index: answer["map_index"].as_i64()?,
            },
            task: TaskInstanceId::parse(task)?,
            queue: command["ti"]["queue"].as_str().unwrap_or_default().to_owned(),
            token: command["token"].as_str()?.into(),
        })
    }
}

async fn keep(app: &App, token: &LiveToken, agent: &KnownAgent, fetched: &Fetched) -> Result<()> {
    let id: AgentJobId = app.env.new_id();
    let sealed = app.keys.seal(&app.env, &Job::place(&id), fetched.token.expose_secret())?;
    let job = NewJob {
        id: &id,
        agent: &agent.id,
        key: &fetched.key,
        ti_id: fetched.task.as_str(),
        queue: &fetched.queue,
        task_token: &sealed,
    };
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let kept = async {
            let r = app.store.recording().await?;
            jobs::hand_out(&r, token, &job, app.env.now()).await?;
            r.commit().await
        };
        match kept.await {
            Err(Error::Busy(_)) if tries > 0 => {}
            result => return result,
        }
    }
}

/// Tells the Airflow that a job has failed which it handed out and we could not keep. Nobody would
/// run it, and the Airflow would wait for it until its own time-out.
async fn give_back(app: &App, airflow: &Airflow, token: &LiveToken, fetched: &Fetched) {
    let Fetched { key, task, .. } = fetched;
    let client = AirflowClient { app, airflow: &airflow.address, token: Some(&token.id) };
    match client.fail_job(key, task.as_str()).await {
        Ok(answer) if answer.status.is_success() => {
            tracing::warn!(?key, "a job that could not be kept was given back to its Airflow as failed");
        }
        Ok(answer) => {
            tracing::error!(?key, status = %answer.status, "a job was lost: it could be neither kept nor given back");
        }
        Err(cause) => {
            tracing::error!(?key, %cause, "a job was lost: it could be neither kept nor given back");
        }
    }
}
