//! What is measured, for Prometheus.
//!
//! [`Metrics`] is declared as one table: the doc comment of a metric is its help text, and
//! docs/metrics.md is made from the same declaration. Labels are types of [`labels`], so that their
//! values are few: never an id, a name or anything else that a client chooses.
//!
//! A scrape reads memory only. What has to be counted in the database is counted by the upkeep
//! ([`census`]), so that scraping often costs the database nothing.

mod census;
mod document;
mod labels;
mod process;
mod readings;

use std::time::Duration;

use airlock_store::{Observer, Store};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub(crate) use census::count;
pub use document::markdown;
pub(crate) use labels::*;

/// Histograms that have labels.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What is said of a metric, when it is scraped and in the documentation.
pub(crate) struct Described {
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    help: &'static [&'static str],
}

impl Described {
    /// The help text, in one line and without the full stop, which is added when it is scraped.
    fn help(&self) -> String {
        let text = self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        text.trim_end_matches('.').to_owned()
    }
}

/// Declares [`Metrics`]: the fields, how they are registered, and what is said of them.
macro_rules! metrics {
    ($(
        $(#[doc = $help:literal])+
        $kind:ident $field:ident: $type:ty = $name:literal by [$($label:literal),*] from $new:expr;
    )*) => {
        /// What the server counts.
        pub(crate) struct Metrics {
            $($(#[doc = $help])+ $field: $type,)*
            registry: Registry,
        }

        /// What is said of each, in the order of declaration.
        const DESCRIBED: &[Described] = &[$(Described {
            name: $name,
            kind: stringify!($kind),
            labels: &[$($label),*],
            help: &[$($help),+],
        }),*];

        impl Metrics {
            fn registered() -> Self {
                let mut registry = Registry::default();
                let mut described = DESCRIBED.iter();
                $(
                    let $field: $type = $new;
                    let help = described.next().map(Described::help).unwrap_or_default();
                    registry.register($name, help, $field.clone());
                )*
                Self { $($field,)* registry }
            }
        }
    };
}

metrics! {
    /// Requests that were answered. A route is an operation of the API by its name, or the pattern
    /// of another path; `unknown` when there is none.
    counter requests: Family<Answered, Counter> = "airlock_http_requests" by ["route", "status"]
        from Family::default();

    /// Seconds from a request's head to its answer's head.
    histogram request_seconds: Histograms<Routed> = "airlock_http_request_duration_seconds" by ["route"]
        from Family::new_with_constructor(short_times);

    /// Requests that are being worked on, until their answer's head.
    gauge requests_in_flight: Gauge = "airlock_http_requests_in_flight" by [] from Gauge::default();

    /// Values that were presented as agent tokens and verified.
    counter verifications: Family<Verified, Counter> = "airlock_agent_token_verifications" by ["result"]
        from Family::default();

    /// Passwords that were compared with a hash, also for e-mail addresses that nobody has: the costliest
    /// thing that strangers can ask for.
    counter password_checks: Counter = "airlock_password_checks" by [] from Counter::default();

    /// Requests at the gate, by what became of them: forwarded to the Airflow, refused, or
    /// answered that they cannot be served now.
    counter gate_requests: Family<GateAnswered, Counter> = "airlock_gate_requests" by ["call", "outcome"]
        from Family::default();

    /// Requests at the gate that an Airflow did not answer as it should, by what went wrong.
    counter upstream_faults: Family<Upstream, Counter> = "airlock_gate_upstream_errors" by ["fault"]
        from Family::default();

    /// Seconds from forwarding a request to an Airflow to its answer's head.
    histogram upstream_seconds: Histograms<Gated> = "airlock_gate_upstream_duration_seconds" by ["call"]
        from Family::new_with_constructor(short_times);

    /// Seconds from the commit of a change that takes rights away until every replica was known to
    /// follow it, or its lease had run out. What DELETE waits for. Empty on SQLite, where the commit
    /// itself takes them away.
    histogram revocation_seconds: Histogram = "airlock_revocation_lag_seconds" by []
        from Histogram::new(REVOCATION_SECONDS);

    /// Requests whose changes SQLite committed together, with one fsync.
    histogram group_sizes: Histogram = "airlock_sqlite_group_commit_size" by [] from Histogram::new(GROUP_SIZES);

    /// Agent tokens that are good: not deleted and not expired. Counted every 15 seconds.
    gauge agent_tokens_live: Gauge = "airlock_agent_tokens_live" by [] from Gauge::default();

    /// Agent tokens that are good and expire within 7 days. Counted every 15 seconds.
    gauge agent_tokens_expiring: Gauge = "airlock_agent_tokens_expiring" by [] from Gauge::default();

    /// Agents that are not deleted, by status. Counted every 15 seconds.
    gauge agents: Family<Agents, Gauge> = "airlock_agents" by ["status"] from Family::default();

    /// Agents that were cut off and whose Airflow is not yet told. Counted every 15 seconds.
    gauge cutoffs_pending: Gauge = "airlock_cutoffs_pending" by [] from Gauge::default();

    /// Whether the last count in the database, which these gauges come from, succeeded.
    gauge counted: Gauge = "airlock_database_counts_up" by [] from Gauge::default();

    /// Refused requests that were noted for the audit log.
    counter refusals_noted: Counter = "airlock_audit_refusals_noted" by [] from Counter::default();

    /// Refused requests that the audit log only counts, without saying what they were: of too many
    /// kinds within a second.
    counter refusals_summarized: Counter = "airlock_audit_refusals_summarized" by [] from Counter::default();

    /// Lines of Deployments' logs that were written to the database.
    counter log_lines_kept: Counter = "airlock_deployment_log_lines_kept" by [] from Counter::default();

    /// Pieces of Deployments' logs that were lost on the way to the database: they came faster than
    /// they could be written. Tasks and their Airflow do not notice.
    counter log_pieces_lost: Counter = "airlock_deployment_log_pieces_lost" by [] from Counter::default();
}

/// Seconds, for requests: from a look into memory to a statement that waits for its time-out.
fn short_times() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

/// Seconds, for revocations: the promise is one lease, a second unless set otherwise.
const REVOCATION_SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Requests that share a commit.
const GROUP_SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

impl Metrics {
    /// Begins to count, also what the store does.
    pub(crate) fn new(store: &Store) -> Self {
        let mut metrics = Self::registered();
        metrics.registry.register_collector(Box::new(readings::Readings::of(store)));
        metrics.registry.register_collector(Box::new(process::Process));
        metrics.begin_at_zero();
        store.observe(StoreObserver {
            group_sizes: metrics.group_sizes.clone(),
            revocation_seconds: metrics.revocation_seconds.clone(),
        });
        metrics
    }

    /// Shows counters before they count: a counter that appears with its first event hides it from
    /// `increase()`.
    fn begin_at_zero(&self) {
        for result in Verification::ALL {
            drop(self.verifications.get_or_create(&Verified { result }));
        }
        for call in GateCall::ALL {
            for outcome in GateOutcome::ALL {
                drop(self.gate_requests.get_or_create(&GateAnswered { call, outcome }));
            }
        }
        for fault in UpstreamFault::ALL {
            drop(self.upstream_faults.get_or_create(&Upstream { fault }));
        }
        for status in AgentStatus::ALL {
            drop(self.agents.get_or_create(&Agents { status }));
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: Route, status: StatusClass, took: Duration) {
        let answered = Answered { route, status };
        self.requests.get_or_create(&answered).inc();
        self.request_seconds.get_or_create(&Routed { route: answered.route }).observe(took.as_secs_f64());
    }

    /// Counts a request as being worked on until the value is dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.requests_in_flight.inc();
        InFlight(self.requests_in_flight.clone())
    }

    /// The value of an agent token was verified.
    pub(crate) fn verified(&self, result: Verification) {
        self.verifications.get_or_create(&Verified { result }).inc();
    }

    /// A request at the gate was answered.
    pub(crate) fn gated(&self, call: GateCall, outcome: GateOutcome) {
        self.gate_requests.get_or_create(&GateAnswered { call, outcome }).inc();
    }

    /// An Airflow answered a request that the gate forwarded, or did not.
    pub(crate) fn forwarded(&self, call: GateCall, took: Duration, fault: Option<UpstreamFault>) {
        self.upstream_seconds.get_or_create(&Gated { call }).observe(took.as_secs_f64());
        if let Some(fault) = fault {
            self.upstream_faults.get_or_create(&Upstream { fault }).inc();
        }
    }

    /// The counter of passwords that were compared.
    pub(crate) fn password_checks(&self) -> Counter {
        self.password_checks.clone()
    }

    /// The counters of refusals: noted, and only counted.
    pub(crate) fn refusals(&self) -> (Counter, Counter) {
        (self.refusals_noted.clone(), self.refusals_summarized.clone())
    }

    /// The counters of Deployments' logs: lines kept, and pieces lost.
    pub(crate) fn logs(&self) -> (Counter, Counter) {
        (self.log_lines_kept.clone(), self.log_pieces_lost.clone())
    }

    /// All of it, in the text format of OpenMetrics 1.0.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String fails only if a metric cannot be spelled; the tests scrape them all.
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(std::fmt::Error) => String::new(),
        }
    }
}

/// A request that is being worked on.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts what the store tells.
struct StoreObserver {
    group_sizes: Histogram,
    revocation_seconds: Histogram,
}

impl Observer for StoreObserver {
    fn group_committed(&self, requests: usize) {
        // Far below 2^52, so that it is exact.
        self.group_sizes.observe(u32::try_from(requests).unwrap_or(u32::MAX).into());
    }

    fn revocation_followed(&self, after: Duration) {
        self.revocation_seconds.observe(after.as_secs_f64());
    }
}
