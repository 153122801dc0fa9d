//! When tokens were last used: noted in memory, and written at most once a minute a token.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use airlock_contract::Time;
use airlock_store::upkeep::UsedToken;

/// The least time between two writes for the same token, in seconds.
const INTERVAL: i64 = 60;

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
        usage.iter().filter(|(_, times)| is_due(times)).map(|(token, times)| (token.clone(), times.used)).collect()
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
