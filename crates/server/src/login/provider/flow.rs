//! To the identity provider and back.
//!
//! What was begun travels in a cookie of the browser, signed under a key derived from the master key:
//! so any replica can go on with it, and a browser that was sent to the callback by somebody else has
//! none (RFC 9700 section 4.7).

use airlock_contract::Time;
use airlock_core::{
    Error, Result,
    login::{
        id_token::{Expected, Refusal, verify},
        pkce,
    },
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::Response,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Provider, arrival, discovery::Description};
use crate::{
    App,
    form::Form,
    login::{
        authorize::{go, refuse},
        cookie,
        request::{AuthorizationRequest, Refused},
    },
    request::source_ip,
};

const NAME: &str = "airlock-provider";
const PATH: &str = "/oauth2/callback";

/// For how many seconds the user may be at the provider.
const GOOD_FOR: i64 = 15 * 60;

/// The longest query that is kept in the cookie, of which browsers keep 4096 bytes.
const LONGEST_QUERY: usize = 1800;

/// How many bytes of an error of the provider are logged.
const LONGEST_ERROR: usize = 64;

/// A sign-in that was begun.
#[derive(Serialize, Deserialize)]
struct Begun {
    query: String,
    state: String,
    nonce: String,
    verifier: String,
    end: i64,
}

fn callback_uri(app: &App) -> String {
    format!("{}{PATH}", app.settings.public_url)
}

/// Sends the browser to the provider.
///
/// # Errors
///
/// [`Error::Busy`] when nobody knows where that is; [`Error::Invalid`] when the request is too long.
pub(in crate::login) async fn begin(app: &App, provider: &Provider, parts: &Parts) -> Result<Response> {
    let query = parts.uri.query().unwrap_or_default();
    if query.len() > LONGEST_QUERY {
        return Err(Error::refused(format!("the query is longer than {LONGEST_QUERY} bytes")));
    }
    let description = provider.description().await?;
    let random = || URL_SAFE_NO_PAD.encode(app.env.random::<32>());
    let end = app.env.now().plus_seconds(GOOD_FOR).as_micros();
    let begun =
        Begun { query: query.into(), state: random(), nonce: random(), verifier: pkce::new_verifier(&app.env), end };
    let mut asked = form_urlencoded::Serializer::new(String::new());
    asked.extend_pairs([
        ("client_id", provider.settings.client_id.as_str()),
        ("redirect_uri", &callback_uri(app)),
        ("response_type", "code"),
        ("scope", &provider.settings.scopes),
        ("state", &begun.state),
        ("nonce", &begun.nonce),
        ("code_challenge", &pkce::challenge_of(&begun.verifier)),
        ("code_challenge_method", "S256"),
        // Each time: a program that the user did not start must not get by without being noticed
        // (RFC 8252 section 8.6).
        ("prompt", "login"),
    ]);
    let endpoint = &description.authorization_endpoint;
    let between = if endpoint.contains('?') { '&' } else { '?' };
    let location = HeaderValue::try_from(format!("{endpoint}{between}{}", asked.finish()));
    let mut response = go(location.map_err(|_| Error::Busy("the identity provider's address is no address".into()))?);
    response.headers_mut().insert(header::SET_COOKIE, begun.cookie(app)?);
    Ok(response)
}

impl Begun {
    fn cookie(&self, app: &App) -> Result<HeaderValue> {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).map_err(Error::internal)?);
        let signature = app.keys.sign_form(&signed(&payload));
        // Lax, not Strict: the browser comes back from another site.
        cookie::set(app, NAME, PATH, &format!("{payload}.{signature}"), "Lax", GOOD_FOR)
    }

    /// What this browser has begun, if it is not too long ago.
    fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        let (payload, signature) = cookie::get(app, headers, NAME)?.split_once('.')?;
        if !app.keys.signed_form(&signed(payload), signature) {
            return None;
        }
        let begun: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        (app.env.now() < Time::from_micros(begun.end)).then_some(begun)
    }
}

fn signed(payload: &str) -> String {
    format!("provider {payload}")
}

/// Takes the browser back from the provider.
pub(in crate::login) async fn callback(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let Some(provider) = app.login.provider.as_ref() else {
        return refuse(&parts, Error::NotFound("identity provider".into()).into());
    };
    let answer = Form::of_query(parts.uri.query().unwrap_or_default());
    let begun = match demand_begun(&app, &parts, &answer) {
        Ok(begun) => begun,
        // The cookie stays: it can be that of another sign-in, which goes on.
        Err(error) => return refuse(&parts, error.into()),
    };
    let answer = finish(&app, provider, &parts, &begun, &answer).await;
    let mut response = answer.unwrap_or_else(|refused| refuse(&parts, refused));
    if let Ok(gone) = cookie::set(&app, NAME, PATH, "", "Lax", 0) {
        response.headers_mut().insert(header::SET_COOKIE, gone);
    }
    response
}

/// What this browser has begun, if that is what the provider answers.
fn demand_begun(app: &App, parts: &Parts, answer: &Form) -> Result<Begun> {
    let stray = || Error::Denied("nothing was begun in this browser, or too long ago; start again".into());
    let begun = Begun::of(app, &parts.headers).ok_or_else(stray)?;
    if answer.get("state")? == Some(&begun.state) { Ok(begun) } else { Err(stray()) }
}

async fn finish(
    app: &App,
    provider: &Provider,
    parts: &Parts,
    begun: &Begun,
    answer: &Form,
) -> Result<Response, Refused> {
    // RFC 9207: where a provider says who it is, it must be this one.
    if answer.get("iss")?.is_some_and(|issuer| issuer != provider.settings.issuer) {
        return Err(Error::Denied("the answer comes from another identity provider".into()).into());
    }
    let asked = AuthorizationRequest::read(app, &begun.query)?;
    if let Some(code) = answer.get("error")? {
        if code != "access_denied" {
            let code = &code[..code.floor_char_boundary(LONGEST_ERROR)];
            tracing::warn!(code, "the identity provider did not sign a user in");
        }
        let text = "the identity provider did not sign the user in";
        return Err(Refused::There(asked.destination.with_error("access_denied", text)?));
    }
    let code = answer.need("code")?;
    let claims = async {
        app.login.throttle.count_address(source_ip(app, parts)).map_err(Error::RateLimited)?;
        provider.claims(app, code, begun).await
    };
    let claims = match claims.await {
        Ok(claims) => claims,
        Err(error) => {
            arrival::note(app, parts, None, &error).await;
            return Err(error.into());
        }
    };
    Ok(arrival::arrive(app, parts, provider, &asked, &claims).await?)
}

impl Provider {
    /// What the provider says of the user who has brought a code.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when it says nothing that can be believed, [`Error::Busy`] when it does not
    /// answer.
    async fn claims(&self, app: &App, code: &str, begun: &Begun) -> Result<Map<String, Value>> {
        let description = self.description().await?;
        let tokens = self.redeem(app, &description, code, begun).await?;
        let token = tokens["id_token"].as_str().unwrap_or_default();
        let (issuer, client) = (self.settings.issuer.as_str(), self.settings.client_id.as_str());
        let expected = Expected { issuer, client, nonce: &begun.nonce, now: self.env.now() };
        let mut verified = verify(token, &*self.keys(false).await?, expected);
        if verified == Err(Refusal::Key) {
            verified = verify(token, &*self.keys(true).await?, expected); // it may have new ones
        }
        let mut claims = verified.map_err(|refusal| Error::Denied(refusal.to_string()))?;
        if let Some(url) = &description.userinfo_endpoint
            && self.lacks_any(&claims)
        {
            let more = self.http.get(url, tokens["access_token"].as_str()).await?;
            // OpenID Connect Core section 5.3.2
            if more["sub"] != claims["sub"] {
                return Err(Error::Denied("the identity provider's user information is of another user".into()));
            }
            complete(&mut claims, &more);
        }
        Ok(claims)
    }

    /// Whether an ID token does not have all that is used of it.
    fn lacks_any(&self, claims: &Map<String, Value>) -> bool {
        let lacks = |name: &str| !claims.contains_key(name);
        lacks("email")
            || (lacks("email_verified") && !self.settings.unverified_email)
            || self.settings.groups_claim.as_deref().is_some_and(lacks)
    }

    /// The form that brings a code back, and how the client is known there.
    fn redemption(&self, app: &App, description: &Description, code: &str, begun: &Begun) -> (Option<String>, String) {
        let client = self.settings.client_id.as_str();
        let uri = callback_uri(app);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &uri),
            ("code_verifier", &begun.verifier),
        ]);
        let mut authorization = None;
        match &self.settings.client_secret {
            Some(secret) if description.wants_secret_in_body() => {
                form.append_pair("client_id", client).append_pair("client_secret", secret.expose_secret());
            }
            Some(secret) => {
                // RFC 6749 section 2.3.1
                let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let both = format!("{}:{}", encode(client), encode(secret.expose_secret()));
                authorization = Some(format!("Basic {}", STANDARD.encode(both)));
            }
            None => {
                form.append_pair("client_id", client);
            }
        }
        (authorization, form.finish())
    }

    async fn redeem(&self, app: &App, description: &Description, code: &str, begun: &Begun) -> Result<Value> {
        let (authorization, form) = self.redemption(app, description, code, begun);
        match self.http.post(&description.token_endpoint, authorization, form).await? {
            (status, Some(json)) if status.is_success() => Ok(json),
            (status, json) if status.is_client_error() => {
                let code = json.as_ref().and_then(|json| json["error"].as_str()).unwrap_or_default();
                tracing::warn!(%status, code, "the identity provider gives no ID token; compare the client id, its secret and the redirect address");
                Err(Error::Denied("the identity provider does not confirm the sign-in; start again".into()))
            }
            (status, _) => Err(Error::Busy(format!("the identity provider answered {status} in place of an ID token"))),
        }
    }
}

/// Adds what an ID token does not say. Whether the address is verified counts for the address that it is
/// said with.
fn complete(claims: &mut Map<String, Value>, more: &Value) {
    const VERIFIED: &str = "email_verified";
    if !claims.contains_key("email") {
        claims.remove(VERIFIED);
    }
    let is_same_address = claims.get("email").is_none_or(|email| *email == more["email"]);
    for (name, value) in more.as_object().into_iter().flatten() {
        if name != VERIFIED || is_same_address {
            claims.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}
