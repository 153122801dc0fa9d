//! JWTs that the real Airflow made for its edge worker are taken; see `airflow/README.md`.

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

const ID: &str = "cmic0000000000000000agent";

/// When they were made, to some seconds.
const NOW: i64 = 1_795_505_420;

fn verify(text: &str, key: WorkerKey<'_>) -> Result<Accepted, Refusal> {
    let presented = Presented::parse(text.trim())?;
    // Airflow puts a thumbprint or "not-used" into `kid`, which is no id of ours.
    assert_eq!(presented.candidates().map(|id| id.as_str()).collect::<Vec<_>>(), [ID]);
    let route = Route::of("PATCH", "/edge_worker/v1/worker/agent-a.example").expect("a heartbeat");
    presented.verify(key, route.method_claim(), Time::from_micros(NOW * 1_000_000))
}

#[test]
fn each_with_its_own_key() {
    let keys = Keyring::parse(&format!("k1:{}", "A".repeat(43))).expect("a master key");
    let stored = StoredAgentToken { key_id: "k1".into(), generation: 1 };
    let token = PlainAgentToken::derive(&keys, &ID.into(), &stored).expect("derived");
    let ed25519 = AgentPublicKey::parse(include_str!("airflow/ed25519.pem")).expect("a key");
    let rsa = AgentPublicKey::parse(include_str!("airflow/rsa.pem")).expect("a key");
    let keys = [WorkerKey::Token(&token), WorkerKey::Public(&ed25519), WorkerKey::Public(&rsa)];
    let jwts =
        [include_str!("airflow/token.jwt"), include_str!("airflow/ed25519.jwt"), include_str!("airflow/rsa.jwt")];
    for (made_by, jwt) in jwts.iter().enumerate() {
        for (checked_with, key) in keys.iter().enumerate() {
            match verify(jwt, *key) {
                Ok(accepted) => {
                    assert_eq!(made_by, checked_with);
                    assert_eq!(accepted.jti.map(|jti| jti.len()), Some(32));
                }
                Err(refusal) => {
                    assert_ne!(made_by, checked_with);
                    assert_eq!(refusal, Refusal::Algorithm);
                }
            }
        }
    }
}
