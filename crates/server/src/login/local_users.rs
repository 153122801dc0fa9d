//! Local users, for installations without an identity provider. Whoever calls this has the database
//! and the master key.

use airlock_contract::{
    OrganizationId, UserId,
    wire::{CreateUserInviteRequest, OrganizationRoleName},
};
use airlock_core::{Error, Result, login::password::NewPassword};
use airlock_store::{
    Stamp, Writing,
    bootstrap::SYSTEM,
    login::{self, Password, end_logins_of, locked_user, user_of_address},
    users::User,
};
use garde::Validate;

use super::sign_in::demand_open_invite;
use crate::{
    App,
    bootstrap::{entry, one_of_all},
};

/// Makes a user with a role on the Organization, that of a member if none is given, and a password; gives
/// one to a user who is invited, whose role stays.
///
/// # Errors
///
/// [`Error::Invalid`] when the address is none or has a password already, a role is given for a user who
/// is there, or it is not clear which Organization is meant; [`Error::Denied`] when the user's invite has
/// ended.
pub async fn add_user(
    app: &App,
    organization: Option<&OrganizationId>,
    address: &str,
    role: Option<OrganizationRoleName>,
    password: &NewPassword,
) -> Result<()> {
    let new_role = role.unwrap_or(OrganizationRoleName::Member);
    let request = CreateUserInviteRequest { invitee_email: address.into(), role: new_role };
    request.validate().map_err(|_| Error::refused(format!("{address} is no e-mail address")))?;
    let hash = password.hash(&app.env)?;
    let w = app.store.write().await?;
    let organization = one_of_all(&w, organization).await?;
    let stamp = Stamp { at: app.env.now(), by: SYSTEM.into() };
    let is_there = user_of_address(&w, &organization, address).await?.is_some();
    if is_there && role.is_some() {
        return Err(Error::refused(format!(
            "{address} is in the Organization already and keeps its role; leave --role out"
        )));
    }
    if !is_there {
        let id: UserId = app.env.new_id();
        login::add_user(&w, &organization, &id, address, request.role.as_str(), &stamp).await?;
    }
    let user = user(&w, &organization, address).await?;
    demand_open_invite(&w, &user, stamp.at).await?;
    if login::password_of_address(&w, address).await?.is_some_and(|known| known.user == user.id) {
        return Err(Error::refused(format!("{address} has a password already; airlock user set-password changes it")));
    }
    keep_password(app, &w, &user, &hash).await?;
    w.commit(&entry(app, "AddUser", &organization, ("user", user.id.to_string()), stamp.at)).await
}

/// Changes a user's password, and ends all that the user has signed in to.
///
/// # Errors
///
/// [`Error::Invalid`] when there is no such user, or it is not clear which Organization is meant.
pub async fn set_password(
    app: &App,
    organization: Option<&OrganizationId>,
    address: &str,
    password: &NewPassword,
) -> Result<()> {
    let hash = password.hash(&app.env)?;
    change(app, organization, address, "SetPassword", async |w, user| keep_password(app, w, user, &hash).await).await
}

/// Takes the password from a user, who cannot sign in any more, and ends all that the user has signed
/// in to.
///
/// # Errors
///
/// [`Error::Invalid`] when there is no such user, it has no password, or it is not clear which
/// Organization is meant.
pub async fn remove_password(app: &App, organization: Option<&OrganizationId>, address: &str) -> Result<()> {
    let change_it = async |w: &Writing, user: &User| match login::remove_password(w, user).await? {
        true => Ok(()),
        false => Err(Error::refused(format!("{address} has no password"))),
    };
    change(app, organization, address, "RemovePassword", change_it).await
}

/// Ends all that a user has signed in to.
///
/// # Errors
///
/// [`Error::Invalid`] when there is no such user, or it is not clear which Organization is meant.
pub async fn sign_out(app: &App, organization: Option<&OrganizationId>, address: &str) -> Result<()> {
    change(app, organization, address, "SignOut", async |_, _| Ok(())).await
}

/// Changes something about a user, and ends all that the user has signed in to.
async fn change(
    app: &App,
    organization: Option<&OrganizationId>,
    address: &str,
    operation: &str,
    make: impl AsyncFnOnce(&Writing, &User) -> Result<()>,
) -> Result<()> {
    let w = app.store.write().await?;
    let organization = one_of_all(&w, organization).await?;
    let user = user(&w, &organization, address).await?;
    let now = app.env.now();
    make(&w, &user).await?;
    end_logins_of(&w, &user.id, now).await?;
    w.commit(&entry(app, operation, &organization, ("user", user.id.to_string()), now)).await
}

/// The user of an address, whom nobody else changes until this is committed.
async fn user(w: &Writing, organization: &OrganizationId, address: &str) -> Result<User> {
    let missing = || Error::refused(format!("nobody with the address {address} is in the Organization"));
    let user = user_of_address(w, organization, address).await?.ok_or_else(missing)?;
    locked_user(w, &user.id).await?.ok_or_else(missing)
}

async fn keep_password(app: &App, w: &Writing, user: &User, hash: &str) -> Result<()> {
    let sealed = app.keys.seal(&app.env, &Password::seal_of(&user.id), hash)?;
    if login::set_password(w, user, &sealed, app.env.now()).await? {
        return Ok(());
    }
    Err(Error::refused(format!("{} has a password as a user of another Organization", user.username)))
}
