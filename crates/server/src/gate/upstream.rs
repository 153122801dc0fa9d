//! Calls to an Airflow.
//!
//! Whatever goes there is signed here: on the edge API with the Airflow's secret or with our own
//! key, on the execution API with the task's real token. The gate's calls and the server's own go
//! the same way.

use std::{sync::OnceLock, time::Duration};

use airlock_contract::AgentTokenId;
use airlock_core::{Error, Result, gate::path::MethodClaim};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header},
};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, ResponseFuture, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use secrecy::{ExposeSecret, SecretString};

use super::off_limits::{self, Resolver};
use crate::{
    App,
    airflow::{Address, BASE_URL},
    metrics::UpstreamFault,
};

/// How long an idle connection is kept. Uvicorn, which serves an Airflow, closes after 5 s; a call
/// on a connection that is just being closed would fail.
const IDLE: Duration = Duration::from_secs(4);

/// How many idle connections to one Airflow are kept.
const IDLE_CONNECTIONS: usize = 64;

/// The clients for all Airflows.
pub(crate) struct Upstream {
    http: Client<HttpConnector<Resolver>, Body>,
    /// Made when it is first needed: a machine without certificate authorities can still reach an
    /// Airflow by http.
    https: OnceLock<Client<HttpsConnector<HttpConnector<Resolver>>, Body>>,
    connect_timeout: Duration,
}

/// A call to an Airflow, but for where that is and how it is signed.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query below the Airflow's base URL, as they go on the wire.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Call {
    /// A call of our own, with a JSON body.
    pub(crate) fn json(method: Method, path: String, body: &serde_json::Value) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Self { method, path, headers, body: Body::from(body.to_string()) }
    }
}

/// In whose name a call is made.
#[derive(Clone, Copy)]
pub(crate) enum Signature<'a> {
    /// A call of the edge API: the claim that its path asks for, and the agent token on whose
    /// behalf it is made, if it is on one's.
    Edge(MethodClaim<'a>, Option<&'a AgentTokenId>),
    /// A call of the execution API: the task's real token.
    Task(&'a SecretString),
    /// A call of what anybody may see.
    Nobody,
}

impl Upstream {
    pub(crate) fn new(connect_timeout: Duration) -> Self {
        Self { http: client(connector(connect_timeout)), https: OnceLock::new(), connect_timeout }
    }

    fn request(&self, request: Request<Body>) -> Result<ResponseFuture> {
        if request.uri().scheme_str() != Some("https") {
            return Ok(self.http.request(request));
        }
        if let Some(client) = self.https.get() {
            return Ok(client.request(request));
        }
        let mut http = connector(self.connect_timeout);
        http.enforce_http(false);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider).map_err(|cause| {
            Error::Busy(format!("the machine's certificate authorities, which https needs, cannot be read: {cause}"))
        })?;
        let made = client(builder.https_only().enable_http1().wrap_connector(http));
        Ok(self.https.get_or_init(|| made).request(request))
    }
}

fn connector(timeout: Duration) -> HttpConnector<Resolver> {
    let mut connector = HttpConnector::new_with_resolver(Resolver::new());
    connector.set_connect_timeout(Some(timeout));
    connector.set_nodelay(true);
    connector
}

fn client<C>(connector: C) -> Client<C, Body>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector)
}

/// Why a call got no answer.
pub(crate) struct Unanswered {
    /// What it is counted as; it is not counted when nothing was sent.
    pub(crate) fault: Option<UpstreamFault>,
    pub(crate) error: Error,
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self { fault: None, error }
    }
}

/// Begins a call to a Deployment's Airflow. How long to wait for the answer is the caller's affair.
///
/// # Errors
///
/// [`Error::Busy`] when the Airflow is not attached, is not reached, or answers with a redirect:
/// whoever followed it would leave the gate.
pub(crate) async fn call(
    app: &App,
    airflow: &Address,
    call: Call,
    signature: Signature<'_>,
) -> Result<Response<Incoming>, Unanswered> {
    let uri: Uri = format!("{}{}", airflow.base()?, call.path)
        .parse()
        .map_err(|cause| Error::Busy(format!("{BASE_URL} is not the URL of an Airflow: {cause}")))?;
    if uri.host().is_some_and(off_limits::has_host) {
        return Err(Error::Busy(format!("{BASE_URL} names an address at which no Airflow can be")).into());
    }
    let mut request = Request::new(call.body);
    *request.method_mut() = call.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = call.headers;
    if let Some(authorization) = authorization(app, airflow, signature)? {
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
    }
    let answer = app.gate.upstream.request(request)?.await.map_err(|cause| unreachable(&cause))?;
    if answer.status().is_redirection() {
        let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        let error = format!("the Airflow redirects to {to}; set {BASE_URL} to its own address");
        return Err(Unanswered { fault: Some(UpstreamFault::Broken), error: Error::Busy(error) });
    }
    Ok(answer)
}

fn authorization(app: &App, airflow: &Address, signature: Signature<'_>) -> Result<Option<HeaderValue>> {
    let text = match signature {
        Signature::Edge(claim, token) => airflow.signing.sign(&app.keys, &app.env, claim, token)?,
        Signature::Nobody => return Ok(None),
        Signature::Task(token) => format!("Bearer {}", token.expose_secret()).into(),
    };
    let mut value = HeaderValue::from_str(text.expose_secret())
        .map_err(|_| Error::internal("a token that an Airflow gave does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Why an Airflow was not reached: the innermost cause says it. Its URL is left out, for it may be
/// a secret.
fn unreachable(error: &hyper_util::client::legacy::Error) -> Unanswered {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let (fault, what) = match error.is_connect() {
        true => (UpstreamFault::Connect, "cannot be reached"),
        false => (UpstreamFault::Broken, "did not answer"),
    };
    Unanswered { fault: Some(fault), error: Error::Busy(format!("the Airflow {what}: {cause}")) }
}
