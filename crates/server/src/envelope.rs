//! The outermost layer: request ids, and the envelope of errors.
//!
//! Inner layers answer with an [`Error`] inside of the response; it becomes JSON here, in the one
//! place that knows the request's id.

use std::panic::AssertUnwindSafe;

use airlock_contract::wire;
use airlock_core::Error;
use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;

use crate::{
    App,
    request::{RequestId, shown_path},
};

/// An error on its way to the envelope.
#[derive(Clone)]
struct Pending(std::sync::Arc<Error>);

/// A response that [`layer`] will turn into the envelope.
pub(crate) fn respond(error: Error) -> Response {
    let mut response = status(&error).into_response();
    response.extensions_mut().insert(Pending(std::sync::Arc::new(error)));
    response
}

/// The one place that gives errors their HTTP status.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error {
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Denied(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::Hidden(_) => StatusCode::NOT_FOUND,
        Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Unmet(_) => StatusCode::PRECONDITION_FAILED,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
        Error::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Wraps everything else.
pub(crate) async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request, &app.env);
    request.extensions_mut().insert(id.clone());
    let (method, uri) = (request.method().clone(), request.uri().clone());

    let mut response = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| respond(Error::internal(format!("a handler panicked: {}", panic_text(&*panic)))));
    if let Some(Pending(error)) = response.extensions_mut().remove() {
        log(&error, &id, &format!("{method} {}", shown_path(uri.path())));
        response = envelope(&error, &id, response.headers());
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// Writes what only we should know of an error to the log.
pub(crate) fn log(error: &Error, id: &RequestId, what: &str) {
    match error {
        Error::Internal(cause) => tracing::error!(request_id = %id.0, cause, "{what} failed"),
        Error::Busy(cause) => tracing::warn!(request_id = %id.0, cause, "{what} could not be served now"),
        _ => {}
    }
}

fn envelope(error: &Error, id: &RequestId, headers: &axum::http::HeaderMap) -> Response {
    let status = status(error);
    let (message, fields) = match error {
        Error::Invalid { message, fields } => (message.to_string(), fields.as_slice()),
        Error::Busy(_) => ("the server cannot serve this now; try again in a moment".into(), &[][..]),
        Error::Internal(_) => ("the server failed; its log has the reason under this requestId".into(), &[][..]),
        other => (other.to_string(), &[][..]),
    };
    let body = wire::Error {
        message,
        request_id: id.0.clone(),
        status_code: status.as_u16(),
        field_errors: fields
            .iter()
            .map(|field| wire::FieldValidationError {
                code: field.code.into(),
                field: field.field.clone(),
                message: field.message.clone(),
            })
            .collect(),
    };
    let json = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], json).into_response();
    let mut put = |name, value: HeaderValue| response.headers_mut().insert(name, value);
    match error {
        // RFC 6750 section 3
        Error::Unauthenticated(_) => {
            put(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"airlock\""));
        }
        Error::RateLimited(seconds) => {
            put(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        Error::Busy(_) => {
            put(header::RETRY_AFTER, HeaderValue::from(1));
        }
        _ => {}
    }
    if let Some(allow) = headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    response
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use airlock_core::{Env, keyring::Keyring};
    use airlock_store::{Location, Store};
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use secrecy::ExposeSecret;
    use tower::ServiceExt;

    use super::*;
    use crate::Settings;

    /// No handler of ours panics, so one that does is put behind the layer.
    #[tokio::test]
    async fn a_panic_is_a_500_in_the_envelope_and_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&Location::Sqlite(folder.path().join("airlock.db"))).await.expect("a database");
        let env = Env::system();
        let keys = Keyring::parse(Keyring::generate(&env).expose_secret()).expect("a generated key");
        let app = App::new(store, keys, env, Settings::default());
        async fn panics() {
            panic!("a secret");
        }
        let router = Router::new().route("/", get(panics)).layer(middleware::from_fn_with_state(app, super::layer));

        let request = Request::builder().uri("/").header("x-request-id", "from-the-proxy");
        let request = request.body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["x-request-id"], "from-the-proxy");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let error: wire::Error = serde_json::from_slice(&body).expect("the envelope");
        assert_eq!((error.status_code, error.request_id.as_str()), (500, "from-the-proxy"));
        assert!(!error.message.contains("a secret"), "{}", error.message);
    }
}
