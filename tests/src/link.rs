//! The way between a server and its PostgreSQL, which a test can cut.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

use crate::Database;

/// How the socket of a PostgreSQL server is called.
const SOCKET: &str = ".s.PGSQL.5432";

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It arrives.
    Good,
    /// Connections are closed, and there are no new ones.
    Cut,
    /// Nothing arrives, and nobody is told: as when packets are lost.
    Stalled,
}

/// A Unix socket that leads to a PostgreSQL server's.
pub struct Link {
    folder: TempDir,
    state: Arc<watch::Sender<State>>,
}

impl Link {
    /// A good link to the server whose socket is in the folder.
    pub fn to(server: &Path) -> Self {
        let folder = tempfile::tempdir_in("/tmp").expect("a folder for the socket");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
        let state = Arc::new(watch::Sender::new(State::Good));
        tokio::spawn(serve(listener, server.join(SOCKET), Arc::clone(&state)));
        Self { folder, state }
    }

    /// Makes it good or bad, for what is open as well.
    pub fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// The database at its other end, as a connection URL.
    pub fn database(&self) -> Database {
        Database::Postgres(format!("postgres://postgres@/postgres?host={}", self.folder.path().display()))
    }
}

async fn serve(listener: UnixListener, server: PathBuf, state: Arc<watch::Sender<State>>) {
    let mut open = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        if *state.borrow() == State::Cut {
            continue; // closes it
        }
        let Ok(far) = UnixStream::connect(&server).await else { continue };
        open.spawn(carry(near, far, state.subscribe()));
        while open.try_join_next().is_some() {}
    }
}

async fn carry(near: UnixStream, far: UnixStream, mut state: watch::Receiver<State>) {
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::select! {
        () = one_way(near_in, far_out, state.clone()) => {}
        () = one_way(far_in, near_out, state.clone()) => {}
        _ = state.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn one_way(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|state| *state != State::Stalled).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
