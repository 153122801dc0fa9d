//! API tokens: JSON Web Tokens (RFC 7519), because the stock `astro` CLI decodes them.
//!
//! The signature is for others, who check it against the published keys. The server itself looks
//! the SHA-256 of the whole value up: that proves more (the token is alive) and costs less.

use std::fmt;

use airlock_contract::{ApiTokenId, Time};
use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, keyring::Keyring};

/// The value of an API token. It cannot be printed by accident.
pub struct PlainApiToken(SecretBox<String>);

/// What the database keeps of an API token's value: its SHA-256. The value has 512 bits of
/// signature in it, so there is nothing to guess and no need for a slow hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a presented value.
    pub fn of(presented: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, presented.as_bytes()).as_ref());
        Self(hash)
    }
}

/// What an API token says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// Who issued it: the server's public URL.
    pub iss: String,
    /// Whom it stands for: the token's own id.
    pub sub: String,
    /// Whom it is for: the server's public URL.
    pub aud: String,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: i64,
    /// When it ends; absent when it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Names this value; a rotated token has another.
    pub jti: String,
    /// The token's id, where the CLI looks for it.
    pub api_token_id: String,
    /// `organizationId:<id>` and, where it applies, `workspaceId:<id>`, `deploymentId:<id>`: the
    /// context that the CLI takes from the token. It is no statement of what the token may do.
    pub permissions: Vec<String>,
}

impl PlainApiToken {
    /// Signs a new value.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when signing fails, which it has no reason to.
    pub fn sign(keys: &Keyring, claims: &Claims) -> Result<Self> {
        let key = keys.current();
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
        let text = jsonwebtoken::encode(&header, claims, &key.signing).map_err(Error::internal)?;
        Ok(Self(SecretBox::new(Box::new(text))))
    }

    /// The text to hand to the token's owner, once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What to store.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }

    /// The last characters, by which people recognise a value that they have.
    pub fn short(&self) -> String {
        let text = self.expose();
        format!("...{}", &text[text.len().saturating_sub(6)..])
    }
}

impl fmt::Debug for PlainApiToken {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("PlainApiToken(hidden)")
    }
}

/// What a presented value is, when no live token has its hash.
#[derive(Debug)]
pub enum Stale {
    /// It is not a JWT at all.
    Malformed,
    /// Its signature is not by one of our keys, so it is none of ours, or was altered.
    NotOurs,
    /// We issued it, with these claims; what became of it is in the database.
    Issued(ApiTokenId),
}

/// Looks closer at a value that no live token has, to tell its holder what is wrong with it.
///
/// Only the holder of a value that we really signed learns more than "not ours".
pub fn examine(keys: &Keyring, presented: &str) -> Stale {
    let Ok(header) = jsonwebtoken::decode_header(presented) else { return Stale::Malformed };
    let key = header.kid.as_deref().and_then(|kid| keys.by_id(kid));
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false; // the record says when it ends
    validation.validate_aud = false; // a changed public URL does not make it somebody else's
    validation.required_spec_claims.clear();
    match key.map(|key| jsonwebtoken::decode::<Claims>(presented, &key.verifying, &validation)) {
        Some(Ok(token)) => Stale::Issued(ApiTokenId::from(token.claims.api_token_id)),
        _ => Stale::NotOurs,
    }
}

/// What a value says about itself. Its signature is not looked at: this is for a value whose hash a
/// live token has, which proves more.
pub fn claims(live: &str) -> Option<Claims> {
    jsonwebtoken::dangerous::insecure_decode::<Claims>(live).ok().map(|token| token.claims)
}

/// When a token that starts now ends.
pub fn end(start: Time, days: Option<u32>) -> Option<Time> {
    days.map(|days| start.plus_days(days))
}

/// Makes the signing key from its seed, and the bytes of its public half.
pub(crate) fn key_pair(seed: &[u8; 32]) -> (EncodingKey, Vec<u8>) {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("the seed has 32 bytes");
    let public = pair.public_key().as_ref().to_vec();
    let document = pair.to_pkcs8().expect("an Ed25519 key has a PKCS #8 form");
    (EncodingKey::from_ed_der(document.as_ref()), public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Env;

    fn ring() -> Keyring {
        Keyring::parse(Keyring::generate(&Env::system()).expose_secret()).expect("a generated key")
    }

    fn claims() -> Claims {
        Claims {
            iss: "http://localhost".into(),
            sub: "ctoken".into(),
            aud: "http://localhost".into(),
            iat: 1,
            exp: Some(2),
            jti: "j".into(),
            api_token_id: "ctoken".into(),
            permissions: vec!["organizationId:corg".into()],
        }
    }

    #[test]
    fn a_value_of_ours_is_told_from_others() {
        let keys = ring();
        let token = PlainApiToken::sign(&keys, &claims()).expect("signed");
        assert!(matches!(examine(&keys, token.expose()), Stale::Issued(id) if id == ApiTokenId::from("ctoken")));
        assert!(matches!(examine(&ring(), token.expose()), Stale::NotOurs));
        assert!(matches!(examine(&keys, "nonsense"), Stale::Malformed));
        assert_eq!(super::claims(token.expose()).map(|claims| claims.jti), Some("j".into()));
        let altered = token.expose().replacen("eyJ", "eyK", 1);
        assert!(!matches!(examine(&keys, &altered), Stale::Issued(_)));
        assert_ne!(token.hash(), TokenHash::of(&altered));
    }

    #[test]
    fn published_keys_check_our_signature() {
        let keys = ring();
        let token = PlainApiToken::sign(&keys, &claims()).expect("signed");
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys.jwks()["keys"][0].clone()).expect("a JWK");
        let key = DecodingKeyFrom(jwk).key();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.set_audience(&["http://localhost"]);
        jsonwebtoken::decode::<Claims>(token.expose(), &key, &validation).expect("verified by the published key");
    }

    struct DecodingKeyFrom(jsonwebtoken::jwk::Jwk);
    impl DecodingKeyFrom {
        fn key(&self) -> jsonwebtoken::DecodingKey {
            jsonwebtoken::DecodingKey::from_jwk(&self.0).expect("a key")
        }
    }
}
