//! Where everything of the identity provider is (OpenID Connect Discovery), and its keys.

use std::sync::{Arc, Mutex, PoisonError};

use airlock_contract::Time;
use airlock_core::{Error, Result, login::id_token::ProviderKeys};
use serde::Deserialize;
use serde_json::Value;

use super::Provider;

/// For how many seconds the provider's description is believed.
const DESCRIPTION: i64 = 3600;

/// For how many seconds its keys are believed.
const KEYS: i64 = 900;

/// How many seconds pass at least before its keys are asked for again because none fits: whoever
/// presents nonsense shall not make us ask each time.
const KEYS_AGAIN: i64 = 5;

/// Where the endpoints are.
#[derive(Deserialize)]
pub(super) struct Description {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

impl Description {
    /// Whether the client's secret goes into the body. By default it goes into a header.
    pub(super) fn wants_secret_in_body(&self) -> bool {
        let methods = &self.token_endpoint_auth_methods_supported;
        let has = |name: &str| methods.iter().any(|method| method == name);
        has("client_secret_post") && !has("client_secret_basic")
    }
}

/// What was asked, and when.
#[derive(Default)]
pub(super) struct Known {
    description: Mutex<Option<(Time, Arc<Description>)>>,
    keys: Mutex<Option<(Time, Arc<ProviderKeys>)>>,
}

impl Provider {
    /// The provider's description.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when it cannot be had, or is another's.
    pub(super) async fn description(&self) -> Result<Arc<Description>> {
        let now = self.env.now();
        if let Some(known) = recent(&self.known.description, now, DESCRIPTION) {
            return Ok(known);
        }
        let issuer = &self.settings.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let wrong = |what: String| Error::Busy(format!("the identity provider's description at {url} {what}"));
        let json = self.http.get(&url, None).await?;
        let found: Description =
            serde_json::from_value(json).map_err(|cause| wrong(format!("cannot be used: {cause}")))?;
        if found.issuer != *issuer {
            return Err(wrong(format!("is of the issuer {}, and --oidc-issuer says {issuer}", found.issuer)));
        }
        let endpoints = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
        let is_https = |url: &&String| url.starts_with("https://");
        if issuer.starts_with("https://")
            && !endpoints.into_iter().chain(&found.userinfo_endpoint).all(|url| is_https(&url))
        {
            return Err(wrong("names an endpoint without https".into()));
        }
        let found = Arc::new(found);
        keep(&self.known.description, now, &found);
        Ok(found)
    }

    /// The provider's keys. `again` when those that were known did not fit.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when they cannot be had.
    pub(super) async fn keys(&self, again: bool) -> Result<Arc<ProviderKeys>> {
        let now = self.env.now();
        if let Some(known) = recent(&self.known.keys, now, if again { KEYS_AGAIN } else { KEYS }) {
            return Ok(known);
        }
        let url = self.description().await?.jwks_uri.clone();
        let set: Value = self.http.get(&url, None).await?;
        let keys = Arc::new(ProviderKeys::parse(&set));
        if keys.is_empty() {
            return Err(Error::Busy(format!("the identity provider has no usable keys at {url}")));
        }
        keep(&self.known.keys, now, &keys);
        Ok(keys)
    }
}

fn recent<T>(known: &Mutex<Option<(Time, Arc<T>)>>, now: Time, seconds: i64) -> Option<Arc<T>> {
    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, value) = known.as_ref().filter(|(at, _)| now < at.plus_seconds(seconds))?;
    Some(Arc::clone(value))
}

fn keep<T>(known: &Mutex<Option<(Time, Arc<T>)>>, now: Time, value: &Arc<T>) {
    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(value)));
}
