//! How much of something is taken at the same time, by whoever takes it: calls of a token, uploads of
//! a deploy, bytes that they may bring.
//!
//! Nobody must take all that the server, or its Airflow, has.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_contract::AgentTokenId;

type Taken<K> = Arc<Mutex<HashMap<K, u64>>>;

/// What is taken, by key.
pub(crate) struct Slots<K = AgentTokenId>(Taken<K>);

/// What one has taken; given back when it is dropped.
pub(crate) struct Slot<K: Eq + Hash = AgentTokenId> {
    taken: Taken<K>,
    key: K,
    amount: u64,
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self(Taken::default())
    }
}

impl<K: Clone + Eq + Hash> Slots<K> {
    /// Takes a place; `None` when `most` are taken.
    pub(crate) fn take(&self, key: &K, most: u32) -> Option<Slot<K>> {
        self.reserve(key, 1, most.into())
    }

    /// Takes so many; `None` when more than `most` were taken then.
    pub(crate) fn reserve(&self, key: &K, amount: u64, most: u64) -> Option<Slot<K>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = taken.get(key).copied().unwrap_or_default().checked_add(amount).filter(|sum| *sum <= most)?;
        taken.insert(key.clone(), sum);
        Some(Slot { taken: Arc::clone(&self.0), key: key.clone(), amount })
    }
}

impl<K: Eq + Hash> Slot<K> {
    /// How much is taken of the same key, this included.
    pub(crate) fn sum(&self) -> u64 {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).get(&self.key).copied().unwrap_or_default()
    }
}

impl<K: Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sum) = taken.get_mut(&self.key) {
            *sum = sum.saturating_sub(self.amount);
            if *sum == 0 {
                taken.remove(&self.key);
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

    #[test]
    fn amounts_are_bounded_together() {
        let slots = Slots::default();
        let first = slots.reserve(&1, 6, 10).expect("room");
        assert!(slots.reserve(&1, 5, 10).is_none());
        assert!(slots.reserve(&1, u64::MAX, 10).is_none());
        let second = slots.reserve(&1, 4, 10).expect("room");
        assert_eq!(second.sum(), 10);
        drop(first);
        assert_eq!(second.sum(), 4);
    }
}
