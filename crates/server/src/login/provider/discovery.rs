//! Where everything of the identity provider is (OpenID Connect Discovery), and its keys.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airlock_contract::Time;
use airlock_core::{Env, Error, Result, login::id_token::ProviderKeys};
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

/// For how many seconds nobody asks again after an answer that could not be used.
const FAILURE: i64 = 5;

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

/// What was asked.
#[derive(Default)]
pub(super) struct Known {
    description: Asked<Description>,
    keys: Asked<ProviderKeys>,
}

/// A question to the provider, which one asks at a time: whoever sends many to the sign-in page shall
/// not make us send as many there.
struct Asked<T> {
    last: Mutex<Last<T>>,
    asking: tokio::sync::Mutex<()>,
}

/// The last answer that was good, and why there was none since.
struct Last<T> {
    answer: Option<(Time, Arc<T>)>,
    failure: Option<(Time, String)>,
}

impl<T> Default for Asked<T> {
    fn default() -> Self {
        let last = Last { answer: None, failure: None };
        Self { last: Mutex::new(last), asking: tokio::sync::Mutex::default() }
    }
}

impl<T> Asked<T> {
    fn last(&self) -> MutexGuard<'_, Last<T>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self, env: &Env, seconds: i64) -> Option<Arc<T>> {
        let last = self.last();
        let (_, answer) = last.answer.as_ref().filter(|(at, _)| env.now() < at.plus_seconds(seconds))?;
        Some(Arc::clone(answer))
    }

    fn failure(&self, env: &Env) -> Option<Error> {
        let last = self.last();
        let (_, why) = last.failure.as_ref().filter(|(at, _)| env.now() < at.plus_seconds(FAILURE))?;
        Some(Error::Busy(why.clone()))
    }

    /// The answer, if it is not older than these seconds; otherwise a new one.
    async fn get(&self, env: &Env, seconds: i64, ask: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        if let Some(answer) = self.recent(env, seconds) {
            return Ok(answer);
        }
        let _one = self.asking.lock().await;
        // Somebody else may have asked meanwhile.
        if let Some(answer) = self.recent(env, seconds) {
            return Ok(answer);
        }
        if let Some(failure) = self.failure(env) {
            return Err(failure);
        }
        let answer = ask.await;
        let mut last = self.last();
        match answer {
            Ok(answer) => {
                let answer = Arc::new(answer);
                *last = Last { answer: Some((env.now(), Arc::clone(&answer))), failure: None };
                Ok(answer)
            }
            Err(error) => {
                if let Error::Busy(why) = &error {
                    last.failure = Some((env.now(), why.clone()));
                }
                Err(error)
            }
        }
    }
}

impl Provider {
    /// The provider's description.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when it cannot be had, or is another's.
    pub(super) async fn description(&self) -> Result<Arc<Description>> {
        self.known.description.get(&self.env, DESCRIPTION, self.ask_description()).await
    }

    async fn ask_description(&self) -> Result<Description> {
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
        Ok(found)
    }

    /// The provider's keys. `again` when those that were known did not fit.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when they cannot be had.
    pub(super) async fn keys(&self, again: bool) -> Result<Arc<ProviderKeys>> {
        let seconds = if again { KEYS_AGAIN } else { KEYS };
        self.known.keys.get(&self.env, seconds, self.ask_keys()).await
    }

    async fn ask_keys(&self) -> Result<ProviderKeys> {
        let url = self.description().await?.jwks_uri.clone();
        let set: Value = self.http.get(&url, None).await?;
        let keys = ProviderKeys::parse(&set);
        if keys.is_empty() {
            return Err(Error::Busy(format!("the identity provider has no usable keys at {url}")));
        }
        Ok(keys)
    }
}
