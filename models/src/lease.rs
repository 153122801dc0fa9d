//! The lease protocol of `docs/revocation.md`: a replica that serves a client, the database, and the
//! delete of the client's token, which any replica may be asked for.
//!
//! Only one replica is here in full. The others do no more to it than to commit revocations, to
//! remove its row, and to acknowledge the delete; whatever else they have to wait for, each for
//! the other, makes them acknowledge later. So what holds here holds for any number of replicas.
//!
//! A step is never forced: it may come late or never. So a replica that is stopped, a message that
//! is slow and a thread that is not scheduled need no steps of their own; only the clock goes on.
//! A NOTIFY makes a replica renew at once, and here it may renew at any time.
//!
//! Times are ticks that are left or that have passed, never dates. So there are finitely many
//! states however long the system runs, and all of them are looked at.

use stateright::{Model, Property};

/// How long a lease lasts, in ticks.
const LEASE: u8 = 2;
/// How many ticks the replica's clock may lose in the run, and how much longer than a lease a
/// deleter therefore waits.
const MARGIN: u8 = 1;
/// The changes that take something away: the token's deletion, and one other.
const REVOCATIONS: u8 = 2;

/// What must never happen.
pub const PROMISE: &str = "no request that starts after the acknowledged delete is accepted";

/// The protocol, or one of its wrong variants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protocol {
    /// What is wrong with it, if anything.
    pub flaw: Option<Flaw>,
}

/// A way to get the protocol wrong. Each breaks the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The lease counts from the answer to the renewal, not from before it was sent.
    LeaseFromAnswer,
    /// The lease is taken though the answer tells of a revocation that is not applied yet.
    LeaseWhileBehind,
    /// The statement that renews confirms what it returns, which is not applied yet.
    ConfirmBeforeApplying,
    /// A request looks into memory first and at the lease second.
    MemoryBeforeLease,
    /// A request takes the answer of a look-up that an earlier one began.
    ShareLookUps,
    /// A token found in the database is kept though something was taken out meanwhile.
    KeepUnchecked,
    /// A token found in the database is kept though there was no lease when the look-up began: memory
    /// may have been loaded meanwhile.
    KeepWithoutLease,
    /// What a replica takes out for a change of its own does not count for those who keep what
    /// they found.
    OwnRemovalUncounted,
    /// When a replica has followed its own change, it passes over those of others from before.
    OwnChangeSkipsOthers,
    /// The deleter does not wait.
    NoWait,
    /// The deleter's wait counts from before COMMIT was sent, not from when it returned.
    WaitFromCommitSent,
    /// The deleter looks before its commit which replicas there are.
    RowsReadBeforeCommit,
    /// The deleter waits for one lease by its own clock and no longer.
    NoMargin,
    /// The replica's lease is longer than the deleter thinks.
    UnequalLeases,
    /// A delete that finds the token gone is answered at once.
    RepeatUnheld,
    /// It waits for the other replicas, and forgets that its own may be behind as well.
    RepeatBySelfHeldByOthers,
    /// A replica's row is removed while its lease may still run.
    RowRemovedEarly,
    /// A replica whose row is gone goes on renewing.
    RenewWithoutRow,
    /// A replica removes its row while a renewal of its own is under way.
    LeaveWhileRenewing,
    /// A replica does not notice that revocations it has not followed are removed.
    GapUnnoticed,
    /// Memory is loaded first, and the revision as of which it holds is read then.
    RevisionAfterTokens,
    /// Loading gives a lease, though there is no row yet.
    LoadGivesLease,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::LeaseFromAnswer,
        Self::LeaseWhileBehind,
        Self::ConfirmBeforeApplying,
        Self::MemoryBeforeLease,
        Self::ShareLookUps,
        Self::KeepUnchecked,
        Self::KeepWithoutLease,
        Self::OwnRemovalUncounted,
        Self::OwnChangeSkipsOthers,
        Self::NoWait,
        Self::WaitFromCommitSent,
        Self::RowsReadBeforeCommit,
        Self::NoMargin,
        Self::UnequalLeases,
        Self::RepeatUnheld,
        Self::RepeatBySelfHeldByOthers,
        Self::RowRemovedEarly,
        Self::RenewWithoutRow,
        Self::LeaveWhileRenewing,
        Self::GapUnnoticed,
        Self::RevisionAfterTokens,
        Self::LoadGivesLease,
    ];
}

/// Everything there is at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    database: Database,
    replica: Replica,
    look_up: Option<LookUp>,
    delete: Delete,
    request: Option<Request>,
    /// Whether the replica's clock has lost what it may lose.
    drifted: bool,
}

/// What is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Database {
    /// `authority.revision`: one more for each revocation.
    revision: u8,
    /// The revision that deleted the token.
    deleted_at: Option<u8>,
    /// Rows of `revocations` up to this one are removed.
    pruned: u8,
    /// The replica's row of `replicas`.
    row: Option<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    /// Up to which revision the replica has said that it has followed.
    confirmed: u8,
    /// Ticks since the counter of renewals last moved.
    idle: u8,
}

/// What the process has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Replica {
    /// Whether the token is among those it keeps.
    holds_token: bool,
    /// Memory has followed all revocations up to this one.
    applied: u8,
    /// Ticks until its lease runs out, by its own clock.
    lease: u8,
    task: Task,
    /// The other revocation, if a request to this replica committed it and memory has not
    /// followed yet.
    revoked: Option<u8>,
}

/// What the task that keeps the lease is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Task {
    /// The process has just started, and must load its memory.
    Started,
    /// The database has read the revision, and then all tokens.
    Loaded { revision: u8, live: bool },
    /// It waits until it is time to renew.
    Idle,
    /// The renewal is on its way. `age` is how long ago the instant was noted.
    Renewing { age: u8, confirms: u8 },
    /// The database has executed it, and the revision was this one.
    Answered { age: u8, confirms: u8, revision: u8 },
    /// It was told that it has no row.
    Unregistered,
}

/// A look-up in the database on a miss, whose result may be kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LookUp {
    /// Whether the database has answered that the token is there.
    found: bool,
    /// Whether there was no lease when it began, or memory has taken something out since.
    is_stale: bool,
}

/// The request that deletes the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Delete {
    NotYet,
    /// COMMIT is on its way.
    Sent {
        by: Deleter,
        waited: u8,
    },
    /// The database has committed, and has not said so yet.
    Committed {
        by: Deleter,
        waited: u8,
    },
    /// The replica itself knows, since `waited` ticks, and has not taken the token out of its memory.
    Returned {
        waited: u8,
    },
    /// The deleter knows, since `waited` ticks, and waits until it may answer.
    Waiting {
        by: Deleter,
        repeats: bool,
        waited: u8,
    },
    /// The deleter will never answer: its process or its connection is gone.
    Abandoned,
    /// 204.
    Acknowledged {
        reason: Reason,
    },
}

/// Who is asked to take something away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deleter {
    /// The replica that is here in full.
    Itself,
    /// Another one.
    Another,
}

/// Why a delete could be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reason {
    Confirmed,
    LeaseRanOut,
}

/// A client's request with the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Request {
    /// Whether it started after the delete was acknowledged.
    is_late: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// The lease was fresh, so memory decides. (With [`Flaw::MemoryBeforeLease`] the other way
    /// round.)
    Looking,
    /// The database decides.
    Asking,
    Answered(Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    AcceptedFromMemory,
    AcceptedByDatabase,
    /// The database has no such token.
    Refused,
    /// 503: memory cannot be used, and the database cannot be reached.
    Unavailable,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time goes on.
    Tick,
    /// Time goes on, but the replica's clock does not show it. Once.
    TickThatItsClockLoses,
    /// The process ends, and another one starts.
    Restart,
    /// The process stops its task, gives up its lease and removes its row.
    Leave,

    /// The database reads the revision and all tokens, for a process that has just started.
    Load,
    /// The process has them in memory.
    Install,

    /// The replica notes the instant, and sends a renewal that confirms what it has followed.
    Renew,
    /// The database executes it, and reads the revision.
    Execute,
    /// The replica was told nothing new: it takes the lease, from the noted instant on.
    TakeLease,
    /// It was told something new, and follows all revocations up to that; the next renewal
    /// confirms it.
    Follow,
    /// It has no row, and inserts one.
    Register,
    /// The renewal or the answer to it is lost, and the replica gives up waiting for it.
    LoseRenewal,
    /// Another replica removes its row, as it has not renewed for long.
    RemoveRow,
    /// Another replica removes old revocations.
    Prune,

    /// Something else is taken away, by a request to this replica or to another.
    Revoke(Deleter),
    /// The replica's memory follows what it has itself committed.
    FollowOwnRevocation,
    /// The same, where that is the token's deletion.
    FollowOwnDelete,

    /// A client deletes the token; COMMIT is sent.
    SendDelete(Deleter),
    /// The database commits.
    CommitDelete,
    /// The deleter knows.
    CommitReturns,
    /// It never comes to know, as its connection broke.
    LoseCommit,
    /// The client deletes the token once more, and it is found gone.
    RepeatDelete(Deleter),
    /// The replica has confirmed: the delete is acknowledged.
    AcknowledgeConfirmed,
    /// Its lease has run out: the delete is acknowledged.
    AcknowledgeRunOut,

    /// A request misses the token in memory and looks for it in the database.
    LookUp,
    /// The database finds it.
    Find,
    /// The replica keeps what was found, if it had a lease when the look-up began and has taken
    /// nothing out since.
    Keep,

    /// A client presents the token, and the replica looks whether its lease is fresh.
    Present,
    /// Then it looks into its memory.
    CheckMemory,
    /// With [`Flaw::MemoryBeforeLease`]: then it looks at its lease.
    CheckLease,
    /// It asks the database.
    AskDatabase,
    /// It cannot ask the database.
    FailToAsk,
    /// The client has the answer, and may present the token again.
    TakeAnswer,
}

impl Step {
    const ALL: [Self; 36] = [
        Self::Tick,
        Self::TickThatItsClockLoses,
        Self::Restart,
        Self::Leave,
        Self::Load,
        Self::Install,
        Self::Renew,
        Self::Execute,
        Self::TakeLease,
        Self::Follow,
        Self::Register,
        Self::LoseRenewal,
        Self::RemoveRow,
        Self::Prune,
        Self::Revoke(Deleter::Itself),
        Self::Revoke(Deleter::Another),
        Self::FollowOwnRevocation,
        Self::FollowOwnDelete,
        Self::SendDelete(Deleter::Itself),
        Self::SendDelete(Deleter::Another),
        Self::CommitDelete,
        Self::CommitReturns,
        Self::LoseCommit,
        Self::RepeatDelete(Deleter::Itself),
        Self::RepeatDelete(Deleter::Another),
        Self::AcknowledgeConfirmed,
        Self::AcknowledgeRunOut,
        Self::LookUp,
        Self::Find,
        Self::Keep,
        Self::Present,
        Self::CheckMemory,
        Self::CheckLease,
        Self::AskDatabase,
        Self::FailToAsk,
        Self::TakeAnswer,
    ];
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    /// The replica has just started; and, so that counter-examples are short, it runs for a while.
    fn init_states(&self) -> Vec<State> {
        let start = State {
            database: Database { revision: 0, deleted_at: None, pruned: 0, row: None },
            replica: Replica::START,
            look_up: None,
            delete: Delete::NotYet,
            request: None,
            drifted: false,
        };
        let mut running = start;
        running.database.row = Some(Row { confirmed: 0, idle: 0 });
        running.replica.holds_token = true;
        running.replica.lease = LEASE;
        running.replica.task = Task::Idle;
        vec![start, running]
    }

    /// All steps; [`Model::next_state`] knows which of them can happen.
    fn actions(&self, _: &State, steps: &mut Vec<Step>) {
        steps.extend(Step::ALL);
    }

    fn next_state(&self, before: &State, step: Step) -> Option<State> {
        let mut state = *before;
        self.take(&mut state, step).map(|()| state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        use Answer::{AcceptedByDatabase, AcceptedFromMemory, Refused, Unavailable};
        use Delete::{Acknowledged, Waiting};
        vec![
            Property::always(PROMISE, |_, state: &State| {
                !state.has_answered(true, AcceptedFromMemory) && !state.has_answered(true, AcceptedByDatabase)
            }),
            // And that it is not kept by doing nothing.
            Property::sometimes("a request is accepted from memory", |_, state: &State| {
                state.has_answered(false, AcceptedFromMemory)
            }),
            Property::sometimes("a request is accepted by the database", |_, state: &State| {
                state.has_answered(false, AcceptedByDatabase)
            }),
            Property::sometimes("a request is accepted while the delete waits", |_, state: &State| {
                matches!(state.delete, Waiting { .. }) && state.has_answered(false, AcceptedFromMemory)
            }),
            Property::sometimes("a request after the delete is refused", |_, state: &State| {
                state.has_answered(true, Refused)
            }),
            Property::sometimes("a request is answered 503, as the lease ran out", |_, state: &State| {
                state.replica.lease == 0 && state.replica.holds_token && state.has_answered(false, Unavailable)
            }),
            Property::sometimes("a delete is acknowledged, as the replica has confirmed", |_, state: &State| {
                let reason = Reason::Confirmed;
                state.replica.lease > 0 && state.database.row.is_some() && state.delete == Acknowledged { reason }
            }),
            Property::sometimes("a delete is acknowledged, as the lease ran out", |_, state: &State| {
                let reason = Reason::LeaseRanOut;
                state.replica.holds_token && state.delete == Acknowledged { reason }
            }),
            Property::sometimes("a replica that renews has no row any more", |_, state: &State| {
                state.database.row.is_none() && matches!(state.replica.task, Task::Renewing { .. })
            }),
            Property::sometimes("a replica is behind what is removed", |_, state: &State| {
                state.replica.holds_token && state.database.pruned > state.replica.applied
            }),
            Property::sometimes("what was found may not be kept", |_, state: &State| {
                state.look_up == Some(LookUp { found: true, is_stale: true })
            }),
            Property::sometimes(
                "a replica's own revocation comes after one it has not followed",
                |_, state: &State| state.replica.holds_token && state.replica.revoked > Some(state.replica.applied + 1),
            ),
        ]
    }
}

impl State {
    fn has_answered(&self, is_late: bool, answer: Answer) -> bool {
        self.request == Some(Request { is_late, stage: Stage::Answered(answer) })
    }

    /// Memory takes out the token, or something else.
    fn take_out(&mut self, is_token: bool) {
        self.replica.holds_token &= !is_token;
        if let Some(look_up) = &mut self.look_up {
            look_up.is_stale = true;
        }
    }
}

impl Replica {
    const START: Self = Self { holds_token: false, applied: 0, lease: 0, task: Task::Started, revoked: None };
}

impl Protocol {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// The lease that the replica believes to have.
    fn lease(&self) -> u8 {
        if self.has(Flaw::UnequalLeases) { LEASE + MARGIN + 1 } else { LEASE }
    }

    /// Takes a step, or tells that it cannot happen.
    fn take(&self, state: &mut State, step: Step) -> Option<()> {
        // Nothing is promised about a request that starts early, so it is answered in one go.
        if state.request.is_some_and(|it| !it.is_late || matches!(it.stage, Stage::Answered(_))) {
            return self.request(state, step);
        }
        match step {
            Step::Tick => self.tick(state, true),
            Step::TickThatItsClockLoses => {
                if std::mem::replace(&mut state.drifted, true) {
                    return None;
                }
                self.tick(state, false);
            }
            Step::Restart => restart(state),
            Step::Leave => {
                state.database.row.take()?;
                if self.has(Flaw::LeaveWhileRenewing) {
                    state.replica.lease = 0;
                } else {
                    restart(state);
                }
            }

            Step::Load
            | Step::Install
            | Step::Renew
            | Step::Execute
            | Step::TakeLease
            | Step::Follow
            | Step::Register
            | Step::LoseRenewal => self.keep_lease(state, step)?,
            Step::RemoveRow => {
                let row = state.database.row.take()?;
                if row.idle < LEASE + MARGIN && !self.has(Flaw::RowRemovedEarly) {
                    return None;
                }
            }
            Step::Prune => {
                if std::mem::replace(&mut state.database.pruned, state.database.revision) == state.database.revision {
                    return None;
                }
            }

            Step::Revoke(by) => {
                let deletions = u8::from(state.database.deleted_at.is_some());
                if state.database.revision - deletions == REVOCATIONS - 1 {
                    return None;
                }
                state.database.revision += 1;
                if by == Deleter::Itself {
                    state.replica.revoked = Some(state.database.revision);
                }
            }
            Step::FollowOwnRevocation => {
                let revision = state.replica.revoked.take()?;
                self.follow_own(state, revision);
            }
            Step::FollowOwnDelete => {
                let Delete::Returned { waited } = state.delete else { return None };
                state.delete = Delete::Waiting { by: Deleter::Itself, repeats: false, waited };
                let revision = state.database.deleted_at?;
                self.follow_own(state, revision);
            }

            Step::SendDelete(_)
            | Step::CommitDelete
            | Step::CommitReturns
            | Step::LoseCommit
            | Step::RepeatDelete(_)
            | Step::AcknowledgeConfirmed
            | Step::AcknowledgeRunOut => self.delete(state, step)?,
            Step::LookUp | Step::Find | Step::Keep => self.look_up(state, step)?,
            Step::Present
            | Step::CheckLease
            | Step::CheckMemory
            | Step::AskDatabase
            | Step::FailToAsk
            | Step::TakeAnswer => self.request(state, step)?,
        }
        Some(())
    }

    fn tick(&self, state: &mut State, own_clock_moves: bool) {
        let pass = |time: &mut u8, most: u8| *time = (*time + 1).min(most);
        if let Some(row) = &mut state.database.row {
            pass(&mut row.idle, LEASE + MARGIN);
        }
        let before_return = self.has(Flaw::WaitFromCommitSent);
        match &mut state.delete {
            Delete::Waiting { by: Deleter::Another, waited, .. } => pass(waited, LEASE + MARGIN),
            Delete::Waiting { waited, .. } | Delete::Returned { waited } if own_clock_moves => {
                pass(waited, LEASE + MARGIN);
            }
            Delete::Sent { waited, .. } | Delete::Committed { waited, .. } if before_return => {
                pass(waited, LEASE + MARGIN);
            }
            _ => {}
        }
        if own_clock_moves {
            state.replica.lease = state.replica.lease.saturating_sub(1);
            if let Task::Renewing { age, .. } | Task::Answered { age, .. } = &mut state.replica.task {
                pass(age, self.lease());
            }
        }
    }

    /// The task that loads memory and keeps the lease.
    fn keep_lease(&self, state: &mut State, step: Step) -> Option<()> {
        let database = &mut state.database;
        let replica = &mut state.replica;
        replica.task = match (step, replica.task) {
            (Step::Load, Task::Started) => {
                Task::Loaded { revision: database.revision, live: database.deleted_at.is_none() }
            }
            (Step::Install, Task::Loaded { revision, live }) => {
                replica.holds_token = live;
                replica.applied = if self.has(Flaw::RevisionAfterTokens) { database.revision } else { revision };
                if self.has(Flaw::LoadGivesLease) {
                    replica.lease = LEASE;
                }
                Task::Idle
            }

            (Step::Renew, Task::Idle) => Task::Renewing { age: 0, confirms: replica.applied },
            (Step::Execute, Task::Renewing { age, confirms }) => {
                let revision = database.revision;
                match &mut database.row {
                    Some(row) => {
                        let early = self.has(Flaw::ConfirmBeforeApplying);
                        *row = Row { confirmed: if early { revision } else { confirms }, idle: 0 };
                        Task::Answered { age, confirms, revision }
                    }
                    None if self.has(Flaw::RenewWithoutRow) => Task::Answered { age, confirms, revision },
                    None => Task::Unregistered,
                }
            }
            (Step::TakeLease, Task::Answered { age, confirms, revision })
                if confirms == revision || self.has(Flaw::LeaseWhileBehind) =>
            {
                replica.lease = self.lease() - if self.has(Flaw::LeaseFromAnswer) { 0 } else { age };
                if confirms == revision { Task::Idle } else { replica.task }
            }
            (Step::Follow, Task::Answered { confirms, revision, .. }) if confirms != revision => {
                let is_behind = database.pruned > replica.applied && !self.has(Flaw::GapUnnoticed);
                // It reads those that it has not followed, as far as they are still there.
                let is_read = |it: u8| it > replica.applied && it > database.pruned && it <= revision;
                let is_token = is_behind || database.deleted_at.is_some_and(is_read);
                replica.applied = revision;
                replica.task = Task::Idle;
                state.take_out(is_token);
                return Some(());
            }
            (Step::Register, Task::Unregistered) => {
                database.row = Some(Row { confirmed: replica.applied, idle: 0 });
                Task::Idle
            }
            (Step::LoseRenewal, Task::Renewing { .. } | Task::Answered { .. }) => Task::Idle,
            _ => return None,
        };
        Some(())
    }

    /// Memory follows at once what the replica has itself committed. But that does not count as
    /// followed: others may have committed before, and the next renewal brings them all.
    fn follow_own(&self, state: &mut State, revision: u8) {
        let look_up = state.look_up;
        state.take_out(state.database.deleted_at == Some(revision));
        if self.has(Flaw::OwnRemovalUncounted) {
            state.look_up = look_up;
        }
        if self.has(Flaw::OwnChangeSkipsOthers) {
            state.replica.applied = state.replica.applied.max(revision);
        }
    }

    fn delete(&self, state: &mut State, step: Step) -> Option<()> {
        state.delete = match (step, state.delete) {
            (Step::SendDelete(by), Delete::NotYet) => {
                let sees_nobody = self.has(Flaw::RowsReadBeforeCommit) && state.database.row.is_none();
                Delete::Sent { by, waited: if sees_nobody { LEASE + MARGIN } else { 0 } }
            }
            (Step::CommitDelete, Delete::Sent { by, waited }) => {
                state.database.revision += 1;
                state.database.deleted_at = Some(state.database.revision);
                Delete::Committed { by, waited }
            }
            (Step::CommitReturns, Delete::Committed { by: Deleter::Itself, waited }) => Delete::Returned { waited },
            (Step::CommitReturns, Delete::Committed { by, waited }) => Delete::Waiting { by, repeats: false, waited },
            (Step::LoseCommit, Delete::Committed { .. }) => Delete::Abandoned,
            (Step::RepeatDelete(by), Delete::Abandoned) => Delete::Waiting { by, repeats: true, waited: 0 },
            (Step::AcknowledgeConfirmed, Delete::Waiting { by, repeats, .. })
                if self.is_confirmed(state, by, repeats) =>
            {
                Delete::Acknowledged { reason: Reason::Confirmed }
            }
            (Step::AcknowledgeRunOut, Delete::Waiting { waited, .. }) if waited >= self.wait() => {
                Delete::Acknowledged { reason: Reason::LeaseRanOut }
            }
            _ => return None,
        };
        Some(())
    }

    /// After how many ticks the lease has run out for sure.
    fn wait(&self) -> u8 {
        match self.flaw {
            Some(Flaw::NoWait) => 0,
            Some(Flaw::NoMargin) => LEASE,
            _ => LEASE + MARGIN,
        }
    }

    /// Whether the replica has followed the deletion. Of itself it knows: it has taken the token
    /// out, if it deleted it; otherwise it must have followed the one who did. Others go by its
    /// row, if it has one.
    fn is_confirmed(&self, state: &State, by: Deleter, repeats: bool) -> bool {
        let confirmed = match by {
            _ if repeats && self.has(Flaw::RepeatUnheld) => None,
            Deleter::Itself if !repeats || self.has(Flaw::RepeatBySelfHeldByOthers) => None,
            Deleter::Itself => Some(state.replica.applied),
            Deleter::Another => state.database.row.map(|row| row.confirmed),
        };
        confirmed.is_none_or(|confirmed| state.database.deleted_at.is_some_and(|it| it <= confirmed))
    }

    fn look_up(&self, state: &mut State, step: Step) -> Option<()> {
        state.look_up = match (step, state.look_up) {
            (Step::LookUp, None) => {
                let is_fresh = state.replica.lease > 0 || self.has(Flaw::KeepWithoutLease);
                Some(LookUp { found: false, is_stale: !is_fresh })
            }
            (Step::Find, Some(it)) if !it.found => {
                state.database.deleted_at.is_none().then_some(LookUp { found: true, ..it })
            }
            (Step::Keep, Some(it)) if it.found => {
                state.replica.holds_token |= !it.is_stale || self.has(Flaw::KeepUnchecked);
                None
            }
            _ => return None,
        };
        Some(())
    }

    fn request(&self, state: &mut State, step: Step) -> Option<()> {
        let is_fresh = state.replica.lease > 0;
        let holds_token = state.replica.holds_token;
        let (first, second) = if self.has(Flaw::MemoryBeforeLease) {
            (holds_token, (Step::CheckLease, is_fresh))
        } else {
            (is_fresh, (Step::CheckMemory, holds_token))
        };
        let Some(request) = &mut state.request else {
            let is_late = matches!(state.delete, Delete::Acknowledged { .. });
            let stage = if first { Stage::Looking } else { Stage::Asking };
            // An early request breaks nothing, so the search for what a flaw breaks is faster without.
            let presents = step == Step::Present && (is_late || self.flaw.is_none());
            state.request = presents.then_some(Request { is_late, stage });
            return state.request.map(drop);
        };
        request.stage = match request.stage {
            Stage::Looking if step == second.0 => {
                if second.1 {
                    Stage::Answered(Answer::AcceptedFromMemory)
                } else {
                    Stage::Asking
                }
            }
            Stage::Asking if step == Step::AskDatabase => {
                let is_shared = self.has(Flaw::ShareLookUps) && state.look_up.is_some_and(|it| it.found);
                Stage::Answered(if is_shared || state.database.deleted_at.is_none() {
                    Answer::AcceptedByDatabase
                } else {
                    Answer::Refused
                })
            }
            Stage::Asking if step == Step::FailToAsk => Stage::Answered(Answer::Unavailable),
            Stage::Answered(_) if step == Step::TakeAnswer => {
                state.request = None;
                return Some(());
            }
            _ => return None,
        };
        Some(())
    }
}

/// Memory and requests are gone; the row stays until somebody removes it.
fn restart(state: &mut State) {
    state.replica = Replica::START;
    state.look_up = None;
    state.request = None;
    state.delete = match state.delete {
        Delete::Sent { by: Deleter::Itself, .. } => Delete::NotYet,
        Delete::Committed { by: Deleter::Itself, .. }
        | Delete::Returned { .. }
        | Delete::Waiting { by: Deleter::Itself, .. } => Delete::Abandoned,
        delete => delete,
    };
}
