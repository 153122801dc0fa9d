//! Removes from the bundle storage what nothing needs: archives that are not kept any more, those
//! that were uploaded and not finalized, blocks, and what is left of uploads that were killed.
//!
//! First the database lets go, and that is committed; then the objects go. So what is current or may
//! become so is never removed, and whatever is left over when the server is killed in between goes
//! the next time. Nobody can upload for a deploy that the database does not await, and the database
//! awaits it before anybody has its link.

use std::{
    collections::HashSet,
    fs::DirEntry,
    io,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use airlock_contract::{DeployId, Time};
use airlock_core::{Error, Result};
use airlock_store::tarballs;
use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{BundleStorage, Stored};
use crate::App;

/// How often deploys are given up and archives let go.
const LET_GO_EVERY: Duration = Duration::from_secs(60);

/// How often the whole storage is looked at, in units of [`LET_GO_EVERY`]. It is looked at as well
/// whenever something was let go.
const LOOK_EVERY: usize = 30;

/// How long a deploy can be finalized after it was created, in seconds.
const AWAITED: i64 = 86_400;

/// How old an unfinished file in the folder is when nobody writes it any more, in seconds.
const UNFINISHED: i64 = 86_400;

/// How many deploys the database is asked about at once.
const AT_ONCE: usize = 500;

pub(crate) async fn run(app: &App) {
    let mut ticks = interval(LET_GO_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in (0..LOOK_EVERY).cycle() {
        ticks.tick().await;
        let result = async { if let_go(app).await? > 0 || tick == 0 { sweep(app).await } else { Ok(()) } };
        if let Err(cause) = result.await {
            tracing::warn!(%cause, "the bundle storage could not be tidied up; it will be tried again");
        }
    }
}

/// Has the database let go of what is not needed any more: of how many things.
pub(crate) async fn let_go(app: &App) -> Result<u64> {
    let upkeep = app.store.upkeep().await?;
    let given_up = upkeep.give_up_deploys_before(app.env.now().plus_seconds(-AWAITED)).await?;
    let let_go = upkeep.keep_tarballs(app.settings.deploys.kept.get()).await?;
    upkeep.commit().await?;
    Ok(given_up.saturating_add(let_go))
}

/// Removes the objects that the database does not keep or await.
pub(crate) async fn sweep(app: &App) -> Result<()> {
    let storage = &app.settings.deploys.storage;
    let mut stored = storage.all().await?;
    // The database is asked after the storage: an archive that is finalized in between is kept.
    let deploys: HashSet<&DeployId> = stored.iter().map(|object| &object.deploy).collect();
    let deploys: Vec<DeployId> = deploys.into_iter().cloned().collect();
    let mut needed = tarballs::Kept::default();
    for some in deploys.chunks(AT_ONCE) {
        let kept = tarballs::kept(&app.store.read().await?, some).await?;
        needed.awaited.extend(kept.awaited);
        needed.versions.extend(kept.versions);
    }
    stored.retain(|object| !is_needed(object, &needed));
    if !stored.is_empty() {
        tracing::info!(objects = stored.len(), "removing from the bundle storage what no deploy needs any more");
    }
    storage.remove(stored.into_iter().map(|object| object.key)).await?;
    remove_unfinished(storage, app.env.now().plus_seconds(-UNFINISHED)).await
}

fn is_needed(object: &Stored, needed: &tarballs::Kept) -> bool {
    needed.awaited.contains(&object.deploy)
        || object.version.as_ref().is_some_and(|version| needed.versions.contains(version))
}

/// Removes from a folder the files that a process which was killed has not finished. Whoever writes
/// one names it `...#1` until it is whole; a bucket has no such thing.
async fn remove_unfinished(storage: &BundleStorage, before: Time) -> Result<()> {
    let Some(folder) = storage.folder.clone() else { return Ok(()) };
    let before = UNIX_EPOCH + Duration::from_micros(u64::try_from(before.as_micros()).unwrap_or_default());
    let removed = spawn_blocking(move || remove_unfinished_in(&folder, before)).await.map_err(Error::internal)?;
    removed.map_err(|cause| Error::Busy(format!("the bundle storage: {cause}")))
}

/// Removes a file that is so old. One that is gone, for it was finished meanwhile, is no fault.
fn remove_before(entry: &DirEntry, before: SystemTime) -> io::Result<()> {
    let removed = entry
        .metadata()
        .and_then(|about| about.modified())
        .and_then(|modified| if modified < before { std::fs::remove_file(entry.path()) } else { Ok(()) });
    removed.or_else(|cause| if cause.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(cause) })
}

fn remove_unfinished_in(folder: &Path, before: SystemTime) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            remove_unfinished_in(&entry.path(), before)?;
        } else if entry.file_name().to_string_lossy().contains('#') {
            remove_before(&entry, before)?;
        }
    }
    Ok(())
}
