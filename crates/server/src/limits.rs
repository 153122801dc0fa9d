//! How often an API token or a user may call.

use std::num::NonZeroU32;

use airlock_contract::Method;
use airlock_core::{Error, Result, policy::Credential};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::settings::RateLimits;

/// A limiter a method, each keyed by who calls; none where the setting is off.
pub(crate) struct Limits {
    get: Option<DefaultKeyedRateLimiter<Credential>>,
    post: Option<DefaultKeyedRateLimiter<Credential>>,
    delete: Option<DefaultKeyedRateLimiter<Credential>>,
}

impl Limits {
    pub(crate) fn new(settings: &RateLimits) -> Self {
        let limiter = |calls: Option<NonZeroU32>| calls.map(|calls| RateLimiter::keyed(Quota::per_second(calls)));
        Self { get: limiter(settings.get), post: limiter(settings.post), delete: limiter(settings.delete) }
    }

    /// Counts a call.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] with the seconds to wait.
    pub(crate) fn count(&self, method: Method, caller: &Credential) -> Result<()> {
        use governor::clock::Clock;
        let limiter = match method {
            Method::Get => &self.get,
            Method::Post => &self.post,
            Method::Delete => &self.delete,
        };
        let Some(limiter) = limiter else { return Ok(()) };
        limiter.check_key(caller).map_err(|until| {
            let wait = until.wait_time_from(limiter.clock().now());
            Error::RateLimited(wait.as_secs() + 1)
        })
    }

    /// Forgets callers that have not called for a while.
    pub(crate) fn tidy(&self) {
        for limiter in [&self.get, &self.post, &self.delete].into_iter().flatten() {
            limiter.retain_recent();
        }
    }
}
