//! A worker's JWT: nothing that is sent makes the gate panic, and nothing is accepted but what the
//! right key has signed, and what an independent reading of its claims finds good.
//!
//! A text without a line break is taken as a JWT. Else its lines are a header, claims, and a word
//! that says how to sign them; so the fuzzer gets past base64 and the signature.

#![no_main]

use std::sync::LazyLock;

use airlock_contract::Time;
use airlock_core::{
    agent_key::AgentPublicKey,
    agent_token::{PlainAgentToken, StoredAgentToken},
    gate::{
        path::Route,
        worker_jwt::{Accepted, Presented, Refusal, WorkerKey},
    },
    keyring::Keyring,
};
use aws_lc_rs::{
    encoding::AsDer,
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: i64 = 1_764_000_000;

struct Keys {
    token: PlainAgentToken,
    pair: Ed25519KeyPair,
    pem: String,
    public: AgentPublicKey,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let ring = Keyring::parse(&format!("k1:{}", "A".repeat(43))).expect("a master key");
    let stored = StoredAgentToken { key_id: "k1".into(), generation: 1 };
    let token = PlainAgentToken::derive(&ring, &"cmic0000000000000000agent".into(), &stored).expect("derived");
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let der = STANDARD.encode(pair.public_key().as_der().expect("DER").as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
    let public = AgentPublicKey::parse(&pem).expect("a public key");
    Keys { token, pair, pem, public }
});

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (Some(header), Some(claims)) = (lines.next(), lines.next()) else {
        let [with_token, with_key] = judge(text);
        assert!(with_token.is_err() && with_key.is_err(), "nobody guesses a signature: {text}");
        return;
    };
    let word = lines.next().unwrap_or_default();
    let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = match word {
        "token" => hs512(KEYS.token.expose(), &message),
        "key" => KEYS.pair.sign(message.as_bytes()).as_ref().to_vec(),
        "public" => hs512(&KEYS.pem, &message),
        other => other.as_bytes().to_vec(),
    };
    let [with_token, with_key] = judge(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)));
    for (accepted, algorithm, right) in [(with_token, "HS512", "token"), (with_key, "EdDSA", "key")] {
        if let Ok(accepted) = accepted {
            assert_eq!(word, right, "signed with the wrong key");
            check(header, claims, algorithm, &accepted);
        }
    }
});

fn judge(text: &str) -> [Result<Accepted, Refusal>; 2] {
    let route = Route::Heartbeat { worker: "agent-a".into() };
    let now = Time::from_micros(NOW * 1_000_000);
    [WorkerKey::Token(&KEYS.token), WorkerKey::Public(&KEYS.public)].map(|key| {
        let presented = Presented::parse(text)?;
        for id in presented.candidates() {
            assert!(id.as_str().len() == 25 && id.as_str().starts_with('c'));
        }
        presented.verify(key, route.method_claim(), now)
    })
}

/// Reads header and claims again, and finds nothing to object to.
fn check(header: &str, claims: &str, algorithm: &str, accepted: &Accepted) {
    let (Some(header), Some(claims)) = (json(header), json(claims)) else { return };
    assert_eq!(header["alg"], algorithm);
    assert!(header["crit"].is_null());
    assert_eq!(claims["method"], "worker/agent-a");
    assert!(match &claims["aud"] {
        Value::Array(several) => several.iter().any(|one| one == "api"),
        one => one == "api",
    });
    let (now, exp) = (NOW as f64, claims["exp"].as_f64().expect("a number"));
    assert!(exp + 61.0 > now && exp < now + 3_661.0, "{exp}");
    for start in ["nbf", "iat"] {
        assert!(claims[start].as_f64().is_none_or(|start| start < now + 61.0), "{claims}");
    }
    assert_eq!(accepted.jti.as_deref(), claims["jti"].as_str());
    assert!(accepted.until > Time::from_micros(NOW * 1_000_000));
}

/// Reads JSON. `None` where a `Value` minds what nobody looks at and a skipped value does not: a
/// number out of range, half of a surrogate pair.
fn json(text: &str) -> Option<Value> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let error = error.to_string();
            let is_known = ["number out of range", "unexpected end of hex escape", "lone leading surrogate"];
            assert!(is_known.iter().any(|known| error.starts_with(known)), "{error}");
            None
        }
    }
}

fn hs512(secret: &str, message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, secret.as_bytes()), message.as_bytes()).as_ref().to_vec()
}
