//! Invites of users.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, OrganizationRoleName, text};
use crate::{InviteId, OrganizationId, Time, UserId};

/// An invite that nobody has accepted yet.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// The invite's id, by which it can be deleted.
    pub invite_id: InviteId,
    /// The Organization that the user is invited to.
    pub organization_id: OrganizationId,
    /// That Organization's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
    /// The user that the invite made; PENDING until it is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Who is invited.
    pub invitee: BasicSubjectProfile,
    /// Who invited.
    pub inviter: BasicSubjectProfile,
    /// When the invite ends. It can be accepted before.
    pub expires_at: Time,
}

/// Whom to invite, and as what.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"inviteeEmail": "ada@example.org", "role": "ORGANIZATION_MEMBER"}))]
pub struct CreateUserInviteRequest {
    /// The e-mail address of whom to invite; it becomes the user's `username`.
    #[garde(custom(text::email))]
    pub invitee_email: String,
    /// The role that the user gets on the Organization.
    pub role: OrganizationRoleName,
}
