//! One look at the server, and what follows from it.

use std::{
    io::{self, Read},
    sync::Arc,
};

use airlock_bundle::{Fault, Limits, Summary};
use airlock_client::{Answer, Bundle, Error};
use anyhow::Context;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{super::gate::AtGate, folder::Folder};

/// How many pieces of an archive may have come that are not unpacked yet.
const AHEAD: usize = 16;

/// Where Dags come from.
pub(super) struct Source {
    pub(super) at: AtGate,
    pub(super) limits: Limits,
    /// The version that was refused last, and why: it is not fetched again and again.
    pub(super) refused: Option<(String, String)>,
}

/// What came of a look.
pub(super) enum Round {
    /// The folder is what is current.
    Unchanged,
    /// It is now.
    Changed { version: String, holds: Summary },
    /// Nothing was deployed, as the server says. Whatever the folder has stays.
    NoneYet(String),
}

/// Why the folder was not brought up to date. It is as it was before.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Another look would end likewise.
    #[error("the token is refused: {0}. What was synced before is still there")]
    Token(String),
    /// The archive is none. The next version may be.
    #[error("version {version} is refused: {why}")]
    Refused { version: String, why: String },
    /// Perhaps it goes better next time.
    #[error("{0:#}")]
    Away(anyhow::Error),
}

impl Source {
    /// Looks at the server, and brings the folder up to date.
    pub(super) async fn round(&mut self, folder: &Arc<Folder>) -> Result<Round, Trouble> {
        let current = folder.current().map_err(Trouble::Away)?;
        let refused = self.refused.as_ref().map(|(version, _)| version);
        let known = refused.or(current.as_ref()).cloned();
        let client = self.at.client().map_err(Trouble::Away)?;
        let (etag, archive) = match client.dags(&self.at.deployment, known.as_deref()).await.map_err(trouble)? {
            Bundle::None(why) => return Ok(Round::NoneYet(why)),
            Bundle::Unchanged => return self.still_refused().map_or(Ok(Round::Unchanged), Err),
            Bundle::New { etag, .. } if self.refused.as_ref().is_some_and(|(version, _)| *version == etag) => {
                return self.still_refused().map_or(Ok(Round::Unchanged), Err);
            }
            Bundle::New { etag, .. } if current.as_ref() == Some(&etag) => {
                self.refused = None;
                return Ok(Round::Unchanged);
            }
            Bundle::New { etag, archive } => (etag, archive),
        };
        self.refused = None;
        match install(archive, etag.clone(), self.limits, folder).await.map_err(Trouble::Away)? {
            Ok(holds) => Ok(Round::Changed { version: etag, holds }),
            Err(fault) if fault.is_of_archive() => {
                let why = fault.to_string();
                self.refused = Some((etag.clone(), why.clone()));
                Err(Trouble::Refused { version: etag, why })
            }
            Err(fault) => Err(Trouble::Away(fault.into())),
        }
    }

    fn still_refused(&self) -> Option<Trouble> {
        let (version, why) = self.refused.clone()?;
        Some(Trouble::Refused { version, why })
    }
}

fn trouble(error: Error) -> Trouble {
    match error {
        Error::Gate { status: 401 | 403, .. } => Trouble::Token(error.to_string()),
        _ => Trouble::Away(error.into()),
    }
}

/// Unpacks an archive while it comes, and makes it the current version.
async fn install(
    mut archive: Answer,
    etag: String,
    limits: Limits,
    folder: &Arc<Folder>,
) -> anyhow::Result<Result<Summary, Fault>> {
    let (send, pieces) = mpsc::channel(AHEAD);
    let folder = Arc::clone(folder);
    let unpacking = spawn_blocking(move || folder.install(Pieces::new(pieces), &limits, &etag));
    loop {
        let piece = match archive.chunk().await {
            Ok(Some(piece)) => Piece::Some(piece.as_ref().to_vec()),
            Ok(None) => Piece::End,
            Err(cause) => Piece::Broken(cause.to_string()),
        };
        let is_last = !matches!(piece, Piece::Some(_));
        // Nobody takes it when the archive was refused already.
        if send.send(piece).await.is_err() || is_last {
            break;
        }
    }
    drop(send);
    unpacking.await.context("unpacking failed")?
}

/// A piece of an archive, or why there is no other.
enum Piece {
    Some(Vec<u8>),
    End,
    Broken(String),
}

/// The pieces as they come, for code that waits for them.
struct Pieces {
    pieces: mpsc::Receiver<Piece>,
    piece: io::Cursor<Vec<u8>>,
    is_at_end: bool,
}

impl Pieces {
    fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self { pieces, piece: io::Cursor::default(), is_at_end: false }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.piece.read(buffer)?;
            if count > 0 || self.is_at_end || buffer.is_empty() {
                return Ok(count);
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Some(bytes)) => self.piece = io::Cursor::new(bytes),
                Some(Piece::End) => self.is_at_end = true,
                Some(Piece::Broken(cause)) => return Err(io::Error::other(cause)),
                // Whoever sent them was told to end.
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    }
}
