//! `airlock replicas`: which replicas run on a PostgreSQL, and how far each is.

use airlock_core::Env;
use airlock_store::{Location, replicas};
use anyhow::bail;
use clap::Args;

use crate::{local, output, settings::ServerSettings};

/// The settings of any of the replicas, which say where their database is.
#[derive(Args)]
pub(crate) struct Replicas {
    #[command(flatten)]
    settings: ServerSettings,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn show(command: &Replicas) -> anyhow::Result<()> {
    if matches!(command.settings.location(), Location::Sqlite(_)) {
        bail!("there are replicas on PostgreSQL only; give its --database-url. On SQLite one process serves");
    }
    let store = local::open_store(&command.settings).await?;
    let (replicas, newest) = replicas::list(&store.read().await?).await?;
    let now = Env::system().now().as_micros();
    let age = |at: airlock_contract::Time| (now - at.as_micros()).max(0) / 1000;
    if command.json {
        let all: Vec<_> = replicas
            .iter()
            .map(|replica| {
                serde_json::json!({
                    "id": replica.id, "name": replica.name, "version": replica.version,
                    "startedAt": replica.started_at, "leaseMilliseconds": replica.lease_ms,
                    "renewedMillisecondsAgo": age(replica.renewed_at), "appliedRevision": replica.applied,
                })
            })
            .collect();
        return output::json(&serde_json::json!({"replicas": all, "newestRevision": newest}));
    }
    let rows = replicas.iter().map(|replica| {
        vec![
            replica.id.clone(),
            replica.name.clone(),
            replica.version.clone(),
            replica.started_at.to_string(),
            format!("{} ms ago, for {} ms", age(replica.renewed_at), replica.lease_ms),
            format!("{} of {newest}", replica.applied),
        ]
    });
    output::table(&["ID", "NAME", "VERSION", "STARTED", "LEASE RENEWED", "APPLIED REVISION"], rows.collect())
}
