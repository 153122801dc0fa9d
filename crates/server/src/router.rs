//! Routes every operation of the contract, and the few paths beside them.

use std::sync::Arc;

use airlock_contract::{Operation, for_each_operation, operation::Beta, operations::*};
use airlock_core::Error;
use axum::{
    Router,
    extract::Request,
    http::Method,
    middleware,
    routing::{MethodFilter, get, on},
};

use crate::{
    App,
    adaptor::{self, Positions, Route},
    docs, envelope, forward_auth, gate, input, meta, oauth2,
    observe::{self, RouteNames},
};

/// The whole server, as a service.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    let mut names = RouteNames::default();
    macro_rules! mount {
        (Read $operation:ident) => { router = mount!(@ $operation read); };
        (Write $operation:ident) => { router = mount!(@ $operation write); };
        (Download $operation:ident) => { router = mount!(@ $operation download); };
        (Inquiry $operation:ident) => { router = mount!(@ $operation inquire); };
        (@ $operation:ident $kind:ident) => {{
            let mut router = router;
            for (prefix, beta) in prefixes::<$operation>() {
                let route = Route::new::<$operation>(&app, beta);
                let handler = move |positions: Positions, request: Request| {
                    adaptor::$kind::<$operation>(route.clone(), positions, request)
                };
                let path = format!("{prefix}{}", by_position($operation::PATH));
                names.add(&path, method::<$operation>(), $operation::ID);
                router = router.route(&path, on(filter::<$operation>(), handler));
            }
            router
        }};
    }
    for_each_operation!(mount);
    router
        .merge(meta::routes(&app))
        .merge(oauth2::routes(&app))
        .merge(forward_auth::routes(&app))
        .merge(gate::routes(&app))
        .merge(docs::routes())
        .fallback(async |request: Request| {
            let version = input::pinned_version(request.headers());
            envelope::respond(version.err().unwrap_or_else(|| not_found(request.uri().path())))
        })
        .method_not_allowed_fallback(async || envelope::respond(Error::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(app.clone(), envelope::layer))
        .layer(middleware::from_fn_with_state((app, Arc::new(names)), observe::layer))
}

/// Where an operation is served.
///
/// The stock CLI calls `/v1` + the path that it finds in `/spec/v1.0`, and there the paths have
/// their `/v1` already: it arrives at `/v1/v1`.
fn prefixes<O: Operation>() -> impl Iterator<Item = (&'static str, Option<Beta>)> {
    let beta = O::BETA.map(|beta| (beta.prefix(), Some(beta)));
    [("/v1", None), ("/v1/v1", None)].into_iter().chain(beta)
}

/// A path whose parameters are named by their position, for the router wants the same name at the
/// same position, and the API has `/roles/{roleId}` and `/roles/{customRoleId}`.
fn by_position(path: &str) -> String {
    let mut position = 0..;
    let parts = path.split('/').map(|part| match part.strip_prefix('{').and_then(|_| position.next()) {
        Some(at) => format!("{{{at}}}"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn filter<O: Operation>() -> MethodFilter {
    match O::METHOD {
        airlock_contract::Method::Get => MethodFilter::GET,
        airlock_contract::Method::Post => MethodFilter::POST,
        airlock_contract::Method::Delete => MethodFilter::DELETE,
    }
}

fn method<O: Operation>() -> Method {
    match O::METHOD {
        airlock_contract::Method::Get => Method::GET,
        airlock_contract::Method::Post => Method::POST,
        airlock_contract::Method::Delete => Method::DELETE,
    }
}

fn not_found(path: &str) -> Error {
    let shown: String = path.chars().take(200).collect();
    Error::NotFound(format!("path {shown}").into())
}

/// A route beside the operations that answers with a fixed JSON text.
pub(crate) fn fixed_json(text: String) -> axum::routing::MethodRouter {
    let text = bytes::Bytes::from(text);
    get(async move || ([(axum::http::header::CONTENT_TYPE, "application/json")], text.clone()))
}
