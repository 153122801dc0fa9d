//! What is wrong with an archive, in words for whoever made it.

use std::{fmt, io, path::PathBuf};

/// How much of a name is shown: it is the sender's, and may be long.
const SHOWN: usize = 200;

/// Why an archive is refused, or could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An entry is not what a bundle may have.
    #[error("{entry} {why}")]
    Entry {
        /// Which.
        entry: Name,
        /// What it is instead.
        why: Why,
    },
    /// There is more than the limit allows.
    #[error("the archive has more than {limit} files, folders and links: {entry} is one too many")]
    TooManyFiles {
        /// [`Limits::files`](crate::Limits::files).
        limit: u64,
        /// The first that is too much.
        entry: Name,
    },
    /// There is more than the limit allows.
    #[error("the archive unpacks to more than {limit} bytes, at {entry}")]
    TooManyBytes {
        /// [`Limits::bytes`](crate::Limits::bytes).
        limit: u64,
        /// The first that is too much.
        entry: Name,
    },
    /// It is not gzip, or its checksum is wrong.
    #[error("the archive is no gzip file, or is damaged: {0}")]
    Gzip(String),
    /// It is gzip, but no tar archive.
    #[error("the archive is no tar archive: after {after} comes {what}")]
    Tar {
        /// The last entry that could be read.
        after: Name,
        /// What comes after it.
        what: &'static str,
    },
    /// It ends before its end.
    #[error("the archive is cut off after {after}")]
    CutOff {
        /// The last entry that could be read.
        after: Name,
    },
    /// It goes on after its end.
    #[error("something follows the end of the archive")]
    Trailing,
    /// Finding out where its links lead takes too long.
    #[error("the archive's links lead through one another too often")]
    Entangled,
    /// The archive could not be read, for a reason that is not its own.
    #[error("the archive cannot be read: {0}")]
    Read(io::Error),
    /// The folder could not be written.
    #[error("{} cannot be written: {cause}", .path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

impl Fault {
    /// Whether the archive is at fault, and not the machine that reads or writes it.
    pub fn is_of_archive(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::Write { .. })
    }
}

/// What is wrong with an entry; it goes on from the entry's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// `/etc/passwd`.
    #[error("is an absolute path")]
    Absolute,
    /// `../x`, and also `a/../x`.
    #[error("has `..` in its path")]
    Parent,
    /// JSON, logs and Airflow could not say it.
    #[error("has a name that is not UTF-8, or has a zero byte")]
    NotText,
    /// File systems would not take it.
    #[error("has a path of more than 1024 bytes, or in it a name of more than 255")]
    TooLong,
    /// A file that would be the folder itself.
    #[error("is no folder, but has the name of the whole bundle's folder")]
    Nameless,
    /// A character or block device.
    #[error("is a device")]
    Device,
    /// A named pipe.
    #[error("is a named pipe")]
    Fifo,
    /// Sparse files, volume labels, parts of archives, and what else there ever was.
    #[error("is neither file, folder nor link, but of type {:?}", char::from(*.0))]
    Kind(u8),
    /// A folder or link with content, which some readers take for the next entry.
    #[error("has content, but is no file")]
    Content,
    /// The second of its name.
    #[error("is in the archive twice")]
    Twice,
    /// A path that goes through a file or link.
    #[error("lies below {0}, which is no folder")]
    Below(Name),
    /// A link whose target is not in the bundle.
    #[error("is a link that leads outside the bundle, to {0}")]
    Outside(Name),
    /// A link that is followed for ever.
    #[error("is a link that leads in a circle, by {0}")]
    Circle(Name),
    /// A hard link to what is not a file of the archive before it.
    #[error("is a hard link to {0}, which is no file that comes before it")]
    NoFile(Name),
}

impl Why {
    pub(crate) fn of(self, entry: &[u8]) -> Fault {
        Fault::Entry { entry: Name::new(entry), why: self }
    }
}

/// A name from an archive, shown so that it can forge nothing; or where no entry has come yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Option<String>);

impl Name {
    pub(crate) const BEGINNING: Self = Self(None);

    pub(crate) fn new(name: &[u8]) -> Self {
        Self(Some(String::from_utf8_lossy(name.get(..SHOWN).unwrap_or(name)).into_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => to.write_str("its beginning"),
            Some(name) => write!(to, "{name:?}"),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}
