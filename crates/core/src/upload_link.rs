//! Links to which an archive can be uploaded without a token, for a while.
//!
//! A link names the deploy that it is for and until when it is good, and is signed with a key that is
//! derived from the master key. So nothing is kept of it, and whoever has it can upload for this one
//! deploy and do nothing else.

use std::time::Duration;

use airlock_contract::{DeployId, Time};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{Error, Result, keyring::Keyring};

/// What is uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The Dags of a deploy.
    Dags,
    /// The bundle of a deploy.
    Bundle,
}

impl Part {
    /// The word in the link.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dags => "dags",
            Self::Bundle => "bundle",
        }
    }

    /// Finds the part by its word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Dags, Self::Bundle].into_iter().find(|part| part.as_str() == word)
    }
}

/// A link that was presented and is good: the proof that something may be uploaded for its deploy.
#[derive(Debug)]
pub struct UploadLink {
    deploy: DeployId,
    until: i64,
}

impl UploadLink {
    /// The path and query of a link, below the server's URL. The stock client appends `&comp=...` to
    /// it, and so it ends with a query. Its parameters have the names that Azure's clients know: some
    /// drop all others, and most keep `sig` out of their logs.
    pub fn sign(keys: &Keyring, deploy: &DeployId, part: Part, until: Time) -> String {
        let expires = until.as_seconds();
        let signature = URL_SAFE_NO_PAD.encode(keys.sign_link(&signed(deploy, part, expires)));
        format!("/uploads/{deploy}/{}?se={expires}&sig={signature}", part.as_str())
    }

    /// Judges a link by what its path and its query say.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when we have not signed it, and when its time is over.
    pub fn open(
        keys: &Keyring,
        deploy: DeployId,
        part: Part,
        expires: &str,
        signature: &str,
        now: Time,
    ) -> Result<Self> {
        let not_ours = || Error::Denied("the upload link is not good: its signature is not of this server".into());
        let expires: i64 = expires.parse().map_err(|_| not_ours())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| not_ours())?;
        if !keys.has_signed_link(&signed(&deploy, part, expires), &signature) {
            return Err(not_ours());
        }
        if expires <= now.as_seconds() {
            return Err(Error::Denied("the upload link has expired; create another deploy".into()));
        }
        Ok(Self { deploy, until: expires })
    }

    /// The deploy that it is for.
    pub fn deploy(&self) -> &DeployId {
        &self.deploy
    }

    /// How long it is still good.
    pub fn time_left(&self, now: Time) -> Duration {
        Duration::from_secs(self.until.saturating_sub(now.as_seconds()).try_into().unwrap_or_default())
    }
}

/// What is signed. No id has a line break, so that no two links have the same text.
fn signed(deploy: &DeployId, part: Part, expires: i64) -> String {
    format!("{}\n{deploy}\n{expires}", part.as_str())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::Env;

    fn opened(keys: &Keyring, link: &str, now: Time) -> Result<UploadLink> {
        let (path, query) = link.split_once('?').expect("a query");
        let parts: Vec<&str> = path.split('/').collect();
        let [_, _, deploy, part] = parts[..] else { panic!("{path}") };
        let (expires, signature) = query.split_once("&sig=").expect("a signature");
        let expires = expires.strip_prefix("se=").expect("an end");
        UploadLink::open(keys, deploy.into(), Part::named(part).expect("a part"), expires, signature, now)
    }

    #[test]
    fn a_link_is_good_for_its_deploy_its_part_and_its_time() {
        let env = Env::system();
        let old = Keyring::generate(&env);
        let keys = Keyring::parse(old.expose_secret()).expect("a generated key");
        let (one, now) = (DeployId::from("cone"), Time::from_micros(1_000_000_000_000));
        let link = UploadLink::sign(&keys, &one, Part::Dags, now.plus_seconds(60));
        assert!(
            opened(&keys, &link, now).is_ok_and(|open| *open.deploy() == one && open.time_left(now).as_secs() == 60)
        );
        let bad = [
            link.replace("cone", "ctwo"),
            link.replace("/dags", "/bundle"),
            link.replace("se=1", "se=2"),
            link.replace("sig=", "sig=A"),
            link[..link.len() - 1].to_owned(),
        ];
        for bad in bad {
            let message = opened(&keys, &bad, now).expect_err("refused").to_string();
            assert!(message.contains("signature"), "{bad}: {message}");
        }
        let late = opened(&keys, &link, now.plus_seconds(60)).expect_err("refused").to_string();
        assert!(late.contains("expired"), "{late}");

        let rotated = format!("{}\n{}", Keyring::generate(&env).expose_secret(), old.expose_secret());
        let rotated = Keyring::parse(&rotated).expect("two keys");
        assert!(opened(&rotated, &link, now).is_ok());
        let stranger = Keyring::parse(Keyring::generate(&env).expose_secret()).expect("a key");
        assert!(opened(&stranger, &link, now).is_err());
    }
}
