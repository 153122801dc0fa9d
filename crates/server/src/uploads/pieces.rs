//! A body as it comes, within its limits.

use std::time::Duration;

use airlock_core::{Error, Result};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Body as _;
use tokio::time::timeout;

use super::too_large;
use crate::storage::ByteStream;

/// The pieces of a body that has no more than so many bytes, and does not rest for longer than
/// `patience`.
///
/// # Errors
///
/// [`Error::TooLarge`] when it says that it is; a piece that comes too late, or breaks off, is an
/// [`Error::Invalid`] among the pieces.
pub(super) fn of(body: Body, limit: u64, patience: Duration) -> Result<ByteStream> {
    if body.size_hint().lower() > limit {
        return Err(too_large(limit));
    }
    let begin = (body.into_data_stream(), 0);
    Ok(Box::pin(stream::try_unfold(begin, move |state| next(state, limit, patience))))
}

async fn next(
    (mut body, taken): (BodyDataStream, u64),
    limit: u64,
    patience: Duration,
) -> Result<Option<(Bytes, (BodyDataStream, u64))>> {
    let piece = timeout(patience, body.next()).await;
    let late = |_| Error::field("type", "body", format!("nothing came of it for {} s", patience.as_secs()));
    let Some(piece) = piece.map_err(late)? else { return Ok(None) };
    let piece = piece.map_err(|_| Error::field("type", "body", "broke off before its end"))?;
    let taken = taken.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    if taken > limit { Err(too_large(limit)) } else { Ok(Some((piece, (body, taken)))) }
}
