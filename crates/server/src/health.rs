//! Whether the server lives and is ready, for Kubernetes and for load balancers.
//!
//! It lives as long as it answers. It is ready when its database answers, its lease is fresh (on
//! PostgreSQL) and it is not about to stop: a load balancer that is told so sends its requests elsewhere.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{sync::Mutex, time::timeout};

use crate::App;

/// For how long an answer of the database holds: anybody may ask us, and that must not become as
/// many questions to the database.
const HOLDS: Duration = Duration::from_secs(1);

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the server's health.
#[derive(Default)]
pub(crate) struct Health {
    is_draining: AtomicBool,
    /// When the store was last asked, and whether it was ready.
    store: Mutex<Option<(Instant, bool)>>,
}

impl Health {
    /// Says that the server is about to stop.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}

/// The routes, which need no token and say no more than whether.
pub(crate) fn routes(app: &App) -> Router {
    Router::new().route("/livez", get(async || "ok\n")).route("/readyz", get(ready)).with_state(app.clone())
}

async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.health.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "the server is about to stop\n")
    } else if !is_store_ready(&app).await {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer, or the lease has run out\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

/// Asks the store, one question at a time.
async fn is_store_ready(app: &App) -> bool {
    let mut known = app.health.store.lock().await;
    if let Some((asked, answers)) = *known
        && asked.elapsed() < HOLDS
    {
        return answers;
    }
    let answers = match timeout(PATIENCE, app.store.ready()).await {
        Ok(Ok(())) => true,
        Ok(Err(cause)) => {
            tracing::warn!(%cause, "not ready");
            false
        }
        Err(_) => {
            tracing::warn!("not ready: the database does not answer within {} s", PATIENCE.as_secs());
            false
        }
    };
    *known = Some((Instant::now(), answers));
    answers
}
