//! When tokens were last used: noted in memory, and written at most once a minute a token.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use airlock_contract::Time;
use airlock_store::upkeep::UsedToken;

/// The least time between two writes for the same token, in seconds.
const INTERVAL: i64 = 60;

/// How many uses are written at once. They are one transaction, which on SQLite holds up everybody
/// who writes; when more tokens are used, the times of the others are written a little later.
const AT_ONCE: usize = 2000;

#[derive(Default)]
pub(crate) struct Usage(Mutex<HashMap<UsedToken, Times>>);

struct Times {
    used: Time,
    written: Option<Time>,
}

impl Usage {
    /// Notes that a token was used.
    pub(crate) fn note(&self, token: UsedToken, now: Time) {
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usage.entry(token).or_insert(Times { used: now, written: None }).used = now;
    }

    /// The uses that are due to be written.
    pub(crate) fn due(&self, now: Time) -> Vec<(UsedToken, Time)> {
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usage.retain(|_, times| {
            times.written.is_none_or(|written| written < times.used || now < written.plus_seconds(INTERVAL))
        });
        let is_due = |times: &Times| match times.written {
            None => true,
            Some(written) => written < times.used && written.plus_seconds(INTERVAL) <= now,
        };
        let mut due: Vec<_> = usage.iter().filter(|(_, times)| is_due(times)).collect();
        if due.len() > AT_ONCE {
            // Those that wait for longest, so that none waits for ever.
            due.select_nth_unstable_by_key(AT_ONCE, |(_, times)| times.written);
            due.truncate(AT_ONCE);
        }
        due.into_iter().map(|(token, times)| (token.clone(), times.used)).collect()
    }

    /// Notes that uses were written.
    pub(crate) fn written(&self, uses: &[(UsedToken, Time)]) {
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (token, at) in uses {
            if let Some(times) = usage.get_mut(token) {
                times.written = Some(*at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_uses_are_written_bit_by_bit_and_none_is_forgotten() {
        let usage = Usage::default();
        let start = Time::from_micros(0);
        for number in 0..AT_ONCE + 5 {
            usage.note(UsedToken::Agent(format!("c{number}").as_str().into()), start);
        }
        let first = usage.due(start);
        assert_eq!(first.len(), AT_ONCE);
        usage.written(&first);
        let second = usage.due(start);
        assert_eq!(second.len(), 5);
        assert!(second.iter().all(|use_| !first.contains(use_)));
        usage.written(&second);
        assert!(usage.due(start.plus_seconds(INTERVAL)).is_empty(), "nothing was used since");
    }
}
