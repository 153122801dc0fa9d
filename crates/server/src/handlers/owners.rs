//! An Organization keeps an Owner, once it has one that can log in.

use airlock_contract::permissions::scope;
use airlock_core::{Error, Result, policy::Granted};
use airlock_store::{Writing, users};

/// Makes a change, unless it would take the last Owner from the Organization. Only users count who
/// are active: who is invited may never come, and an API token ends.
///
/// Whoever calls this has locked the Organization's roles, so that two changes cannot take one of
/// the last two Owners each.
///
/// # Errors
///
/// [`Error::Invalid`], and those of the change.
pub(crate) async fn keep_one<T>(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    change: impl Future<Output = Result<T>>,
) -> Result<T> {
    let before = users::owners(w, granted).await?;
    let done = change.await?;
    if before > 0 && users::owners(w, granted).await? == 0 {
        return Err(Error::refused(
            "this would leave the Organization without an Owner; make another user ORGANIZATION_OWNER first",
        ));
    }
    Ok(done)
}
