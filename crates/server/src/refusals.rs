//! Refused requests on their way to the audit log.
//!
//! A flood must not fill the disk or slow the server: refusals of the same kind are counted
//! together for a second, only so many kinds a second are told apart, and the log keeps only so
//! many of them ([`crate::Settings::refusals_kept`]).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use airlock_store::audit::Entry;

/// How many kinds of refusals are told apart between two flushes. More are counted as one.
const KINDS: usize = 200;

/// What makes two refusals the same kind.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    operation: String,
    path: String,
    subject: Option<String>,
    source_ip: Option<String>,
    reason: Option<String>,
}

#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Kind, Entry>>);

impl Refusals {
    /// Notes a refusal.
    pub(crate) fn note(&self, entry: Entry) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = Kind {
            operation: entry.operation.clone(),
            path: entry.path.clone(),
            subject: entry.subject_id.as_ref().map(ToString::to_string),
            source_ip: entry.source_ip.clone(),
            reason: entry.reason.clone(),
        };
        let is_known = pending.contains_key(&kind);
        let kind = if is_known || pending.len() < KINDS { kind } else { Kind::overflow() };
        pending.entry(kind).and_modify(|known| known.occurrences += 1).or_insert(entry);
    }

    /// Takes what has come together.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<Entry> = pending.drain().map(|(_, entry)| entry).collect();
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        entries
    }
}

impl Kind {
    fn overflow() -> Self {
        Self { operation: "*".into(), path: "*".into(), subject: None, source_ip: None, reason: None }
    }
}
