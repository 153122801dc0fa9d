//! What tokens may do, in memory, and for how long that may be believed.
//!
//! On SQLite this process is the only one that changes the database: the committing thread applies
//! each change here before anybody is told of it, so memory is never behind. On PostgreSQL other
//! replicas change it too; there memory is believed only while a [`lease::Lease`] is fresh, and
//! [`replica`] keeps it so. docs/revocation.md has the protocol, and what is promised.

pub(crate) mod lease;
pub(crate) mod registry;
pub(crate) mod replica;

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use airlock_contract::AgentTokenId;
use airlock_core::env::since_boot;
use tokio::sync::watch;

use crate::{live_tokens::LiveToken, observer::Observed};
use lease::Lease;
use registry::Registry;
use replica::Replica;

/// A change that memory must follow.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A new agent token. Others find it in the database.
    New(LiveToken),
    /// An agent token that may do something else from now on.
    Other(LiveToken),
    /// An agent token that is not good any more.
    Gone(AgentTokenId),
    /// Anything else that authorization was read from: API tokens, roles, what they are on.
    Rest,
}

pub(crate) struct Authority {
    pub(crate) registry: Registry,
    /// Absent where this process is the only one.
    lease: Option<Lease>,
    /// Counts changes of the kind [`Change::Rest`].
    revision: AtomicU64,
    /// Moves whenever something was taken away.
    taken: watch::Sender<u64>,
    /// This process among the others, once it follows them.
    replica: OnceLock<Replica>,
    /// Who measures what happens here.
    pub(crate) observed: Observed,
}

impl Authority {
    /// For a database that only this process changes.
    pub(crate) fn alone() -> Self {
        Self::new(None)
    }

    /// For a database that others change as well.
    pub(crate) fn shared() -> Self {
        Self::new(Some(Lease::default()))
    }

    fn new(lease: Option<Lease>) -> Self {
        Self {
            registry: Registry::default(),
            lease,
            revision: AtomicU64::new(0),
            taken: watch::Sender::new(0),
            replica: OnceLock::new(),
            observed: Observed::default(),
        }
    }

    /// Whether memory may be believed now.
    pub(crate) fn is_fresh(&self) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.is_fresh(since_boot()))
    }

    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    pub(crate) fn replica(&self) -> Option<&Replica> {
        self.replica.get()
    }

    pub(crate) fn join(&self, replica: Replica) {
        let _ = self.replica.set(replica); // a store is started once
    }

    /// Counts changes to what callers of the API may do; `None` while memory may not be believed.
    pub(crate) fn revision(&self) -> Option<u64> {
        self.is_fresh().then(|| self.revision.load(Ordering::SeqCst))
    }

    /// Told when something was taken away.
    pub(crate) fn taken(&self) -> watch::Receiver<u64> {
        self.taken.subscribe()
    }

    /// Follows committed changes of this process, in their order. `removals` is the registry's
    /// count from before the commit: where others change the database too, one of them may have
    /// taken a new token away already.
    pub(crate) fn apply(&self, changes: &[Change], removals: u64) {
        let is_alone = self.lease.is_none();
        for change in changes {
            match change {
                Change::New(token) | Change::Other(token) if is_alone => self.registry.put(token.clone()),
                Change::New(token) => self.registry.put_if(token, removals),
                Change::Other(token) => self.remove(&token.id), // it is read anew when it is next used
                Change::Gone(id) => self.remove(id),
                Change::Rest => self.forget_rest(),
            }
        }
    }

    /// An agent token is not good any more, or something about it changed.
    pub(crate) fn remove(&self, id: &AgentTokenId) {
        self.registry.remove(id);
        self.tell();
    }

    /// Whatever was read of API tokens, roles and what they are on is stale.
    pub(crate) fn forget_rest(&self) {
        self.revision.fetch_add(1, Ordering::SeqCst);
        self.tell();
    }

    /// Nobody knows what of it still holds.
    pub(crate) fn forget_all(&self) {
        self.registry.clear();
        self.forget_rest();
    }

    fn tell(&self) {
        self.taken.send_modify(|count| *count = count.wrapping_add(1));
    }
}
