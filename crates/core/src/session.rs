//! What users hold after a login. The values mean nothing to anybody but this server, which looks
//! their hashes up.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};

use crate::{Env, api_token::TokenHash};

/// How the value of a session begins.
pub const PREFIX: &str = PlainSession::PREFIX;

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        pub struct $name(SecretBox<String>);

        impl $name {
            /// How a value begins.
            pub const PREFIX: &str = $prefix;

            /// A new value, of 256 bits that nobody can guess.
            pub fn new(env: &Env) -> Self {
                let text = format!("{}{}", Self::PREFIX, URL_SAFE_NO_PAD.encode(env.random::<32>()));
                Self(SecretBox::new(Box::new(text)))
            }

            /// The text to hand over, once.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// What to store.
            pub fn hash(&self) -> TokenHash {
                TokenHash::of(self.expose())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    )*};
}
values! {
    /// The value of a session: what a user calls with. It cannot be printed by accident.
    PlainSession "als_"
    /// The value of a refresh token: what a client gets new sessions for. It opens nothing else, and
    /// cannot be printed by accident.
    PlainRefreshToken "alr_"
    /// The value of an authorization code: what a client gets its first session for, within a minute
    /// and once. It cannot be printed by accident.
    PlainCode "alc_"
}
