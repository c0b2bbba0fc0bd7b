//! Connections: an own accept loop over hyper, since `axum::serve` has no time for a request's head
//! and no cap on connections.
//!
//! It accepts from the first moment on: while the census is rebuilt, a router of its own says that
//! the server is starting.
//! Limits: those of [`Places`], in which a connection counts from before its TLS handshake on, and the
//! times of [`Limits`].

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use portolan_wire::caps;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use crate::edge::{self, Edge, Peer};
use crate::limits::{Limit, Limits};
use crate::metrics::Metrics;
use crate::places::{Place, Places};
use crate::seldom::Seldom;
use crate::tls::{ClientCertificate, Tls};

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
    pub(crate) limits: Limits,
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
    bound_unsent_answers(&listener);
    let places = Arc::new(Places::new(&front.limits, Arc::clone(&front.metrics)));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            (stream, peer, place) = next(&listener, &front, &places) => {
                connections.spawn(serve(stream, peer, Arc::clone(&front), stop.clone(), place));
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

/// What is set of a listener holds for the connections that it accepts. A smaller send buffer would do
/// as well, and would slow down clients that are far away.
fn bound_unsent_answers(listener: &TcpListener) {
    let bytes = caps::CONNECTION_UNSENT_BYTES_MAX;
    if let Err(error) = SockRef::from(listener).set_tcp_notsent_lowat(bytes) {
        tracing::warn!(error = %error, "answers that clients do not take are not bounded");
    }
}

/// Ends once the server is told to stop, or is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _told_or_gone = stop.wait_for(|stop| *stop).await.map(|_| ());
}

async fn next(
    listener: &TcpListener,
    front: &Front,
    places: &Arc<Places>,
) -> (TcpStream, Peer, Place) {
    loop {
        let Some(free) = places.free().await else {
            continue;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                // A mapped address is the IPv4 one that it maps.
                let peer = peer.ip().to_canonical();
                if let Some(place) = places.take(peer, free) {
                    return (stream, Peer(peer), place);
                }
                tracing::debug!(client.address = %peer, "an address has too many connections");
            }
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
    peer: Peer,
    front: Arc<Front>,
    mut stop: watch::Receiver<bool>,
    place: Place,
) {
    let _open = Open::count(Arc::clone(&front.metrics));
    // Answers are small and whole; waiting for more to send would only delay them.
    let _best_effort = stream.set_nodelay(true);
    let Some(tls) = &front.tls else {
        return talk(stream, (peer, None), &front, &mut stop, place).await;
    };
    let shaking = tls.acceptor().accept(stream);
    let shaken = tokio::select! {
        () = stopped(&mut stop) => return,
        shaken = tokio::time::timeout(front.limits.tls_handshake, shaking) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let certificate = tls.shown(stream.get_ref().1);
            talk(stream, (peer, certificate), &front, &mut stop, place).await;
        }
        Ok(Err(error)) => {
            front.metrics.tls_failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(error = %error, "a TLS handshake failed");
        }
        Err(_elapsed) => {
            front.metrics.tls_failed.fetch_add(1, Ordering::Relaxed);
            front.metrics.reached(Limit::TlsHandshakeTime);
            tracing::debug!("a TLS handshake took too long");
        }
    }
}

/// HTTP/1.1 on a connection, until it ends or the server is told to.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (peer, certificate): (Peer, Option<ClientCertificate>),
    front: &Arc<Front>,
    stop: &mut watch::Receiver<bool>,
    place: Place,
) {
    let answer = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        if let Some(certificate) = &certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let front = Arc::clone(front);
        let place = &place;
        async move {
            let mut answer = front.answer(request.map(Body::new)).await;
            if let (Ok(answer), true) = (&mut answer, place.is_scarce()) {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            answer
        }
    });
    let mut stream = TimeoutStream::new(stream);
    // Reading has times of its own: a head's, a body's.
    stream.set_write_timeout(Some(front.limits.answer_stall));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(front.limits.head)
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
        if let Some(limit) = limit_of(&error) {
            front.metrics.reached(limit);
        }
        tracing::debug!(error = %error, "a connection ended early");
    }
}

/// The limit that ended a connection, if it was one.
fn limit_of(error: &hyper::Error) -> Option<Limit> {
    if error.is_timeout() {
        return Some(Limit::HeadTime);
    }
    if error.is_parse_too_large() {
        return Some(Limit::HeadBytes);
    }
    let cause = error.source()?.downcast_ref::<io::Error>()?;
    (cause.kind() == io::ErrorKind::TimedOut).then_some(Limit::AnswerStall)
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
