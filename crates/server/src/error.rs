//! How an error leaves: a status, a JSON body with the code, and the headers that go with it.
//!
//! Handlers return [`ApiError`]; the edge writes the body, since only it knows the request's id.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portolan_wire::error::{ErrorBody, ErrorCode};
use portolan_wire::query::ParameterFault;

use crate::limits::Limit;

/// An answer that is an error.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: ErrorCode,
    /// What was wrong and what is allowed; may be empty.
    detail: String,
    retry_after_s: Option<u32>,
    /// The id of the credential that was refused, where it was known.
    actor: Option<String>,
    /// The limit that was reached, where it is one.
    limit: Option<Limit>,
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        // Who may try again is told when: a queue drains within a second.
        let retry_after_s = code.is_retryable().then_some(1);
        Self {
            code,
            detail: detail.into(),
            retry_after_s,
            actor: None,
            limit: None,
        }
    }

    pub(crate) fn of(code: ErrorCode) -> Self {
        Self::new(code, "")
    }

    /// The same, as the answer to a known credential.
    pub(crate) fn told_to(self, credential_id: &str) -> Self {
        Self {
            actor: Some(credential_id.to_owned()),
            ..self
        }
    }

    /// The same, because a limit was reached.
    pub(crate) fn at(self, limit: Limit) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    /// The limit that was reached, where it is one.
    pub(crate) fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// The id of the credential that was refused, where it was known.
    pub(crate) fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    /// The body, for the request of that id.
    pub(crate) fn body(&self, request_id: &str) -> Vec<u8> {
        let mut error_msg = self.code.text().to_owned();
        if !self.detail.is_empty() {
            error_msg.push(' ');
            error_msg.push_str(&self.detail);
        }
        let body = ErrorBody {
            error_code: self.code.as_str().to_owned(),
            error_msg,
            request_id: request_id.to_owned(),
        };
        // Three strings always serialise; an empty body would still carry the status.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<ParameterFault> for ApiError {
    fn from(fault: ParameterFault) -> Self {
        Self::new(ErrorCode::InvalidParameter, fault.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// `X-Request-Id`.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
