//! Connections and Airflow variables: which of them the tasks of an agent token may use, and those
//! that the gate answers itself, for they are environment objects of the Deployment.
//!
//! An object is looked up at each call, so that a change acts on the next one; it is one more look
//! into the database, beside the one for the task's job. That a task is given a secret is recorded
//! ([`readings`]).

use airlock_contract::{WorkspaceId, wire::EnvironmentObjectType};
use airlock_core::{Result, environment::Fields, gate::path::Resource};
use airlock_store::{
    environment_objects::{self, EnvironmentObject, Found, Link},
    live_tokens::LiveToken,
};
use axum::{
    Extension,
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Ours, headers,
    knock::Knock,
    readings::{self, Holder},
    refusal::Refusal,
};
use crate::App;

/// A task's call about a connection or a variable.
pub(super) struct Asked<'a> {
    knock: &'a Knock<'a>,
    token: &'a LiveToken,
    workspace: &'a WorkspaceId,
    resource: Resource,
    /// Absent when it asks for the keys of all variables.
    key: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// The call, if it is such a one.
    pub(super) fn of(
        knock: &'a Knock<'a>,
        token: &'a LiveToken,
        workspace: &'a WorkspaceId,
        resource: Resource,
        key: Option<&'a str>,
    ) -> Option<Self> {
        let is_one = matches!(resource, Resource::Connections | Resource::Variables);
        is_one.then_some(Self { knock, token, workspace, resource, key })
    }

    fn app(&self) -> &App {
        self.knock.app
    }

    fn is_read(&self) -> bool {
        self.knock.parts.method == Method::GET
    }

    /// Refuses what is not on the token's list. A list says what there is, so whoever has one gets
    /// no list of all keys.
    ///
    /// To the SDK 403 is final: it looks nowhere else, and the task is told that it was denied. With
    /// 404 it would look on, in the worker's own environment.
    pub(super) fn refuse_unlisted(&self) -> Result<(), Refusal> {
        let (list, noun) = match self.resource {
            Resource::Connections => (&self.token.connections, "connection"),
            _ => (&self.token.variables, "variable"),
        };
        let Some(list) = list else { return Ok(()) };
        match self.key {
            Some(key) if list.iter().any(|one| one == key) => Ok(()),
            Some(key) => {
                Err(Refusal::denied("access_denied", format!("the agent token does not give the {noun} {key:?}")))
            }
            None => Err(Refusal::denied(
                "access_denied",
                format!("the agent token gives some {noun}s only, and no list of all"),
            )),
        }
    }

    /// Answers with the environment object that the Deployment has under the key; `None` when it
    /// has none, or the call does not read. A variable that a task sets is the Airflow's.
    pub(super) async fn answer(&self) -> Result<Option<Response>, Refusal> {
        let Some(key) = self.key.filter(|_| self.is_read()) else { return Ok(None) };
        let kind = match self.resource {
            Resource::Connections => EnvironmentObjectType::Connection,
            _ => EnvironmentObjectType::AirflowVariable,
        };
        let db = self.app().store.read().await?;
        let found = environment_objects::find(&db, self.token, self.workspace, kind, key).await?;
        drop(db); // nobody holds one connection while waiting for another
        let Some(found) = found else { return Ok(None) };
        let fields = open(self.app(), self.token, &found)?;
        if fields.has_secret(kind) {
            readings::record(self.knock, self.token, Holder::EnvironmentObject, found.id.as_str()).await?;
        }
        let json = match kind {
            EnvironmentObjectType::Connection => connection(key, &fields),
            _ => json!({"key": key, "value": fields.get("value")}),
        };
        Ok(Some(self.respond(&json)))
    }

    /// The answer as the Airflow would give it, with the headers that the SDK sent to get them back.
    fn respond(&self, json: &Value) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (kind, Extension(Ours), json.to_string()).into_response();
        for name in headers::RETURNED {
            if let Some(value) = self.knock.parts.headers.get(*name) {
                response.headers_mut().insert(HeaderName::from_static(name), value.clone());
            }
        }
        response
    }

    /// Notes that the Airflow answered with a connection of its own.
    pub(super) async fn note_answer(&self, status: StatusCode) -> Result<(), Refusal> {
        match self.key.filter(|_| self.resource == Resource::Connections && status.is_success()) {
            Some(id) => Ok(readings::record(self.knock, self.token, Holder::AirflowConnection, id).await?),
            None => Ok(()),
        }
    }
}

/// What an object holds for the Deployment of an agent token.
///
/// # Errors
///
/// [`airlock_core::Error::Internal`] when it cannot be decrypted.
pub(super) fn open(app: &App, token: &LiveToken, found: &Found) -> Result<Fields> {
    let keys = &app.keys;
    let mut fields = Fields::open(keys, &EnvironmentObject::seal_of(&found.id), &found.value)?;
    if let Some(overrides) = &found.overrides {
        fields.lay_over(Fields::open(keys, &Link::seal_of(&found.id, &token.deployment), overrides)?);
    }
    Ok(fields)
}

/// A connection in the form of the execution API.
fn connection(id: &str, fields: &Fields) -> Value {
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    json!({
        "conn_id": id,
        "conn_type": field("type"),
        "host": field("host"),
        "schema": field("schema"),
        "login": field("login"),
        "password": field("password"),
        "port": field("port"),
        "extra": fields.get("extra").map(Value::to_string),
    })
}
