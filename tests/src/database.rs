//! A database for one test.

use std::{
    fmt::Write,
    sync::atomic::{AtomicU32, Ordering},
};

use airlock_store::Location;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Names the PostgreSQL server for tests, as a connection URL; `scripts/with-postgres` sets it.
const SERVER: &str = "AIRLOCK_TEST_DATABASE_URL";

/// A database of its own for one test.
pub enum Database {
    /// A file that goes away with the test.
    Sqlite(TempDir),
    /// A new database on the server for tests, as a connection URL.
    Postgres(String),
}

impl Database {
    /// A new SQLite file.
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a folder for the test"))
    }

    /// A new PostgreSQL database. Where there is no server for tests this says so loudly, and in CI
    /// it fails.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a test has no command line, and must be heard"
    )]
    pub async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var(SERVER) else {
            assert!(std::env::var("CI").is_err(), "{SERVER} is not set: in CI no test on PostgreSQL may be skipped");
            eprintln!("SKIPPED on PostgreSQL: {SERVER} is not set; run scripts/test");
            return None;
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("airlock_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let (client, connection) = tokio_postgres::connect(&server, NoTls).await.expect("the server for tests");
        let connection = tokio::spawn(connection);
        for statement in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            client.batch_execute(&statement).await.expect("a database for the test");
        }
        drop(client);
        let _ = connection.await;
        Some(Self::Postgres(with_database(&server, &name)))
    }

    /// Where the store finds it.
    pub fn location(&self) -> Location {
        match self {
            Self::Sqlite(folder) => Location::Sqlite(folder.path().join("airlock.db")),
            Self::Postgres(url) => Location::Postgres(url.clone()),
        }
    }

    /// All that is in a table, as text, in a stable order.
    pub async fn dump(&self, table: &str) -> String {
        match self {
            Self::Sqlite(_) => self.dump_sqlite(table),
            Self::Postgres(url) => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test's database");
                let connection = tokio::spawn(connection);
                let sql = format!("SELECT CAST(t AS TEXT) FROM {table} t ORDER BY 1");
                let rows = client.query(&sql, &[]).await.expect("the table");
                drop(client);
                let _ = connection.await;
                rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
            }
        }
    }

    /// Runs a statement behind the server's back, as the database's administrator could.
    pub async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(folder) => {
                let conn = rusqlite::Connection::open(folder.path().join("airlock.db")).expect("the test's database");
                conn.busy_timeout(std::time::Duration::from_secs(5)).expect("a time-out");
                conn.execute_batch(sql).expect("a statement");
            }
            Self::Postgres(url) => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test's database");
                let connection = tokio::spawn(connection);
                client.batch_execute(sql).await.expect("a statement");
                drop(client);
                let _ = connection.await;
            }
        }
    }

    fn dump_sqlite(&self, table: &str) -> String {
        let Location::Sqlite(file) = self.location() else { return String::new() };
        let conn = rusqlite::Connection::open(file).expect("the test's database");
        let mut statement = conn.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).expect("the table");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("the rows");
        let mut out = String::new();
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                let value: rusqlite::types::Value = row.get(column).expect("a column");
                write!(out, "{value:?} ").expect("a String takes all");
            }
            out.push('\n');
        }
        out
    }
}

/// How [`Database::dump`] shows bytes: on PostgreSQL, and on SQLite.
pub fn dumped(bytes: &[u8]) -> [String; 2] {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all");
        hex
    });
    [hex, bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")]
}

/// The server's URL with another database: what stands between the host and the parameters.
fn with_database(server: &str, name: &str) -> String {
    let (base, parameters) =
        server.split_once('?').map_or((server, String::new()), |(base, rest)| (base, format!("?{rest}")));
    let base = base.rsplit_once('/').map_or(base, |(base, _)| base);
    format!("{base}/{name}{parameters}")
}
