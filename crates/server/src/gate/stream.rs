//! Bodies on their way through the gate, frame by frame. Nothing is kept of them: one side is read
//! only as fast as the other takes it.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{BoxError, body::Body};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::{
    lifeline::Lifeline,
    log_body::{self, LogBody},
};
use crate::slots::Slot;

/// When something of a call last moved.
#[derive(Clone)]
pub(crate) struct Progress {
    began: Instant,
    moved: Arc<AtomicU64>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), moved: Arc::default() }
    }

    fn note(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(elapsed, Ordering::Relaxed);
    }

    /// Ends when nothing has moved for so long.
    pub(crate) async fn stalled(&self, patience: Duration) {
        loop {
            let until = self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + patience;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// Why a worker's body breaks off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Broken {
    /// It is larger than its limit.
    TooLarge,
    /// What is read of it on the way is wrong.
    Content(log_body::Fault),
}

/// A worker's body on its way to the Airflow, of which no more than a limit passes.
pub(crate) struct Upload {
    body: Body,
    left: usize,
    log: Option<LogBody>,
    broken: Arc<OnceLock<Broken>>,
    progress: Progress,
}

impl Upload {
    /// The body, and what tells afterwards why it broke off, if it did. With `log` it is read
    /// along.
    pub(crate) fn new(
        body: Body,
        limit: usize,
        log: Option<LogBody>,
        progress: Progress,
    ) -> (Self, Arc<OnceLock<Broken>>) {
        let broken = Arc::<OnceLock<Broken>>::default();
        (Self { body, left: limit, log, broken: Arc::clone(&broken), progress }, broken)
    }

    fn check(&mut self, data: &Bytes) -> Result<(), Broken> {
        self.left = self.left.checked_sub(data.len()).ok_or(Broken::TooLarge)?;
        match &mut self.log {
            Some(log) => log.read(data).map_err(Broken::Content),
            None => Ok(()),
        }
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(cause)) => return Poll::Ready(Some(Err(cause.into()))),
            None => return Poll::Ready(None),
        };
        self.progress.note();
        // Trailers are headers that nobody has looked at.
        let Ok(data) = frame.into_data() else { return Poll::Ready(None) };
        if let Err(broken) = self.check(&data) {
            let _ = self.broken.set(broken); // the first reason is the reason
            return Poll::Ready(Some(Err("the body must not go on".into())));
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An Airflow's body on its way to the worker. It is cut when the token ends, and when nothing
/// comes for too long.
pub(crate) struct Download<B> {
    body: B,
    lifeline: Lifeline,
    patience: Duration,
    stall: Pin<Box<Sleep>>,
    /// Whether the Airflow is waited for, and not the worker.
    is_waiting: bool,
    /// The call goes on until its body has ended.
    _slot: Slot,
}

impl<B> Download<B> {
    pub(crate) fn new(body: B, lifeline: Lifeline, patience: Duration, slot: Slot) -> Self {
        Self { body, lifeline, patience, stall: Box::pin(sleep(patience)), is_waiting: true, _slot: slot }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Download<B>
where
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.lifeline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the agent token has ended".into())));
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.is_waiting = false;
                // Trailers are headers that nobody has looked at.
                Poll::Ready(frame.into_data().ok().map(|data| Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(cause))) => Poll::Ready(Some(Err(cause.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                if !std::mem::replace(&mut self.is_waiting, true) {
                    let until = Instant::now() + self.patience;
                    self.stall.as_mut().reset(until);
                }
                ready!(self.stall.as_mut().poll(cx));
                Poll::Ready(Some(Err("the Airflow has sent nothing for too long".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
