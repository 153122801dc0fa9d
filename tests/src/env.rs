//! A clock that stands still until it is told to move, and dice that fall the same way each time.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use airlock_contract::Time;
use airlock_core::{
    Env,
    env::{Chance, Clock},
};

/// When every test begins: 2026-01-01T00:00:00Z.
const BEGINNING: i64 = 1_767_225_600_000_000;

/// The clock of a test.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// Moves the clock, by seconds.
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): good enough to tell ids apart, and the same in each run.
struct TestDice(AtomicU64);

impl Chance for TestDice {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// An environment and its clock.
pub(crate) fn test_env() -> (Env, TestClock) {
    let clock = TestClock(Arc::new(AtomicI64::new(BEGINNING)));
    (Env::new(clock.clone(), TestDice(AtomicU64::new(0))), clock)
}
