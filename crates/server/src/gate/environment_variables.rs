//! `environment-variables`: what the environment of a worker shall have, asked by the command that
//! starts it.
//!
//! These are the environment objects of that type which the Deployment has. The Deployment's own
//! `environmentVariables` are not among them: they are for its Airflow, and may hold Airflow's secret.

use std::sync::Arc;

use airlock_contract::wire::EnvironmentObjectType;
use airlock_core::gate::path::Route;
use airlock_store::environment_objects::{self, Found};
use axum::{
    Extension,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Ours, environment,
    knock::Knock,
    readings::{self, Holder},
    refusal::Refusal,
};
use crate::airflow::Airflow;

const KIND: EnvironmentObjectType = EnvironmentObjectType::EnvironmentVariable;

pub(crate) async fn pass(
    knock: &mut Knock<'_>,
    airflow: Option<Arc<Airflow>>,
    route: &Route,
) -> Result<Response, Refusal> {
    let app = knock.app;
    let (token, airflow) = knock.agent(airflow, route).await?;
    let most = app.settings.gate.calls_per_token;
    let _slot = app.gate.slots.take(&token.id, most).ok_or_else(|| Refusal::too_many_calls(most))?;
    let all = environment_objects::find_all(&app.store.read().await?, &token, &airflow.workspace, KIND).await?;
    let is_given = |found: &&Found| token.variables.as_ref().is_none_or(|listed| listed.contains(&found.key));
    let mut variables = Vec::new();
    for found in all.iter().filter(is_given) {
        let fields = environment::open(app, &token, found)?;
        let is_secret = fields.has_secret(KIND);
        if is_secret {
            readings::record(knock, &token, Holder::EnvironmentObject, found.id.as_str()).await?;
        }
        variables.push(json!({"key": found.key, "value": fields.get("value"), "isSecret": is_secret}));
    }
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Extension(Ours), json!({"environmentVariables": variables}).to_string()).into_response())
}
