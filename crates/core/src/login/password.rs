//! Passwords of local users, hashed with Argon2id.
//!
//! The parameters are those of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. A
//! hash takes tens of milliseconds, so it is computed where it keeps nobody else waiting.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{Error as HashError, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::{Env, Error, Result};

/// The fewest characters that a new password has. NIST SP 800-63B section 3.1.1.2 wants 15 where
/// nothing else is asked for, and 8 where something is; attempts are limited here.
pub const SHORTEST: usize = 12;

/// The most bytes that are taken for a password, so that nobody makes us hash a book.
pub const LONGEST: usize = 1024;

/// Kilobytes of memory, passes, lanes.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// The hash of no password, with the same cost: what is compared for an account that has none, so that
/// the answer takes as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password that can be given to somebody.
pub struct NewPassword(SecretString);

impl NewPassword {
    /// One that somebody has chosen.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is too short or too long.
    pub fn chosen(text: SecretString) -> Result<Self> {
        let (characters, bytes) = (text.expose_secret().chars().count(), text.expose_secret().len());
        if characters < SHORTEST || bytes > LONGEST {
            return Err(Error::refused(format!(
                "a password has {SHORTEST} characters at least, and {LONGEST} bytes at the most"
            )));
        }
        Ok(Self(text))
    }

    /// A new one, of 120 bits that nobody can guess.
    pub fn generated(env: &Env) -> Self {
        Self(URL_SAFE_NO_PAD.encode(env.random::<15>()).into())
    }

    /// The text to hand to its user, once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What to keep, as a PHC string. Slow.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the memory for it is not to be had.
    pub fn hash(&self, env: &Env) -> Result<String> {
        let salt: [u8; 16] = env.random();
        let hash = argon2()?.hash_password_with_salt(self.expose().as_bytes(), &salt);
        hash.map(|hash| hash.to_string()).map_err(Error::internal)
    }
}

/// Whether a password is the one that a hash was made of. Without a hash it is not, after as much
/// work. Slow.
///
/// # Errors
///
/// [`Error::Internal`] when the hash is none, or the memory is not to be had.
pub fn is(password: &SecretString, hash: Option<&str>) -> Result<bool> {
    let known = PasswordHash::new(hash.unwrap_or(NOBODY)).map_err(Error::internal)?;
    match argon2()?.verify_password(password.expose_secret().as_bytes(), &known) {
        Ok(()) => Ok(hash.is_some()),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(other) => Err(Error::internal(other)),
    }
}

fn argon2() -> Result<Argon2<'static>> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(Error::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash() {
        let env = Env::system();
        let password = NewPassword::chosen("correct horse battery".into()).expect("long enough");
        let (one, other) = (password.hash(&env).expect("hashed"), password.hash(&env).expect("hashed"));
        let (memory, passes, lanes) = COST;
        for hash in [&one, NOBODY] {
            assert!(hash.starts_with(&format!("$argon2id$v=19$m={memory},t={passes},p={lanes}$")), "{hash}");
        }
        assert_ne!(one, other, "each has a salt of its own");
        assert!(is(&"correct horse battery".into(), Some(&one)).expect("compared"));
        for wrong in ["", "correct horse batterx", "Correct horse battery"] {
            assert!(!is(&wrong.into(), Some(&one)).expect("compared"), "{wrong}");
        }
        assert!(!is(&"".into(), None).expect("compared"));
        assert!(is(&"x".into(), Some("hunter2")).is_err(), "what is kept is no hash");
        let generated = NewPassword::generated(&env);
        assert_eq!(generated.expose().len(), 20);
    }

    #[test]
    fn what_costs_nothing_to_guess_or_too_much_to_hash_is_refused() {
        for bad in [String::new(), "elevenchars".into(), "x".repeat(LONGEST + 1)] {
            assert!(NewPassword::chosen(bad.into()).is_err());
        }
        assert!(NewPassword::chosen("twelve chärs".into()).is_ok());
    }
}
