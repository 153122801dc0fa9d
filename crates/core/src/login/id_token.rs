//! ID tokens of an identity provider: what makes one good (OpenID Connect Core section 3.1.3.7).

use airlock_contract::Time;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};

/// The algorithms that are taken. All of them are signed with a key that only the provider has: with a
/// shared secret, or `none`, anybody could be anybody.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// How far the clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// The longest token that is looked at, in bytes. Groups can be many.
const LONGEST: usize = 64 * 1024;

/// The public keys of a provider.
pub struct ProviderKeys(Vec<Jwk>);

impl ProviderKeys {
    /// Reads a JSON Web Key Set. Keys of kinds that are unknown, and shared secrets, are passed over
    /// (RFC 7517 section 5).
    pub fn parse(set: &Value) -> Self {
        let keys = set["keys"].as_array().into_iter().flatten();
        let jwks = keys.filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        let is_public = |jwk: &Jwk| {
            !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_))
                && jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        };
        Self(jwks.filter(is_public).collect())
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who issued it.
    pub issuer: &'a str,
    /// Whom it is for.
    pub client: &'a str,
    /// What the sign-in that it belongs to was begun with.
    pub nonce: &'a str,
    /// When it is now.
    pub now: Time,
}

/// Why a token is not good. The texts are for the log and the audit log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// None of the keys has signed it. The provider may have new ones.
    #[error("the ID token is not signed with a key of the identity provider")]
    Key,
    /// It is not what it should be.
    #[error("the ID token {0}")]
    Claims(&'static str),
}

/// The claims of a good token.
///
/// # Errors
///
/// [`Refusal`].
pub fn verify(token: &str, keys: &ProviderKeys, expected: Expected<'_>) -> Result<Map<String, Value>, Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::Claims("is too long"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Claims("cannot be read"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refusal::Claims("is signed with an algorithm that is not taken"));
    }
    let mut validation = Validation::new(header.alg);
    // Compared below, by the server's own clock.
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation.required_spec_claims.clear();
    let named = |jwk: &&Jwk| header.kid.is_none() || jwk.common.key_id == header.kid;
    let signed = keys.0.iter().filter(named).find_map(|jwk| {
        let is_for_other = jwk.common.key_algorithm.is_some_and(|known| known != header.alg.into());
        let key = DecodingKey::from_jwk(jwk).ok().filter(|_| !is_for_other)?;
        jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation).ok()
    });
    let claims = signed.ok_or(Refusal::Key)?.claims;
    check(&claims, expected)?;
    Ok(claims)
}

fn check(claims: &Map<String, Value>, expected: Expected<'_>) -> Result<(), Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // A number with a fraction is one as well (RFC 7519 section 2).
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    let refuse = |why| Err(Refusal::Claims(why));
    if text("iss") != Some(expected.issuer) {
        return refuse("is of another issuer");
    }
    let is_us = |value: &Value| value.as_str() == Some(expected.client);
    let (is_for_us, is_for_others) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_us), all.len() > 1),
        Some(one) => (is_us(one), false),
        None => (false, false),
    };
    if !is_for_us {
        return refuse("is for another client");
    }
    let party = claims.get("azp");
    if party.is_some_and(|party| !is_us(party)) || (is_for_others && party.is_none()) {
        return refuse("was given to another client");
    }
    let now = expected.now.as_micros() as f64 / 1e6;
    let leeway = LEEWAY as f64;
    match seconds("exp") {
        Some(end) if now < end + leeway => {}
        _ => return refuse("has expired, or never does; compare the clocks"),
    }
    match seconds("iat") {
        Some(begin) if begin <= now + leeway => {}
        _ => return refuse("was issued in the future, or at no time; compare the clocks"),
    }
    if seconds("nbf").is_some_and(|begin| begin > now + leeway) {
        return refuse("begins in the future; compare the clocks");
    }
    if text("nonce") != Some(expected.nonce) {
        return refuse("belongs to another sign-in");
    }
    // OpenID Connect Core section 2
    if !text("sub").is_some_and(|subject| (1..=255).contains(&subject.len()) && !subject.contains('\0')) {
        return refuse("does not say whose it is");
    }
    Ok(())
}
