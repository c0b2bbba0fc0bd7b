//! A real HTTP server for the tests of the client, on hyper, with a function for a handler.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::http::ServerUrl;
use crate::query::Target;

/// What a handler is given.
pub(crate) struct Received {
    pub(crate) target: String,
    pub(crate) token: String,
    pub(crate) body: Vec<u8>,
}

/// What a handler answers.
pub(crate) struct Reply {
    status: u16,
    retry_after_s: Option<u64>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            retry_after_s: None,
            body: body.into(),
        }
    }

    pub(crate) fn of(status: u16, retry_after_s: Option<u64>, body: &str) -> Self {
        Self {
            status,
            retry_after_s,
            body: body.into(),
        }
    }
}

/// The server; it ends when this is dropped.
pub(crate) struct TestServer {
    url: ServerUrl,
    connections: Arc<AtomicU32>,
    accepting: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start<F>(handler: F) -> Self
    where
        F: Fn(Received) -> Reply + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let connections = Arc::new(AtomicU32::new(0));
        let (handler, counted) = (Arc::new(handler), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let handler = Arc::clone(&handler);
                let service = service_fn(move |request| answer(Arc::clone(&handler), request));
                let connection = hyper::server::conn::http1::Builder::new();
                // The end of a connection is the client's choice and no fault of the test.
                let serving = connection.serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        Self {
            url,
            connections,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A reader of the server, which runs in this process.
pub(crate) fn reader(server: &TestServer) -> Target {
    Target {
        server: server.url().clone(),
        token: "reader-token-of-a-test-0123456789".to_owned(),
        partial_token: None,
        access_key: None,
        project: "p1".to_owned(),
        pid: Some(std::process::id()),
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer<F>(
    handler: Arc<F>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    F: Fn(Received) -> Reply,
{
    let token = request
        .headers()
        .get("x-auth-token")
        .map(|t| t.to_str().unwrap().to_owned());
    let target = request.uri().to_string();
    let body = request
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes()
        .to_vec();
    let reply = handler(Received {
        target,
        token: token.unwrap_or_default(),
        body,
    });
    let mut response = Response::builder().status(reply.status);
    if let Some(seconds) = reply.retry_after_s {
        response = response.header("retry-after", seconds);
    }
    Ok(response.body(Full::new(reply.body.into())).unwrap())
}
