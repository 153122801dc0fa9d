//! A proxy of the same parts as the gate, which checks, signs and bounds nothing: what the gate is
//! compared with.

use std::net::SocketAddr;

use anyhow::Context;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::any,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{net::TcpListener, runtime::Builder};
use tower::ServiceExt;

use crate::helper;

#[derive(Clone)]
struct Proxy {
    client: Client<HttpConnector, Body>,
    upstream: SocketAddr,
}

/// Serves until its input ends, with as many threads as the server.
pub(crate) fn run(upstream: SocketAddr) -> anyhow::Result<()> {
    let serve = async {
        tokio::select! {
            failed = serve(upstream) => failed,
            () = helper::until_left() => Ok(()),
        }
    };
    Builder::new_multi_thread().enable_all().build()?.block_on(serve)
}

async fn serve(upstream: SocketAddr) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let router = Router::new().route("/d/{*path}", any(pass)).with_state(Proxy { client, upstream });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    helper::tell(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let router = router.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request: hyper::Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
            connection.await
        });
    }
}

async fn pass(State(proxy): State<Proxy>, mut request: Request) -> Response {
    let Ok(uri) = proxy.uri(&request) else { return StatusCode::NOT_FOUND.into_response() };
    *request.uri_mut() = uri;
    request.headers_mut().remove(header::HOST);
    match proxy.client.request(request).await {
        Ok(answer) => answer.map(Body::new),
        Err(cause) => (StatusCode::BAD_GATEWAY, cause.to_string()).into_response(),
    }
}

impl Proxy {
    /// Where a call goes: without the Deployment, as from the gate.
    fn uri(&self, request: &Request) -> anyhow::Result<Uri> {
        let path = request.uri().path().strip_prefix("/d/").and_then(|path| path.split_once('/'));
        let (_, below) = path.context("no Deployment")?;
        Ok(format!("http://{}/{below}", self.upstream).parse()?)
    }
}
