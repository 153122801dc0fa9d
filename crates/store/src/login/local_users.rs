//! Users that whoever runs the server makes.

use airlock_contract::{
    OrganizationId, UserId,
    wire::{ApiTokenRole, EntityType},
};
use airlock_core::Result;

use crate::{
    Stamp, Writing,
    role_bindings::{self, NewRole},
    users,
};

/// Keeps a user of an Organization that nobody granted, who is PENDING and has one role on it:
/// whoever has the database and the master key makes it.
///
/// # Errors
///
/// Those of the database.
pub async fn add_user(
    w: &Writing,
    organization: &OrganizationId,
    id: &UserId,
    username: &str,
    role: &str,
    stamp: &Stamp,
) -> Result<()> {
    users::insert_into(w, organization, id, username, stamp).await?;
    let role = ApiTokenRole {
        role: role.into(),
        entity_type: EntityType::Organization,
        entity_id: organization.to_string(),
        deployment_id: None,
    };
    let roles = [NewRole { role: &role, fixed: None }];
    role_bindings::insert(w, organization, &id.clone().into(), &roles).await
}
