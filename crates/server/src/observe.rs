//! Measures every request: outside of everything else, so that it sees what was really answered.

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};

use crate::{App, metrics::Route};

/// Where a request was routed to, in the extensions of its answer: the name of an operation, or the
/// pattern of another path.
#[derive(Clone, Debug)]
pub struct RouteName(pub Cow<'static, str>);

/// The names of the operations, by the pattern at which the router has them.
#[derive(Default)]
pub(crate) struct RouteNames(HashMap<String, Vec<(Method, &'static str)>>);

impl RouteNames {
    /// Gives a route its name.
    pub(crate) fn add(&mut self, pattern: &str, method: Method, name: &'static str) {
        self.0.entry(pattern.to_owned()).or_default().push((method, name));
    }

    /// The name of the operation, or else the pattern.
    fn of(&self, request: &Request) -> Route {
        let Some(matched) = request.extensions().get::<MatchedPath>() else { return Route(Cow::Borrowed("unknown")) };
        let named = self.0.get(matched.as_str()).into_iter().flatten();
        let found = named.clone().find(|(method, _)| method == request.method());
        Route(found.map_or_else(|| Cow::Owned(matched.as_str().to_owned()), |(_, name)| Cow::Borrowed(*name)))
    }
}

/// Counts and times a request.
pub(crate) async fn layer(
    State((app, names)): State<(App, Arc<RouteNames>)>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let _in_flight = app.metrics.in_flight();
    let route = names.of(&request);
    let mut response = next.run(request).await;
    response.extensions_mut().insert(RouteName(route.0.clone()));
    app.metrics.answered(route, response.status().into(), began.elapsed());
    response
}
