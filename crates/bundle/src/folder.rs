//! Unpacks an archive into a folder.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::{Path, PathBuf},
};

use rustix::fs::syncfs;

use crate::{
    fault::Fault,
    limits::{Limits, Summary},
    walk::{Taker, walk},
};

/// Makes the folder `into` and unpacks an archive there, by the rules of [`check`](crate::check).
/// The folder must not exist, the one above it must. When this returns, all is on the disk.
///
/// Files get mode 0644, or 0755 where their owner may run them, and folders 0755, less the umask;
/// owners and times are those of who unpacks and when. A new time is wanted: Airflow parses a file
/// again when its time changes, and Python takes a stale `.pyc` for good while the source's time
/// and size are as they were, which archives that were made reproducibly would see to.
///
/// # Errors
///
/// The first [`Fault`] there is. What was unpacked so far has been removed then, as far as that is
/// possible.
pub fn unpack(archive: impl Read, limits: &Limits, into: &Path) -> Result<Summary, Fault> {
    let mut folder = Folder { root: into };
    folder.make(into)?;
    let done = walk(archive, *limits, &mut folder).and_then(|summary| {
        // One call for the whole file system: a call for each file would wait for the disk each time.
        let synced = File::open(into).and_then(|root| Ok(syncfs(root)?));
        synced.map(|()| summary).map_err(|cause| written(into, cause))
    });
    if done.is_err() {
        let _ = fs::remove_dir_all(into); // the fault is what matters
    }
    done
}

struct Folder<'a> {
    root: &'a Path,
}

impl Folder<'_> {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn make(&self, folder: &Path) -> Result<(), Fault> {
        DirBuilder::new().mode(0o755).create(folder).map_err(|cause| written(folder, cause))
    }
}

impl Taker for Folder<'_> {
    type File = File;

    fn folder(&mut self, path: &str) -> Result<(), Fault> {
        self.make(&self.at(path))
    }

    fn file(&mut self, path: &str, is_executable: bool) -> Result<File, Fault> {
        let mode = if is_executable { 0o755 } else { 0o644 };
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(self.at(path));
        opened.map_err(|cause| self.fault(path, cause))
    }

    fn hard_link(&mut self, path: &str, file: &str) -> Result<(), Fault> {
        fs::hard_link(self.at(file), self.at(path)).map_err(|cause| self.fault(path, cause))
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), Fault> {
        symlink(target, self.at(path)).map_err(|cause| self.fault(path, cause))
    }

    fn fault(&self, path: &str, cause: io::Error) -> Fault {
        written(&self.at(path), cause)
    }
}

fn written(path: &Path, cause: io::Error) -> Fault {
    Fault::Write { path: path.to_owned(), cause }
}
