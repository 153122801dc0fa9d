//! Who did something.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::words;
use crate::SubjectId;

words! {
    /// The kinds of subjects that can act.
    SubjectType {
        User "USER",
        /// An API token.
        ServiceKey "SERVICEKEY",
    }
}

/// Whoever made or changed something.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicSubjectProfile {
    /// The subject's id.
    pub id: SubjectId,
    /// Whether it is a user or an API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_type: Option<SubjectType>,
    /// The API token's name, for an API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_token_name: Option<String>,
    /// The user's name, for a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The user's e-mail address, for a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The user's picture, for a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}
