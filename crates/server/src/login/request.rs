//! What a program asks for at the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636).

use airlock_core::{
    Error, Result,
    login::{pkce, redirect},
};
use axum::http::HeaderValue;

use super::CLIENT;
use crate::{App, form::Form};

/// The longest query.
const LONGEST: usize = 4096;

/// A good request. `prompt`, `audience`, `scope` and all other parameters change nothing.
pub(super) struct AuthorizationRequest {
    pub(super) destination: Destination,
    pub(super) challenge: String,
}

/// Where the browser goes with the answer.
pub(super) struct Destination {
    pub(super) redirect_uri: String,
    state: Option<String>,
    issuer: String,
}

/// Why a request is none.
pub(super) enum Refused {
    /// Nobody knows where the answer should go, so the user gets it.
    Here(Error),
    /// The program gets it: the location.
    There(HeaderValue),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl AuthorizationRequest {
    /// Reads the query of a request.
    ///
    /// # Errors
    ///
    /// [`Refused::Here`] when the client or the address is unknown: a browser is sent nowhere that is
    /// not allowed; [`Refused::There`] for everything else.
    pub(super) fn read(app: &App, query: &str) -> Result<Self, Refused> {
        if query.len() > LONGEST {
            return Err(Error::refused(format!("the query is longer than {LONGEST} bytes")).into());
        }
        let form = Form::of_query(query);
        if form.need("client_id")? != CLIENT {
            return Err(Error::refused(format!("the client_id is unknown; the one of this server is {CLIENT}")).into());
        }
        let uri = form.need("redirect_uri")?;
        if !redirect::is_allowed(uri, &app.settings.login.redirect_uris) {
            let text = "the redirect_uri is neither http://localhost:<port>/callback, or the like on your own machine, \
                        nor one that this server allows";
            return Err(Error::refused(text).into());
        }
        let destination = Destination {
            redirect_uri: uri.to_owned(),
            state: form.get("state")?.map(str::to_owned),
            issuer: app.settings.public_url.clone(),
        };
        match challenge(&form) {
            Ok(challenge) => Ok(Self { challenge: challenge.to_owned(), destination }),
            Err((code, text)) => Err(Refused::There(destination.with_error(code, &text)?)),
        }
    }
}

/// Holds everything but the address against what there is; the challenge.
fn challenge(form: &Form) -> Result<&str, (&'static str, String)> {
    let invalid = |error: Error| ("invalid_request", error.to_string());
    if form.need("response_type").map_err(invalid)? != "code" {
        return Err(("unsupported_response_type", "the response_type must be code".into()));
    }
    if form.get("response_mode").map_err(invalid)?.is_some_and(|mode| mode != "query") {
        return Err(invalid(Error::refused("the response_mode must be query")));
    }
    if form.get("prompt").map_err(invalid)? == Some("none") {
        return Err(("login_required", "the user signs in each time".into()));
    }
    if form.get("code_challenge_method").map_err(invalid)? != Some("S256") {
        return Err(invalid(Error::refused("the code_challenge_method must be S256 (RFC 7636)")));
    }
    let challenge = form.need("code_challenge").map_err(invalid)?;
    if !pkce::is_challenge(challenge) {
        return Err(invalid(Error::refused("the code_challenge is no SHA-256 in base64url without padding")));
    }
    Ok(challenge)
}

impl Destination {
    /// Where to send the browser with a code.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when that is no header's value, which it has no reason not to be.
    pub(super) fn with_code(&self, code: &str) -> Result<HeaderValue> {
        self.with(&[("code", code)])
    }

    /// Where to send the browser with an error (RFC 6749 section 4.1.2.1).
    ///
    /// # Errors
    ///
    /// As [`Self::with_code`].
    pub(super) fn with_error(&self, code: &str, text: &str) -> Result<HeaderValue> {
        self.with(&[("error", code), ("error_description", text)])
    }

    fn with(&self, parameters: &[(&str, &str)]) -> Result<HeaderValue> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.issuer); // RFC 9207
        let between = if self.redirect_uri.contains('?') { '&' } else { '?' };
        HeaderValue::try_from(format!("{}{between}{}", self.redirect_uri, query.finish())).map_err(Error::internal)
    }
}
