//! Tokens for those who speak OAuth 2.0: introspection (RFC 7662) and revocation (RFC 7009).
//!
//! These are no operations of the Astro API: forms come in, and errors have the form of RFC 6749
//! section 5.2.

mod introspect;
mod revoke;

use airlock_core::{Error, Result};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::post,
};
use secrecy::SecretString;

use crate::{App, envelope, form::Form, request::RequestId};

/// The routes.
pub(crate) fn routes(app: &App) -> Router {
    Router::new()
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/oauth2/revoke", post(revoke::revoke))
        .with_state(app.clone())
}

/// The token that a form asks about. The other parameter of both RFCs, `token_type_hint`, could
/// only shorten a search, and ours is short: like all unknown parameters it is ignored.
///
/// # Errors
///
/// [`Error::Invalid`] when the form is none, or has not exactly one token.
async fn token_of(headers: &HeaderMap, body: Body) -> Result<SecretString> {
    Ok(Form::read(headers, body).await?.need("token")?.into())
}

/// An error in the form of RFC 6749 section 5.2.
pub(crate) fn refuse(parts: &Parts, error: &Error) -> Response {
    if let Some(id) = parts.extensions.get::<RequestId>() {
        envelope::log(error, id, &format!("{} {}", parts.method, parts.uri.path()));
    }
    let (status, code) = match error {
        // Also for a token that may not ask (RFC 7662 section 2.3).
        Error::Unauthenticated(_) | Error::Denied(_) => (StatusCode::UNAUTHORIZED, refused_credential(&parts.headers)),
        // Whoever revokes must take the token for alive, and try again (RFC 7009 section 2.2.1).
        Error::Busy(_) | Error::Internal(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        Error::RateLimited(_) => (envelope::status(error), "temporarily_unavailable"),
        other => (envelope::status(other), "invalid_request"),
    };
    let description = match error {
        Error::Busy(_) | Error::Internal(_) => "the server cannot serve this now; try again in a moment".to_owned(),
        other => other.to_string(),
    };
    let mut response = problem(status, code, &description);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        // RFC 6750 section 3.1: a client that has sent nothing is not told of an error.
        let bearer = match code {
            "invalid_token" if parts.headers.contains_key(header::AUTHORIZATION) => {
                "Bearer realm=\"airlock\", error=\"invalid_token\""
            }
            _ => "Bearer realm=\"airlock\"",
        };
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"airlock\""));
    }
    let wait = match error {
        Error::RateLimited(seconds) => Some(*seconds),
        _ => (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
    };
    if let Some(seconds) = wait {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// An error of RFC 6749 section 5.2 by its code.
pub(crate) fn problem(status: StatusCode, code: &str, description: &str) -> Response {
    let body = serde_json::json!({"error": code, "error_description": printable(description)}).to_string();
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// What the error of a bad credential is called: by RFC 6749 for a client's, by RFC 6750 for a
/// token.
fn refused_credential(headers: &HeaderMap) -> &'static str {
    if introspect::has_basic(headers) { "invalid_client" } else { "invalid_token" }
}

/// The characters that an `error_description` may have (RFC 6749 section 5.2).
fn printable(text: &str) -> String {
    let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
    text.chars().map(|c| if allowed(c) { c } else { '?' }).collect()
}

/// A good answer, which no cache may keep (RFC 7662 section 2.2).
pub(crate) fn answer(json: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, json).into_response()
}
