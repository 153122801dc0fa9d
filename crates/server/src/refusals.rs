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
use prometheus_client::metrics::counter::Counter;

/// How many kinds of refusals are told apart between two flushes. More are counted as one for each
/// Organization.
const KINDS: usize = 200;

/// How many Organizations are told apart then; they may be made up.
const ORGANIZATIONS: usize = 20;

/// What makes two refusals the same kind.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    organization: Option<String>,
    operation: String,
    path: String,
    subject: Option<String>,
    source_ip: Option<String>,
    reason: Option<String>,
}

pub(crate) struct Refusals {
    pending: Mutex<HashMap<Kind, Entry>>,
    noted: Counter,
    summarized: Counter,
}

impl Refusals {
    /// Counts those that are noted, and those of them that are only counted.
    pub(crate) fn new((noted, summarized): (Counter, Counter)) -> Self {
        Self { pending: Mutex::default(), noted, summarized }
    }

    /// Notes a refusal.
    pub(crate) fn note(&self, entry: Entry) {
        self.noted.inc();
        self.keep(entry);
    }

    /// Keeps a refusal until it is taken: one that was noted, or taken and could not be written.
    pub(crate) fn keep(&self, mut entry: Entry) {
        let occurrences = entry.occurrences;
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = Kind::of(&entry);
        if !pending.contains_key(&kind) && pending.len() >= KINDS {
            entry = summary(entry, pending.len() < KINDS + ORGANIZATIONS);
            kind = Kind::of(&entry);
            self.summarized.inc();
        }
        pending.entry(kind).and_modify(|known| known.occurrences += occurrences).or_insert(entry);
    }

    /// Takes what has come together.
    pub(crate) fn take(&self) -> Vec<Entry> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<Entry> = pending.drain().map(|(_, entry)| entry).collect();
        entries.sort_by(|a, b| a.id.cmp(&b.id));
        entries
    }
}

impl Kind {
    fn of(entry: &Entry) -> Self {
        Self {
            organization: entry.organization.as_ref().map(ToString::to_string),
            operation: entry.operation.clone(),
            path: entry.path.clone(),
            subject: entry.subject_id.as_ref().map(ToString::to_string),
            source_ip: entry.source_ip.clone(),
            reason: entry.reason.clone(),
        }
    }
}

/// A record that stands for all refusals that are not told apart any more. It accuses nobody.
fn summary(entry: Entry, may_name_organization: bool) -> Entry {
    Entry {
        organization: entry.organization.filter(|_| may_name_organization),
        subject_id: None,
        subject_type: None,
        subject_name: None,
        operation: "*".into(),
        method: "*".into(),
        path: "*".into(),
        reason: Some("further refusals within the same second, of too many kinds to tell apart".into()),
        source_ip: None,
        user_agent: None,
        client: None,
        client_version: None,
        request_id: String::new(),
        ..entry
    }
}
