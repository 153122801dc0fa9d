//! Signing in at an identity provider (OpenID Connect Core, the code flow with PKCE).
//!
//! [`flow`] sends the browser there and takes it back, [`discovery`] knows where everything is and
//! which keys the provider has, [`http`] asks it, and [`arrival`] says who of its users is who here.

pub(super) mod arrival;
mod discovery;
pub(super) mod flow;
mod http;

use airlock_core::Env;

use crate::settings::OidcSettings;

/// The identity provider, and what is known of it.
pub(crate) struct Provider {
    settings: OidcSettings,
    env: Env,
    http: http::Http,
    known: discovery::Known,
}

impl Provider {
    pub(crate) fn new(settings: &OidcSettings, env: &Env) -> Self {
        Self {
            settings: settings.clone(),
            env: env.clone(),
            http: http::Http::default(),
            known: discovery::Known::default(),
        }
    }
}
