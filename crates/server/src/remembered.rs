//! What was read from the database and is known to hold still.

use std::{hash::Hash, sync::Arc};

use airlock_core::Result;
use airlock_store::{Reading, Store};
use quick_cache::sync::Cache;

/// Values by key, each with the revision of the store at which it was read. One is good while the
/// store is at that revision; while the store has none, because nobody knows what other replicas
/// have changed, nothing is remembered.
pub(crate) struct Remembered<K, V>(Cache<K, (u64, Arc<V>)>);

impl<K: Eq + Hash + Clone, V> Remembered<K, V> {
    /// Remembers so many values at the most.
    pub(crate) fn new(most: usize) -> Self {
        Self(Cache::new(most))
    }

    /// What is remembered of a key, or else what `read` finds; that there is nothing is not
    /// remembered.
    ///
    /// # Errors
    ///
    /// Those of `read` and of the database.
    pub(crate) async fn get(
        &self,
        store: &Store,
        key: &K,
        read: impl AsyncFnOnce(Reading) -> Result<Option<V>>,
    ) -> Result<Option<Arc<V>>> {
        // Read before the database is: a change that is acknowledged meanwhile makes the entry stale.
        let revision = store.authority_revision();
        if let (Some(revision), Some((known, value))) = (revision, self.0.get(key))
            && known == revision
        {
            return Ok(Some(value));
        }
        let Some(value) = read(store.read().await?).await?.map(Arc::new) else { return Ok(None) };
        if let Some(revision) = revision {
            self.0.insert(key.clone(), (revision, Arc::clone(&value)));
        }
        Ok(Some(value))
    }
}
