//! What Airlock keeps, and all of its SQL.
//!
//! One SQL text serves SQLite and PostgreSQL; `README.md` beside this crate has the rules that
//! keep it so. A [`Reading`] cannot change anything. A [`Writing`] can, and its only
//! [`commit`](Writing::commit) takes the audit entry. Functions that touch a tenant's data demand
//! the policy's proof ([`airlock_core::policy::Granted`] or [`airlock_core::policy::Reach`])
//! instead of raw ids, so that no tenant filter can be left out.

pub mod agent_tokens;
pub mod agents;
pub mod airflow_health;
pub mod airflows;
pub mod allowed_ip_address_ranges;
pub mod api_tokens;
pub mod audit;
mod authority;
pub mod bootstrap;
pub mod callers;
pub mod census;
pub mod clusters;
pub mod cutoffs;
mod db;
pub mod deployment_logs;
pub mod deployments;
pub mod deploys;
pub mod environment_objects;
mod filter;
pub mod gate;
pub mod invites;
pub mod live_tokens;
pub mod locate;
pub mod login;
mod migrate;
mod observer;
pub mod organizations;
mod page;
mod postgres;
pub mod replicas;
pub mod role_bindings;
pub mod roles;
mod sqlite;
mod subjects;
pub mod tarballs;
pub mod teams;
mod tls;
pub mod upkeep;
pub mod users;
pub mod workspaces;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use airlock_core::{Error, Result, env::since_boot};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use authority::{Authority, Change};

pub use authority::replica::Membership;
pub use db::Reads;
pub use observer::{Observer, PoolUse};
pub use page::Page;
pub use subjects::{Authorship, Stamp};

/// Where the records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file. Created when it is not there.
    Sqlite(PathBuf),
    /// A PostgreSQL database, as a connection URL or string.
    Postgres(String),
}

/// An open database. Cloning is cheap.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    authority: Arc<Authority>,
    long_reads: Arc<Semaphore>,
}

/// How many long reads run at once. Each keeps a core busy, and one of SQLite's few connections.
const LONG_READS: usize = 2;

#[derive(Clone)]
enum Backend {
    Sqlite(Arc<sqlite::Sqlite>),
    Postgres(Arc<postgres::Postgres>),
}

impl Store {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when it cannot be reached, [`Error::Invalid`] when a newer version of
    /// Airlock made it.
    pub async fn open(location: &Location) -> Result<Self> {
        let (backend, authority) = match location {
            Location::Sqlite(path) => {
                let authority = Arc::new(Authority::alone());
                (Backend::Sqlite(sqlite::Sqlite::open(path, &authority)?), authority)
            }
            Location::Postgres(url) => {
                let backend = Backend::Postgres(postgres::Postgres::open(url).await?);
                (backend, Arc::new(Authority::shared()))
            }
        };
        Ok(Self { backend, authority, long_reads: Arc::new(Semaphore::new(LONG_READS)) })
    }

    /// A handle through which nothing can change.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the database cannot be reached.
    pub async fn read(&self) -> Result<Reading> {
        Ok(Reading { conn: self.reader(false).await?, _turn: None })
    }

    /// [`Self::read`] for statements that look through very much. Of these handles there are few, so
    /// that others find connections; whoever wants one waits. On SQLite their statements hold up no
    /// other task of the thread.
    ///
    /// Nobody may wait for one who has a handle already.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the database cannot be reached.
    pub async fn read_long(&self) -> Result<Reading> {
        let turn = Arc::clone(&self.long_reads).acquire_owned().await.map_err(Error::internal)?;
        Ok(Reading { conn: self.reader(true).await?, _turn: Some(turn) })
    }

    async fn reader(&self, is_long: bool) -> Result<db::Conn> {
        Ok(match &self.backend {
            Backend::Sqlite(sqlite) => db::Conn::SqliteRead(sqlite.reader(is_long).await),
            Backend::Postgres(postgres) => db::Conn::Postgres(postgres.connection().await?),
        })
    }

    /// A handle for one change. Dropped without [`Writing::commit`], it leaves no trace.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the database cannot be reached.
    pub async fn write(&self) -> Result<Writing> {
        let authority = Arc::clone(&self.authority);
        let leaves_cutoffs = AtomicBool::new(false);
        Ok(Writing { conn: self.begin().await?, authority, changes: Mutex::default(), leaves_cutoffs })
    }

    /// A handle for the server's own upkeep, which changes nothing that anybody asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the database cannot be reached.
    pub async fn upkeep(&self) -> Result<upkeep::Upkeep> {
        Ok(upkeep::Upkeep { conn: self.begin().await?, authority: Arc::clone(&self.authority) })
    }

    async fn begin(&self) -> Result<db::Conn> {
        Ok(match &self.backend {
            Backend::Sqlite(sqlite) => db::Conn::SqliteWrite(sqlite.writer().await?),
            Backend::Postgres(postgres) => db::Conn::PostgresWrite(postgres.transaction().await?),
        })
    }

    /// Counts the changes to what API tokens may do, and to what they are on. While it stays the
    /// same, whatever was read of tokens, roles and Deployments still holds, and may be kept in
    /// memory. `None` while nobody can say so without asking the database.
    pub fn authority_revision(&self) -> Option<u64> {
        self.authority.revision()
    }

    /// Whether requests can be answered now.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the database cannot be reached, or this replica has no lease.
    pub async fn ready(&self) -> Result<()> {
        if !self.authority.is_fresh() {
            return Err(Error::Busy("the lease of this replica has run out".into()));
        }
        self.read().await?.conn.count("SELECT CAST(1 AS BIGINT)", &[]).await.map(drop)
    }

    /// For how long this replica may answer from memory if it is not renewed meanwhile; absent
    /// where it is the only one.
    pub fn lease_left(&self) -> Option<Duration> {
        self.authority.lease().map(|lease| lease.left(since_boot()))
    }

    /// Has the machinery's doings told to an observer. Only the first one is.
    pub fn observe(&self, observer: impl Observer) {
        self.authority.observed.set(observer);
    }

    /// How many of the connections that read (SQLite) or of all connections (PostgreSQL) are in
    /// use. Asks nobody.
    pub fn pool_use(&self) -> PoolUse {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.pool_use(),
            Backend::Postgres(postgres) => postgres.pool_use(),
        }
    }

    /// The database's kind, for people.
    pub fn kind(&self) -> &'static str {
        match &self.backend {
            Backend::Sqlite(_) => "SQLite",
            Backend::Postgres(_) => "PostgreSQL",
        }
    }
}

/// A handle through which nothing can change.
pub struct Reading {
    conn: db::Conn,
    /// Given back with the connection, if it was waited for.
    _turn: Option<OwnedSemaphorePermit>,
}

/// A handle for one change.
pub struct Writing {
    conn: db::Conn,
    authority: Arc<Authority>,
    changes: Mutex<Vec<Change>>,
    leaves_cutoffs: AtomicBool,
}

impl Writing {
    /// Makes the change durable, together with its audit record. Answers when both are on disk, and
    /// when nobody can act any more by what the change takes away, on any replica.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when the database did not confirm; nothing was changed then, unless the
    /// connection was lost while it was confirming.
    pub async fn commit(self, entry: &audit::Entry) -> Result<()> {
        audit::insert(&self.conn, entry).await?;
        let changes = self.changes.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.conn.commit(&self.authority, changes, entry.at).await
    }

    /// Undoes the change, before its refusal is told.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when what it may have been refused for did not last.
    pub async fn abandon(self) -> Result<()> {
        self.conn.abandon(&self.authority).await
    }

    /// Whether this change leaves something to do in an Airflow ([`cutoffs`]).
    pub fn leaves_cutoffs(&self) -> bool {
        self.leaves_cutoffs.load(Ordering::Relaxed)
    }

    /// Says that this change touches what API tokens may do, or what they are on, so that nothing
    /// remembered outlives it.
    pub(crate) fn touch_authority(&self) {
        self.follow(Change::Rest);
    }

    /// Says what memory must follow once this is committed.
    pub(crate) fn follow(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }
}

/// Something in the database is not what only we could have written.
pub(crate) fn corrupt(what: &str, cause: impl std::fmt::Display) -> Error {
    Error::internal(format!("the database holds a {what} that cannot be read: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn long_reads_wait_for_each_other_and_leave_connections_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::Sqlite(folder.path().join("airlock.db"));
        let store = Store::open(&location).await.expect("opened");
        let first = store.read_long().await.expect("a handle");
        let _second = store.read_long().await.expect("a handle");
        assert!(tokio::time::timeout(Duration::ZERO, store.read_long()).await.is_err());
        let _others = (store.read().await.expect("a handle"), store.read().await.expect("a handle"));
        drop(first);
        store.read_long().await.expect("a handle");
    }
}
