//! A client for HTTP/1.1 that costs next to nothing: bytes made beforehand out, one answer in.
//!
//! A general client builds, checks and allocates each request anew, 5 to 10 us of CPU on the same
//! cores as the server that is measured. Here a request is one `write` and an answer one `read`.
//! Holds: one request at a time on a connection, so what follows an answer is a fault.
//! Limits: plain HTTP, answers with Content-Length, heads to 64 KiB, bodies to 64 MiB.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_BYTES_MAX: usize = 64 << 10;
const BODY_BYTES_MAX: usize = 64 << 20;

/// A server: `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    authority: String,
}

impl FromStr for ServerUrl {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let authority = url
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/'));
        match authority.and_then(|authority| authority.rsplit_once(':')) {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self {
                authority: format!("{host}:{port}"),
            }),
            _ => bail!("the server must be given as http://HOST:PORT, got {url}"),
        }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl ServerUrl {
    /// Host and port.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Where it is.
    pub(crate) async fn address(&self) -> std::io::Result<SocketAddr> {
        let mut addresses = tokio::net::lookup_host(self.authority.as_str()).await?;
        addresses
            .next()
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.authority.as_str())
            .await
            .with_context(|| format!("could not connect to {self}"))?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            received: Vec::with_capacity(16 << 10),
        })
    }

    pub(crate) async fn connections(&self, count: u32) -> anyhow::Result<Vec<Connection>> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(self.connect().await?);
        }
        Ok(connections)
    }

    /// A GET, ready to be sent.
    pub(crate) fn get(&self, target: &str, token: &str) -> Vec<u8> {
        let authority = &self.authority;
        format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\nX-Auth-Token: {token}\r\n\r\n")
            .into()
    }

    /// A POST of JSON as it is, ready to be sent.
    pub(crate) fn post_plain(&self, target: &str, token: &str, json: &str) -> Vec<u8> {
        let authority = &self.authority;
        let length = json.len();
        format!(
            "POST {target} HTTP/1.1\r\nHost: {authority}\r\nX-Auth-Token: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
        )
        .into()
    }

    /// A POST of JSON that zstd has compressed, ready to be sent.
    pub(crate) fn post(&self, target: &str, token: &str, zstd_json: &[u8]) -> Vec<u8> {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: {}\r\nX-Auth-Token: {token}\r\n\
             Content-Type: application/json\r\nContent-Encoding: zstd\r\nContent-Length: {}\r\n\r\n",
            self.authority,
            zstd_json.len(),
        );
        [head.as_bytes(), zstd_json].concat()
    }
}

/// A connection that stays open from answer to answer.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// The header Retry-After, in seconds.
    pub(crate) retry_after_s: Option<u64>,
    pub(crate) body: &'a [u8],
    /// Head and body, as they came.
    pub(crate) whole: &'a [u8],
}

impl Answer<'_> {
    /// The status and the beginning of the body, for messages.
    pub(crate) fn summary(&self) -> String {
        let beginning = self
            .body
            .get(..self.body.len().min(400))
            .unwrap_or_default();
        format!("{} {}", self.status, String::from_utf8_lossy(beginning))
    }
}

impl Connection {
    /// Sends a request and waits for its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.send(request).await?;
        self.received.clear();
        let head = loop {
            self.receive().await?;
            if let Some(head) = Head::read(&self.received)? {
                break head;
            }
            ensure!(
                self.received.len() <= HEAD_BYTES_MAX,
                "the head of an answer is over 64 KiB"
            );
        };
        let end = head.bytes + head.content_bytes;
        while self.received.len() < end {
            self.receive().await?;
        }
        ensure!(
            self.received.len() == end,
            "bytes follow an answer that nobody asked for"
        );
        Ok(Answer {
            status: head.status,
            retry_after_s: head.retry_after_s,
            body: self.received.get(head.bytes..end).unwrap_or_default(),
            whole: &self.received,
        })
    }

    /// Sends a request whose answer has no end, to be taken by [`Self::receive_into`].
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let sent = self.stream.write_all(request).await;
        sent.context("could not send a request")
    }

    /// Puts what has come behind `received`; waits until something has.
    pub(crate) async fn receive_into(&mut self, received: &mut Vec<u8>) -> anyhow::Result<()> {
        receive(&mut self.stream, received).await
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        receive(&mut self.stream, &mut self.received).await
    }
}

async fn receive(stream: &mut TcpStream, received: &mut Vec<u8>) -> anyhow::Result<()> {
    let bytes = stream.read_buf(received).await?;
    ensure!(
        bytes > 0,
        "the server closed the connection before its answer was complete"
    );
    Ok(())
}

/// What of an answer's head matters here.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Length of the head itself, the empty line included.
    bytes: usize,
    content_bytes: usize,
    retry_after_s: Option<u64>,
}

impl Head {
    /// `None` while the head is not complete.
    fn read(received: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = received.get(..end).unwrap_or_default();
        let text = std::str::from_utf8(text).context("the head of an answer is not UTF-8")?;
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let Some(Ok(status)) = status.map(str::parse) else {
            bail!("not an answer of HTTP/1.1: {first}");
        };
        let (mut content_bytes, mut retry_after_s) = (None, None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                content_bytes = value.trim().parse().ok();
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after_s = value.trim().parse().ok();
            }
        }
        let content_bytes = content_bytes.context("an answer has no Content-Length")?;
        ensure!(
            content_bytes <= BODY_BYTES_MAX,
            "the body of an answer is over 64 MiB"
        );
        Ok(Some(Self {
            status,
            bytes: end + 4,
            content_bytes,
            retry_after_s,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Reply, TestServer};

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let bytes =
            b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\nRetry-After: 7\r\n\r\n{}";
        let whole = Head {
            status: 429,
            bytes: 69,
            content_bytes: 2,
            retry_after_s: Some(7),
        };
        assert_eq!(bytes.len(), 71);
        assert_eq!(Head::read(bytes).unwrap(), Some(whole));
        assert_eq!(Head::read(&bytes[..68]).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for (bytes, why) in [
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                "no Content-Length",
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
                "not an answer of HTTP/1.1",
            ),
            ("SSH-2.0-OpenSSH\r\n\r\n", "not an answer of HTTP/1.1"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 67108865\r\n\r\n",
                "over 64 MiB",
            ),
        ] {
            let error = Head::read(bytes.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{bytes}: {error}");
        }
    }

    #[test]
    fn a_server_is_a_host_and_a_port_over_plain_http() {
        for (url, shown) in [
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            assert_eq!(url.parse::<ServerUrl>().unwrap().to_string(), shown);
        }
        for url in [
            "https://127.0.0.1:80",
            "127.0.0.1:80",
            "http://host",
            "http://:80",
            "",
        ] {
            assert!(url.parse::<ServerUrl>().is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn answers_of_every_size_come_whole_over_one_connection() {
        let server = TestServer::start(|request| {
            let bytes: usize = request.target.trim_start_matches('/').parse().unwrap();
            Reply::ok(vec![b'x'; bytes])
        })
        .await;
        let mut connection = server.url().connect().await.unwrap();
        for bytes in [0, 1, 1_000, 3_000_000, 2] {
            let request = server.url().get(&format!("/{bytes}"), "t");
            let answer = connection.exchange(&request).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, bytes));
            assert!(answer.body.iter().all(|byte| *byte == b'x'));
        }
        assert_eq!(server.connections(), 1);
    }

    #[tokio::test]
    async fn a_connection_that_ends_early_is_an_error() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: ServerUrl = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let cut = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")
                .await
                .unwrap();
        });
        let mut connection = url.connect().await.unwrap();
        let error = connection
            .exchange(&url.get("/", "t"))
            .await
            .unwrap_err()
            .to_string();
        cut.await.unwrap();
        assert!(
            error.contains("closed the connection") || error.contains("reset"),
            "{error}"
        );
    }
}
