//! Whether an archive is fit to be given to agents.

use airlock_bundle::Fault;
use airlock_contract::{DeployId, TarballVersion};
use airlock_core::{Error, Result};

use crate::{
    App,
    storage::{self, Key},
};

/// Checks an archive that was uploaded for a deploy; `field` is where the request names it.
///
/// # Errors
///
/// [`Error::Invalid`] when it is not there, or is not fit; [`Error::Busy`] when it cannot be read now.
pub(super) async fn check(app: &App, deploy: &DeployId, version: &TarballVersion, field: &str) -> Result<()> {
    let settings = &app.settings.deploys;
    let _turn = app.archive_checks.acquire().await.map_err(Error::internal)?;
    let object = settings.storage.get(&Key::archive(deploy, version)).await?.ok_or_else(|| unknown(field))?;
    let limits = settings.limits;
    match storage::read(object.pieces(), move |pieces| airlock_bundle::check(pieces, &limits)).await? {
        Ok(summary) => {
            tracing::info!(%deploy, %version, files = summary.files, bytes = summary.bytes, "an archive is good");
            Ok(())
        }
        Err(fault) => Err(told(&fault, field)),
    }
}

/// What to tell of a fault: of the archive's, to whoever uploaded it; of ours, to the log.
fn told(fault: &Fault, field: &str) -> Error {
    match fault.is_of_archive() {
        true => Error::field("constraint", field, fault.to_string()),
        false => Error::Busy(fault.to_string()),
    }
}

/// There is no such archive.
pub(super) fn unknown(field: &str) -> Error {
    let message = "no such version was uploaded for this deploy; an upload is answered with it as x-ms-version-id";
    Error::field("constraint", field, message)
}
