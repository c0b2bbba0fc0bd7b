//! The null handler that requests are compared with: a process of its own that gives one recorded
//! answer, head and body, to every request, through the same stack (axum on hyper on tokio). What a
//! query costs beyond it is the program's own: reading the request, the credential, counting,
//! writing the answer.
//!
//! Reports under zstd are unpacked and read, and answered as accepted: what a server must do at
//! least. Holds: any other request gets the bytes that were recorded, Date aside.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use portolan_wire::report::{self, ReportResult, ReportsAnswer, Status};
use portolan_wire::time::UnixMicros;
use tokio::net::TcpListener;

/// Largest body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

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
        let answer = move |request| answer(recorded, request);
        axum::serve(listener, Router::new().fallback(answer)).await?;
        Ok(())
    })
}

async fn answer(recorded: Recorded, request: Request) -> Response {
    let zstd = request.headers().get(header::CONTENT_ENCODING);
    if zstd.is_none() {
        // A body that nobody reads would end the connection.
        let _read = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
        return (recorded.headers, recorded.body).into_response();
    }
    match accept(request.into_body()).await {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// Reads the reports of a body; the answer that accepts them all.
async fn accept(body: Body) -> anyhow::Result<Vec<u8>> {
    let sent = axum::body::to_bytes(body, BODY_BYTES_MAX).await?;
    let json = zstd::decode_all(&*sent)?;
    let reports =
        report::parse(&json, UnixMicros(i64::MAX)).map_err(|f| anyhow::anyhow!(f.message))?;
    let mut results = Vec::with_capacity(reports.len());
    for (index, report) in reports.into_iter().enumerate() {
        let report = report.map_err(|fault| anyhow::anyhow!(fault.message))?;
        results.push(ReportResult {
            index,
            host_id: Some(report.host.host_id),
            status: Status::Accepted,
            digest: None,
            next_heartbeat_s: report.heartbeat_interval_s,
            current: None,
            error_code: None,
            error_msg: None,
            field: None,
            reason: None,
        });
    }
    Ok(serde_json::to_vec(&ReportsAnswer { results })?)
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
