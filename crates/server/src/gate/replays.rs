//! Signatures that were used already.
//!
//! A worker signs each request anew, with a number that it uses once (`jti`). A signature that was
//! overheard is good for a minute otherwise. What was used is remembered in memory, in each replica
//! for itself, until the signature ends.
//!
//! The memory is bounded for each token. Only whoever has the token can fill its share, so one
//! that is full takes protection from nobody else; and refusing its calls would end a worker that
//! is merely busy. Such calls are let through, and the log says so.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use airlock_contract::{AgentTokenId, Time};

/// Signatures that are remembered for each token: far more than a worker makes in a minute.
const REMEMBERED: usize = 10_000;

/// How often ended signatures of a token are looked for, in seconds.
const TIDY_EVERY: i64 = 10;

#[derive(Default)]
pub(crate) struct Replays(Mutex<HashMap<AgentTokenId, Used>>);

#[derive(Default)]
struct Used {
    until: HashMap<Box<str>, Time>,
    /// When ended ones are looked for next.
    tidy_at: Option<Time>,
    /// Whether the log says, since then, that this is full.
    is_told: bool,
}

impl Replays {
    /// Notes the use of a signature that ends at a time; whether it is the first.
    pub(crate) fn is_first(&self, token: &AgentTokenId, jti: &str, until: Time, now: Time) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.entry(token.clone()).or_default();
        if used.tidy_at.is_none_or(|at| at <= now) {
            used.until.retain(|_, until| *until > now);
            used.tidy_at = Some(now.plus_seconds(TIDY_EVERY));
            used.is_told = false;
        }
        if used.until.len() < REMEMBERED {
            return used.until.insert(jti.into(), until).is_none();
        }
        if !std::mem::replace(&mut used.is_told, true) {
            tracing::warn!(%token, "an agent signs so many requests that not all are remembered: a replay of one passes");
        }
        !used.until.contains_key(jti)
    }

    /// Forgets tokens of which nothing is remembered any more.
    pub(crate) fn tidy(&self, now: Time) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, used| {
            used.until.retain(|_, until| *until > now);
            !used.until.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_used_once_until_it_ends() {
        let replays = Replays::default();
        let (one, other) = (AgentTokenId::from("one"), AgentTokenId::from("other"));
        let at = |seconds| Time::from_micros(0).plus_seconds(seconds);
        assert!(replays.is_first(&one, "a", at(70), at(0)));
        assert!(!replays.is_first(&one, "a", at(70), at(69)));
        assert!(replays.is_first(&one, "b", at(70), at(69)));
        assert!(replays.is_first(&other, "a", at(70), at(69)), "another token's");
        replays.tidy(at(70));
        assert!(replays.0.lock().expect("no panic").is_empty());
    }

    #[test]
    fn a_flood_of_one_token_is_bounded_and_harms_no_other() {
        let replays = Replays::default();
        let (one, other) = (AgentTokenId::from("one"), AgentTokenId::from("other"));
        let at = |seconds| Time::from_micros(0).plus_seconds(seconds);
        for n in 0..=REMEMBERED {
            assert!(replays.is_first(&one, &n.to_string(), at(70), at(0)));
        }
        assert_eq!(replays.0.lock().expect("no panic")[&one].until.len(), REMEMBERED);
        assert!(!replays.is_first(&one, "1", at(70), at(0)), "what is remembered still counts");
        assert!(replays.is_first(&other, "1", at(70), at(0)));
        assert!(!replays.is_first(&other, "1", at(70), at(0)));
    }
}
