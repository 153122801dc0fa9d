//! How often somebody may try to sign in. Guessing is slowed down.
//!
//! Attempts are counted for the address that they come from, for an account from that address, and
//! for an account from wherever. The last is the widest: whoever guesses from one address is stopped
//! before the account's owner, who comes from another, notices. Somebody with many addresses can use it
//! up all the same; so it does not bind addresses from which the account's owner has signed in before,
//! which are remembered ("device cookies" of the OWASP Authentication Cheat Sheet, without the cookie).
//! Each server process counts and remembers for itself.

use std::{hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use airlock_core::{Env, api_token::TokenHash, login::email::folded};
use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::DefaultKeyedStateStore};
use quick_cache::sync::Cache;

/// So many attempts at once, and then one each so many seconds.
struct Limit {
    at_once: NonZeroU32,
    every: Duration,
}

const fn limit(at_once: u32, seconds: u64) -> Limit {
    let Some(at_once) = NonZeroU32::new(at_once) else { panic!("at least one") };
    Limit { at_once, every: Duration::from_secs(seconds) }
}

const OF_ADDRESS: Limit = limit(50, 6);
const OF_ACCOUNT_FROM_ADDRESS: Limit = limit(10, 30);
const OF_ACCOUNT: Limit = limit(100, 60);

/// How many addresses of accounts are remembered.
const KNOWN: usize = 10_000;

/// The server's own clock, which tests move.
#[derive(Clone, Debug)]
struct EnvClock(Env);

impl Clock for EnvClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().as_micros()).unwrap_or_default())
    }
}

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, EnvClock, NoOpMiddleware<Duration>>;

pub(crate) struct Throttle {
    clock: EnvClock,
    of_address: Limiter<Source>,
    of_account_from_address: Limiter<(TokenHash, Source)>,
    of_account: Limiter<TokenHash>,
    /// From where the owners of accounts have signed in.
    known: Cache<(TokenHash, Source), ()>,
}

/// Where attempts come from.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Source {
    V4([u8; 4]),
    /// The first segments of an address.
    V6([u16; 4]),
    Unknown,
}

impl Source {
    /// One network: a machine can have any address of a /64 of IPv6.
    fn network(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
            None => Self::Unknown,
        }
    }

    /// All that one customer of a provider can have: a /48 of IPv6 (RFC 6177).
    fn site(self) -> Self {
        match self {
            Self::V6([a, b, c, _]) => Self::V6([a, b, c, 0]),
            other => other,
        }
    }
}

impl Throttle {
    pub(crate) fn new(env: &Env) -> Self {
        let clock = EnvClock(env.clone());
        Self {
            of_address: limiter(&OF_ADDRESS, &clock),
            of_account_from_address: limiter(&OF_ACCOUNT_FROM_ADDRESS, &clock),
            of_account: limiter(&OF_ACCOUNT, &clock),
            known: Cache::new(KNOWN),
            clock,
        }
    }

    /// Counts an attempt for whatever was typed as an e-mail address, whether there is such an account
    /// or not. When there were too many, the seconds to wait.
    pub(crate) fn count(&self, from: Option<IpAddr>, email: &str) -> Result<(), u64> {
        let key = key(from, email);
        self.check(&self.of_address, &key.1.clone().site())?;
        self.check(&self.of_account_from_address, &key)?;
        if self.known.get(&key).is_some() {
            return Ok(());
        }
        self.check(&self.of_account, &key.0)
    }

    /// Counts an attempt of which only the address is known that it comes from. When there were too many,
    /// the seconds to wait.
    pub(crate) fn count_address(&self, from: Option<IpAddr>) -> Result<(), u64> {
        self.check(&self.of_address, &Source::network(from).site())
    }

    /// Remembers from where the owner of an account has signed in.
    pub(crate) fn remember(&self, from: Option<IpAddr>, email: &str) {
        self.known.insert(key(from, email), ());
    }

    fn check<K: Hash + Eq + Clone>(&self, limiter: &Limiter<K>, key: &K) -> Result<(), u64> {
        limiter.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()).as_secs() + 1)
    }

    /// Forgets who has not tried for a while.
    pub(crate) fn tidy(&self) {
        self.of_address.retain_recent();
        self.of_account_from_address.retain_recent();
        self.of_account.retain_recent();
    }
}

/// An account as it comes from somewhere. What was typed can be a password, so it is hashed.
fn key(from: Option<IpAddr>, email: &str) -> (TokenHash, Source) {
    (TokenHash::of(&folded(email)), Source::network(from))
}

fn limiter<K: Hash + Eq + Clone>(limit: &Limit, clock: &EnvClock) -> Limiter<K> {
    // Not None: the time between two is more than nothing.
    let quota = Quota::with_period(limit.every).unwrap_or(Quota::per_minute(limit.at_once));
    RateLimiter::new(quota.allow_burst(limit.at_once), DefaultKeyedStateStore::default(), clock.clone())
}
