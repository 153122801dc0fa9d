//! `/forward-auth/{deploymentId}`: a reverse proxy asks whether a request may go on.
//!
//! It is the protocol of nginx (`auth_request`), of Caddy and Traefik (`forward_auth`) and of Envoy
//! (`ext_authz` over HTTP): the proxy sends on the request's headers, and takes 200 for yes and
//! everything else for no. With a yes come headers that say whose request it is; the proxy puts
//! them in the place of any that the client has sent. docs/forward-auth.md has the configurations.

use airlock_contract::DeploymentId;
use airlock_core::{Error, Result, agent_token};
use airlock_store::{audit::Entry, live_tokens::LiveToken};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    App,
    airflow::Airflow,
    allow_list,
    authenticate::bearer,
    envelope, record,
    request::{shown_path, source_ip},
    verify,
};

/// What the audit log calls this.
const OPERATION: &str = "ForwardAuth";

const PREFIX: &str = "/forward-auth/";

const TOKEN_ID: HeaderName = HeaderName::from_static("x-airlock-token-id");
const TOKEN_NAME: HeaderName = HeaderName::from_static("x-airlock-token-name");
const DEPLOYMENT_ID: HeaderName = HeaderName::from_static("x-airlock-deployment-id");
const ORGANIZATION_ID: HeaderName = HeaderName::from_static("x-airlock-organization-id");

/// What of a name is written as `%` and two digits (RFC 3986 section 2.1), with all that is not
/// ASCII: what is not visible, and the sign itself, so that a name can be read back.
const NOT_VISIBLE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// The routes, for any method: the proxy may ask with that of the request.
pub(crate) fn routes(app: &App) -> Router {
    Router::new()
        .route("/forward-auth/{deploymentId}", any(answer))
        // Envoy appends the path of the request.
        .route("/forward-auth/{deploymentId}/", any(answer))
        .route("/forward-auth/{deploymentId}/{*path}", any(answer))
        .with_state(app.clone())
}

async fn answer(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let rest = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let deployment = DeploymentId::from(rest.split('/').next().unwrap_or_default());
    match judge(&app, &parts, &deployment).await {
        Ok(token) => admitted(&token),
        Err(error) => {
            note_refusal(&app, &parts, &deployment, &error).await;
            envelope::respond(error)
        }
    }
}

/// The token that a request came with, if it opens the Deployment from where it came.
///
/// # Errors
///
/// [`Error::Unauthenticated`] without a good token, [`Error::Denied`] when it does not open this
/// Deployment, [`Error::Busy`] when nobody can say now.
async fn judge(app: &App, parts: &Parts, deployment: &DeploymentId) -> Result<LiveToken> {
    let value = bearer(&parts.headers)?;
    if !value.starts_with(agent_token::PREFIX) {
        return Err(Error::Unauthenticated("the bearer token is no agent token".into()));
    }
    let token = verify::bearer(app, value).await?;
    let denied = |why: &str| Err(Error::Denied(format!("the agent token {} {why}", token.id)));
    if token.deployment != *deployment {
        return denied("opens another Deployment");
    }
    let Some(airflow) = Airflow::of(app, deployment).await? else { return denied("opens a Deployment that is gone") };
    if !airflow.takes_agents {
        return denied("opens a Deployment that has remote execution off");
    }
    allow_list::admit(app, &airflow.organization, parts).await?;
    if !airflow.admits(source_ip(app, parts)) {
        return denied("comes from an address outside of the Deployment's allowedIpAddressRanges");
    }
    Ok(token)
}

/// A yes. Envoy takes no other status than 200 for one.
fn admitted(token: &LiveToken) -> Response {
    let name: String = utf8_percent_encode(&token.name, NOT_VISIBLE).collect();
    let about = [
        (TOKEN_ID, token.id.as_str()),
        (TOKEN_NAME, &name),
        (DEPLOYMENT_ID, token.deployment.as_str()),
        (ORGANIZATION_ID, token.organization.as_str()),
    ];
    let mut response = ().into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (header, text) in about {
        match HeaderValue::from_str(text) {
            Ok(value) => response.headers_mut().insert(header, value),
            // A proxy would take a header that is missing for one that the client may send.
            Err(cause) => return envelope::respond(Error::internal(cause)),
        };
    }
    response
}

/// Notes a refusal for the audit log of the Organization that was knocked at.
async fn note_refusal(app: &App, parts: &Parts, deployment: &DeploymentId, error: &Error) {
    let entry = record::of(app, parts, OPERATION, app.env.now());
    let Some(entry) = record::refused(entry, error) else { return };
    let token = bearer(&parts.headers).ok().and_then(agent_token::parse);
    let airflow = Airflow::of(app, deployment).await.ok().flatten();
    app.refusals.note(Entry {
        organization: airflow.map(|airflow| airflow.organization.clone()),
        entity_type: token.is_some().then(|| "agentToken".into()),
        entity_id: token.map(|id| id.to_string()),
        path: shown_path(&format!("{PREFIX}{deployment}")), // not that of the request that was asked about
        ..entry
    });
}
