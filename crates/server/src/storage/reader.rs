//! Reads an object on a thread that may wait.

use std::io::{self, Read};

use airlock_core::{Error, Result};
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::ByteStream;

/// How many pieces wait to be read.
const AHEAD: usize = 4;

/// Hands pieces to somebody who reads them as a file, on a thread of its own.
///
/// # Errors
///
/// [`Error::Internal`] when the reader panics. A piece that fails is a fault of reading, which the
/// reader is told.
pub(crate) async fn read<T: Send + 'static>(
    mut pieces: ByteStream,
    read: impl FnOnce(Pieces) -> T + Send + 'static,
) -> Result<T> {
    let (sender, comes) = mpsc::channel(AHEAD);
    let reading = spawn_blocking(move || read(Pieces { comes, rest: Bytes::new() }));
    while let Some(piece) = pieces.next().await {
        let is_last = piece.is_err();
        // A reader that has seen enough takes no more.
        if sender.send(piece).await.is_err() || is_last {
            break;
        }
    }
    drop(sender);
    reading.await.map_err(Error::internal)
}

/// Pieces as a file.
pub(crate) struct Pieces {
    comes: mpsc::Receiver<Result<Bytes>>,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.comes.blocking_recv() {
                Some(Ok(piece)) => self.rest = piece,
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
