//! Time and chance, as values that are passed in.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use airlock_contract::{Time, id};
use rustix::time::{ClockId, clock_gettime};

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Time;
}

/// Gives random bytes that nobody can guess.
pub trait Chance: Send + Sync + 'static {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The sources of time and chance. Cloning is cheap.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
}

impl fmt::Debug for Env {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Env")
    }
}

impl Env {
    /// The machine's clock and its source of randomness.
    pub fn system() -> Self {
        Self::new(SystemClock, SystemChance)
    }

    /// Given sources, for tests.
    pub fn new(clock: impl Clock, chance: impl Chance) -> Self {
        Self { clock: Arc::new(clock), chance: Arc::new(chance) }
    }

    /// The time now.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// A new id of any kind.
    pub fn new_id<I: id::Id>(&self) -> I {
        let milliseconds = u64::try_from(self.now().as_micros() / 1000).unwrap_or_default();
        I::from(id::spell(milliseconds, u128::from_le_bytes(self.random())))
    }

    /// Random bytes that nobody can guess.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.chance.fill(&mut bytes);
        bytes
    }
}

/// The time since the machine was started, by a clock that nobody can set and that goes on while
/// the process is stopped or the machine sleeps: for leases between machines, which must hold
/// whatever a test's clock says.
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Time {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_micros(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
    }
}

struct SystemChance;

impl Chance for SystemChance {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's randomness is read")]
    fn fill(&self, buffer: &mut [u8]) {
        // Fails only when the operating system has no randomness; nothing safe can go on then.
        aws_lc_rs::rand::fill(buffer).expect("the operating system gives randomness");
    }
}
