//! What is only for those who run the server: served at an address of its own, for its numbers
//! tell more than the public should know.

use axum::{Router, extract::State, http::header, routing::get};

use crate::{App, health};

/// The media type of OpenMetrics 1.0, which Prometheus takes without being asked twice.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `/metrics`, `/livez` and `/readyz`, as a service.
pub fn admin_router(app: App) -> Router {
    let health = health::routes(&app);
    Router::new().route("/metrics", get(metrics)).with_state(app).merge(health)
}

async fn metrics(State(app): State<App>) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], app.metrics.text())
}
