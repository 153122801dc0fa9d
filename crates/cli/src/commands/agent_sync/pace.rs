//! When to look at the server next.

use std::time::Duration;

use airlock_core::Env;

/// How long to wait after the first fault.
const FIRST: Duration = Duration::from_secs(1);

/// How long at the most, where that is longer than the interval.
const LONGEST: Duration = Duration::from_secs(60);

/// Spreads the looks of many agents, so that they do not come together: not at all times, and least
/// of all when a server comes back.
pub(super) struct Pace {
    interval: Duration,
    faults: u32,
    env: Env,
}

impl Pace {
    pub(super) fn new(interval: Duration, env: Env) -> Self {
        Self { interval, faults: 0, env }
    }

    /// The interval, up to a tenth shorter or longer.
    pub(super) fn regular(&mut self) -> Duration {
        self.faults = 0;
        self.interval.mul_f64(0.9 + 0.2 * self.chance())
    }

    /// A second after the first fault, soon enough for a server that was restarted; then twice as
    /// long each time. Half of it is chance.
    pub(super) fn after_a_fault(&mut self) -> Duration {
        let longest = LONGEST.max(self.interval);
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.faults)).min(longest);
        self.faults = self.faults.saturating_add(1);
        doubled.mul_f64(0.5 + 0.5 * self.chance())
    }

    /// From 0 to 1.
    fn chance(&self) -> f64 {
        f64::from(u32::from_le_bytes(self.env.random())) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use airlock_contract::Time;
    use airlock_core::env::{Chance, Clock};

    use super::*;

    struct Always(u8);
    impl Chance for Always {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }
    impl Clock for Always {
        fn now(&self) -> Time {
            Time::from_micros(0)
        }
    }

    fn waits(chance: u8, interval: u64) -> (Duration, Vec<u64>, Duration) {
        let mut pace = Pace::new(Duration::from_secs(interval), Env::new(Always(0), Always(chance)));
        let before = pace.regular();
        let faults = (0..200).map(|_| pace.after_a_fault().as_millis().try_into().expect("not for ever")).collect();
        pace.regular();
        (before, faults, pace.after_a_fault())
    }

    #[test]
    fn between_the_shortest_and_the_longest() {
        let (before, faults, again) = waits(0, 15);
        assert_eq!(
            (before.as_millis(), &faults[..8]),
            (13_500, &[500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000][..])
        );
        assert_eq!(again.as_millis(), 500, "a look that went well begins anew");
        let (before, faults, _) = waits(0xff, 15);
        assert_eq!(
            (before.as_millis(), &faults[..8]),
            (16_500, &[1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000][..])
        );
        assert_eq!(faults[199], 60_000);
        assert_eq!(waits(0xff, 300).1[199], 300_000, "never more often than the interval says");
    }
}
