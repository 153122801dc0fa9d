//! Proof that whoever redeems an authorization code is who asked for it (RFC 7636, method S256).

use aws_lc_rs::{constant_time, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::Env;

/// Whether a text can be a challenge: a SHA-256 in base64url without padding.
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// Whether a verifier is the one that a challenge was made of.
pub fn proves(verifier: &str, challenge: &str) -> bool {
    // RFC 7636 section 4.1
    let is_verifier = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    is_verifier
        && constant_time::verify_slices_are_equal(challenge_of(verifier).as_bytes(), challenge.as_bytes()).is_ok()
}

/// A new verifier.
pub fn new_verifier(env: &Env) -> String {
    URL_SAFE_NO_PAD.encode(env.random::<32>())
}

/// The challenge of a verifier.
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636 appendix B.
    #[test]
    fn the_verifier_of_the_rfc_proves_its_challenge() {
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_challenge(challenge) && proves(verifier, challenge));
        for bad in
            ["", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", &verifier[..42], &format!("{verifier}="), challenge]
        {
            assert!(!proves(bad, challenge), "{bad}");
        }
        for bad in ["", &challenge[..42], &format!("{challenge}="), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"] {
            assert!(!is_challenge(bad), "{bad}");
        }
        let made = new_verifier(&Env::system());
        assert!(proves(&made, &challenge_of(&made)));
    }
}
