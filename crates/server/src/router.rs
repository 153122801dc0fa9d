//! Routes every operation of the contract, and the few paths beside them.

use std::sync::Arc;

use airlock_contract::{Method, Operation, for_each_operation, operations::*};
use airlock_core::Error;
use axum::{
    Router,
    extract::Request,
    http, middleware,
    routing::{MethodFilter, get, on},
};

use crate::{
    App,
    adaptor::{self, Positions, Route},
    docs, envelope, forward_auth, gate, input, login, meta, oauth2,
    observe::{self, RouteNames},
    uploads,
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
            for door in doors::<$operation>() {
                let route = Route::new::<$operation>(&app, door.renames);
                let handler = move |positions: Positions, request: Request| {
                    adaptor::$kind::<$operation>(route.clone(), positions, request)
                };
                names.add(&door.path, method(door.method), $operation::ID);
                router = router.route(&door.path, on(filter(door.method), handler));
            }
            router
        }};
    }
    for_each_operation!(mount);
    router
        .merge(meta::routes(&app))
        .merge(oauth2::routes(&app))
        .merge(login::routes(&app))
        .merge(forward_auth::routes(&app))
        .merge(gate::routes(&app))
        .merge(uploads::routes(&app))
        .merge(docs::routes())
        .fallback(async |request: Request| {
            let version = input::pinned_version(request.headers());
            envelope::respond(version.err().unwrap_or_else(|| not_found(request.uri().path())))
        })
        .method_not_allowed_fallback(async || envelope::respond(Error::MethodNotAllowed))
        .layer(middleware::from_fn_with_state(app.clone(), envelope::layer))
        .layer(middleware::from_fn_with_state((app, Arc::new(names)), observe::layer))
}

/// A place where an operation is served.
struct Door {
    method: Method,
    path: String,
    /// Whether it has the names of v1beta1.
    renames: bool,
}

/// Where an operation is served.
///
/// The stock CLI calls `/v1` + the path that it finds in `/spec/v1.0`, and there the paths have
/// their `/v1` already: it arrives at `/v1/v1`.
fn doors<O: Operation>() -> impl Iterator<Item = Door> {
    let path = |prefix, path| format!("{prefix}{}", by_position(path));
    let v1 = move |prefix| Door { method: O::METHOD, path: path(prefix, O::PATH), renames: false };
    let also = O::ALSO.map(|also| Door {
        method: also.method,
        path: path(also.beta.prefix(), also.path),
        renames: also.beta.renames(),
    });
    ["/v1", "/v1/v1"].map(v1).into_iter().chain(also)
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

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Delete => MethodFilter::DELETE,
    }
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Delete => http::Method::DELETE,
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
