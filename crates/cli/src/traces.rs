//! Traces for OpenTelemetry: a span a request, sent over OTLP. Only with the feature `otlp`
//! (docs/adr/0006-traces-behind-a-feature.md).

use std::{sync::Arc, time::Duration};

use airlock_server::RouteName;
use anyhow::Context as _;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};

/// How long the collector may take for a batch, and for the last one when the server stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where spans go. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Traces(Arc<Shared>);

struct Shared {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl Traces {
    /// Sends to a collector; `endpoint` is its base URL, as OTEL_EXPORTER_OTLP_ENDPOINT is. The SDK
    /// reads OTEL_TRACES_SAMPLER itself.
    pub(crate) fn to(endpoint: &str) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()
            .context("traces cannot be sent (--otlp-endpoint)")?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("airlock").with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let tracer = provider.tracer("airlock");
        Ok(Self(Arc::new(Shared { provider, tracer, propagator: TraceContextPropagator::new() })))
    }

    /// Has every request traced.
    pub(crate) fn around(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), trace))
    }

    /// Sends what is left.
    pub(crate) async fn finish(&self) {
        let provider = self.0.provider.clone();
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE)).await;
        if let Ok(Err(cause)) = ended {
            tracing::warn!(%cause, "the last traces could not be sent");
        }
    }
}

/// Names and attributes are those of OpenTelemetry's semantic conventions for HTTP servers.
async fn trace(State(traces): State<Traces>, mut request: Request, next: Next) -> Response {
    let Shared { tracer, propagator, .. } = &*traces.0;
    let parent = propagator.extract_with_context(&Context::new(), &HeaderExtractor(request.headers()));
    let method = request.method().to_string();
    let span = tracer
        .span_builder(method.clone())
        .with_kind(SpanKind::Server)
        .with_attributes([KeyValue::new("http.request.method", method.clone())]);
    let context = parent.with_span(tracer.build_with_context(span, &parent));
    // Whatever the request is forwarded to belongs below this span: the gate passes headers on.
    propagator.inject_context(&context, &mut HeaderInjector(request.headers_mut()));

    let response = next.run(request).await;
    let span = context.span();
    if let Some(RouteName(route)) = response.extensions().get() {
        span.update_name(format!("{method} {route}"));
        span.set_attribute(KeyValue::new("http.route", route.to_string()));
    }
    if let Some(id) = response.headers().get("x-request-id").and_then(|id| id.to_str().ok()) {
        span.set_attribute(KeyValue::new("airlock.request_id", id.to_owned()));
    }
    let status = response.status();
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
    span.end();
    response
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::HeaderMap, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tower::ServiceExt;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    /// A collector: the head and the body of the one request that it gets.
    async fn collect(listener: TcpListener) -> (String, Vec<u8>) {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut got = Vec::new();
        loop {
            stream.read_buf(&mut got).await.expect("bytes");
            let Some(end) = got.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&got[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            if got.len() >= end + 4 + length.parse::<usize>().expect("a number") {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("sent");
                return (head, got[end + 4..].to_vec());
            }
        }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_becomes_a_span_of_its_trace() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let traces = Traces::to(&format!("http://{}/", listener.local_addr().expect("an address"))).expect("traces");
        let collected = tokio::spawn(collect(listener));
        async fn answer(headers: HeaderMap) -> Response {
            let passed_on = headers["traceparent"].to_str().expect("text").to_owned();
            let mut response = Response::new(Body::from(passed_on));
            response.headers_mut().insert("x-request-id", "the-request-id".parse().expect("a value"));
            response.extensions_mut().insert(RouteName("ListAgentTokens".into()));
            response
        }
        let router = traces.around(Router::new().route("/", get(answer)));
        let request = Request::get("/").header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
        let response = router.oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
        let passed_on = axum::body::to_bytes(response.into_body(), 100).await.expect("a body");
        let passed_on = String::from_utf8_lossy(&passed_on).into_owned();
        // Below the same trace, but from the server's span and not from its parent.
        assert!(passed_on.starts_with(&format!("00-{TRACE}-")) && !passed_on.contains(PARENT), "{passed_on}");
        let span = passed_on.split('-').nth(2).expect("a span").to_owned();

        traces.finish().await;
        let (head, body) = collected.await.expect("collected");
        assert!(head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf"), "{head}");
        let has = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
        for text in ["GET ListAgentTokens", "the-request-id", "http.response.status_code", "airlock"] {
            assert!(has(text.as_bytes()), "{text} is not in what the collector got");
        }
        for id in [TRACE, PARENT, &span] {
            assert!(has(&bytes(id)), "{id} is not in what the collector got");
        }
    }
}
