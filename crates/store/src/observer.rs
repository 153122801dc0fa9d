//! What the databases' machinery tells whoever measures it, so that this crate need not know how.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Is told what happened, on the thread where it happened: its functions must not wait.
pub trait Observer: Send + Sync + 'static {
    /// SQLite committed the changes of so many requests with one `fsync`, or failed to.
    fn group_committed(&self, requests: usize);

    /// A change that takes rights away was known to be followed by every replica, this long after
    /// its commit.
    fn revocation_followed(&self, after: Duration);
}

/// The observer, once there is one. Cloning is cheap, and all clones have the same.
#[derive(Clone, Default)]
pub(crate) struct Observed(Arc<OnceLock<Box<dyn Observer>>>);

impl Observed {
    /// Sets the observer; a second one is dropped.
    pub(crate) fn set(&self, observer: impl Observer) {
        let _ = self.0.set(Box::new(observer));
    }

    /// Tells the observer, if there is one.
    pub(crate) fn tell(&self, event: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = self.0.get() {
            event(&**observer);
        }
    }
}

/// How many of a database's connections are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that there may be at the most.
    pub most: usize,
    /// Connections that somebody holds.
    pub held: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}
