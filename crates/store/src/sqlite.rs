//! SQLite: several readers, and one writer whose commits come in groups.
//!
//! Statements run on the calling thread: a point read is a few microseconds in a page cache, less
//! than handing it to another thread would take (docs/adr/0001-database-drivers.md has figures).
//! Only those of a long read have the thread to themselves ([`aside`]).
//!
//! All requests that write share one open transaction, each within its own savepoint. Whoever is
//! done releases its savepoint and waits; a thread of its own commits for all who wait, which is
//! one `fsync` for the group, and only then do they answer. The writer's lock is fair, so the
//! committer stands in line behind those who already wait for the writer, and they form the group.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use airlock_core::{Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, params_from_iter};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{Mutex as FairMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot},
    task::block_in_place,
};

use crate::{
    authority::{Authority, Change},
    db::{FromRow, Row, Value},
    migrate,
    observer::PoolUse,
};

/// How many connections read at once. Statements are short and there are few cores, so more
/// would only cost memory.
const READERS: usize = 4;

/// Prepared statements that each connection keeps.
const STATEMENTS: usize = 128;

pub(crate) struct Sqlite {
    idle_readers: Arc<Mutex<Vec<Connection>>>,
    reader_permits: Arc<Semaphore>,
    writer: Arc<FairMutex<Group>>,
    wake_committer: SyncSender<()>,
    /// Held for as long as the database is open.
    _lock: File,
}

/// The writing connection, and those who wait for the group's commit.
struct Group {
    conn: Mutex<Connection>,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    /// What memory must follow once they are committed.
    changes: Vec<Change>,
}

impl Group {
    /// Whether the group's transaction is open. SQLite may end it on its own: when the disk is
    /// full or fails, it rolls the whole transaction back.
    fn is_open(&self) -> bool {
        !locked(&self.conn).is_autocommit()
    }

    /// Begins one more request's part, and the transaction if there is none.
    fn begin(&mut self) -> Result<()> {
        if !self.is_open() {
            self.tell(&Err("SQLite rolled the group's transaction back".into()));
            self.changes.clear();
            locked(&self.conn).execute_batch("BEGIN IMMEDIATE").map_err(error)?;
        }
        locked(&self.conn).execute_batch("SAVEPOINT request").map_err(error)
    }

    /// Tells those who wait what became of their changes.
    fn tell(&mut self, result: &Result<(), String>) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(result.clone()); // whoever went away does not need the answer
        }
    }
}

impl Sqlite {
    pub(crate) fn open(path: &Path, authority: &Arc<Authority>) -> Result<Arc<Self>> {
        let lock = lock(path)?;
        let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;").map_err(
            |cause| match cause.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => {
                    Error::refused(format!("{} is not a database that SQLite knows", path.display()))
                }
                _ => error(cause),
            },
        )?;
        migrate::sqlite(&mut conn)?;
        let readers =
            (0..READERS).map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)).collect::<Result<Vec<_>>>()?;

        let writer =
            Arc::new(FairMutex::new(Group { conn: Mutex::new(conn), waiting: Vec::new(), changes: Vec::new() }));
        let (wake_committer, wakes) = sync_channel(1);
        let (group, authority) = (Arc::clone(&writer), Arc::clone(authority));
        thread::Builder::new()
            .name("airlock-commit".into())
            .spawn(move || commit_groups(&group, &wakes, &authority))
            .map_err(Error::internal)?;
        Ok(Arc::new(Self {
            idle_readers: Arc::new(Mutex::new(readers)),
            reader_permits: Arc::new(Semaphore::new(READERS)),
            writer,
            wake_committer,
            _lock: lock,
        }))
    }

    /// The reading connections' use. Who waits is not counted: the semaphore does not tell.
    pub(crate) fn pool_use(&self) -> PoolUse {
        PoolUse { most: READERS, held: READERS - self.reader_permits.available_permits().min(READERS), waiting: 0 }
    }

    /// A connection that reads. `is_long` says that its statements may take longer than a moment.
    pub(crate) async fn reader(&self, is_long: bool) -> Reader {
        let permit = Arc::clone(&self.reader_permits).acquire_owned().await.expect("the semaphore is never closed");
        let conn = locked(&self.idle_readers).pop().expect("there are as many permits as readers");
        Reader { conn: Mutex::new(Some(conn)), is_long, home: Arc::clone(&self.idle_readers), _permit: permit }
    }

    pub(crate) async fn writer(&self) -> Result<Writer> {
        let mut group = Arc::clone(&self.writer).lock_owned().await;
        group.begin()?;
        Ok(Writer { group: Some(group), wake_committer: self.wake_committer.clone() })
    }
}

/// Does what takes long while another thread goes on with what this one would have done next. A
/// runtime of a single thread, as tests have, has no other.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    let has_others = |runtime: Handle| runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
    if Handle::try_current().is_ok_and(has_others) { block_in_place(work) } else { work() }
}

/// Commits for all who wait, again and again, until the store is dropped.
fn commit_groups(group: &FairMutex<Group>, wakes: &Receiver<()>, authority: &Authority) {
    while wakes.recv().is_ok() {
        let mut group = group.blocking_lock();
        if !group.is_open() && group.waiting.is_empty() {
            continue; // an earlier wake has done it
        }
        let result = locked(&group.conn).execute_batch("COMMIT").map_err(|cause| cause.to_string());
        if result.is_err() && group.is_open() {
            let _ = locked(&group.conn).execute_batch("ROLLBACK"); // what cannot be committed goes
        }
        let changes = std::mem::take(&mut group.changes);
        if result.is_ok() {
            // Before anybody answers: a request that starts after an answer must see the change.
            authority.apply(&changes, 0);
        }
        authority.observed.tell(|observer| observer.group_committed(group.waiting.len()));
        group.tell(&result);
    }
}

/// One of the reading connections, for as long as it is held.
pub struct Reader {
    conn: Mutex<Option<Connection>>,
    is_long: bool,
    home: Arc<Mutex<Vec<Connection>>>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let work = || work(locked(&self.conn).as_ref().expect("a reader has its connection until it is dropped"));
        if self.is_long { aside(work) } else { work() }
    }

    pub(crate) fn begin_snapshot(&self) -> Result<()> {
        self.with(|conn| if conn.is_autocommit() { conn.execute_batch("BEGIN").map_err(error) } else { Ok(()) })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(conn) = locked(&self.conn).take() {
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK"); // ends a snapshot, which changed nothing
            }
            locked(&self.home).push(conn);
        }
    }
}

/// The writing connection, within a savepoint, for as long as it is held.
pub struct Writer {
    group: Option<OwnedMutexGuard<Group>>,
    wake_committer: SyncSender<()>,
}

impl Writer {
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let group = self.group.as_ref().expect("a writer has its group until it commits");
        let conn = locked(&group.conn);
        if conn.is_autocommit() {
            // Whatever ran now would be durable at once, and without its audit record.
            return Err(Error::Busy("SQLite rolled the group's transaction back".into()));
        }
        work(&conn)
    }

    /// Joins the group, and waits for its commit.
    pub(crate) async fn commit(mut self, changes: Vec<Change>) -> Result<()> {
        self.with(|conn| conn.execute_batch("RELEASE request").map_err(error))?;
        if let Some(group) = &mut self.group {
            group.changes.extend(changes);
        }
        self.join().await
    }

    /// Undoes the change. It may have been refused for what others of the group have done, which a
    /// crash can still undo: then the refusal is as good as their commit, and waits for it.
    pub(crate) async fn abandon(mut self) -> Result<()> {
        if self.group.as_ref().is_none_or(|group| group.waiting.is_empty()) {
            return Ok(());
        }
        self.with(|conn| conn.execute_batch("ROLLBACK TO request; RELEASE request").map_err(error))?;
        self.join().await
    }

    /// Waits for the group's commit.
    async fn join(&mut self) -> Result<()> {
        let (done, waits) = oneshot::channel();
        if let Some(mut group) = self.group.take() {
            group.waiting.push(done);
        }
        self.wake();
        match waits.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(Error::Busy(format!("SQLite could not commit: {cause}"))),
            Err(_) => Err(Error::Busy("the commit thread has ended".into())),
        }
    }

    fn wake(&self) {
        let _ = self.wake_committer.try_send(()); // a wake that is already pending will do
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(group) = self.group.take() {
            if group.is_open() {
                let conn = locked(&group.conn);
                if let Err(cause) = conn.execute_batch("ROLLBACK TO request; RELEASE request") {
                    tracing::error!(%cause, "a refused change could not be undone, so the whole group is");
                    let _ = conn.execute_batch("ROLLBACK"); // those who wait are told by the committer
                }
            }
            drop(group);
            self.wake(); // those of the group who are done still wait
        }
    }
}

pub(crate) fn execute(conn: &Connection, sql: &str, values: &[Value<'_>]) -> Result<u64> {
    let mut statement = conn.prepare_cached(&numbered(sql)).map_err(error)?;
    let touched = statement.execute(params_from_iter(values)).map_err(error)?;
    Ok(touched as u64)
}

pub(crate) fn query<T: FromRow>(conn: &Connection, sql: &str, values: &[Value<'_>]) -> Result<Vec<T>> {
    let mut found = Vec::new();
    each(conn, sql, values, |row| found.push(row))?;
    Ok(found)
}

/// Runs a query; hands over one row after the other, so that they need not all fit into memory.
pub(crate) fn each<T: FromRow>(
    conn: &Connection,
    sql: &str,
    values: &[Value<'_>],
    mut take: impl FnMut(T),
) -> Result<()> {
    let mut statement = conn.prepare_cached(&numbered(sql)).map_err(error)?;
    let mut rows = statement.query(params_from_iter(values)).map_err(error)?;
    while let Some(row) = rows.next().map_err(error)? {
        take(T::from_row(&mut Row::sqlite(row))?);
    }
    Ok(())
}

/// SQLite numbers `?1`; it would take `$1` for a name. No SQL of ours has a `$` elsewhere.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

/// Keeps other Airlock processes out, for each remembers what only it may change. The lock goes
/// with the process, however it ends.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let fault = |cause: std::io::Error| Error::Busy(format!("the lock of {} cannot be taken: {cause}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&name).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Busy(format!("{} is in use by another Airlock process", path.display())))
        }
        Err(TryLockError::Error(cause)) => Err(fault(cause)),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|cause| Error::Busy(format!("the SQLite file {} cannot be opened: {cause}", path.display())))?;
    // Only an administrator's own tool can be in the way; it holds the thread up meanwhile.
    conn.busy_timeout(Duration::from_secs(1)).map_err(error)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without this a statement that is bound to other values is compiled anew: the bundled SQLite
    // has STAT4, whose plans depend on the values. It was half of the cost of a get. Our plans
    // shall depend on nothing but the schema anyway.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
    Ok(conn)
}

fn error(cause: rusqlite::Error) -> Error {
    let passing = matches!(
        cause.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
        )
    );
    if passing { Error::Busy(format!("SQLite: {cause}")) } else { Error::internal(format!("SQLite: {cause}")) }
}

/// Locks, also when a thread panicked while it held the lock: a connection has no state of ours
/// that could be half-done, and its transaction is undone by whoever holds it.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// There is one thread for tasks; the other task goes on all the same.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_long_read_holds_up_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let sqlite = Sqlite::open(&folder.path().join("airlock.db"), &Arc::new(Authority::alone())).expect("opened");
        let reader = sqlite.reader(true).await;
        let (begin, begun) = oneshot::channel();
        let (end, ended) = channel();
        let reading = tokio::spawn(async move {
            reader.with(|_| {
                begin.send(()).expect("somebody waits");
                ended.recv_timeout(Duration::from_secs(30)).map_err(Error::internal)
            })
        });
        begun.await.expect("it begins");
        tokio::spawn(async move { end.send(()) }).await.expect("another task").expect("the read goes on");
        reading.await.expect("a task").expect("a read that has ended");
    }
}
