//! One of several processes on one PostgreSQL: how each follows what the others take away, and how
//! whoever takes something away knows that all have followed.
//!
//! docs/revocation.md explains every step, and `models/` checks them.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use airlock_contract::{AgentTokenId, Time};
use airlock_core::{Env, Error, Result, env::since_boot};
use futures_util::{StreamExt, future, stream};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client};

use super::{Authority, Change, lease::wait_for};
use crate::{
    db::params,
    postgres::{Transaction, error, execute, query},
    tls::Target,
};

/// The channel that wakes replicas. Only revocations go through it, for PostgreSQL commits one
/// notifying transaction after the other.
const CHANNEL: &str = "airlock_revocations";

/// How many revocations are kept for replicas that are behind. One that is further behind forgets
/// all that it remembers.
const KEPT: i64 = 10_000;

/// How often a lease is renewed while it lasts, so that one lost renewal does not end it.
const RENEWALS: u32 = 4;

/// How often to look whether the others have confirmed, while somebody waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// After how many leases without a renewal a replica is taken for dead, and its row removed.
const DEAD_AFTER: u32 = 10;

/// How long whoever revokes waits to learn which leases there are.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a replica takes part.
#[derive(Clone, Debug)]
pub struct Membership {
    /// What people call it: the machine's name.
    pub name: String,
    /// Its version.
    pub version: &'static str,
    /// How long it may answer from memory without having asked the database.
    pub lease: Duration,
}

/// This process among the others.
pub(crate) struct Replica {
    shared: Arc<Shared>,
    target: Target,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    id: String,
    membership: Membership,
    env: Env,
    /// Up to which revocation memory has followed.
    applied: AtomicU64,
    wake: Notify,
    /// How many wait for confirmations.
    waiting: AtomicUsize,
    seen: watch::Sender<Seen>,
}

/// What was last seen of the other replicas.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// When the look began.
    asked: Duration,
    /// The revocation that all others have followed; absent when there is no other.
    confirmed: Option<u64>,
    /// The longest lease among them.
    longest: Duration,
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(task) = self.task() {
            task.abort();
        }
    }
}

impl Replica {
    /// Joins the others, and follows them from now on. Memory may hold what was read at or after
    /// the revision `applied`.
    pub(crate) async fn join(
        target: Target,
        authority: &Arc<Authority>,
        membership: Membership,
        env: &Env,
        applied: u64,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            id: env.new_id::<AgentTokenId>().to_string(),
            membership,
            env: env.clone(),
            applied: AtomicU64::new(applied),
            wake: Notify::new(),
            waiting: AtomicUsize::new(0),
            seen: watch::Sender::new(Seen::default()),
        });
        // The first renewal is done here, so that a server that serves has its lease.
        let connection = Following::connect(&target, &shared).await?;
        connection.renew(authority).await?;
        let task =
            tokio::spawn(follow(Some(connection), target.clone(), Arc::clone(&shared), Arc::downgrade(authority)));
        Ok(Self { shared, target, task: Mutex::new(Some(task)) })
    }

    fn task(&self) -> Option<JoinHandle<()>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn applied(&self) -> u64 {
        self.shared.applied.load(Ordering::SeqCst)
    }

    /// Leaves the others, so that nobody waits for it.
    pub(crate) async fn leave(&self, authority: &Authority) -> Result<()> {
        if let Some(task) = self.task() {
            task.abort();
            let _ = task.await; // after this nobody renews any more
        }
        if let Some(lease) = authority.lease() {
            lease.drop();
        }
        let following = Following::connect(&self.target, &self.shared).await?;
        let left = following.client.execute("DELETE FROM replicas WHERE id = $1", &[&self.shared.id]).await;
        left.map(|_| ()).map_err(error)
    }

    /// Waits until no other replica can answer from before a revocation, which was committed by
    /// `committed`: until all have confirmed it, or their leases have run out. With `and_here` until
    /// this one has followed it as well.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when it could not be learnt which others there are.
    async fn confirmed(&self, revision: u64, committed: Duration, and_here: bool) -> Result<()> {
        let _waiting = Waiting::of(&self.shared);
        let mut seen = self.shared.seen.subscribe();
        loop {
            let now = since_boot();
            let last = *seen.borrow_and_update();
            let is_later = last.asked >= committed;
            let is_here = !and_here || self.applied() >= revision;
            if is_later && is_here && last.confirmed.is_none_or(|confirmed| confirmed >= revision) {
                return Ok(());
            }
            let longest = self.shared.membership.lease.max(last.longest);
            if is_later && now >= committed + wait_for(longest) {
                return Ok(());
            }
            if now >= committed + wait_for(longest) + PATIENCE {
                return Err(Error::Busy("it could not be learnt whether the other replicas have followed".into()));
            }
            let _ = timeout(LOOK_EVERY * 5, seen.changed()).await; // looks again either way
        }
    }
}

/// Says that somebody waits for confirmations, for as long as it is held.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn of(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        shared.wake.notify_one();
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Commits a change on PostgreSQL. When it takes something away, this answers only once no replica
/// can act as before.
///
/// # Errors
///
/// [`Error::Busy`] when the database did not confirm, or the others could not be seen; the change
/// may have been made then.
pub(crate) async fn commit(
    transaction: Transaction,
    authority: &Authority,
    changes: &[Change],
    at: Time,
) -> Result<()> {
    let revision = announce(&transaction, changes, at).await?;
    let removals = authority.registry.removals();
    transaction.commit().await?;
    let committed = since_boot();
    authority.apply(changes, removals);
    if let (Some(revision), Some(replica)) = (revision, authority.replica()) {
        replica.confirmed(revision, committed, false).await?;
        authority.observed.tell(|observer| observer.revocation_followed(since_boot().saturating_sub(committed)));
    }
    Ok(())
}

/// Gives a change up that was refused. It may have been refused because another one has taken away
/// what it was about, which not all replicas may have followed yet: a second DELETE that finds
/// nothing says as much as the first one's answer, so it waits for as much.
///
/// # Errors
///
/// [`Error::Busy`] when the others could not be seen.
pub(crate) async fn abandon(transaction: Transaction, authority: &Authority) -> Result<()> {
    let Some(replica) = authority.replica() else { return Ok(()) };
    if transaction.has_failed() {
        return Ok(()); // it was refused by the database itself
    }
    let rows: Vec<(i64,)> = query(&transaction, "SELECT revision FROM authority WHERE id = 1", &[]).await?;
    drop(transaction);
    let newest = rows.first().map_or(0, |(revision,)| u64::try_from(*revision).unwrap_or_default());
    replica.confirmed(newest, since_boot(), true).await
}

/// Numbers what is taken away, and keeps it for the others. The number's row stays locked until
/// the commit, so that the order of the numbers is the order of the commits.
async fn announce(transaction: &Transaction, changes: &[Change], at: Time) -> Result<Option<u64>> {
    let mut taken: Vec<Option<&str>> = Vec::new();
    for change in changes {
        match change {
            Change::New(_) => {}
            Change::Other(token) => taken.push(Some(token.id.as_str())),
            Change::Gone(id) => taken.push(Some(id.as_str())),
            Change::Rest if taken.contains(&None) => {}
            Change::Rest => taken.push(None),
        }
    }
    if taken.is_empty() {
        return Ok(None);
    }
    let count = taken.len() as i64;
    let sql = "UPDATE authority SET revision = revision + $1 WHERE id = 1 RETURNING revision";
    let rows: Vec<(i64,)> = query(transaction, sql, params![count]).await?;
    let last = rows.first().map(|(revision,)| *revision).ok_or_else(|| crate::corrupt("authority", "no row"))?;
    let inserts = (last - count + 1..).zip(taken).map(|(revision, token)| async move {
        let sql = "INSERT INTO revocations (revision, at, token_id) VALUES ($1, $2, $3)";
        execute(transaction, sql, params![revision, at, token]).await
    });
    future::try_join_all(inserts).await?;
    execute(transaction, "SELECT pg_notify($1, '')", params![CHANNEL]).await?;
    u64::try_from(last).map(Some).map_err(Error::internal)
}

/// Renews the lease again and again, whatever happens to the connection.
async fn follow(first: Option<Following>, target: Target, shared: Arc<Shared>, authority: Weak<Authority>) {
    let mut next = first;
    loop {
        let fault = match next.take() {
            Some(following) => following.run(&authority).await,
            None => match Following::connect(&target, &shared).await {
                Ok(following) => following.run(&authority).await,
                Err(cause) => cause,
            },
        };
        if authority.strong_count() == 0 {
            return;
        }
        tracing::warn!(cause = %fault, "this replica has lost the others; without a lease it asks the database each time");
        sleep(shared.membership.lease / RENEWALS).await;
    }
}

/// A connection by which a replica follows the others.
struct Following {
    client: Client,
    shared: Arc<Shared>,
    messages: JoinHandle<()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.messages.abort();
    }
}

impl Following {
    async fn connect(target: &Target, shared: &Arc<Shared>) -> Result<Self> {
        let patience = shared.membership.lease.max(Duration::from_secs(1));
        let connected = timeout(patience, target.connect()).await;
        let (client, mut connection) =
            connected.map_err(|_| Error::Busy("PostgreSQL does not answer".into()))?.map_err(error)?;
        let messages = tokio::spawn({
            let shared = Arc::clone(shared);
            async move {
                let mut messages = pin!(stream::poll_fn(|context| connection.poll_message(context)));
                while let Some(Ok(message)) = messages.next().await {
                    if matches!(message, AsyncMessage::Notification(_)) {
                        shared.wake.notify_one();
                    }
                }
            }
        });
        let following = Self { client, shared: Arc::clone(shared), messages };
        following.client.batch_execute(&format!("LISTEN {CHANNEL}")).await.map_err(error)?;
        Ok(following)
    }

    /// Renews, until something fails.
    async fn run(self, authority: &Weak<Authority>) -> Error {
        let lease = self.shared.membership.lease;
        let mut others = HashMap::new();
        let mut renewed = Duration::ZERO;
        loop {
            let Some(authority) = authority.upgrade() else { return Error::Busy("the store is closed".into()) };
            let round = async {
                self.renew(&authority).await?;
                if self.shared.waiting.load(Ordering::SeqCst) > 0 {
                    self.look().await?;
                }
                if since_boot() > renewed + lease {
                    renewed = since_boot();
                    self.bury(&mut others).await?;
                }
                Ok(())
            };
            match timeout(lease.max(Duration::from_secs(1)), round).await {
                Ok(Ok(())) => {}
                Ok(Err(cause)) => return cause,
                Err(_) => return Error::Busy("PostgreSQL does not answer".into()),
            }
            drop(authority);
            let pause = if self.shared.waiting.load(Ordering::SeqCst) > 0 { LOOK_EVERY } else { lease / RENEWALS };
            let _ = timeout(pause, self.shared.wake.notified()).await; // renews either way
        }
    }

    /// Asks for the lease, and takes it when memory has followed all that the answer knows of.
    async fn renew(&self, authority: &Authority) -> Result<()> {
        loop {
            let asked = since_boot();
            let applied = self.shared.applied.load(Ordering::SeqCst);
            let Some(newest) = self.ask(applied).await? else {
                self.register(applied).await?;
                continue;
            };
            if newest == applied {
                if let Some(lease) = authority.lease() {
                    lease.take(asked, self.shared.membership.lease);
                }
                return Ok(());
            }
            // The next round confirms it.
            self.catch_up(authority, applied, newest).await?;
        }
    }

    /// Renews in the database, which answers the newest revision; `None` when the others have
    /// removed us, or do not know us yet.
    async fn ask(&self, applied: u64) -> Result<Option<u64>> {
        let sql = "UPDATE replicas SET renewals = renewals + 1, applied = $2, renewed_at = $3 WHERE id = $1 \
                   RETURNING (SELECT revision FROM authority WHERE id = 1)";
        let now = self.shared.env.now().as_micros();
        let row = self.client.query_opt(sql, &[&self.shared.id, &signed(applied), &now]).await.map_err(error)?;
        row.map(|row| u64::try_from(row.get::<_, i64>(0)).map_err(Error::internal)).transpose()
    }

    async fn register(&self, applied: u64) -> Result<()> {
        let Shared { id, membership, env, .. } = &*self.shared;
        let sql = "INSERT INTO replicas (id, name, version, started_at, renewals, applied, lease_ms, renewed_at) \
                   VALUES ($1, $2, $3, $4, 0, $5, $6, $4) ON CONFLICT (id) DO NOTHING";
        let lease = i64::try_from(membership.lease.as_millis()).map_err(Error::internal)?;
        let now = env.now().as_micros();
        let values: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
            &[id, &membership.name, &membership.version, &now, &signed(applied), &lease];
        self.client.execute(sql, values).await.map(|_| ()).map_err(error)
    }

    /// Follows the revocations behind `applied` up to `newest`.
    async fn catch_up(&self, authority: &Authority, applied: u64, newest: u64) -> Result<()> {
        let sql = "SELECT token_id FROM revocations WHERE revision > $1 AND revision <= $2";
        let rows = self.client.query(sql, &[&signed(applied), &signed(newest)]).await.map_err(error)?;
        if newest < applied || rows.len() as u64 != newest - applied {
            // Too far behind, or the database was restored from before: nothing remembered holds.
            authority.forget_all();
        } else {
            rows.iter().for_each(|row| match row.get::<_, Option<String>>(0) {
                Some(token) => authority.remove(&token.into()),
                None => authority.forget_rest(),
            });
        }
        self.shared.applied.store(newest, Ordering::SeqCst);
        Ok(())
    }

    /// Looks how far the others are, for those who wait for it.
    async fn look(&self) -> Result<()> {
        let asked = since_boot();
        let sql = "SELECT MIN(applied), MAX(lease_ms) FROM replicas WHERE id <> $1";
        let row = self.client.query_one(sql, &[&self.shared.id]).await.map_err(error)?;
        let (confirmed, lease): (Option<i64>, Option<i64>) = (row.get(0), row.get(1));
        self.shared.seen.send_replace(Seen {
            asked,
            confirmed: confirmed.map(|revision| u64::try_from(revision).unwrap_or_default()),
            longest: Duration::from_millis(lease.and_then(|lease| u64::try_from(lease).ok()).unwrap_or_default()),
        });
        Ok(())
    }

    /// Removes replicas that have not moved for many of their leases, by our clock, and revocations
    /// that all have followed long ago.
    async fn bury(&self, others: &mut HashMap<String, (i64, Duration)>) -> Result<()> {
        let now = since_boot();
        let rows = self.client.query("SELECT id, renewals, lease_ms FROM replicas", &[]).await.map_err(error)?;
        let mut there = HashMap::with_capacity(rows.len());
        for row in &rows {
            let (id, renewals, lease): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let moved = others.get(&id).filter(|(last, _)| *last == renewals).map_or(now, |(_, moved)| *moved);
            let lease = Duration::from_millis(u64::try_from(lease).unwrap_or_default());
            if id != self.shared.id && now > moved + lease * DEAD_AFTER {
                tracing::warn!(replica = id, "a replica that has not renewed its lease for long is removed");
                let sql = "DELETE FROM replicas WHERE id = $1 AND renewals = $2";
                self.client.execute(sql, &[&id, &renewals]).await.map_err(error)?;
            } else {
                there.insert(id, (renewals, moved));
            }
        }
        *others = there;
        let oldest = signed(self.shared.applied.load(Ordering::SeqCst)) - KEPT;
        let sql = "DELETE FROM revocations WHERE revision <= $1";
        self.client.execute(sql, &[&oldest]).await.map(|_| ()).map_err(error)
    }
}

fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
