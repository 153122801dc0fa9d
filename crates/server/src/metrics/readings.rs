//! What is read from the store's memory when it is scraped.

use std::fmt;

use airlock_store::Store;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{gauge::ConstGauge, info::Info},
};

use super::{Described, process::gauge};

pub(super) const BUILD: Described = Described {
    name: "airlock_build",
    kind: "info",
    labels: &["version", "database"],
    help: &["The version that runs, and the kind of its database."],
};
pub(super) const HELD: Described = Described {
    name: "airlock_database_connections_held",
    kind: "gauge",
    labels: &[],
    help: &["Database connections in use: of PostgreSQL's pool, or of SQLite's that read."],
};
pub(super) const MOST: Described = Described {
    name: "airlock_database_connections_max",
    kind: "gauge",
    labels: &[],
    help: &["Database connections that there may be at the most."],
};
pub(super) const WAITING: Described = Described {
    name: "airlock_database_connections_waiting",
    kind: "gauge",
    labels: &[],
    help: &["Requests that wait for a connection of PostgreSQL's pool."],
};

pub(super) const LEASE: Described = Described {
    name: "airlock_lease_remaining_seconds",
    kind: "gauge",
    labels: &[],
    help: &["Seconds for which this replica may verify from memory if its lease is not renewed. Absent on SQLite."],
};

/// Reads the store.
pub(super) struct Readings(Store);

impl Readings {
    pub(super) fn of(store: &Store) -> Self {
        Self(store.clone())
    }
}

impl fmt::Debug for Readings {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Readings")
    }
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("database", self.0.kind())]);
        build.encode(encoder.encode_descriptor(BUILD.name, &(BUILD.help() + "."), None, build.metric_type())?)?;
        let pool = self.0.pool_use();
        gauge(&mut encoder, &HELD, pool.held as u64)?;
        gauge(&mut encoder, &MOST, pool.most as u64)?;
        gauge(&mut encoder, &WAITING, pool.waiting as u64)?;
        if let Some(left) = self.0.lease_left() {
            let gauge = ConstGauge::new(left.as_secs_f64());
            gauge.encode(encoder.encode_descriptor(LEASE.name, &(LEASE.help() + "."), None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
