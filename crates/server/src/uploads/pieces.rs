//! A body as it comes, within its limits.

use std::{future::ready, time::Duration};

use airlock_core::{Error, Result};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body::Body as _;
use tokio::time::{Instant, timeout};

use super::too_large;
use crate::storage::ByteStream;

/// The pieces of a body that has no more than so many bytes, does not rest for longer than `patience`,
/// and is over after `time`.
///
/// # Errors
///
/// [`Error::TooLarge`] when it says that it is; a piece that comes too late, or breaks off, is an
/// [`Error::Invalid`] among the pieces.
pub(super) fn of(body: Body, limit: u64, patience: Duration, time: Duration) -> Result<ByteStream> {
    if body.size_hint().lower() > limit {
        return Err(too_large(limit));
    }
    // A sum that cannot be had is far away.
    let end = Instant::now().checked_add(time);
    let begin = body.into_data_stream();
    let pieces = stream::try_unfold(begin, move |body| next(body, patience, end));
    Ok(at_most(limit, Box::pin(pieces), move || too_large(limit)))
}

/// The same pieces, as long as they have no more than so many bytes; then what it is refused with.
pub(super) fn at_most(limit: u64, pieces: ByteStream, refusal: impl Fn() -> Error + Send + 'static) -> ByteStream {
    let mut taken: u64 = 0;
    Box::pin(pieces.and_then(move |piece| {
        taken = taken.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        ready(if taken > limit { Err(refusal()) } else { Ok(piece) })
    }))
}

async fn next(
    mut body: BodyDataStream,
    patience: Duration,
    end: Option<Instant>,
) -> Result<Option<(Bytes, BodyDataStream)>> {
    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
    let (patience, late) = match left.filter(|left| *left < patience) {
        Some(left) => (left, "the link has expired while it came".to_owned()),
        None => (patience, format!("nothing came of it for {} s", patience.as_secs())),
    };
    let piece = timeout(patience, body.next()).await;
    let Some(piece) = piece.map_err(|_| Error::field("type", "body", late))? else { return Ok(None) };
    let piece = piece.map_err(|_| Error::field("type", "body", "broke off before its end"))?;
    Ok(Some((piece, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_was_said_breaks_off() {
        for (limit, taken) in [(5, 2), (6, 3)] {
            let pieces = stream::iter(["ab", "cd", "ef"]).map(|piece| Ok(Bytes::from(piece)));
            let pieces = at_most(limit, Box::pin(pieces), || Error::Conflict("changed".into()));
            let pieces: Vec<_> = pieces.collect().await;
            assert_eq!(pieces.iter().filter(|piece| piece.is_ok()).count(), taken);
            assert_eq!(pieces.last().is_some_and(Result::is_err), taken < 3);
        }
    }
}
