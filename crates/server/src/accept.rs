//! Connections: an own accept loop over hyper, since `axum::serve` has no time for a request's head
//! and no cap on connections.
//!
//! Limits: `caps::CONNECTIONS_MAX` connections; beyond it new ones wait in the kernel's backlog.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use portolan_wire::caps;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::app::App;

/// How long a connection may finish what it is at, once the server drains.
const DRAIN: Duration = Duration::from_secs(10);

/// Accepts until `stop` says so, then waits for the connections to finish.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(caps::CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            (stream, permit) = next(&listener, &permits) => {
                let serving = serve(stream, router.clone(), Arc::clone(&app), stop.clone(), permit);
                connections.spawn(serving);
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, finished).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections cut after the time to drain"
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
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so a permit always comes.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                // Out of file descriptors, mostly: a moment later some will be free.
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    router: Router,
    app: Arc<App>,
    mut stop: watch::Receiver<bool>,
    permit: Option<OwnedSemaphorePermit>,
) {
    app.metrics.connections.fetch_add(1, Ordering::Relaxed);
    app.metrics.connections_open.fetch_add(1, Ordering::Relaxed);
    // Answers are small and whole; waiting for more to send would only delay them.
    let _best_effort = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(caps::HEAD_READ_S_MAX))
        .max_buf_size(caps::HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
    app.metrics.connections_open.fetch_sub(1, Ordering::Relaxed);
    drop(permit);
}
