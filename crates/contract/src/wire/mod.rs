//! What travels in bodies and queries.
//!
//! Each type derives its reading and writing (serde), its schema (schemars) and its checks
//! (garde) from one declaration. Fields that clients send and the API does not know are ignored.

pub mod agent;
pub mod agent_token;
pub mod airflow_check;
pub mod allowed_ip_address_range;
pub mod api_token;
pub mod authorization;
mod choice;
pub mod cluster;
pub mod cluster_kinds;
pub mod deploy;
pub mod deployment;
pub mod deployment_kinds;
pub mod deployment_log;
pub mod environment_object;
pub mod environment_value;
pub mod error;
pub mod held_roles;
pub mod invite;
pub mod options;
pub mod organization;
pub mod page;
pub mod role;
pub mod subject;
pub mod team;
pub mod text;
pub mod user;
pub mod workspace;

pub use agent::*;
pub use agent_token::*;
pub use airflow_check::*;
pub use allowed_ip_address_range::*;
pub use api_token::*;
pub use authorization::*;
pub use cluster::*;
pub use deploy::*;
pub use deployment::*;
pub use deployment_log::*;
pub use environment_object::*;
pub use environment_value::*;
pub use error::*;
pub use held_roles::*;
pub use invite::*;
pub use options::*;
pub use organization::*;
pub use page::*;
pub use role::*;
pub use subject::*;
pub use team::*;
pub use user::*;
pub use workspace::*;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A query without parameters.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
pub struct NoQuery {}

/// A request without a body.
pub type NoBody = ();
/// An answer without a body.
pub type NoOutput = ();

/// Declares an enum of the words that the API uses for a choice.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[schemars(inline)]
        #[allow(missing_docs, reason = "the words are the API's")]
        pub enum $name {$(
            $(#[$word_doc])*
            #[serde(rename = $word)]
            $variant,
        )*}

        impl $name {
            /// Every word of the choice.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word as the API spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Finds the choice by its word.
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == word)
            }
        }
    )*};
}
pub(crate) use words;
