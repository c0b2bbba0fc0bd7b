//! The null handler that queries are compared with: a process of its own that gives one recorded
//! answer, head and body, to every request, through the same stack (axum on hyper on tokio).
//!
//! What a query costs beyond it is the program's own: reading the request, the credential, counting,
//! writing the answer. Holds: it answers the bytes that it was given, Date aside.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::net::TcpListener;

/// An answer as it is given again and again.
#[derive(Clone, Debug)]
struct Recorded {
    headers: HeaderMap,
    body: Bytes,
}

/// Serves the answer in `file` on a free port of loopback, which it prints, until it is ended.
pub(crate) fn serve(file: &Path) -> anyhow::Result<()> {
    let recorded = Recorded::read(&std::fs::read(file)?)?;
    // As many threads as the server that it is compared with.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(
            std::io::stdout(),
            "listening on http://{}",
            listener.local_addr()?
        )?;
        let answer = move || async move { (recorded.headers, recorded.body) };
        axum::serve(listener, Router::new().fallback(answer)).await?;
        Ok(())
    })
}

impl Recorded {
    fn read(answer: &[u8]) -> anyhow::Result<Self> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.context("the recorded answer has no head")?;
        let (head, rest) = answer.split_at(end);
        let mut headers = HeaderMap::new();
        for line in std::str::from_utf8(head)?.split("\r\n").skip(1) {
            let Some((name, value)) = line.split_once(':') else {
                bail!("the recorded answer has the header {line}");
            };
            let name: HeaderName = name.parse()?;
            // The server makes these two for each answer.
            if name != header::DATE && name != header::CONTENT_LENGTH {
                headers.insert(name, HeaderValue::from_str(value.trim())?);
            }
        }
        let body = rest.get(4..).unwrap_or_default().to_vec();
        Ok(Self {
            headers,
            body: body.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_answer_keeps_its_headers_and_body() {
        let answer = b"HTTP/1.1 200 OK\r\nx-a: 1\r\nDate: now\r\ncontent-length: 2\r\n\r\n{}";
        let recorded = Recorded::read(answer).unwrap();
        assert_eq!(recorded.headers.len(), 1);
        assert_eq!(recorded.headers["x-a"], "1");
        assert_eq!(recorded.body, "{}");
        assert!(Recorded::read(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
