//! PostgreSQL: a pool of connections, and a transaction a write.

use std::{
    ops::Deref,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use airlock_core::{Error, Result};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use futures_util::StreamExt;
use tokio_postgres::{config::TargetSessionAttrs, error::SqlState, types::ToSql};

use crate::{
    db::{FromRow, Row, Value},
    migrate,
    observer::PoolUse,
    tls::{self, Target},
};

/// Connections that are open at once.
const CONNECTIONS: usize = 16;

/// How long the server may wait for a lock and work on a statement: nobody waits longer for an
/// answer. Whoever gives `options` in the URL gives their own.
const TIME_OUTS: &str = "-c lock_timeout=5s -c statement_timeout=30s";

/// How long a request waits for a connection before it is told that we are busy.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Postgres {
    pool: Pool,
    target: Target,
}

impl Postgres {
    pub(crate) async fn open(url: &str) -> Result<Arc<Self>> {
        let mut target = tls::target(url)?;
        let config = &mut target.config;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(PATIENCE);
        }
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several hosts, the primary: a standby may not know yet what was taken away.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("airlock");
        }
        if config.get_options().is_none() {
            config.options(TIME_OUTS);
        }
        let manager = Manager::from_config(
            target.config.clone(),
            target.tls.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) })
            .build()
            .map_err(Error::internal)?;
        let postgres = Self { pool, target };
        let mut connection = postgres.connection().await?;
        let client: &mut tokio_postgres::Client = connection.object_mut();
        migrate::postgres(client).await?;
        drop(connection);
        Ok(Arc::new(postgres))
    }

    pub(crate) fn pool_use(&self) -> PoolUse {
        let status = self.pool.status();
        PoolUse { most: status.max_size, held: status.size.saturating_sub(status.available), waiting: status.waiting }
    }

    /// How to reach the database beside the pool.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) async fn connection(&self) -> Result<Connection> {
        let object = self
            .pool
            .get()
            .await
            .map_err(|cause| Error::Busy(format!("no connection to PostgreSQL: {}", chain(&cause))))?;
        Ok(Connection { object: Some(object), is_within: AtomicBool::new(false), has_failed: AtomicBool::new(false) })
    }

    pub(crate) async fn transaction(&self) -> Result<Transaction> {
        let connection = self.connection().await?;
        connection.batch("BEGIN").await?;
        Ok(Transaction(connection))
    }
}

/// A connection out of the pool. When it is dropped within a transaction, the transaction is
/// rolled back before anybody else gets the connection.
pub struct Connection {
    object: Option<Object>,
    is_within: AtomicBool,
    has_failed: AtomicBool,
}

impl Connection {
    fn object_mut(&mut self) -> &mut Object {
        self.object.as_mut().expect("a connection is there until it is dropped")
    }

    fn failed(&self, cause: tokio_postgres::Error) -> Error {
        self.has_failed.store(true, Ordering::Relaxed);
        error(cause)
    }

    async fn batch(&self, sql: &str) -> Result<()> {
        // Set before the statement is sent: when this future is dropped meanwhile, it may have begun.
        self.is_within.store(true, Ordering::Relaxed);
        self.batch_execute(sql).await.map_err(error)
    }

    pub(crate) async fn begin_snapshot(&self) -> Result<()> {
        if self.is_within.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }
}

impl Deref for Connection {
    type Target = Object;
    fn deref(&self) -> &Object {
        self.object.as_ref().expect("a connection is there until it is dropped")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if self.is_within.load(Ordering::Relaxed) && !object.is_closed() {
            tokio::spawn(async move {
                if object.batch_execute("ROLLBACK").await.is_err() {
                    drop(Object::take(object)); // out of the pool
                }
            });
        }
    }
}

/// A transaction, for as long as it is held.
pub struct Transaction(Connection);

impl Deref for Transaction {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Transaction {
    /// Whether a statement of it has failed, so that it takes no further ones.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::Relaxed)
    }

    pub(crate) async fn commit(self) -> Result<()> {
        if self.has_failed() {
            // PostgreSQL would roll back, and answer as if all were well.
            return Err(Error::internal("a transaction was to be committed although a statement of it had failed"));
        }
        self.0.batch_execute("COMMIT").await.map_err(error)?;
        self.0.is_within.store(false, Ordering::Relaxed);
        Ok(())
    }
}

pub(crate) async fn execute(connection: &Connection, sql: &str, values: &[Value<'_>]) -> Result<u64> {
    let run = async { connection.execute(&connection.prepare_cached(sql).await?, &references(values)).await };
    run.await.map_err(|cause| connection.failed(cause))
}

pub(crate) async fn query<T: FromRow>(connection: &Connection, sql: &str, values: &[Value<'_>]) -> Result<Vec<T>> {
    let run = async { connection.query(&connection.prepare_cached(sql).await?, &references(values)).await };
    let rows = run.await.map_err(|cause| connection.failed(cause))?;
    rows.iter().map(|row| T::from_row(&mut Row::postgres(row))).collect()
}

/// Runs a query; hands over one row after the other, so that they need not all fit into memory.
pub(crate) async fn each<T: FromRow>(
    connection: &Connection,
    sql: &str,
    values: &[Value<'_>],
    mut take: impl FnMut(T) + Send,
) -> Result<()> {
    let statement = connection.prepare_cached(sql).await.map_err(|cause| connection.failed(cause))?;
    let rows = connection.query_raw(&statement, references(values)).await.map_err(|cause| connection.failed(cause))?;
    let mut rows = pin!(rows);
    while let Some(row) = rows.next().await {
        let row = row.map_err(|cause| connection.failed(cause))?;
        take(T::from_row(&mut Row::postgres(&row))?);
    }
    Ok(())
}

fn references<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// What waiting would mend is [`Error::Busy`]: a lost connection, a server that stops or starts,
/// too many connections, a deadlock, a serialization failure, a row that went
/// while another came to refer to it. PostgreSQL appendix A has the codes.
pub(crate) fn error(cause: tokio_postgres::Error) -> Error {
    let passing = match cause.code() {
        Some(code) => {
            *code == SqlState::T_R_SERIALIZATION_FAILURE
                || *code == SqlState::T_R_DEADLOCK_DETECTED
                // What a row refers to went meanwhile, or is referred to now: it was looked at before.
                || *code == SqlState::FOREIGN_KEY_VIOLATION
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                || ["08", "53", "57", "55"].iter().any(|class| code.code().starts_with(class))
        }
        None => true, // the connection failed, not a statement
    };
    let text = format!("PostgreSQL: {}", chain(&cause));
    if passing { Error::Busy(text) } else { Error::internal(text) }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
