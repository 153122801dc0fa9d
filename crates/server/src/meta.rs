//! What the server says about itself: its API, the keys that check its tokens, and whether it
//! is well.

use airlock_contract::openapi;
use axum::Router;

use crate::{App, health, router::fixed_json};

/// The routes, which need no token.
pub(crate) fn routes(app: &App) -> Router {
    let document = openapi::document_text();
    Router::new()
        .route("/spec/v1.0", fixed_json(document.clone()))
        .route("/spec/v1", fixed_json(document))
        .route("/.well-known/jwks.json", fixed_json(app.keys.jwks().to_string()))
        .merge(health::routes(app))
}
