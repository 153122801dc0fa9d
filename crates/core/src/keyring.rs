//! The master key, and everything that is derived from it.
//!
//! No secret is stored: agent tokens, the signing key of API tokens, and the key that seals
//! stored values are all derived (HKDF, RFC 5869) from a master key that lives outside the
//! database. A keyring holds the current master key, under which new things are made, and older
//! ones, under which existing things stay good until they are gone.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretBox};

use crate::{Env, Error, Result};

/// The bytes of a master key.
const LENGTH: usize = 32;

/// The current master key and those that came before it.
pub struct Keyring {
    keys: Vec<Master>,
}

/// One master key, as what is derived from it.
pub(crate) struct Master {
    pub(crate) id: String,
    pub(crate) agents: hmac::Key,
    pub(crate) signing: EncodingKey,
    pub(crate) verifying: DecodingKey,
    pub(crate) public: Vec<u8>,
    sealing: LessSafeKey,
    tasks: LessSafeKey,
    forms: hmac::Key,
    links: hmac::Key,
}

impl Keyring {
    /// Reads a key file: a line `<id>:<32 bytes, base64url without padding>` a key, the current
    /// one first. Blank lines, and lines that begin with `#`, are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the number of the line that is not a key; never with its text.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let keys = lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(at, line)| {
                parse_line(line).ok_or_else(|| {
                    Error::refused(format!("line {at} of the master key is not <id>:<32 bytes in base64url>"))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(Error::refused("there is no master key in it"));
        }
        Ok(Self { keys })
    }

    /// A new line for a key file. The key's id is its day of birth and a little chance.
    pub fn generate(env: &Env) -> SecretBox<String> {
        let day = env.now().to_string().chars().take(10).filter(|c| *c != '-').collect::<String>();
        let [chance] = env.random();
        let key = URL_SAFE_NO_PAD.encode(env.random::<LENGTH>());
        SecretBox::new(Box::new(format!("k{day}{chance:02x}:{key}")))
    }

    pub(crate) fn current(&self) -> &Master {
        &self.keys[0]
    }

    /// Whether the ring has the key.
    pub fn has(&self, id: &str) -> bool {
        self.by_id(id).is_some()
    }

    /// The id of the key under which new things are made.
    pub fn current_id(&self) -> &str {
        &self.current().id
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Master> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The public halves of the signing keys, as a JSON Web Key Set (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> serde_json::Value {
        let keys = self.keys.iter().map(|key| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.id, "x": URL_SAFE_NO_PAD.encode(&key.public),
            })
        });
        serde_json::json!({"keys": keys.collect::<Vec<_>>()})
    }

    /// Encrypts a value that must be stored (AES-256-GCM). `identity` names the place where it is
    /// stored, so that a sealed value moved elsewhere does not open.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the cipher refuses, which it has no reason to.
    pub fn seal(&self, env: &Env, identity: &str, plain: &str) -> Result<Sealed> {
        let key = self.current();
        let bytes = seal(&key.sealing, env, identity, plain.as_bytes().to_vec())?;
        Ok(Sealed { key_id: key.id.clone(), bytes })
    }

    /// Decrypts what [`Self::seal`] made for the same identity.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when its master key is not in the ring, or the value was tampered with.
    pub fn open(&self, identity: &str, sealed: &Sealed) -> Result<SecretBox<String>> {
        let key = self.by_id(&sealed.key_id).ok_or_else(|| {
            Error::internal(format!(
                "{identity} is sealed with master key {}, which is not in the key file",
                sealed.key_id
            ))
        })?;
        let broken = || Error::internal(format!("the sealed value of {identity} does not open"));
        let mut bytes = sealed.bytes.clone();
        let plain = open(&key.sealing, identity, &mut bytes).ok_or_else(broken)?;
        let plain = String::from_utf8(plain.to_vec()).map_err(|_| broken())?;
        Ok(SecretBox::new(Box::new(plain)))
    }

    /// Signs what a browser shall bring back (HMAC-SHA256), with the current key.
    pub fn sign_form(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.current().forms, text.as_bytes()))
    }

    /// Whether [`Self::sign_form`] made a signature, with any key of the ring.
    pub fn signed_form(&self, text: &str, signature: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        self.keys.iter().any(|key| hmac::verify(&key.forms, text.as_bytes(), &tag).is_ok())
    }

    /// Encrypts what a worker shall hold for a task, and tells with which master key.
    pub(crate) fn seal_task_token(&self, env: &Env, deployment: &str, plain: Vec<u8>) -> Result<(&str, Vec<u8>)> {
        let key = self.current();
        Ok((&key.id, seal(&key.tasks, env, deployment, plain)?))
    }

    /// Decrypts what [`Self::seal_task_token`] made for the same Deployment, in place.
    pub(crate) fn open_task_token<'a>(&self, key_id: &str, deployment: &str, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        open(&self.by_id(key_id)?.tasks, deployment, bytes)
    }

    /// Signs a link of ours (HMAC-SHA256).
    pub(crate) fn sign_link(&self, text: &str) -> hmac::Tag {
        hmac::sign(&self.current().links, text.as_bytes())
    }

    /// Whether one of the keys has signed this, compared in constant time.
    pub(crate) fn has_signed_link(&self, text: &str, signature: &[u8]) -> bool {
        self.keys.iter().any(|key| hmac::verify(&key.links, text.as_bytes(), signature).is_ok())
    }
}

/// Encrypts under a key: nonce, ciphertext and tag.
fn seal(key: &LessSafeKey, env: &Env, identity: &str, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let nonce: [u8; NONCE_LEN] = env.random();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(identity), &mut bytes)
        .map_err(|_| Error::internal("a value could not be sealed"))?;
    Ok([&nonce[..], &bytes].concat())
}

/// Decrypts what [`seal`] made, in place.
fn open<'a>(key: &LessSafeKey, identity: &str, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
    let (nonce, bytes) = bytes.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.open_in_place(nonce, Aad::from(identity), bytes).ok().map(|plain| &*plain)
}

/// A value as it is stored: encrypted, and with the id of the master key that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The master key's id.
    pub key_id: String,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

fn parse_line(line: &str) -> Option<Master> {
    let (id, key) = line.split_once(':')?;
    let fits = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let key = SecretBox::new(Box::new(URL_SAFE_NO_PAD.decode(key).ok()?));
    if !fits || key.expose_secret().len() != LENGTH {
        return None;
    }
    Some(derive(id, key.expose_secret()))
}

fn derive(id: &str, key: &[u8]) -> Master {
    let expand = |purpose: &str| {
        let mut out = [0; LENGTH];
        Salt::new(HKDF_SHA256, b"airlock")
            .extract(key)
            .expand(&[purpose.as_bytes()], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut out))
            .expect("32 bytes are within what HKDF gives");
        out
    };
    let (signing, public) = crate::api_token::key_pair(&expand("api token signature"));
    let cipher = |purpose: &str| {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &expand(purpose)).expect("the key has 32 bytes"))
    };
    Master {
        id: id.to_owned(),
        agents: hmac::Key::new(hmac::HMAC_SHA512, &expand("agent tokens")),
        verifying: DecodingKey::from_ed_der(&public),
        signing,
        public,
        sealing: cipher("stored values"),
        tasks: cipher("task tokens"),
        forms: hmac::Key::new(hmac::HMAC_SHA256, &expand("forms")),
        links: hmac::Key::new(hmac::HMAC_SHA256, &expand("upload links")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place() {
        let env = Env::system();
        let old = Keyring::generate(&env);
        let ring = Keyring::parse(old.expose_secret()).expect("a generated key");
        let sealed = ring.seal(&env, "deployment/a", "hunter2").expect("sealed");
        assert!(!sealed.bytes.windows(7).any(|w| w == b"hunter2"));
        assert_eq!(ring.open("deployment/a", &sealed).expect("opened").expose_secret(), "hunter2");
        assert!(ring.open("deployment/b", &sealed).is_err());

        let rotated = format!("{}\n{}", Keyring::generate(&env).expose_secret(), old.expose_secret());
        let rotated = Keyring::parse(&rotated).expect("two keys");
        assert_ne!(rotated.current_id(), ring.current_id());
        assert_eq!(rotated.open("deployment/a", &sealed).expect("opened").expose_secret(), "hunter2");
    }

    #[test]
    fn a_bad_key_file_is_refused_without_showing_it() {
        for bad in ["", "# nothing", "k1:short", "no colon", "k 1:AAAA"] {
            let message = Keyring::parse(bad).err().expect("refused").to_string();
            assert!(!message.contains("short") && !message.contains("AAAA"), "{message}");
        }
    }
}
