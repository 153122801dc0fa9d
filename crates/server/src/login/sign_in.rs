//! Users who come: on the command line, and the end of every way to sign in.

use airlock_contract::{OrganizationId, Time, wire::UserStatus};
use airlock_core::{Error, Result, session::PlainSession};
use airlock_store::{
    Stamp, Writing,
    bootstrap::SYSTEM,
    login::{accept, invite_end, open_session, user_of_address},
    users::User,
};

use crate::{
    App,
    bootstrap::{entry, one_of_all},
};

/// For how long a session from the command line is good, in seconds.
const SESSION: i64 = 8 * 3600;

/// Opens a session for the user of an e-mail address; accepts the user's invite if it is open yet.
/// Whoever calls this has the database and the master key, and so vouches for the user.
///
/// # Errors
///
/// [`Error::Invalid`] when there is no such user, or it is not clear which Organization is meant;
/// [`Error::Denied`] when the invite has ended.
pub async fn sign_in(app: &App, organization: Option<&OrganizationId>, username: &str) -> Result<PlainSession> {
    let w = app.store.write().await?;
    let organization = one_of_all(&w, organization).await?;
    let now = app.env.now();
    let Some(user) = user_of_address(&w, &organization, username).await? else {
        return Err(Error::refused(format!("nobody with the address {username} is in the Organization; invite first")));
    };
    arrive(&w, &user, &Stamp { at: now, by: SYSTEM.into() }).await?;
    let session = PlainSession::new(&app.env);
    open_session(&w, &user.id, None, &session.hash(), now.plus_seconds(SESSION)).await?;
    w.commit(&entry(app, "SignIn", &organization, ("user", user.id.to_string()), now)).await?;
    Ok(session)
}

/// The user has come: accepts its invite if it is open yet.
///
/// # Errors
///
/// [`Error::Denied`] when the invite has ended.
pub(super) async fn arrive(w: &Writing, user: &User, stamp: &Stamp) -> Result<()> {
    if user.status != UserStatus::Pending {
        return Ok(());
    }
    demand_open_invite(w, user, stamp.at).await?;
    accept(w, user, stamp).await
}

/// Demands that the user's invite has not ended, if it has one.
///
/// # Errors
///
/// [`Error::Denied`] when it has.
pub(super) async fn demand_open_invite(w: &Writing, user: &User, now: Time) -> Result<()> {
    match invite_end(w, user).await? {
        Some(end) if end <= now => {
            Err(Error::Denied(format!("the invite of {} ended at {end}; ask for another", user.username)))
        }
        _ => Ok(()),
    }
}
