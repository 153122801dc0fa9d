//! `POST /oauth2/introspect`: whether a token is good, and what it is (RFC 7662).
//!
//! Who asks shows an API token, as a bearer or as the password of a client (RFC 6749 section
//! 2.3.1) whose id is the token's. It learns of the tokens that it could get by the API; of all
//! others it learns that they are not active, as of nonsense.

use std::sync::Arc;

use airlock_contract::{
    DeploymentId, Operation, OrganizationId,
    operations::GetApiToken,
    permissions::{Action, scope::Target},
};
use airlock_core::{
    Error, Result, agent_token,
    api_token::{self, TokenHash},
    policy::{self, Caller, Place},
};
use airlock_store::{api_tokens, audit::Entry, live_tokens::LiveToken};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header, request::Parts},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::{
    App,
    airflow::Airflow,
    allow_list,
    authenticate::{self, Session},
    handlers, record, verify,
};

/// What the audit log calls this.
const OPERATION: &str = "IntrospectToken";

/// An answer of RFC 7662 section 2.2. Members behind `jti` are ours.
#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    token_type: &'static str,
    /// The token's id: each token is a client of its own, and stands for nobody else.
    client_id: &'a str,
    sub: &'a str,
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// Names the value: a token that is rotated has another.
    jti: &'a str,
    token_kind: &'static str,
    token_name: &'a str,
    organization_id: &'a OrganizationId,
    /// For agent tokens only, so that who looks at nothing else takes no API token for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<&'a DeploymentId>,
    /// The worker that may use it, once it is bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<&'a str>,
}

/// The answer for a token that is not good, or not for the eyes of who asks.
const INACTIVE: &str = r#"{"active":false}"#;

pub(crate) async fn introspect(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let session = match authenticate(&app, &parts.headers).await {
        Ok(session) => session,
        Err(error) => {
            record::note_refusal(&app, record::of(&app, &parts, OPERATION, app.env.now()), &error);
            return super::refuse(&parts, &error);
        }
    };
    if let Err(error) = allow_list::admit(&app, &session.caller.organization, &parts).await {
        record::note_refusal(&app, record_of(&app, &parts, &session.caller), &error);
        return super::refuse(&parts, &error);
    }
    let found = async {
        let token = super::token_of(&parts.headers, body).await?;
        describe(&app, &session.caller, token.expose_secret()).await
    };
    match found.await {
        Ok(json) => super::answer(json),
        Err(Error::Unauthenticated(_) | Error::NotFound(_)) => super::answer(INACTIVE.into()),
        Err(error @ (Error::Hidden(_) | Error::Denied(_))) => {
            note_probe(&app, &parts, &session.caller, &error);
            super::answer(INACTIVE.into())
        }
        Err(error) => super::refuse(&parts, &error),
    }
}

/// Who asks.
async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Arc<Session>> {
    if !has_basic(headers) {
        return authenticate::authenticate(app, headers).await;
    }
    let malformed = || Error::Unauthenticated("the Authorization header holds no client id and secret".into());
    let (client, secret) = basic(headers).ok_or_else(malformed)?;
    let session = authenticate::session(app, secret.expose_secret()).await?;
    if session.caller.api_token().is_none_or(|token| token.as_str() != client) {
        return Err(Error::Unauthenticated("the client id is not that of the API token in the secret".into()));
    }
    Ok(session)
}

/// Whether a client authenticates with its id and a secret (RFC 7617).
pub(super) fn has_basic(headers: &HeaderMap) -> bool {
    let text = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
}

fn basic(headers: &HeaderMap) -> Option<(String, SecretString)> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let text = String::from_utf8(STANDARD.decode(only.as_bytes().get(6..)?.trim_ascii()).ok()?).ok()?;
    let (client, secret) = text.split_once(':')?;
    // Both are form-encoded first (RFC 6749 section 2.3.1). Neither can have a plus sign or a space.
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    Some((decoded(client)?, decoded(secret)?.into()))
}

/// What a token is, as JSON.
///
/// # Errors
///
/// [`Error::Unauthenticated`] or [`Error::NotFound`] when it is not good; [`Error::Hidden`] or
/// [`Error::Denied`] when the caller may not know that it is.
async fn describe(app: &App, caller: &Caller, value: &str) -> Result<String> {
    if value.starts_with(agent_token::PREFIX) {
        let token = verify::bearer(app, value).await?;
        demand_sight_of(app, caller, &token).await?;
        agent_token(app, &token)
    } else {
        api_token(app, caller, value).await
    }
}

/// Demands what getting an agent token by the API demands.
async fn demand_sight_of(app: &App, caller: &Caller, token: &LiveToken) -> Result<()> {
    let gone = || Error::NotFound("Deployment".into());
    let airflow = Airflow::of(app, &token.deployment).await?.ok_or_else(gone)?;
    let place =
        Place::Deployment(airflow.organization.clone(), airflow.workspace.clone(), airflow.address.deployment.clone());
    caller.require(Action::DeploymentAgentTokensGet, &place)
}

fn agent_token(app: &App, token: &LiveToken) -> Result<String> {
    json(&Active {
        active: true,
        token_type: "Bearer",
        client_id: token.id.as_str(),
        sub: token.id.as_str(),
        iss: &app.settings.public_url,
        aud: &format!("{}/d/{}", app.settings.public_url, token.deployment),
        iat: token.start_at.as_seconds(),
        exp: token.end_at.map(|end| end.as_seconds()),
        jti: &format!("{}.{}", token.id, token.stored.generation),
        token_kind: "agent_token",
        token_name: &token.name,
        organization_id: &token.organization,
        deployment_id: Some(&token.deployment),
        agent_name: token.agent_name.as_deref(),
    })
}

async fn api_token(app: &App, caller: &Caller, value: &str) -> Result<String> {
    let not_good = || Error::Unauthenticated("the token is not good".into());
    let session = authenticate::find(app, &TokenHash::of(value)).await?.ok_or_else(not_good)?;
    let holder = &session.caller;
    if holder.expires_at.is_some_and(|end| end <= app.env.now()) {
        return Err(not_good());
    }
    let token = holder.api_token().ok_or_else(not_good)?;
    // Whoever has a value may ask with it about itself.
    if caller.api_token() != Some(token) {
        let target = Target::Organization(holder.organization.clone());
        let place = Place::Organization(holder.organization.clone());
        let granted = policy::authorize::<<GetApiToken as Operation>::Permission>(caller, &target, Some(place))?;
        let record = api_tokens::get(&app.store.read().await?, &granted, token).await?;
        handlers::api_tokens::demand_sight_of(caller, &record)?;
    }
    let claims = api_token::claims(value).ok_or_else(|| Error::internal("a live API token is no JWT"))?;
    json(&Active {
        active: true,
        token_type: "Bearer",
        client_id: token.as_str(),
        sub: token.as_str(),
        iss: &claims.iss,
        aud: &claims.aud,
        iat: claims.iat,
        exp: holder.expires_at.map(|end| end.as_seconds()),
        jti: &claims.jti,
        token_kind: "api_token",
        token_name: &holder.name,
        organization_id: &holder.organization,
        deployment_id: None,
        agent_name: None,
    })
}

fn json(answer: &Active<'_>) -> Result<String> {
    serde_json::to_string(answer).map_err(Error::internal)
}

/// Notes that somebody asked about a good token that it may not know of. The RFC wants no error
/// for that, but whoever reads the audit log does.
fn note_probe(app: &App, parts: &Parts, caller: &Caller, error: &Error) {
    if let Some(entry) = record::refused(record_of(app, parts, caller), error) {
        app.refusals.note(Entry { status: 200, ..entry });
    }
}

fn record_of(app: &App, parts: &Parts, caller: &Caller) -> Entry {
    record::by(record::of(app, parts, OPERATION, app.env.now()), caller)
}
