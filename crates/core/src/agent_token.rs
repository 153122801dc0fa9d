//! Agent tokens: `agt_<id>_<secret><checksum>`.
//!
//! The secret is an HMAC over the token's id and generation, so the server can compute it again
//! whenever it needs it (an Airflow worker signs with it and does not send it), and nothing that
//! could give it away is ever stored. See docs/adr/0002-derived-agent-tokens.md.

use std::fmt;

use airlock_contract::{
    AgentTokenId,
    id::{self, LENGTH as ID_LENGTH},
};
use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretBox};

use crate::keyring::Keyring;

/// What every agent token begins with, for people and secret scanners.
pub const PREFIX: &str = "agt_";

/// The characters of the secret: 64 bytes of HMAC-SHA512 in base64url without padding. At least
/// 64 are needed for a worker to sign with HS512 (RFC 7518 section 3.2).
const SECRET_LENGTH: usize = 86;

/// The characters of the checksum, a CRC-32 in base 62.
const CHECKSUM_LENGTH: usize = 6;

/// The value of an agent token. It cannot be printed by accident: whoever needs the text asks
/// for it by name.
pub struct PlainAgentToken(SecretBox<String>);

/// What the database keeps of an agent token's value: how to derive it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAgentToken {
    /// The master key from which the secret is derived; empty when the agent has a key of its own.
    pub key_id: String,
    /// How often the token has been renewed, from 1.
    pub generation: i64,
}

/// Proof that a request came with a token's own value. Only a comparison makes it, so whoever has
/// one may do to the token what its holder may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAgentToken(AgentTokenId);

impl HeldAgentToken {
    /// Compares a presented value with the token that it names, in constant time.
    pub fn prove(keys: &Keyring, presented: &str, stored: &StoredAgentToken) -> Option<Self> {
        let id = parse(presented)?;
        PlainAgentToken::derive(keys, &id, stored)?.is(presented).then_some(Self(id))
    }

    /// The token's id.
    pub fn id(&self) -> &AgentTokenId {
        &self.0
    }
}

impl PlainAgentToken {
    /// Derives the value of a token. `None` when its master key is not in the ring any more.
    pub fn derive(keys: &Keyring, id: &AgentTokenId, stored: &StoredAgentToken) -> Option<Self> {
        let key = keys.by_id(&stored.key_id)?;
        let tag = hmac::sign(&key.agents, format!("{id}:{}", stored.generation).as_bytes());
        let mut text = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(tag));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Some(Self(SecretBox::new(Box::new(text))))
    }

    /// The text to hand to the agent's owner, once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The last characters, by which people recognise a value that they have. They are the
    /// checksum, so they say 32 bits about a secret of 512.
    pub fn short(&self) -> String {
        let text = self.expose();
        format!("...{}", &text[text.len() - CHECKSUM_LENGTH..])
    }

    /// Whether a presented value is this token, in constant time.
    pub fn is(&self, presented: &str) -> bool {
        constant_time::verify_slices_are_equal(self.expose().as_bytes(), presented.as_bytes()).is_ok()
    }
}

impl fmt::Debug for PlainAgentToken {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("PlainAgentToken(hidden)")
    }
}

/// Reads the id out of a value that has the form of an agent token and a right checksum; a typing
/// mistake is told from a wrong token without a look-up.
pub fn parse(presented: &str) -> Option<AgentTokenId> {
    let rest = presented.strip_prefix(PREFIX)?;
    if !presented.is_ascii() || rest.len() != ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH {
        return None;
    }
    let (body, found) = presented.split_at(presented.len() - CHECKSUM_LENGTH);
    if checksum(body) != found {
        return None;
    }
    let (id, _) = rest.split_once('_')?;
    id::is_spelt(id).then(|| AgentTokenId::from(id))
}

/// CRC-32 (ISO 3309) of the text, as six base-62 digits.
fn checksum(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut out = [b'0'; CHECKSUM_LENGTH];
    for place in out.iter_mut().rev() {
        *place = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    out.iter().map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Env;

    fn ring() -> Keyring {
        Keyring::parse(Keyring::generate(&Env::system()).expose_secret()).expect("a generated key")
    }

    #[test]
    fn derived_again_it_is_the_same_and_rotated_it_is_not() {
        let keys = ring();
        let id: AgentTokenId = Env::system().new_id();
        let stored = StoredAgentToken { key_id: keys.current_id().into(), generation: 1 };
        let token = PlainAgentToken::derive(&keys, &id, &stored).expect("the key is there");
        assert!(PlainAgentToken::derive(&keys, &id, &stored).expect("the key is there").is(token.expose()));
        let next = StoredAgentToken { generation: 2, ..stored.clone() };
        assert!(!PlainAgentToken::derive(&keys, &id, &next).expect("the key is there").is(token.expose()));
        assert_eq!(parse(token.expose()), Some(id.clone()));
        assert_eq!(HeldAgentToken::prove(&keys, token.expose(), &stored).map(|held| held.0), Some(id.clone()));
        assert_eq!(HeldAgentToken::prove(&keys, token.expose(), &next), None);
        assert!(token.expose().len() >= 64 && token.expose().ends_with(&token.short()[3..]));
        assert!(PlainAgentToken::derive(&ring(), &id, &stored).is_none(), "another ring has no such key");
        assert_eq!(format!("{token:?}"), "PlainAgentToken(hidden)");
    }

    #[test]
    fn a_typing_mistake_is_not_a_token() {
        let keys = ring();
        let stored = StoredAgentToken { key_id: keys.current_id().into(), generation: 1 };
        let token = PlainAgentToken::derive(&keys, &Env::system().new_id(), &stored).expect("the key is there");
        let text = token.expose();
        for at in 0..text.len() {
            let mut wrong = text.to_owned();
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            wrong.replace_range(at..=at, other);
            assert_eq!(parse(&wrong), None, "{at}");
        }
        let body = text.replacen("agt_c", "agt_@", 1);
        let body = &body[..body.len() - CHECKSUM_LENGTH];
        let odd_id = format!("{body}{}", checksum(body));
        for odd in ["", &odd_id, "agt_", "agt_ä", &text[..text.len() - 1], &format!("{text}0")] {
            assert_eq!(parse(odd), None);
        }
    }
}
