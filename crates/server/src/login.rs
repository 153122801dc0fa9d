//! Letting users in.

use airlock_contract::{OrganizationId, wire::UserStatus};
use airlock_core::{Error, Result, session::PlainSession};
use airlock_store::{
    Stamp,
    bootstrap::SYSTEM,
    login::{accept, invite_end, open_session, user_of_address},
};

use crate::{
    App,
    bootstrap::{entry, one_of_all},
};

/// For how long a session is good, in seconds.
const SESSION: i64 = 8 * 3600;

/// Opens a session for the user of an e-mail address; accepts the user's invite if it is open yet.
/// Whoever calls this has the database and the master key, and so vouches for the user.
///
/// # Errors
///
/// [`Error::Invalid`] when there is no such user, the invite has ended, or it is not clear which
/// Organization is meant.
pub async fn sign_in(app: &App, organization: Option<&OrganizationId>, username: &str) -> Result<PlainSession> {
    let w = app.store.write().await?;
    let organization = one_of_all(&w, organization).await?;
    let now = app.env.now();
    let Some(user) = user_of_address(&w, &organization, username).await? else {
        return Err(Error::refused(format!("nobody with the address {username} is in the Organization; invite first")));
    };
    if user.status == UserStatus::Pending {
        match invite_end(&w, &user).await? {
            Some(end) if end <= now => {
                return Err(Error::refused(format!("the invite of {username} ended at {end}; invite again")));
            }
            _ => accept(&w, &user, &Stamp { at: now, by: SYSTEM.into() }).await?,
        }
    }
    let session = PlainSession::new(&app.env);
    open_session(&w, &user, &session.hash(), now.plus_seconds(SESSION)).await?;
    w.commit(&entry(app, "SignIn", &organization, ("user", user.id.to_string()), now)).await?;
    Ok(session)
}
