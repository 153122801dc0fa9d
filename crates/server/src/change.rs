//! Making a change: in one transaction with its audit record, and tried again when that helps.

use airlock_core::{Error, Result};
use airlock_store::{Writing, audit::Entry};

use crate::App;

/// How often a change is tried when the database says that trying again would help.
const TRIES: u32 = 3;

/// Something that changes records.
pub(crate) trait Change: Sync {
    /// What it answers.
    type Output: Send;

    /// Makes the change, and says what to write into the audit log. It may be made again, so it
    /// keeps no state.
    fn make(&self, w: &Writing) -> impl Future<Output = Result<(Self::Output, Entry)>> + Send;
}

/// A change that is nothing but its record: that a secret was read.
pub(crate) struct Recorded(pub(crate) Entry);

impl Change for Recorded {
    type Output = ();

    async fn make(&self, _: &Writing) -> Result<((), Entry)> {
        Ok(((), self.0.clone()))
    }
}

/// Makes a change and commits it with its audit entry.
///
/// # Errors
///
/// Those of the change, after which nothing is changed, and those of the database.
pub(crate) async fn commit<C: Change>(app: &App, change: &C) -> Result<C::Output> {
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let w = app.store.write().await?;
        match change.make(&w).await {
            Ok((output, entry)) => {
                let leaves_cutoffs = w.leaves_cutoffs();
                w.commit(&entry).await?;
                if leaves_cutoffs {
                    app.cutoffs.wake();
                }
                return Ok(output);
            }
            Err(Error::Busy(cause)) if tries > 0 => tracing::debug!(cause, "a change is tried again"),
            Err(error) => {
                w.abandon().await?;
                return Err(error);
            }
        }
    }
}
