//! Typed ids, all of the shape that stock clients check for.
//!
//! The Terraform provider and the `astro` CLI take a value for an id only when it looks like a
//! CUID of 25 characters: `c` and 24 lower-case base-36 digits.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The characters of an id after its leading `c`.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The length of the ids that Airlock makes. Longer ones exist elsewhere, so reading is lenient.
pub const LENGTH: usize = 25;

/// Spells an id: `c`, eight digits of the time so that ids sort by age, sixteen of chance.
///
/// `milliseconds` counts from the Unix epoch; `chance` must come from a secure source, for an id
/// must not be guessable from its neighbours.
pub fn spell(milliseconds: u64, chance: u128) -> String {
    let mut text = [b'c'; LENGTH];
    let mut rest = u128::from(milliseconds);
    for place in text[1..9].iter_mut().rev() {
        *place = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    let mut rest = chance;
    for place in text[9..].iter_mut().rev() {
        *place = DIGITS[(rest % 36) as usize];
        rest /= 36;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

/// Whether a text has the form that [`spell`] gives: an id that this server may have made.
pub fn is_spelt(text: &str) -> bool {
    text.len() == LENGTH && text.starts_with('c') && text.bytes().all(|byte| DIGITS.contains(&byte))
}

/// What every typed id can do, so that code may be written once for all of them.
pub trait Id: Clone + fmt::Debug + fmt::Display + From<String> + Send + Sync + 'static {
    /// What it names, for example `Deployment` or `agent token`.
    const NOUN: &'static str;
    /// Lines of documentation: what the id is.
    const DOC: &'static [&'static str];
    /// An id of this kind that documentation shows wherever one is needed.
    const EXAMPLE: &'static str;

    /// The id as text.
    fn as_str(&self) -> &str;
}

/// Keeps a text that could be an id; anything else becomes the empty id, which names no record.
///
/// An id of impossible shape is thereby "not found" and not "malformed": clients look things up
/// by ids of other servers, and a database must never see what cannot be an id.
fn accept(text: String) -> String {
    let fits = text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { text } else { String::new() }
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident $noun:literal $example:literal)*) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl Id for $name {
            const NOUN: &'static str = $noun;
            const DOC: &'static [&'static str] = &[$($doc),+];
            const EXAMPLE: &'static str = $example;

            fn as_str(&self) -> &str { &self.0 }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self { Self(accept(text)) }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self(accept(text.to_owned())) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from).map(Self::from)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result { to.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result { to.write_str(&self.0) }
        }
    )*};
}

// Each kind has an example of its own, so that whatever reads one can tell what it stands for. All
// are of the instant at which tests begin, so that a test's server can make them.
ids! {
    /// The id of an Organization: the tenant that everything else belongs to.
    OrganizationId "Organization" "cmjuohs000j063o1bw72ghw8g"
    /// The id of a Workspace: a group of Deployments in an Organization.
    WorkspaceId "Workspace" "cmjuohs00lehmyl093cbnkzll"
    /// The id of a cluster: a place where Airflows run.
    ClusterId "cluster" "cmjuohs00f6z1tq8vkd50nc2m"
    /// The id of a Deployment: one Airflow.
    DeploymentId "Deployment" "cmjuohs003t3pr10qlva2l82c"
    /// The id of an agent token: the credential of one remote agent for one Deployment.
    AgentTokenId "agent token" "cmjuohs008l5dgobw5py4o6li"
    /// The id of an agent: a remote worker that has registered through the gate.
    AgentId "agent" "cmjuohs006u2awrutlcu6vwj6"
    /// The id of a job that was handed to an agent.
    AgentJobId "job" "cmjuohs00j3cm9lrrdcow5k4u"
    /// The id of an allowed IP address range.
    AllowedIpAddressRangeId "allowed IP address range" "cmjuohs004hiv766f4pegegq4"
    /// The id of an API token: the credential of an automation that calls this API.
    ApiTokenId "API token" "cmjuohs00ejdwei1lqqpugr2q"
    /// The id of a deploy: one change of the code that a Deployment runs.
    DeployId "deploy" "cmjuohs00w5q8z1x3v7b9n2m4"
    /// The version of an archive: what its upload was answered with.
    TarballVersion "version" "cmjuohs00a8d3f6h9k2m5p7rt"
    /// The id of an environment object: a connection, a variable or a metrics export.
    EnvironmentObjectId "environment object" "cmjuohs00t3pz4k0w8nq5r2de"
    /// The id of a custom role.
    RoleId "role" "cmjuohs00o0i2a1jmot83ghe1"
    /// The id of whoever acts: a user, an API token, or an agent token.
    SubjectId "subject" "cmjuohs004fyhmj0c4c5522yo"
    /// The id of a user: a person in an Organization.
    UserId "user" "cmjuohs00d9sk2vbnw83lrc1x"
    /// The id of the invite of a user who has not come yet.
    InviteId "invite" "cmjuohs00m0w6yqpd2f7hgk4a"
    /// The id of a team: users who have roles together.
    TeamId "team" "cmjuohs001u8e3roti5n9vzj6"
    /// The id of whoever holds roles: an API token, a user, or a team.
    RoleHolderId "role holder" "cmjuohs00g2l7hxay4m0dqf8t"
}

macro_rules! is_also {
    ($($id:ident is $other:ident;)*) => {$(
        impl From<$id> for $other {
            fn from(id: $id) -> Self {
                Self(id.0)
            }
        }
    )*};
}
is_also! {
    ApiTokenId is SubjectId;
    AgentTokenId is SubjectId;
    UserId is SubjectId;
    ApiTokenId is RoleHolderId;
    UserId is RoleHolderId;
    TeamId is RoleHolderId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_cuid_that_sorts_by_time() {
        let early = spell(1_700_000_000_000, u128::MAX);
        let late = spell(1_700_000_000_001, 0);
        assert!(early < late, "{early} {late}");
        for id in [early, late] {
            assert_eq!(id.len(), LENGTH);
            assert!(is_spelt(&id), "{id}");
            assert!(!is_spelt(&id[1..]) && !is_spelt(&id.to_uppercase()) && !is_spelt(&format!("{}@", &id[..24])));
        }
    }

    #[test]
    fn what_cannot_be_an_id_names_nothing() {
        for bad in ["a/b", "\0", "ä", &"x".repeat(65), " "] {
            assert_eq!(DeploymentId::from(bad).as_str(), "", "{bad:?}");
        }
        assert_eq!(DeploymentId::from("ckw3ronxn3977574jzaglzxs4r4").as_str(), "ckw3ronxn3977574jzaglzxs4r4");
    }
}
