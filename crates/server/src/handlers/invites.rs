//! `/organizations/{organizationId}/invites`

use airlock_contract::{
    InviteId, UserId,
    operations::{CreateUserInvite, DeleteUserInvite},
    wire::{ApiTokenRole, EntityType, Invite, UserStatus},
};
use airlock_core::{Error, Result};
use airlock_store::{
    Writing, invites, organizations,
    role_bindings::{self, NewRole},
    users::{self, User},
};

use crate::{
    adaptor::{Call, Changed, Handlers, Write},
    handlers::{
        role_bindings::{RoleFields, assign, of_one, refuse_more_than_own},
        roles,
    },
};

/// For how many days an invite can be accepted.
const DAYS: u32 = 7;

impl Write<CreateUserInvite> for Handlers {
    async fn write(call: &Call<'_, CreateUserInvite>, w: &Writing) -> Result<Changed<Invite>> {
        roles::lock(w, call.granted).await?;
        let organization = call.granted.organization();
        let role = ApiTokenRole {
            role: call.body.role.as_str().into(),
            entity_type: EntityType::Organization,
            entity_id: organization.to_string(),
            deployment_id: None,
        };
        let assigned = assign(call, w, &role, &RoleFields::of_body(), false).await?;
        refuse_more_than_own(call.caller, &role, &assigned.permits, &assigned.place)?;

        let user = pending_user(call, w).await?;
        give_on_organization(call, w, &user, &role).await?;
        let (id, expires_at): (InviteId, _) = (call.app.env.new_id(), call.now.plus_days(DAYS));
        invites::put(w, &user, &id, expires_at).await?;
        let invite = Invite {
            invite_id: id.clone(),
            organization_id: organization.clone(),
            organization_name: Some(organizations::get(w, call.granted).await?.name),
            user_id: Some(user.id.clone()),
            invitee: user.profile(),
            inviter: user.authorship.updated_by,
            expires_at,
        };
        Ok(Changed::new(invite, "invite", &id))
    }
}

impl Write<DeleteUserInvite> for Handlers {
    async fn write(call: &Call<'_, DeleteUserInvite>, w: &Writing) -> Result<Changed<()>> {
        roles::lock(w, call.granted).await?;
        let user = invites::locked_invitee(w, call.granted, &call.path.invite_id).await?;
        users::delete(w, &user).await?;
        Ok(Changed::new((), "invite", &call.path.invite_id))
    }
}

/// The user of the address: a new one, or one who was invited before and has not come yet.
async fn pending_user(call: &Call<'_, CreateUserInvite>, w: &Writing) -> Result<User> {
    let address = &call.body.invitee_email;
    match users::locked_of_address(w, call.granted, address).await? {
        Some(user) if user.status == UserStatus::Pending => users::mark_changed(w, &user, &call.stamp()).await?,
        Some(user) => {
            let text = format!("is the address of the user {}, who is in the Organization already", user.id);
            return Err(Error::field("conflict", "inviteeEmail", text));
        }
        None => {
            let id: UserId = call.app.env.new_id();
            users::insert(w, call.granted, &id, address, &call.stamp()).await?;
        }
    }
    let kept = users::of_address(w, call.granted, address).await?;
    kept.ok_or_else(|| Error::internal("a user that was just kept is gone"))
}

/// Gives the role instead of one that the user may have on the Organization.
async fn give_on_organization(
    call: &Call<'_, CreateUserInvite>,
    w: &Writing,
    user: &User,
    role: &ApiTokenRole,
) -> Result<()> {
    let held = of_one(w, user).await?.into_iter();
    let old: Vec<_> = held.filter(|row| row.entity_type == EntityType::Organization).collect();
    role_bindings::exchange(w, call.granted, user, &old, &[NewRole { role, fixed: None }]).await
}
