//! The folder, and the versions of it beside it.
//!
//! `--dest /opt/airflow/code` makes this:
//!
//! ```text
//! /opt/airflow/code            a symbolic link: .code.airlock/8/content
//! /opt/airflow/.code.airlock/
//!     lock                     held by the process that keeps the folder
//!     7/                       the version before, which may still be read
//!     8/content/               what was unpacked
//!     8/etag                   the version's name
//! ```
//!
//! The link is the only truth about which version is current, and is exchanged by a rename, which
//! is atomic. It is relative, so that the folder above can be mounted elsewhere. A folder in the
//! place of the link could be exchanged as a whole too, but not be told from one that is somebody's;
//! and to readers who have its path, not its handle, a link is as good.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, TryLockError},
    io::{self, Read},
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

use airlock_bundle::{Fault, Limits, Summary, unpack};
use anyhow::{Context, bail};

/// What is unpacked, in the folder of a version.
const CONTENT: &str = "content";

/// The file with a version's name, beside it.
const ETAG: &str = "etag";

/// A folder that this process keeps. No other does while this value lives.
pub(super) struct Folder {
    dest: PathBuf,
    /// The name of the folder of versions, beside `dest`.
    store_name: OsString,
    store: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes a folder on, with the versions that are there. The folder above is made when it is
    /// missing.
    pub(super) fn claim(dest: &Path) -> anyhow::Result<Self> {
        let given = std::path::absolute(dest)?;
        let (Some(above), Some(name)) = (given.parent(), given.file_name()) else {
            bail!("--dest {} names no folder", given.display());
        };
        // Without a slash at its end, which would lead through the link.
        let dest = above.join(name);
        let mut store_name = OsString::from(".");
        store_name.push(name);
        store_name.push(".airlock");
        let store = above.join(&store_name);
        current(&dest, &store_name)?; // before anything is made
        fs::create_dir_all(&store).with_context(|| format!("{} cannot be made", store.display()))?;
        let lock = store.join("lock");
        let cannot = || format!("{} cannot be locked", lock.display());
        let file = File::options().write(true).create(true).truncate(false).open(&lock).with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another `airlock agent sync` keeps {}", dest.display()),
            Err(TryLockError::Error(cause)) => return Err(cause).with_context(cannot),
        }
        let folder = Self { dest, store_name, store, _lock: file };
        folder.remove_unfinished()?;
        Ok(folder)
    }

    /// Where it is.
    pub(super) fn dest(&self) -> &Path {
        &self.dest
    }

    /// The name of the version that it is; none when there is none.
    pub(super) fn current(&self) -> anyhow::Result<Option<String>> {
        let Some(number) = current(&self.dest, &self.store_name)? else { return Ok(None) };
        // One that lost its name, or that somebody removed, is fetched again.
        let is_there = self.content(number).is_dir();
        Ok(fs::read_to_string(self.version(number).join(ETAG)).ok().filter(|_| is_there))
    }

    /// Unpacks an archive beside the folder, and exchanges the folder for it.
    pub(super) fn install(
        &self,
        archive: impl Read,
        limits: &Limits,
        etag: &str,
    ) -> anyhow::Result<Result<Summary, Fault>> {
        self.remove_unfinished()?;
        let before = current(&self.dest, &self.store_name)?;
        let number = before.unwrap_or_default().checked_add(1).context("there are no more numbers for versions")?;
        let unfinished = self.store.join(format!("{number}.new"));
        make(&unfinished)?;
        let holds = match unpack(archive, limits, &unfinished.join(CONTENT)) {
            Ok(holds) => holds,
            Err(fault) => {
                let _ = fs::remove_dir(&unfinished); // else the next round does
                return Ok(Err(fault));
            }
        };
        let finish = || -> io::Result<()> {
            fs::write(unfinished.join(ETAG), etag)?;
            File::open(unfinished.join(ETAG))?.sync_all()?;
            File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, self.version(number))?;
            File::open(&self.store)?.sync_all()
        };
        finish().with_context(|| format!("version {number} cannot be kept in {}", self.store.display()))?;
        self.exchange(number)?;
        self.remove_others(number, before);
        Ok(Ok(holds))
    }

    /// Makes the link lead to a version. From one moment to the next everybody sees that one.
    fn exchange(&self, number: u64) -> anyhow::Result<()> {
        current(&self.dest, &self.store_name)?; // a rename would replace a file of somebody's
        let link = self.store.join("link");
        let exchange = || -> io::Result<()> {
            remove(&link)?;
            symlink(Path::new(&self.store_name).join(number.to_string()).join(CONTENT), &link)?;
            fs::rename(&link, &self.dest)?;
            File::open(self.dest.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        exchange().with_context(|| format!("{} cannot be exchanged for the new version", self.dest.display()))
    }

    /// Removes what an earlier process or round had begun and not finished.
    fn remove_unfinished(&self) -> anyhow::Result<()> {
        let current = current(&self.dest, &self.store_name)?.unwrap_or_default();
        self.remove_those(|name| name.ends_with(".new") || name.parse::<u64>().is_ok_and(|number| number > current))
            .with_context(|| format!("{} cannot be tidied up", self.store.display()))
    }

    /// Removes old versions. The one before stays: processes may have begun to read it.
    fn remove_others(&self, number: u64, before: Option<u64>) {
        let is_old = |name: &str| name.parse().is_ok_and(|one: u64| one != number && Some(one) != before);
        if let Err(cause) = self.remove_those(is_old) {
            tracing::warn!(folder = %self.store.display(), %cause, "old versions could not be removed");
        }
    }

    fn remove_those(&self, which: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.store)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&which) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn version(&self, number: u64) -> PathBuf {
        self.store.join(number.to_string())
    }

    fn content(&self, number: u64) -> PathBuf {
        self.version(number).join(CONTENT)
    }
}

/// The number of the version that a folder is; none when there is no folder. What is there and was
/// not made here is a fault: it is somebody's.
fn current(dest: &Path, store_name: &OsStr) -> anyhow::Result<Option<u64>> {
    let is_link = match dest.symlink_metadata() {
        Ok(found) => found.is_symlink(),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause).with_context(|| format!("{} cannot be looked at", dest.display())),
    };
    let target = if is_link { fs::read_link(dest)? } else { PathBuf::new() };
    let parts: Vec<_> = target.components().collect();
    let number = match parts.as_slice() {
        [Component::Normal(store), Component::Normal(number), Component::Normal(content)]
            if *store == store_name && *content == OsStr::new(CONTENT) =>
        {
            number.to_str().and_then(|number| number.parse().ok())
        }
        _ => None,
    };
    let theirs = || {
        format!(
            "{} is there, and was not made by `airlock agent sync`; move it away, or give another --dest",
            dest.display()
        )
    };
    number.map(Some).with_context(theirs)
}

/// Removes a file, link or folder, which need not be there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(cause) => Err(cause),
    };
    removed.or_else(|cause| if cause.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(cause) })
}

fn make(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))
}
