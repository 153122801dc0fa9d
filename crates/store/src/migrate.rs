//! Brings the schema up to date. One directory of migrations for both databases.

use airlock_core::{Error, Result};
use refinery::embed_migrations;

embed_migrations!("migrations");

/// Held while migrating, so that replicas may start at the same time. An arbitrary number.
const ADVISORY_LOCK: i64 = 0x4149_524c_4f43_4b31;

const APPLIED: &str = "SELECT MAX(version) FROM refinery_schema_history";

pub(crate) fn sqlite(conn: &mut rusqlite::Connection) -> Result<()> {
    let applied: Option<i64> = conn.query_row(APPLIED, [], |row| row.get(0)).unwrap_or_default();
    refuse_newer(applied)?;
    migrations::runner().run(conn).map_err(failed)?;
    Ok(())
}

pub(crate) async fn postgres(client: &mut tokio_postgres::Client) -> Result<()> {
    // Another replica may be migrating, and a migration may take its time.
    let patient = client.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0").await;
    patient.map_err(crate::postgres::error)?;
    let locked = client.execute("SELECT pg_advisory_lock($1)", &[&ADVISORY_LOCK]).await;
    locked.map_err(crate::postgres::error)?;
    let result = migrate_postgres(client).await;
    let unlocked = client.execute("SELECT pg_advisory_unlock($1)", &[&ADVISORY_LOCK]).await;
    unlocked.map_err(crate::postgres::error)?;
    let as_before = client.batch_execute("RESET lock_timeout; RESET statement_timeout").await;
    as_before.map_err(crate::postgres::error)?;
    result
}

async fn migrate_postgres(client: &mut tokio_postgres::Client) -> Result<()> {
    let applied: Option<i32> = match client.query_one(APPLIED, &[]).await {
        Ok(row) => row.get(0),
        Err(_) => None, // there is no such table yet
    };
    refuse_newer(applied.map(i64::from))?;
    migrations::runner().run_async(client).await.map_err(failed)?;
    Ok(())
}

fn refuse_newer(applied: Option<i64>) -> Result<()> {
    let known = migrations::runner().get_migrations().iter().map(|migration| i64::from(migration.version())).max();
    match applied {
        Some(applied) if Some(applied) > known => Err(Error::refused(format!(
            "a newer version of Airlock made this database (its schema is {applied}, this version knows {}); \
             start that version, or restore a backup from before the upgrade",
            known.unwrap_or_default()
        ))),
        _ => Ok(()),
    }
}

fn failed(cause: refinery::Error) -> Error {
    Error::internal(format!("the schema could not be brought up to date: {cause}"))
}
