//! The public half of a key that an agent made for itself.
//!
//! Such an agent signs its requests with the private half, which never leaves it; the server has
//! nothing that would open anything.

use std::fmt;

use aws_lc_rs::{
    digest,
    rsa::PublicEncryptingKey,
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

/// How long RSA keys are, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The bytes of an `Ed25519` key.
const ED25519_LENGTH: usize = 32;

/// The public half of an agent's own key: Ed25519, or RSA of 2048 to 8192 bits.
pub struct AgentPublicKey {
    der: Vec<u8>,
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
            Some(raw) if raw.len() == ED25519_LENGTH => (ParsedPublicKey::new(&ED25519, raw).ok(), "EdDSA"),
            _ => (rsa(&der), "RS256"),
        };
        let key = key.ok_or_else(|| refused("must be an Ed25519 key, or an RSA key of 2048 to 8192 bits"))?;
        let fingerprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der));
        Ok(Self { der, key, algorithm, fingerprint })
    }

    /// The key as PEM, in the one form that RFC 7468 has for those who write it; so equal keys are
    /// equal texts.
    pub fn to_pem(&self) -> String {
        let mut body = STANDARD.encode(&self.der);
        for at in (64..body.len()).step_by(64).rev() {
            body.insert(at, '\n');
        }
        format!("{BEGIN}\n{body}\n{END}\n")
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

/// Reads an RSA key from its SubjectPublicKeyInfo. Its length is looked at here: a key of another
/// length can be parsed, and then verifies nothing.
fn rsa(der: &[u8]) -> Option<ParsedPublicKey> {
    let bits = PublicEncryptingKey::from_der(der).ok()?.key_size_bits();
    RSA_BITS.contains(&bits).then(|| ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).ok())?
}

impl fmt::Debug for AgentPublicKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "AgentPublicKey({} {})", self.algorithm, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        encoding::AsDer,
        rsa::{KeyPair as RsaKeyPair, KeySize},
        signature::{Ed25519KeyPair, KeyPair},
    };

    use super::*;

    /// The public key of RFC 8410 section 10.1.
    const RFC_8410: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    fn pem(label: &str, der: &[u8]) -> String {
        let body = STANDARD.encode(der);
        let lines = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
        format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
    }

    fn refusal(pem: &str) -> String {
        AgentPublicKey::parse(pem).expect_err("refused").to_string()
    }

    /// Made by `openssl genrsa 1024`: too short.
    const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC+bom37ugApa66YTxZ6lu0e1oYtsBKxyToQmVE9XA3w0rvbd2xsTQ5Pg4cW358\
        nVuuARZFEtxykjR4pilCFgrDsJMH1HJ+cj58Nf5AQMWfzdnU6l7W5zZJQJQSdoTtuunZiqLZZTIUetfnU+gNDz3uLZ1+4J41pEk+\
        U8hEodzgqwIDAQAB";

    #[test]
    fn ed25519_and_rsa_are_taken() {
        let key = AgentPublicKey::parse(RFC_8410).expect("a key");
        assert_eq!(key.algorithm(), "EdDSA");
        assert_eq!(key.short(), "...NJTaB8", "what openssl says");
        for odd in [RFC_8410.replace('\n', "\r\n"), format!("\n  {RFC_8410}  \n"), RFC_8410.replace("MCow", "MC\now")] {
            assert_eq!(AgentPublicKey::parse(&odd).expect("a key").to_pem(), RFC_8410);
        }

        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let text = pem("PUBLIC KEY", rsa.public_key().as_der().expect("DER").as_ref());
        let key = AgentPublicKey::parse(&text).expect("a key");
        assert_eq!((key.algorithm(), key.to_pem()), ("RS256", text));
    }

    #[test]
    fn a_signature_is_checked() {
        let pair = Ed25519KeyPair::generate().expect("a key");
        let key = AgentPublicKey::parse(&pem("PUBLIC KEY", pair.public_key().as_der().expect("DER").as_ref()));
        let (key, signature) = (key.expect("a key"), pair.sign(b"message"));
        assert!(key.verifies(b"message", signature.as_ref()));
        assert!(!key.verifies(b"massage", signature.as_ref()));
        assert!(!key.verifies(b"message", b""));
    }

    #[test]
    fn a_private_key_is_refused_and_not_repeated() {
        let der = Ed25519KeyPair::generate().expect("a key").to_pkcs8().expect("DER");
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            let secret = pem(label, der.as_ref());
            for text in [secret.clone(), format!("{RFC_8410}{secret}"), format!("{secret}{RFC_8410}")] {
                let message = refusal(&text);
                assert!(message.contains("private key") && message.contains("make a new key"), "{message}");
                assert!(!message.contains(&STANDARD.encode(der.as_ref())[..16]), "{message}");
            }
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let pair = Ed25519KeyPair::generate().expect("a key");
        let der = pair.public_key().as_der().expect("DER");
        let der = der.as_ref();
        let private = pair.to_pkcs8().expect("DER");
        let longer = [der, &[0]].concat();
        // Made by openssl ecparam -name prime256v1 -genkey.
        let ec = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE86HsUebQLazYRswclpdvbqGxpA44\
            CXdHLaYLtRWwZMbj7/AG3E10YTocUKtAY3EVJuB2CpTPsxUF05Ozrjo9sw==";
        let ec = format!("-----BEGIN PUBLIC KEY-----\n{ec}\n-----END PUBLIC KEY-----");
        for bad in [
            "",
            "x",
            BEGIN,
            END,
            &format!("{BEGIN}{END}"),
            &format!("{BEGIN}\n!\n{END}"),
            &ec,
            &format!("{BEGIN}\n{RSA_1024}\n{END}"),
            &pem("CERTIFICATE", der),
            &pem("PUBLIC KEY", private.as_ref()),
            &pem("PUBLIC KEY", &longer),
            &pem("PUBLIC KEY", &der[..43]),
            &format!("{RFC_8410}{RFC_8410}"),
            &format!("x{RFC_8410}"),
        ] {
            let message = refusal(bad);
            assert!(message.starts_with("publicKey: "), "{message}");
        }
    }
}
