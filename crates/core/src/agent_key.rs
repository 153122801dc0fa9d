//! The public half of a key that an agent made for itself.
//!
//! Such an agent signs its requests with the private half, which never leaves it; the server has
//! nothing that would open anything.

use std::fmt;

use aws_lc_rs::{
    digest,
    signature::{ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::{Error, Result};

/// What frames a key in PEM (RFC 7468 section 13).
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// How an `Ed25519` key begins as SubjectPublicKeyInfo (RFC 8410 section 4): all but the key itself.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The bytes of an `Ed25519` key.
const ED25519_LENGTH: usize = 32;

/// The public half of an agent's own key: Ed25519, or RSA of 2048 to 8192 bits.
pub struct AgentPublicKey {
    key: ParsedPublicKey,
    algorithm: &'static str,
    fingerprint: String,
}

impl AgentPublicKey {
    /// Reads a key from PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the field `publicKey`, and never repeats what it was given.
    pub fn parse(pem: &str) -> Result<Self> {
        let refused = |message: &str| Error::field("constraint", "publicKey", message);
        if pem.contains("PRIVATE KEY") {
            return Err(refused(
                "this is a private key, which must not leave the agent; it was not kept, but make a new key, and \
                 give only the output of openssl pkey -pubout",
            ));
        }
        let body = pem.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let Some(body) = body else {
            return Err(refused("must be one public key in PEM form, from BEGIN PUBLIC KEY to END PUBLIC KEY"));
        };
        let body: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| refused("the text between BEGIN and END is not base64"))?;
        let (key, algorithm) = match der.strip_prefix(&ED25519_PREFIX) {
            Some(raw) if raw.len() == ED25519_LENGTH => (ParsedPublicKey::new(&ED25519, raw), "EdDSA"),
            _ => (ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &der), "RS256"),
        };
        let key = key.map_err(|_| refused("must be an Ed25519 key, or an RSA key of 2048 to 8192 bits"))?;
        let fingerprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
        Ok(Self { key, algorithm, fingerprint })
    }

    /// The one algorithm (RFC 7518, RFC 8037) with which the agent's JWTs are signed.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// Whether the signature of the message is by the other half of this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }

    /// The last characters of the key's fingerprint (SHA-256 of its DER form, in base64url), by
    /// which people recognise it.
    pub fn short(&self) -> String {
        format!("...{}", &self.fingerprint[self.fingerprint.len() - 6..])
    }
}

impl fmt::Debug for AgentPublicKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "AgentPublicKey({} {})", self.algorithm, self.fingerprint)
    }
}
