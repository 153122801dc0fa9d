//! The JWT with which a worker signs a request (RFC 7515, RFC 7519).
//!
//! A stock worker signs each request with its `[api_auth] jwt_secret`, which is its agent token,
//! or with its `[api_auth] jwt_private_key_path`. It says who it is in `iss` (`[api_auth]
//! jwt_issuer`) or in `kid` (`[api_auth] jwt_kid`); a worker with neither setting does not say it.

use airlock_contract::{AgentTokenId, Time, id::LENGTH as ID_LENGTH};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

use super::path::MethodClaim;
use crate::{agent_key::AgentPublicKey, agent_token::PlainAgentToken};

/// The longest JWT that is looked at, in bytes. The claims have the path in them.
const LONGEST: usize = 8 * 1024;

/// How far the clocks may be apart, in seconds. Airflow allows 10.
const LEEWAY: i64 = 60;

/// How far ahead a JWT may end, in seconds. A stock worker's is good for 10 s.
const LONGEST_LIFE: i64 = 3600;

/// What every worker's JWT is made out to.
const AUDIENCE: &str = "api";

/// The longest `jti`, in bytes. A stock worker's has 32.
const LONGEST_JTI: usize = 128;

/// A request's JWT, of which nothing is believed yet.
#[derive(Debug)]
pub struct Presented<'a> {
    message: &'a str,
    signature: Vec<u8>,
    algorithm: String,
    claims: Claims,
    candidates: [Option<AgentTokenId>; 2],
}

/// What a worker signs with. Its kind decides which algorithm is right, never the JWT's header.
#[derive(Clone, Copy, Debug)]
pub enum WorkerKey<'a> {
    /// The agent token's value: HS512.
    Token(&'a PlainAgentToken),
    /// A key of the agent's own: EdDSA or RS256.
    Public(&'a AgentPublicKey),
}

/// What is known of a request whose JWT is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Names this JWT, so that a second use can be refused. Airflow 3.0 sends none.
    pub jti: Option<String>,
    /// From when this JWT is refused in any case, and its `jti` may be forgotten.
    pub until: Time,
}

/// Why a request's JWT is not good. The texts are for the log and the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("the request's signature is not a JWT that can be read")]
    Malformed,
    /// It is signed in another way than its agent token asks for.
    #[error("the request's JWT is signed with another algorithm than the agent token asks for")]
    Algorithm,
    /// It is not signed with the agent token.
    #[error("the request's JWT is not signed with this agent token")]
    Signature,
    /// It is for something else.
    #[error("the request's JWT is not made out to the audience api")]
    Audience,
    /// It was signed for another request.
    #[error("the request's JWT was signed for another request: its method claim names another path")]
    Method,
    /// It has ended.
    #[error("the request's JWT has expired; if the request is new, compare the agent's clock with the server's")]
    Expired,
    /// It begins later.
    #[error("the request's JWT begins in the future; compare the agent's clock with the server's")]
    Early,
    /// It is good for longer than a request's JWT may be.
    #[error("the request's JWT is good for more than {LONGEST_LIFE} s; set [api_auth] jwt_leeway to less")]
    LongLived,
}

impl Refusal {
    /// Whether another key might do. When it is not so, there is no use in trying any.
    pub fn depends_on_key(self) -> bool {
        matches!(self, Self::Algorithm | Self::Signature)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 section 4.1.11). We understand none.
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    method: String,
    aud: Audience,
    exp: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    iat: Option<NumericDate>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    jti: Option<String>,
}

/// One audience or several (RFC 7519 section 4.1.3).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

/// Seconds since the Unix epoch (RFC 7519 section 2); a fraction is cut off.
#[derive(Clone, Copy, Debug)]
struct NumericDate(i64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Every second that a clock can show is a whole f64; `as` saturates, and JSON has no NaN.
        f64::deserialize(from).map(|seconds| Self(seconds as i64))
    }
}

impl<'a> Presented<'a> {
    /// Reads a JWT, without believing it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`].
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        Self::read(text).ok_or(Refusal::Malformed)
    }

    fn read(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: Header = part(header)?;
        let claims: Claims = part(payload)?;
        if header.crit.is_some() || claims.jti.as_ref().is_some_and(|jti| jti.len() > LONGEST_JTI) {
            return None;
        }
        Some(Self {
            message,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            algorithm: header.alg,
            candidates: [claims.iss.as_deref().and_then(token_id), header.kid.as_deref().and_then(token_id)],
            claims,
        })
    }

    /// Which agent tokens the JWT says it is signed with, the likelier first. None when the worker
    /// has neither setting; then only trying can tell.
    pub fn candidates(&self) -> impl Iterator<Item = &AgentTokenId> {
        self.candidates.iter().flatten()
    }

    /// Whether the JWT is good for the request at hand. The signature is checked last, for it
    /// costs the most.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn verify(&self, key: WorkerKey<'_>, method: MethodClaim<'_>, now: Time) -> Result<Accepted, Refusal> {
        let claims = &self.claims;
        let algorithm = match key {
            WorkerKey::Token(_) => "HS512",
            WorkerKey::Public(key) => key.algorithm(),
        };
        if !claims.aud.has(AUDIENCE) {
            return Err(Refusal::Audience);
        }
        if !method.is(&claims.method) {
            return Err(Refusal::Method);
        }
        let end = self.check_times(now.as_seconds())?;
        if self.algorithm != algorithm {
            return Err(Refusal::Algorithm);
        }
        if !self.is_signed_with(key) {
            return Err(Refusal::Signature);
        }
        Ok(Accepted { jti: claims.jti.clone(), until: Time::from_micros(0).plus_seconds(end) })
    }

    /// When the JWT ends, leeway included, if it is good now.
    fn check_times(&self, now: i64) -> Result<i64, Refusal> {
        let NumericDate(exp) = self.claims.exp;
        let end = exp.saturating_add(LEEWAY);
        let starts = [self.claims.nbf, self.claims.iat];
        if end <= now {
            Err(Refusal::Expired)
        } else if starts.iter().flatten().any(|start| start.0 > now.saturating_add(LEEWAY)) {
            Err(Refusal::Early)
        } else if exp > now.saturating_add(LONGEST_LIFE).saturating_add(LEEWAY) {
            Err(Refusal::LongLived)
        } else {
            Ok(end)
        }
    }

    fn is_signed_with(&self, key: WorkerKey<'_>) -> bool {
        let message = self.message.as_bytes();
        match key {
            WorkerKey::Token(token) => {
                let key = hmac::Key::new(hmac::HMAC_SHA512, token.expose().as_bytes());
                hmac::verify(&key, message, &self.signature).is_ok()
            }
            WorkerKey::Public(key) => key.verifies(message, &self.signature),
        }
    }
}

/// Reads one part of a JWT: JSON in base64url (RFC 7515 section 3).
fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// An id of the shape that this server gives its agent tokens. Workers put other things there,
/// such as `not-used`.
fn token_id(text: &str) -> Option<AgentTokenId> {
    let fits = text.len() == ID_LENGTH
        && text.starts_with('c')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    fits.then(|| text.into())
}
