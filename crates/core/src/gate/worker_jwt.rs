//! The JWT with which a worker signs a request (RFC 7515, RFC 7519).
//!
//! A stock worker signs each request with its `[api_auth] jwt_secret`, which is its agent token,
//! or with its `[api_auth] jwt_private_key_path`. It says who it is in `iss` (`[api_auth]
//! jwt_issuer`) or in `kid` (`[api_auth] jwt_kid`); a worker with neither setting does not say it.

use airlock_contract::{AgentTokenId, Time, id};
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
    id::is_spelt(text).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::AsDer,
        rand::SystemRandom,
        rsa::{KeyPair as RsaKeyPair, KeySize},
        signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256},
    };
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Env, agent_token::StoredAgentToken, gate::path::Route, keyring::Keyring};

    const NOW: i64 = 1_764_000_000;
    const ID: &str = "cmic0000000000000000agent";

    fn token() -> PlainAgentToken {
        let keys = Keyring::parse(&format!("k1:{}", "A".repeat(43))).expect("a master key");
        let stored = StoredAgentToken { key_id: "k1".into(), generation: 1 };
        PlainAgentToken::derive(&keys, &ID.into(), &stored).expect("its key is there")
    }

    fn route() -> Route {
        Route::Heartbeat { worker: "agent-a.example".into() }
    }

    fn claims() -> Value {
        json!({"method": "worker/agent-a.example", "jti": "9f", "aud": "api", "nbf": NOW, "iat": NOW, "exp": NOW + 10, "iss": ID})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().expect("an object").remove(name);
        claims
    }

    fn sign(header: &Value, claims: &Value, signature: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(signature(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn hs512(secret: &[u8]) -> impl FnOnce(&[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA512, secret);
        move |message| hmac::sign(&key, message).as_ref().to_vec()
    }

    fn stock(claims: &Value) -> String {
        sign(&json!({"alg": "HS512", "kid": "not-used", "typ": "JWT"}), claims, hs512(token().expose().as_bytes()))
    }

    fn verify(text: &str, key: WorkerKey<'_>) -> Result<Accepted, Refusal> {
        Presented::parse(text)?.verify(key, route().method_claim(), Time::from_micros(NOW * 1_000_000))
    }

    fn judge(text: &str) -> Result<Accepted, Refusal> {
        verify(text, WorkerKey::Token(&token()))
    }

    #[test]
    fn a_stock_workers_request_is_accepted() {
        let text = stock(&claims());
        let until = Time::from_micros((NOW + 10 + LEEWAY) * 1_000_000);
        assert_eq!(judge(&text), Ok(Accepted { jti: Some("9f".into()), until }));
        let presented = Presented::parse(&text).expect("a JWT");
        assert_eq!(presented.candidates().collect::<Vec<_>>(), [&AgentTokenId::from(ID)]);
        assert!(judge(&stock(&without("jti"))).is_ok_and(|accepted| accepted.jti.is_none()), "as Airflow 3.0");
        for good in [
            with("aud", json!(["other", "api"])),
            without("iss"),
            without("nbf"),
            without("iat"),
            with("exp", json!(NOW as f64 + 9.5)),
            with("nbf", json!(NOW + LEEWAY)),
            with("exp", json!(NOW - LEEWAY + 1)),
            with("extra", json!({"x": [1]})),
        ] {
            assert!(judge(&stock(&good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn who_it_is_said_to_be_is_the_issuer_before_the_key() {
        let other = "cmic0000000000000000other";
        let header = json!({"alg": "HS512", "kid": other});
        let named = |claims: &Value| {
            let text = sign(&header, claims, |_| vec![0; 64]);
            let presented = Presented::parse(&text).expect("a JWT");
            presented.candidates().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(named(&claims()), [ID, other]);
        for odd in
            ["", "not-used", "https://airflow.example", &ID.to_uppercase(), &ID[1..], "xmic0000000000000000agent"]
        {
            assert_eq!(named(&with("iss", json!(odd))), [other], "{odd}");
        }
        assert_eq!(named(&with("iss", Value::Null)), [other]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (claims, refusal) in [
            (with("aud", json!("apache-airflow")), Refusal::Audience),
            (with("aud", json!([])), Refusal::Audience),
            (with("method", json!("worker/agent-b.example")), Refusal::Method),
            (with("method", json!("worker/agent-a.example/")), Refusal::Method),
            (with("method", json!("")), Refusal::Method),
            (with("exp", json!(NOW - LEEWAY)), Refusal::Expired),
            (with("exp", json!(0)), Refusal::Expired),
            (with("exp", json!(i64::MIN)), Refusal::Expired),
            (with("nbf", json!(NOW + LEEWAY + 1)), Refusal::Early),
            (with("iat", json!(NOW + LEEWAY + 1)), Refusal::Early),
            (with("iat", json!(1e300)), Refusal::Early),
            (with("exp", json!(NOW + LONGEST_LIFE + LEEWAY + 1)), Refusal::LongLived),
            (with("exp", json!(u64::MAX)), Refusal::LongLived),
            (with("exp", json!(1e300)), Refusal::LongLived),
            (without("exp"), Refusal::Malformed),
            (without("aud"), Refusal::Malformed),
            (without("method"), Refusal::Malformed),
            (with("exp", json!("soon")), Refusal::Malformed),
            (with("method", json!(1)), Refusal::Malformed),
            (with("jti", json!("j".repeat(129))), Refusal::Malformed),
            (json!([]), Refusal::Malformed),
        ] {
            assert_eq!(judge(&stock(&claims)), Err(refusal), "{claims}");
        }
        let message = Refusal::LongLived.to_string();
        assert!(message.contains("3600 s"), "{message}");
    }

    #[test]
    fn what_is_no_jwt_is_malformed() {
        let good = stock(&claims());
        let (message, signature) = good.rsplit_once('.').expect("a JWT");
        let twice = format!(
            "{}.{}.{signature}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS512"}"#),
            URL_SAFE_NO_PAD.encode(r#"{"method":"a","method":"b","aud":"api","exp":1}"#)
        );
        for bad in [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            "ä.ö.ü",
            message,
            &format!("{good}."),
            &format!(".{good}"),
            &format!("{good}="),
            &format!("{good} "),
            &format!("Bearer {good}"),
            &format!("{message}.!!"),
            &"a.".repeat(5000),
            &twice,
            &sign(&json!({"alg": "HS512", "crit": ["exp"]}), &claims(), hs512(token().expose().as_bytes())),
            &sign(&json!({"kid": ID}), &claims(), hs512(token().expose().as_bytes())),
        ] {
            assert_eq!(judge(bad), Err(Refusal::Malformed), "{bad}");
        }
    }

    #[test]
    fn the_keys_kind_decides_the_algorithm() {
        let secret = token();
        let secret = secret.expose().as_bytes();
        for algorithm in ["none", "None", "HS256", "HS384", "hs512", "RS256", "EdDSA", ""] {
            for signed in [true, false] {
                let header = json!({"alg": algorithm});
                let text = sign(&header, &claims(), |message| if signed { hs512(secret)(message) } else { vec![] });
                assert_eq!(judge(&text), Err(Refusal::Algorithm), "{algorithm}");
            }
        }
        let none = sign(&json!({"alg": "HS512"}), &claims(), |_| vec![]);
        assert_eq!(judge(&none), Err(Refusal::Signature));
        let other = sign(&json!({"alg": "HS512"}), &claims(), hs512(b"Airflow's own secret"));
        assert_eq!(judge(&other), Err(Refusal::Signature));
        assert!(Refusal::Signature.depends_on_key() && !Refusal::Expired.depends_on_key());
    }

    fn public(der: &[u8]) -> (String, AgentPublicKey) {
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        let key = AgentPublicKey::parse(&pem).expect("a public key");
        (pem, key)
    }

    #[test]
    fn an_agents_own_key_is_good_in_its_own_way_only() {
        let ed = Ed25519KeyPair::generate().expect("a key");
        let (ed_pem, ed_public) = public(ed.public_key().as_der().expect("DER").as_ref());
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let (rsa_pem, rsa_public) = public(rsa.public_key().as_der().expect("DER").as_ref());
        let by_ed =
            |algorithm| sign(&json!({"alg": algorithm}), &claims(), |message| ed.sign(message).as_ref().to_vec());
        let by_rsa = |algorithm| {
            sign(&json!({"alg": algorithm}), &claims(), |message| {
                let mut signature = vec![0; rsa.public_modulus_len()];
                rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("signed");
                signature
            })
        };
        assert!(verify(&by_ed("EdDSA"), WorkerKey::Public(&ed_public)).is_ok());
        assert!(verify(&by_rsa("RS256"), WorkerKey::Public(&rsa_public)).is_ok());

        assert_eq!(verify(&by_rsa("RS256"), WorkerKey::Public(&ed_public)), Err(Refusal::Algorithm));
        assert_eq!(verify(&by_rsa("EdDSA"), WorkerKey::Public(&ed_public)), Err(Refusal::Signature));
        assert_eq!(verify(&by_ed("RS256"), WorkerKey::Public(&rsa_public)), Err(Refusal::Signature));
        assert_eq!(verify(&by_rsa("PS256"), WorkerKey::Public(&rsa_public)), Err(Refusal::Algorithm));
        assert_eq!(judge(&by_ed("EdDSA")), Err(Refusal::Algorithm));
        // The public key is no secret: what is signed with it as if it were one is worth nothing.
        for (pem, key) in [(&ed_pem, &ed_public), (&rsa_pem, &rsa_public)] {
            for algorithm in ["HS512", "EdDSA", "RS256"] {
                let text = sign(&json!({"alg": algorithm}), &claims(), hs512(pem.as_bytes()));
                assert!(verify(&text, WorkerKey::Public(key)).is_err(), "{algorithm}");
            }
        }
        let other = Ed25519KeyPair::generate().expect("a key");
        let text = sign(&json!({"alg": "EdDSA"}), &claims(), |message| other.sign(message).as_ref().to_vec());
        assert_eq!(verify(&text, WorkerKey::Public(&ed_public)), Err(Refusal::Signature));
    }

    #[test]
    fn a_derived_token_of_another_generation_is_no_key() {
        let keys = Keyring::parse(Keyring::generate(&Env::system()).expose_secret()).expect("a master key");
        let id: AgentTokenId = Env::system().new_id();
        let [first, second] = [1, 2].map(|generation| {
            let stored = StoredAgentToken { key_id: keys.current_id().into(), generation };
            PlainAgentToken::derive(&keys, &id, &stored).expect("its key is there")
        });
        let text = sign(&json!({"alg": "HS512"}), &claims(), hs512(first.expose().as_bytes()));
        assert!(verify(&text, WorkerKey::Token(&first)).is_ok());
        assert_eq!(verify(&text, WorkerKey::Token(&second)), Err(Refusal::Signature));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(text in "\\PC{0,200}", parts in "[A-Za-z0-9_.-]{0,300}") {
            prop_assert!(judge(&text).is_err());
            prop_assert!(judge(&parts).is_err());
        }

        #[test]
        fn a_changed_jwt_is_refused(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.-]") {
            let good = stock(&claims());
            let at = at.index(good.len());
            prop_assume!(good[at..=at] != with);
            let mut bad = good;
            bad.replace_range(at..=at, &with);
            prop_assert!(judge(&bad).is_err(), "{}", bad);
        }
    }
}
