//! Connections: an own accept loop over hyper, since `axum::serve` has no time for a request's head
//! and no cap on connections.
//!
//! It accepts from the first moment on: while the census is rebuilt, a router of its own says that
//! the server is starting.
//! Limits: `caps::CONNECTIONS_MAX` connections, those in a TLS handshake too, and fewer where the
//! process may open fewer files; beyond it new ones wait in the kernel's backlog.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use portolan_wire::caps;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use crate::descriptors;
use crate::edge::{self, Edge, Peer};
use crate::metrics::Metrics;
use crate::seldom::Seldom;
use crate::tls::Tls;

/// How long a connection may finish what it is at, once the server drains.
const DRAIN: Duration = Duration::from_secs(10);

/// What answers: the router that says that the server is starting, until there is the other.
pub(crate) struct Gate {
    starting: Router,
    serving: OnceLock<Router>,
}

impl Gate {
    pub(crate) fn new(starting: Router) -> Self {
        Self {
            starting,
            serving: OnceLock::new(),
        }
    }

    /// Lets requests through to `router` from now on, on connections that are open already as well.
    pub(crate) fn open(&self, router: Router) {
        // It is opened once; a second router would only be the same.
        let _opened = self.serving.set(router);
    }

    fn router(&self) -> Router {
        self.serving.get().unwrap_or(&self.starting).clone()
    }
}

/// What connections share.
pub(crate) struct Front {
    pub(crate) gate: Gate,
    pub(crate) edge: Arc<Edge>,
    pub(crate) metrics: Arc<Metrics>,
    /// Connections that the system did not hand over.
    pub(crate) refusals: Seldom,
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Front {
    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let router = self.gate.router();
        Ok(edge::pass(&self.edge, request, |request| router.oneshot(request)).await)
    }
}

/// Accepts until `stop` says so, then waits for the connections to finish.
pub(crate) async fn accept(
    listener: TcpListener,
    front: Arc<Front>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(descriptors::connections_max()));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            (stream, peer, permit) = next(&listener, &front, &permits) => {
                connections.spawn(serve(stream, peer, Arc::clone(&front), stop.clone(), permit));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, finished).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections were cut after the time to drain"
        );
        connections.shutdown().await;
    }
}

/// Ends once the server is told to stop, or is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _told_or_gone = stop.wait_for(|stop| *stop).await.map(|_| ());
}

async fn next(
    listener: &TcpListener,
    front: &Front,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so a permit always comes.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                // Out of file descriptors, mostly: a moment later some will be free.
                front.metrics.accepts_failed.fetch_add(1, Ordering::Relaxed);
                if let Some(untold) = front.refusals.happens(front.edge.clock.now_s()) {
                    tracing::error!(%error, untold, "a connection cannot be accepted");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    front: Arc<Front>,
    mut stop: watch::Receiver<bool>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let _open = Open::count(Arc::clone(&front.metrics));
    // Answers are small and whole; waiting for more to send would only delay them.
    let _best_effort = stream.set_nodelay(true);
    // A mapped address is the IPv4 one that it maps.
    let peer = Peer(peer.ip().to_canonical());
    match &front.tls {
        None => talk(stream, peer, &front, &mut stop).await,
        Some(tls) => {
            let time = Duration::from_secs(caps::TLS_HANDSHAKE_S_MAX);
            let shaken = tokio::select! {
                () = stopped(&mut stop) => return,
                shaken = tokio::time::timeout(time, tls.acceptor().accept(stream)) => shaken,
            };
            match shaken {
                Ok(Ok(stream)) => talk(stream, peer, &front, &mut stop).await,
                Ok(Err(error)) => {
                    front.metrics.tls_failed.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(error = %error, "a TLS handshake failed");
                }
                Err(_elapsed) => {
                    front.metrics.tls_failed.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!("a TLS handshake took too long");
                }
            }
        }
    }
    drop(permit);
}

/// HTTP/1.1 on a connection, until it ends or the server is told to.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    front: &Arc<Front>,
    stop: &mut watch::Receiver<bool>,
) {
    let answer = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let front = Arc::clone(front);
        async move { front.answer(request.map(Body::new)).await }
    });
    let mut stream = TimeoutStream::new(stream);
    // Reading has times of its own: a head's, a body's.
    stream.set_write_timeout(Some(Duration::from_secs(caps::WRITE_STALL_S_MAX)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(caps::HEAD_READ_S_MAX))
        .max_buf_size(caps::HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Box::pin(stream)), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

/// Counts a connection for as long as it lives, however it ends.
struct Open(Arc<Metrics>);

impl Open {
    fn count(metrics: Arc<Metrics>) -> Self {
        metrics.connections.fetch_add(1, Ordering::Relaxed);
        metrics.connections_open.fetch_add(1, Ordering::Relaxed);
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}
