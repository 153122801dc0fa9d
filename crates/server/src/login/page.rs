//! The pages that a user sees. They have no script, and stand in no frame.

use airlock_core::{Error, Result, login::redirect};
use askama::Template;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::{form_token::FormToken, request::Destination};
use crate::{App, envelope, request::RequestId};

/// Headers of every page. The address in the bar has the program's parameters, so nobody is told it.
const ALWAYS: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    destination: &'a str,
    fault: Option<&'a str>,
    query: &'a str,
    token: &'a str,
    email: &'a str,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    title: &'a str,
    message: &'a str,
}

/// What the form shows again after a fault, and with which status.
#[derive(Default)]
pub(super) struct Again<'a> {
    pub(super) fault: Option<&'a str>,
    pub(super) email: &'a str,
}

/// The sign-in page.
///
/// # Errors
///
/// [`Error::Internal`] when it cannot be rendered, which it has no reason not to be.
pub(super) fn sign_in(app: &App, parts: &Parts, to: &Destination, again: &Again<'_>) -> Result<Response> {
    let query = parts.uri.query().unwrap_or_default();
    let form = FormToken::new(app, &parts.headers, query)?;
    let source = redirect::source(&to.redirect_uri).unwrap_or_default();
    let html = SignInPage { destination: &source, fault: again.fault, query, token: &form.token, email: again.email };
    // Chromium holds every redirect after the form against form-action. A program on the user's own
    // machine may send the browser on to its maker's page, as the astro CLI does.
    let further = if redirect::is_loopback(&to.redirect_uri) { " https:" } else { "" };
    let mut response = page(StatusCode::OK, &html, &format!("'self' {source}{further}"))?;
    response.headers_mut().insert(header::SET_COOKIE, form.cookie);
    Ok(response)
}

/// A page that says why something cannot be done.
pub(super) fn refused(parts: &Parts, error: &Error) -> Response {
    if let Some(id) = parts.extensions.get::<RequestId>() {
        envelope::log(error, id, &format!("{} {}", parts.method, parts.uri.path()));
    }
    let title = match error {
        Error::RateLimited(_) => "Too many attempts",
        Error::Busy(_) | Error::Internal(_) => "Airlock cannot do this now",
        Error::Denied(_) => "You cannot sign in",
        _ => "This request is wrong",
    };
    let message = match error {
        Error::RateLimited(seconds) => format!("Try again in {seconds} seconds."),
        Error::Busy(_) => "Try again in a moment.".into(),
        Error::Internal(_) => "Whoever runs this server finds the reason in its log.".into(),
        other => other.to_string(),
    };
    let made = page(envelope::status(error), &RefusedPage { title, message: &message }, "'none'");
    let mut response = made.unwrap_or_else(|error| envelope::status(&error).into_response());
    let wait = match error {
        Error::RateLimited(seconds) => Some(*seconds),
        Error::Busy(_) => Some(1),
        _ => None,
    };
    if let Some(seconds) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn page(status: StatusCode, template: &impl Template, forms: &str) -> Result<Response> {
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action {forms}; frame-ancestors 'none'"
    );
    let policy = HeaderValue::try_from(policy).map_err(Error::internal)?;
    let html = template.render().map_err(Error::internal)?;
    let mut response = (status, html).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
