//! Where passwords are hashed. A hash costs tens of milliseconds of a core and 19 MiB, so few are
//! computed at the same time, apart from the threads that serve everything else.

use std::{sync::Arc, thread::available_parallelism};

use airlock_core::{Error, Result};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// How many requests may wait for their turn.
const WAITING: usize = 64;

pub(crate) struct Hashing {
    slots: Arc<Semaphore>,
    places: Semaphore,
}

impl Hashing {
    pub(crate) fn new() -> Self {
        // Half of the cores, so that the server always has the other half.
        let slots = (available_parallelism().map_or(1, usize::from) / 2).clamp(1, 4);
        Self { slots: Arc::new(Semaphore::new(slots)), places: Semaphore::new(WAITING + slots) }
    }

    /// Does slow work when its turn comes.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when too many wait already; those of the work.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let full = |_| Error::Busy("too many passwords wait to be checked".into());
        let _place = self.places.try_acquire().map_err(full)?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(Error::internal)?;
        let done = spawn_blocking(move || {
            let _slot = slot; // until the work is done, whether anybody still waits for it or not
            work()
        });
        done.await.map_err(Error::internal)?
    }
}
