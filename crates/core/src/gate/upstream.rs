//! Signs requests to an Airflow's edge API.

use airlock_contract::AgentTokenId;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::path::MethodClaim;
use crate::{Env, Error, Result, keyring::Keyring};

/// How long a request's signature is good, in seconds. Airflow allows its own leeway on top.
const LIFETIME: i64 = 30;

/// How requests to an Airflow's edge API are signed.
#[derive(Clone, Debug)]
pub enum Signing {
    /// With the Airflow's own secret (HS512), as its workers would: edge3 below 5.0.
    Secret {
        /// `[api_auth] jwt_secret`.
        secret: SecretString,
        /// `[api_auth] jwt_issuer`, if the Airflow has one.
        issuer: Option<String>,
    },
    /// With Airlock's key (EdDSA), which the Airflow finds by `[edge] trusted_jwks_url`: edge3
    /// from 5.0.
    OwnKey {
        /// `[edge] jwt_issuer`.
        issuer: String,
        /// `[edge] jwt_audience`.
        audience: String,
    },
}

#[derive(Serialize)]
struct Claims<'a> {
    method: String,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

impl Signing {
    /// Makes the `Authorization` of one request: a JWT, without `Bearer`, that is good for that
    /// request and for half a minute.
    ///
    /// Airflow is told on whose behalf only where it can know (`sub`, with our own key): with its
    /// secret we speak as any of its workers does.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when signing fails, which it has no reason to.
    pub fn sign(
        &self,
        keys: &Keyring,
        env: &Env,
        method: MethodClaim<'_>,
        on_behalf_of: Option<&AgentTokenId>,
    ) -> Result<SecretString> {
        let now = env.now().as_seconds();
        let claims = Claims {
            method: method.to_string(),
            aud: "api",
            iat: now,
            nbf: now,
            exp: now + LIFETIME,
            jti: URL_SAFE_NO_PAD.encode(env.random::<16>()),
            iss: None,
            sub: None,
        };
        let signed = match self {
            Self::Secret { secret, issuer } => {
                let claims = Claims { iss: issuer.as_deref(), ..claims };
                let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
                jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &key)
            }
            Self::OwnKey { issuer, audience } => {
                let claims =
                    Claims { aud: audience, iss: Some(issuer), sub: on_behalf_of.map(AgentTokenId::as_str), ..claims };
                let key = keys.current();
                let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::EdDSA) };
                jsonwebtoken::encode(&header, &claims, &key.signing)
            }
        };
        Ok(signed.map_err(Error::internal)?.into())
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, jwk::Jwk};
    use serde_json::Value;

    use super::*;
    use crate::gate::path::Route;

    fn ring() -> Keyring {
        Keyring::parse(Keyring::generate(&Env::system()).expose_secret()).expect("a master key")
    }

    fn sign(keys: &Keyring, signing: &Signing) -> String {
        let route = Route::Fetch { worker: "agent-a".into() };
        let agent = AgentTokenId::from("ctoken");
        let signed = signing.sign(keys, &Env::system(), route.method_claim(), Some(&agent)).expect("signed");
        signed.expose_secret().to_owned()
    }

    /// Checks as Airflow does, and gives the claims.
    fn check(text: &str, key: &DecodingKey, algorithm: Algorithm, issuer: Option<&str>) -> Value {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["api"]);
        validation.set_required_spec_claims(&["exp", "iat", "nbf", "aud"]);
        validation.validate_nbf = true;
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
        }
        jsonwebtoken::decode::<Value>(text, key, &validation).expect("Airflow would take it").claims
    }

    #[test]
    fn with_the_airflows_secret_it_speaks_as_a_worker() {
        let keys = ring();
        for secret in ["short", &"long".repeat(40)] {
            let key = DecodingKey::from_secret(secret.as_bytes());
            let signing = Signing::Secret { secret: secret.into(), issuer: None };
            let claims = check(&sign(&keys, &signing), &key, Algorithm::HS512, None);
            assert_eq!(claims["method"], "jobs/fetch/agent-a");
            assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|iat| iat + LIFETIME));
            assert!(claims.get("iss").is_none() && claims.get("sub").is_none(), "{claims}");
            let signing = Signing::Secret { secret: secret.into(), issuer: Some("airflow".into()) };
            check(&sign(&keys, &signing), &key, Algorithm::HS512, Some("airflow"));
            assert!(!format!("{signing:?}").contains(secret));
        }
    }

    #[test]
    fn with_our_own_key_the_published_one_checks_it() {
        let keys = ring();
        let signing = Signing::OwnKey { issuer: "https://airlock.example".into(), audience: "api".into() };
        let text = sign(&keys, &signing);
        let jwk: Jwk = serde_json::from_value(keys.jwks()["keys"][0].clone()).expect("a JWK");
        let header = jsonwebtoken::decode_header(&text).expect("a JWT");
        assert_eq!(header.kid, jwk.common.key_id);
        let key = DecodingKey::from_jwk(&jwk).expect("a key");
        let claims = check(&text, &key, Algorithm::EdDSA, Some("https://airlock.example"));
        assert_eq!(claims["sub"], "ctoken");
        assert_eq!(claims["method"], "jobs/fetch/agent-a");
        assert_ne!(claims["jti"], check(&sign(&keys, &signing), &key, Algorithm::EdDSA, None)["jti"]);
    }
}
