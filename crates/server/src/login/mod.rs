//! Letting users in: an authorization server (RFC 6749) for programs on users' machines, above all
//! for `astro login`.
//!
//! A program opens [`authorize`] in the browser, where the user signs in. The browser takes a code
//! back to it, for which it gets a session and a refresh token at [`token`]. Why refresh tokens
//! stay the same is in docs/adr/0009-sign-in.md.

mod authorize;
mod cookie;
mod form_token;
mod hashing;
mod local_users;
mod page;
mod provider;
mod request;
mod sign_in;
mod throttle;
mod token;
mod userinfo;

use airlock_core::Env;
use axum::{
    Router,
    http::header,
    routing::{get, post},
};
use serde_json::json;

use crate::{
    App,
    router::fixed_json,
    settings::{LoginSettings, Settings},
};

pub use local_users::{add_user, remove_password, set_password, sign_out};
pub use sign_in::sign_in;

/// The one client that programs on users' machines are.
const CLIENT: &str = "airlock-cli";

/// What is made of a login: who the user is, and a refresh token. Nothing else can be asked for.
const SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// For how many seconds a code can be redeemed. RFC 6749 section 4.1.2 wants ten minutes at the most.
const CODE: i64 = 60;

/// What signing in needs in memory.
pub(crate) struct Login {
    pub(crate) hashing: hashing::Hashing,
    pub(crate) throttle: throttle::Throttle,
    /// Where users sign in, if not here.
    pub(crate) provider: Option<provider::Provider>,
}

impl Login {
    pub(crate) fn new(settings: &LoginSettings, env: &Env) -> Self {
        Self {
            hashing: hashing::Hashing::new(),
            throttle: throttle::Throttle::new(env),
            provider: settings.oidc.as_ref().map(|settings| provider::Provider::new(settings, env)),
        }
    }
}

/// The routes.
pub(crate) fn routes(app: &App) -> Router {
    let style = ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../../assets/login.css"));
    let about = Router::new()
        .route("/private/v1alpha1/cli/auth-config", fixed_json(auth_config(&app.settings)))
        .route("/.well-known/oauth-authorization-server", fixed_json(metadata(&app.settings)));
    Router::new()
        .route("/oauth2/authorize", get(authorize::show).post(authorize::submit))
        .route("/oauth2/callback", get(provider::flow::callback))
        .route("/oauth2/oauth/token", post(token::token))
        .route("/oauth2/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .route("/oauth2/login.css", get(async move || style))
        .with_state(app.clone())
        .merge(about)
}

/// What the `astro` CLI asks for first. It appends to `domainUrl`, which must end with a slash.
fn auth_config(settings: &Settings) -> String {
    let url = &settings.public_url;
    json!({"clientId": CLIENT, "audience": url, "domainUrl": format!("{url}/oauth2/")}).to_string()
}

/// Where everything is (RFC 8414).
fn metadata(settings: &Settings) -> String {
    let url = &settings.public_url;
    json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/oauth2/authorize"),
        "token_endpoint": format!("{url}/oauth2/oauth/token"),
        "userinfo_endpoint": format!("{url}/oauth2/userinfo"),
        "revocation_endpoint": format!("{url}/oauth2/revoke"),
        "introspection_endpoint": format!("{url}/oauth2/introspect"),
        "jwks_uri": format!("{url}/.well-known/jwks.json"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
    .to_string()
}
