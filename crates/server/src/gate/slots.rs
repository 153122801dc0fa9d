//! How many calls of one token are under way at the same time.
//!
//! One agent must not take all of the server's, or its Airflow's, connections.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_contract::AgentTokenId;

/// Calls under way, by token.
#[derive(Default)]
pub(crate) struct Slots(Arc<Mutex<HashMap<AgentTokenId, u32>>>);

/// A place among a token's calls; given back when it is dropped.
pub(crate) struct Slot {
    taken: Arc<Mutex<HashMap<AgentTokenId, u32>>>,
    token: AgentTokenId,
}

impl Slots {
    /// Takes a place; `None` when the token has `most` calls under way.
    pub(crate) fn take(&self, token: &AgentTokenId, most: u32) -> Option<Slot> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(token.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Slot { taken: Arc::clone(&self.0), token: token.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back() {
        let slots = Slots::default();
        let (one, other) = (AgentTokenId::from("one"), AgentTokenId::from("other"));
        let first = slots.take(&one, 2).expect("a place");
        let _second = slots.take(&one, 2).expect("a place");
        assert!(slots.take(&one, 2).is_none());
        assert!(slots.take(&other, 2).is_some());
        drop(first);
        assert!(slots.take(&one, 2).is_some());
    }
}
