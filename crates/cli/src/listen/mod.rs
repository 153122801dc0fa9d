//! Connections: accepts them, speaks TLS on them when told to, and serves HTTP/1.1.
//!
//! `axum::serve` would be shorter, but has no time-outs: a client that never finishes its request's
//! head would keep its connection for ever.

pub(crate) mod tls;

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tower::ServiceExt;

use tls::Certificate;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long to wait when the system has no more file descriptors or memory for a connection.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// What is served on connections, and how.
#[derive(Clone)]
pub(crate) struct Service {
    /// Who answers.
    pub(crate) router: Router,
    /// The certificate, when TLS is spoken.
    pub(crate) tls: Option<Certificate>,
    /// How long a client may take for a request's head, the idle time before it included.
    pub(crate) head: Duration,
}

/// Accepts connections until told to stop, then waits for the requests that have begun.
pub(crate) async fn serve(listener: TcpListener, service: Service, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = stop => {}
        () = accept(&listener, &service, &connections) => {}
    }
    drop(listener); // whoever connects from now on is refused at once, and can try elsewhere
    connections.shutdown().await;
}

async fn accept(listener: &TcpListener, service: &Service, connections: &GracefulShutdown) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(connect(stream, peer, service.clone(), connections.watcher()));
            }
            Err(cause) if is_of_the_client(&cause) => {}
            Err(cause) => {
                tracing::error!(%cause, "a connection cannot be accepted");
                sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Whether it was one connection that failed, before it was accepted.
fn is_of_the_client(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection to its end.
async fn connect(stream: TcpStream, peer: SocketAddr, service: Service, watcher: Watcher) {
    // Answers are small and whole: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let Some(certificate) = &service.tls else { return http(stream, peer, &service, watcher).await };
    match timeout(HANDSHAKE, certificate.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => http(stream, peer, &service, watcher).await,
        Ok(Err(cause)) => tracing::debug!(%peer, %cause, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
    }
}

async fn http<S>(stream: S, peer: SocketAddr, service: &Service, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        service.router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(service.head);
    let connection = builder.serve_connection(TokioIo::new(stream), answer);
    if let Err(cause) = watcher.watch(connection).await {
        tracing::debug!(%peer, %cause, "a connection ended early");
    }
}
