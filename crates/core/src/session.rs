//! Sessions: what a user calls with after a login.
//!
//! The value means nothing to anybody but this server, which looks its hash up.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};

use crate::{Env, api_token::TokenHash};

/// How the value of a session begins.
pub const PREFIX: &str = "als_";

/// The value of a session. It cannot be printed by accident.
pub struct PlainSession(SecretBox<String>);

impl PlainSession {
    /// A new value, of 256 bits that nobody can guess.
    pub fn new(env: &Env) -> Self {
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(env.random::<32>()));
        Self(SecretBox::new(Box::new(text)))
    }

    /// The text to hand to the user, once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What to store.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

impl fmt::Debug for PlainSession {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("PlainSession(hidden)")
    }
}
