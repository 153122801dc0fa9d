//! Goes through an archive, entry by entry.

use std::io::{Read, Write};

use crate::{
    fault::{Fault, Name, Why},
    headers::{self, Kind},
    limits::{Limits, Summary},
    path::{below_the_folder, target_of_link},
    tape::Tape,
    tree::Tree,
};

/// Says whether an archive is a bundle, and how much is in it. It is read to its end.
///
/// # Errors
///
/// The first [`Fault`] there is.
pub fn check(archive: impl Read, limits: &Limits) -> Result<Summary, Fault> {
    walk(archive, *limits, &mut Nowhere)
}

/// Takes what a bundle is made of, in an order in which it can be made. Paths are below the
/// bundle's folder, each comes once, and the folders above it have come.
pub(crate) trait Taker {
    /// Takes the content of a file.
    type File: Write;
    fn folder(&mut self, path: &str) -> Result<(), Fault>;
    fn file(&mut self, path: &str, is_executable: bool) -> Result<Self::File, Fault>;
    /// One more name for a file.
    fn hard_link(&mut self, path: &str, file: &str) -> Result<(), Fault>;
    /// Comes after all others, so that nothing can be written through a link.
    fn link(&mut self, path: &str, target: &str) -> Result<(), Fault>;
    /// What it means that a file's content could not be taken.
    fn fault(&self, path: &str, cause: std::io::Error) -> Fault;
}

/// Goes through an archive to its end.
pub(crate) fn walk<T: Taker>(archive: impl Read, limits: Limits, taker: &mut T) -> Result<Summary, Fault> {
    let (mut tape, mut tree, mut bytes) = (Tape::new(archive, limits), Tree::new(limits), 0);
    while let Some(entry) = headers::next(&mut tape)? {
        tape.comes_to(&entry.name);
        let path = below_the_folder(&entry.name)?;
        let new_folders = match &entry.kind {
            Kind::Folder => tree.add_folder(&path)?,
            Kind::File { .. } | Kind::HardLink(_) => tree.add_file(&path)?,
            Kind::Link(target) => tree.add_link(&path, target_of_link(&path, target)?)?,
        };
        for folder in new_folders {
            taker.folder(&folder)?;
        }
        match entry.kind {
            Kind::Folder | Kind::Link(_) => {}
            Kind::HardLink(file) => {
                let there = below_the_folder(&file).ok().filter(|there| *there != path && tree.has_file(there));
                let there = there.ok_or_else(|| Why::NoFile(Name::new(&file)).of(&entry.name))?;
                taker.hard_link(&path, &there)?;
            }
            Kind::File { size, is_executable } => {
                if size > limits.bytes.saturating_sub(bytes) {
                    return Err(Fault::TooManyBytes { limit: limits.bytes, entry: tape.at() });
                }
                bytes += size;
                let mut file = taker.file(&path, is_executable)?;
                copy(&mut tape, size, &mut file, |cause| taker.fault(&path, cause))?;
            }
        }
    }
    tape.end()?;
    tree.expect_links_inside()?;
    for (path, target) in tree.links() {
        taker.link(path, target)?;
    }
    Ok(Summary { files: tree.len(), bytes })
}

/// Copies the content of a file off the tape.
fn copy(
    tape: &mut Tape<impl Read>,
    size: u64,
    to: &mut impl Write,
    fault: impl Fn(std::io::Error) -> Fault,
) -> Result<(), Fault> {
    let mut buffer = [0; 1 << 15];
    let mut left = size;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        tape.fill(&mut buffer[..count])?;
        to.write_all(&buffer[..count]).map_err(&fault)?;
        left -= count as u64;
    }
    tape.padding(size)
}

/// Keeps nothing.
struct Nowhere;

impl Taker for Nowhere {
    type File = std::io::Sink;

    fn folder(&mut self, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    fn file(&mut self, _: &str, _: bool) -> Result<Self::File, Fault> {
        Ok(std::io::sink())
    }

    fn hard_link(&mut self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    fn link(&mut self, _: &str, _: &str) -> Result<(), Fault> {
        Ok(())
    }

    fn fault(&self, _: &str, cause: std::io::Error) -> Fault {
        Fault::Read(cause)
    }
}
