//! The replicas on one database, for people.

use airlock_contract::Time;
use airlock_core::Result;

use crate::db::{Reads, record};

record! {
    /// A replica that runs, or ran until a moment ago.
    pub struct ReplicaRow {
        /// Its id, another one at each start.
        pub id: String = "id",
        /// What it is called.
        pub name: String = "name",
        /// Its version.
        pub version: String = "version",
        /// When it started.
        pub started_at: Time = "started_at",
        /// When it last renewed its lease, by its own clock.
        pub renewed_at: Time = "renewed_at",
        /// How long its lease is, in milliseconds.
        pub lease_ms: i64 = "lease_ms",
        /// Up to which revocation it has followed.
        pub applied: i64 = "applied",
    }
}

/// All replicas, the oldest first, and the number of the newest revocation.
///
/// # Errors
///
/// Those of the database.
pub async fn list(db: &impl Reads) -> Result<(Vec<ReplicaRow>, i64)> {
    db.conn().begin_snapshot().await?;
    let sql = format!("SELECT {} FROM replicas ORDER BY started_at", ReplicaRow::COLUMNS);
    let replicas = db.conn().all(&sql, &[]).await?;
    Ok((replicas, db.conn().count("SELECT revision FROM authority WHERE id = 1", &[]).await?))
}
