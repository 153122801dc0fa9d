//! A clock that stands still until it is told to move, and dice that fall the same way each time.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
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
#[derive(Clone, Default)]
pub(crate) struct TestDice {
    state: Arc<AtomicU64>,
    loaded: Arc<Mutex<VecDeque<Option<u128>>>>,
}

impl TestDice {
    /// Has the next throws for ids fall so that these come out, as long as the clock shows the
    /// instant that is in them; `None` leaves a throw to chance.
    pub(crate) fn load(&self, ids: &[Option<&str>]) {
        let chance = |id: &str| u128::from_str_radix(&id[9..], 36).expect("an id ends with its chance");
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.extend(ids.iter().map(|id| id.map(chance)));
    }
}

impl Chance for TestDice {
    fn fill(&self, buffer: &mut [u8]) {
        if let Ok(place) = <&mut [u8; 16]>::try_from(&mut *buffer) {
            let next = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(Some(chance)) = next {
                *place = chance.to_le_bytes();
                return;
            }
        }
        for chunk in buffer.chunks_mut(8) {
            let mut z =
                self.state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst).wrapping_add(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// An environment, its clock and its dice.
pub(crate) fn test_env() -> (Env, TestClock, TestDice) {
    let (clock, dice) = (TestClock(Arc::new(AtomicI64::new(BEGINNING))), TestDice::default());
    (Env::new(clock.clone(), dice.clone()), clock, dice)
}
