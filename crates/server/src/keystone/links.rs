//! The addresses that answers tell: those by which the client itself came.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::error::ApiError;

/// `scheme://host:port` of a request.
pub(super) struct Links(String);

impl Links {
    /// Of the Host header, and of `X-Forwarded-Proto` where a proxy does TLS: whoever lies in them
    /// lies to itself alone.
    pub(super) fn of(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
        let host = host.filter(|host| !host.as_str().contains('@'));
        let host = host.ok_or_else(|| {
            let detail = "The Host header must name the host, as answers tell addresses by it.";
            ApiError::new(ErrorCode::RequestError, detail)
        })?;
        let forwarded = headers
            .get("x-forwarded-proto")
            .is_some_and(|scheme| scheme == "https");
        let scheme = if forwarded { "https" } else { app.scheme };
        Ok(Self(format!("{scheme}://{host}")))
    }

    pub(super) fn to(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}
