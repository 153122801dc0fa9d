//! All live agent tokens, in memory.
//!
//! A million of them must fit into a small machine, so an entry holds what differs from token to
//! token, packed, and points to what many share. [`LiveToken`] is made from it when it is asked
//! for.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use airlock_contract::{AgentTokenId, DeploymentId, OrganizationId, Time, id};
use airlock_core::agent_token::StoredAgentToken;

use crate::live_tokens::LiveToken;

/// What is known of a token without asking the database.
#[expect(clippy::large_enum_variant, reason = "it lives for a moment, and a box would cost every look-up")]
pub(crate) enum Known {
    /// It is live.
    Live(LiveToken),
    /// There is none: all that are live are here.
    Absent,
    /// Only the database can say.
    Unknown,
}

#[derive(Default)]
pub(crate) struct Registry {
    inner: RwLock<Inner>,
    /// Whether a token that is not here does not exist.
    complete: AtomicBool,
    /// Counts what was taken out. What was read from the database before is stale after.
    removals: AtomicU64,
}

#[derive(Default)]
struct Inner {
    tokens: HashMap<Packed, Entry>,
    places: Interned<Place>,
    keys: Interned<String>,
}

/// Where tokens belong. A Deployment's id says which Organization it is of.
#[derive(Clone)]
struct Place {
    organization: OrganizationId,
    deployment: DeploymentId,
}

impl Borrow<DeploymentId> for Place {
    fn borrow(&self) -> &DeploymentId {
        &self.deployment
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.deployment == other.deployment
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.deployment.hash(state);
    }
}

/// An id of ours as a number: 24 base-36 digits fit into 125 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Packed(u128);

struct Entry {
    start_at: Time,
    end_at: Option<Time>,
    name: Box<str>,
    place: u32,
    key: u32,
    generation: u32,
    /// What most tokens do not have.
    rest: Option<Box<Rest>>,
}

#[derive(Clone, Default, PartialEq)]
struct Rest {
    public_key: Option<String>,
    agent_name: Option<String>,
    queues: Option<Vec<String>>,
    connections: Option<Vec<String>>,
    variables: Option<Vec<String>>,
}

impl Registry {
    /// Makes room for so many tokens at once, which takes less than growing.
    pub(crate) fn reserve(&self, count: usize) {
        self.changed().tokens.reserve(count);
    }

    /// Says that all live tokens are here.
    pub(crate) fn completed(&self) {
        self.complete.store(true, Ordering::SeqCst);
    }

    pub(crate) fn find(&self, id: &AgentTokenId) -> Known {
        let inner = self.read();
        match Packed::of(id).and_then(|packed| inner.tokens.get(&packed)) {
            Some(entry) => Known::Live(inner.live(id, entry)),
            None if self.complete.load(Ordering::SeqCst) => Known::Absent,
            None => Known::Unknown,
        }
    }

    pub(crate) fn has(&self, id: &AgentTokenId) -> bool {
        Packed::of(id).is_some_and(|packed| self.read().tokens.contains_key(&packed))
    }

    pub(crate) fn put(&self, token: LiveToken) {
        self.changed().put(token);
    }

    /// Keeps what the database said, unless something was taken out since the count was read:
    /// that may have been this token.
    pub(crate) fn put_if(&self, token: &LiveToken, removals: u64) {
        let mut inner = self.changed();
        if self.removals() == removals {
            inner.put(token.clone());
        }
    }

    pub(crate) fn remove(&self, id: &AgentTokenId) {
        let mut inner = self.changed();
        if let Some(packed) = Packed::of(id) {
            inner.tokens.remove(&packed);
        }
        self.removals.fetch_add(1, Ordering::SeqCst);
    }

    /// Forgets everything, because nobody knows what of it still holds.
    pub(crate) fn clear(&self) {
        let mut inner = self.changed();
        inner.tokens.clear();
        self.complete.store(false, Ordering::SeqCst);
        self.removals.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn removals(&self) -> u64 {
        self.removals.load(Ordering::SeqCst)
    }

    pub(crate) fn len(&self) -> usize {
        self.read().tokens.len()
    }

    /// How many end within a span of time. It looks at every token.
    pub(crate) fn ending_between(&self, from: Time, until: Time) -> usize {
        self.read().tokens.values().filter(|entry| entry.end_at.is_some_and(|end| from < end && end <= until)).count()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, token: LiveToken) {
        let (Some(packed), Ok(generation)) = (Packed::of(&token.id), u32::try_from(token.stored.generation)) else {
            return; // none of ours; the database answers for it
        };
        let LiveToken {
            organization,
            deployment,
            name,
            stored,
            start_at,
            end_at,
            public_key,
            agent_name,
            queues,
            connections,
            variables,
            ..
        } = token;
        let rest = Rest { public_key, agent_name, queues, connections, variables };
        let has_rest = rest != Rest::default();
        let entry = Entry {
            start_at,
            end_at,
            name: name.into_boxed_str(),
            place: match self.places.number(&deployment) {
                Some(number) => number,
                None => self.places.add(Place { organization, deployment }),
            },
            key: match self.keys.number(stored.key_id.as_str()) {
                Some(number) => number,
                None => self.keys.add(stored.key_id),
            },
            generation,
            rest: has_rest.then(|| Box::new(rest)),
        };
        self.tokens.insert(packed, entry);
    }

    fn live(&self, id: &AgentTokenId, entry: &Entry) -> LiveToken {
        let Place { organization, deployment } = self.places.get(entry.place).clone();
        let Rest { public_key, agent_name, queues, connections, variables } =
            entry.rest.as_deref().cloned().unwrap_or_default();
        LiveToken {
            id: id.clone(),
            organization,
            deployment,
            name: entry.name.to_string(),
            stored: StoredAgentToken { key_id: self.keys.get(entry.key).clone(), generation: entry.generation.into() },
            start_at: entry.start_at,
            end_at: entry.end_at,
            public_key,
            agent_name,
            queues,
            connections,
            variables,
        }
    }
}

impl Packed {
    /// `None` for what is not spelled as [`id::spell`] does.
    fn of(id: &AgentTokenId) -> Option<Self> {
        let digits = id.as_str().strip_prefix('c').filter(|digits| digits.len() + 1 == id::LENGTH)?;
        let number = digits.bytes().try_fold(0_u128, |number, byte| {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'z' => byte - b'a' + 10,
                _ => return None,
            };
            Some(number * 36 + u128::from(digit))
        });
        number.map(Self)
    }
}

/// Values that many entries share, each by a number. There are as many as were ever used since the
/// start: Deployments and master keys, not tokens.
struct Interned<T> {
    values: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    fn number<Q: Eq + Hash + ?Sized>(&self, value: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
    {
        self.numbers.get(value).copied()
    }

    fn add(&mut self, value: T) -> u32 {
        let number = u32::try_from(self.values.len()).expect("there are fewer Deployments than 2^32");
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    fn get(&self, number: u32) -> &T {
        &self.values[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str) -> LiveToken {
        LiveToken {
            id: id.into(),
            organization: "corg".into(),
            deployment: "cdep".into(),
            name: "an agent".into(),
            stored: StoredAgentToken { key_id: "k1".into(), generation: 3 },
            start_at: Time::from_micros(1),
            end_at: Some(Time::from_micros(5)),
            public_key: None,
            agent_name: Some("edge-1".into()),
            queues: None,
            connections: Some(vec!["warehouse".into()]),
            variables: Some(Vec::new()),
        }
    }

    fn ours(chance: u128) -> String {
        id::spell(1_700_000_000_000, chance)
    }

    #[test]
    fn what_was_put_is_found_as_it_was() {
        let registry = Registry::default();
        let (one, other) = (token(&ours(1)), token(&ours(2)));
        registry.put(one.clone());
        let Known::Live(found) = registry.find(&one.id) else { panic!("it is not there") };
        assert_eq!(format!("{found:?}"), format!("{one:?}"));
        assert!(matches!(registry.find(&other.id), Known::Unknown));
        registry.completed();
        assert!(matches!(registry.find(&other.id), Known::Absent));
        assert_eq!(registry.ending_between(Time::from_micros(4), Time::from_micros(5)), 1);
        assert_eq!(registry.ending_between(Time::from_micros(5), Time::from_micros(9)), 0);
        registry.remove(&one.id);
        assert!(matches!(registry.find(&one.id), Known::Absent));
    }

    #[test]
    fn what_was_read_before_a_removal_is_not_kept_after_it() {
        let registry = Registry::default();
        let one = token(&ours(1));
        let before = registry.removals();
        registry.remove(&one.id);
        registry.put_if(&one, before);
        assert!(!registry.has(&one.id));
        registry.put_if(&one, registry.removals());
        assert!(registry.has(&one.id));
    }

    #[test]
    fn ids_are_told_apart_and_others_are_left_to_the_database() {
        let packed = |text: &str| Packed::of(&text.into()).map(|packed| packed.0);
        assert_ne!(packed(&ours(1)), packed(&ours(2)));
        assert_eq!(packed("c000000000000000000000000"), Some(0));
        assert_eq!(packed("czzzzzzzzzzzzzzzzzzzzzzzz"), Some(36_u128.pow(24) - 1));
        for odd in ["", "c", "ckw3ronxn3977574jzaglzxs4r4", "C000000000000000000000000", "c00000000000000000000000Z"] {
            assert_eq!(packed(odd), None, "{odd}");
        }
    }
}
