//! A call at the gate, as far as it is known who makes it.

use std::sync::Arc;

use airlock_contract::{AgentTokenId, DeploymentId, OrganizationId, wire::SubjectType};
use airlock_core::gate::path::Route;
use airlock_store::{
    audit::{Entry, Outcome},
    live_tokens::LiveToken,
};
use axum::http::request::Parts;

use super::{headers, refusal::Refusal};
use crate::{
    App,
    airflow::Airflow,
    deployment_logs::Level,
    metrics::GateCall,
    record,
    request::{RequestId, shown_path},
    verify,
};

/// A call at the gate. More of it is known as it goes on, and a refusal tells what was known.
pub(crate) struct Knock<'a> {
    pub(crate) app: &'a App,
    pub(crate) parts: &'a Parts,
    pub(crate) deployment: DeploymentId,
    /// That of the Deployment, if there is one.
    pub(crate) organization: Option<OrganizationId>,
    /// The agent token that the call was made with.
    pub(crate) token: Option<AgentTokenId>,
    /// What it asks for.
    pub(crate) call: GateCall,
}

impl<'a> Knock<'a> {
    pub(crate) fn new(app: &'a App, parts: &'a Parts, deployment: DeploymentId, call: GateCall) -> Self {
        Self { app, parts, deployment, organization: None, token: None, call }
    }

    /// The agent token that the call was made with, and the Airflow of its Deployment.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when it is not good, or the Deployment takes no agents.
    pub(crate) async fn agent(
        &mut self,
        airflow: Option<Arc<Airflow>>,
        route: &Route,
    ) -> Result<(LiveToken, Arc<Airflow>), Refusal> {
        let authorization = headers::authorization(&self.parts.headers);
        let token = verify::worker(self.app, &self.deployment, authorization, route).await?;
        self.token = Some(token.id.clone());
        let airflow = airflow.ok_or_else(|| Refusal::denied("no_deployment", "the Deployment was deleted"))?;
        match airflow.takes_agents {
            true => Ok((token, airflow)),
            false => Err(Refusal::remote_execution_off()),
        }
    }

    /// The record of a change that the call makes.
    pub(crate) fn change(&self, entity_type: &str, entity_id: &str) -> Entry {
        Entry {
            outcome: Outcome::Changed,
            status: 200,
            entity_type: Some(entity_type.into()),
            entity_id: Some(entity_id.into()),
            ..self.entry()
        }
    }

    /// The record that an agent or its tasks were given a secret.
    pub(crate) fn read(&self, token: &LiveToken, entity_type: &str, entity_id: &str) -> Entry {
        Entry {
            outcome: Outcome::Read,
            subject_id: Some(token.id.clone().into()),
            subject_type: Some(SubjectType::ServiceKey),
            subject_name: Some(token.name.clone()),
            ..self.change(entity_type, entity_id)
        }
    }

    /// Tells of a call that does not go through: the audit log of a refusal, the log of a fault.
    pub(crate) fn note(&self, refusal: &Refusal) {
        if !refusal.is_audited() {
            let path = shown_path(self.parts.uri.path());
            let id = self.parts.extensions.get::<RequestId>().map(|id| id.0.as_str()).unwrap_or_default();
            tracing::warn!(
                request_id = id,
                cause = refusal.message,
                "{} {path} does not go through the gate now",
                self.parts.method
            );
            return;
        }
        // What strangers do is no affair of the Deployment's logs, which they would fill.
        if let Some(token) = &self.token {
            let what = format_args!("refused to the agent token {token}: {}", refusal.message);
            self.app.logs.event(&self.deployment, self.app.env.now(), Level::Warning, what);
        }
        self.app.refusals.note(Entry {
            status: refusal.status.as_u16().into(),
            reason: Some(refusal.message.clone()),
            entity_type: self.token.is_some().then(|| "agentToken".into()),
            entity_id: self.token.as_ref().map(ToString::to_string),
            ..self.entry()
        });
    }

    fn entry(&self) -> Entry {
        let entry = record::of(self.app, self.parts, operation(self.call), self.app.env.now());
        Entry { organization: self.organization.clone(), ..entry }
    }
}

/// What a call is named in the audit log.
fn operation(call: GateCall) -> &'static str {
    match call {
        GateCall::Register => "GateRegister",
        GateCall::Heartbeat => "GateHeartbeat",
        GateCall::Fetch => "GateFetch",
        GateCall::JobState => "GateJobState",
        GateCall::Logs => "GateLogs",
        GateCall::Execution => "GateExecution",
        GateCall::EnvironmentVariables => "GateEnvironmentVariables",
        GateCall::Bundle => "GateBundle",
        GateCall::Other => "Gate",
    }
}
