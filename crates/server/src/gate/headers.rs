//! Which headers go through the gate.
//!
//! Towards the Airflow only those pass that a worker or the task SDK has a use for. Everything else
//! stays outside: what names the client for somebody (`X-Forwarded-*`, `X-Remote-User`, cookies),
//! what belongs to one connection (RFC 9110 section 7.6.1), and what is not known.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header, response::Parts};

/// What goes from the worker to the Airflow. `Content-Length` follows from the body; nothing is
/// added, for a `Content-Type` where there was none makes Airflow 3.0 refuse the call.
const TO_AIRFLOW: &[&str] = &[
    "accept",
    "accept-encoding",
    "airflow-api-version",
    "baggage",
    "content-encoding",
    "content-type",
    "correlation-id",
    "traceparent",
    "tracestate",
    "user-agent",
];

/// What belongs to one connection, and what is about the Airflow's own users.
const NOT_TO_WORKER: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// What an Airflow sends back as it came, and so does the gate where it answers in its place.
pub(super) const RETURNED: &[&str] = &["airflow-api-version", "correlation-id"];

/// The header in which an Airflow renews a task's token.
pub(crate) const REFRESHED_TOKEN: HeaderName = HeaderName::from_static("refreshed-api-token");

/// The headers of a worker's request that its Airflow gets. Those that `Connection` names are the
/// connection's own, whatever they are called.
pub(crate) fn to_airflow(worker: &HeaderMap) -> HeaderMap {
    let own = named_by_connection(worker);
    let mut passed = HeaderMap::with_capacity(TO_AIRFLOW.len());
    for name in TO_AIRFLOW.iter().filter(|name| !own.iter().any(|own| own.eq_ignore_ascii_case(name))) {
        for value in worker.get_all(*name) {
            passed.append(HeaderName::from_static(name), value.clone());
        }
    }
    passed
}

/// What the worker gets of the head of an Airflow's answer: the status, and most headers.
pub(crate) fn to_worker(airflow: Parts) -> Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = airflow.status;
    head.headers = airflow.headers;
    for name in named_by_connection(&head.headers) {
        head.headers.remove(name.as_str());
    }
    for name in NOT_TO_WORKER {
        head.headers.remove(*name);
    }
    head
}

fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The one `Authorization` of a request. `None` when there is none, or more than one: two programs
/// could then each believe another. One that `Connection` names is the connection's own.
pub(crate) fn authorization(headers: &HeaderMap) -> Option<&str> {
    if named_by_connection(headers).iter().any(|name| name.eq_ignore_ascii_case("authorization")) {
        return None;
    }
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let only: Option<&HeaderValue> = all.next();
    if all.next().is_some() {
        return None;
    }
    only.and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_goes_to_the_airflow() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("airflow-api-version", "2026-06-30"),
            ("traceparent", "00-1-2-00"),
            ("connection", "close, TraceParent"),
            ("authorization", "x"),
            ("cookie", "session=1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-remote-user", "admin"),
            ("proxy-authorization", "x"),
            ("transfer-encoding", "chunked"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let passed = to_airflow(&headers);
        let names: Vec<&str> = passed.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["airflow-api-version", "content-type"]);
    }

    #[test]
    fn two_authorizations_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(authorization(&headers), None);
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("a"));
        assert_eq!(authorization(&headers), Some("a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("a"));
        assert_eq!(authorization(&headers), None);
    }
}
