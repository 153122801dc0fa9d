//! A replica's right to answer from memory, for a limited time.
//!
//! Times here are of the machine's boot clock ([`airlock_core::env::since_boot`]), never of the
//! clock on the wall, which can be set. docs/revocation.md has the protocol and why it holds.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// By which part of a lease those who wait for its end wait longer: a quarter. Linux lets a clock be
/// steered so far that the fastest is faster than the slowest by the factor 1.2235 (adjtimex(2)).
const MARGIN: u32 = 4;

/// A lease. Without one nothing is answered from memory.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// In nanoseconds; 0 is never.
    deadline: AtomicU64,
}

impl Lease {
    /// Takes a lease that was asked for at `asked`, before the request was sent. Whatever was
    /// revoked by the time of the answer has been applied.
    pub(crate) fn take(&self, asked: Duration, length: Duration) {
        self.deadline.store(nanoseconds(asked + length), Ordering::SeqCst);
    }

    /// Gives it up.
    pub(crate) fn drop(&self) {
        self.deadline.store(0, Ordering::SeqCst);
    }

    pub(crate) fn is_fresh(&self, now: Duration) -> bool {
        nanoseconds(now) < self.deadline.load(Ordering::SeqCst)
    }

    /// How much of it is left.
    pub(crate) fn left(&self, now: Duration) -> Duration {
        Duration::from_nanos(self.deadline.load(Ordering::SeqCst).saturating_sub(nanoseconds(now)))
    }
}

/// How long whoever revokes waits, from when its commit was confirmed, until every lease that was
/// given without knowing of it has run out on every machine.
pub(crate) fn wait_for(length: Duration) -> Duration {
    length + length / MARGIN
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_when_it_was_asked_for() {
        let lease = Lease::default();
        let at = Duration::from_millis;
        assert!(!lease.is_fresh(at(0)));
        lease.take(at(100), at(50));
        assert!(lease.is_fresh(at(149)) && !lease.is_fresh(at(150)));
        assert_eq!(lease.left(at(120)), at(30));
        lease.drop();
        assert!(!lease.is_fresh(at(120)));
        assert!(wait_for(at(1000)) > at(1000));
    }
}
