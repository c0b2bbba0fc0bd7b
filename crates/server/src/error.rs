//! How an error leaves: a status, a JSON body with the code, and the headers that go with it.
//!
//! Handlers return [`ApiError`]; the edge writes the body and tells the log of the cause, since only it
//! knows the request's id.

use std::fmt::Display;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portolan_store::StoreError;
use portolan_wire::error::{ErrorBody, ErrorCode};
use portolan_wire::query::ParameterFault;
use serde::Serialize;

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
    /// What the audit log is told, where the detail is another for each request.
    reason: Option<&'static str>,
    /// The limit that was reached, where it is one.
    limit: Option<Limit>,
    /// What the log is told and the client is not.
    cause: Option<String>,
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
            reason: None,
            limit: None,
            cause: None,
        }
    }

    pub(crate) fn of(code: ErrorCode) -> Self {
        Self::new(code, "")
    }

    /// A fault of the server's own: the client learns that there was one, the log which.
    pub(crate) fn internal(cause: impl Display) -> Self {
        Self::of(ErrorCode::Internal).caused_by(&cause)
    }

    /// A write of the store failed. Three kinds of cause are told elsewhere, once for all requests that
    /// they meet: that there is no room (the committer), that the cluster does not answer (`cluster`),
    /// and what ends the process.
    pub(crate) fn write_failed(error: &StoreError) -> Self {
        let told = Self::new(
            ErrorCode::StoreFailed,
            "nothing of the request was acknowledged",
        );
        if let StoreError::Unavailable { .. } = error {
            return Self::new(
                ErrorCode::StoreFailed,
                "the cluster does not answer, and nothing of the request was acknowledged: send it again",
            );
        }
        let told_elsewhere = matches!(error, StoreError::NoSpace { .. }) || error.is_fatal();
        if told_elsewhere {
            told
        } else {
            told.caused_by(error)
        }
    }

    /// A read of the store failed.
    pub(crate) fn read_failed(error: &StoreError) -> Self {
        Self::new(
            ErrorCode::StoreFailed,
            "what the answer needs cannot be read",
        )
        .caused_by(error)
    }

    /// The same, which may be tried again after so many seconds.
    pub(crate) fn retry_after_s(self, seconds: u32) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    fn caused_by(self, cause: &dyn Display) -> Self {
        Self {
            cause: Some(cause.to_string()),
            ..self
        }
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The same, as the answer to a known credential.
    pub(crate) fn told_to(self, credential_id: &str) -> Self {
        Self {
            actor: Some(credential_id.to_owned()),
            ..self
        }
    }

    /// The same, of which the audit log is told this: it counts by reason.
    pub(crate) fn because(self, reason: &'static str) -> Self {
        Self {
            reason: Some(reason),
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

    /// What was wrong, as the audit log is told.
    pub(crate) fn reason(&self) -> &str {
        self.reason.unwrap_or(&self.detail)
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

impl ApiError {
    /// The body as Keystone's clients read it.
    pub(crate) fn keystone_body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Fault<'a> {
            code: u16,
            message: String,
            title: &'a str,
        }
        let status = self.status();
        // What begins the errors of a gateway says nothing here.
        let message = match (self.code, self.detail.as_str()) {
            (code, "") => code.text().to_owned(),
            (ErrorCode::Unauthenticated | ErrorCode::RequestError, detail) => detail.to_owned(),
            (code, detail) => format!("{} {detail}", code.text()),
        };
        let fault = Fault {
            code: status.as_u16(),
            message,
            title: status.canonical_reason().unwrap_or_default(),
        };
        // As above.
        serde_json::to_vec(&serde_json::json!({ "error": fault })).unwrap_or_default()
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<ParameterFault> for ApiError {
    fn from(fault: ParameterFault) -> Self {
        Self::new(ErrorCode::InvalidParameter, fault.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(error: &ApiError) -> String {
        String::from_utf8(error.body("id")).unwrap()
    }

    #[test]
    fn a_failed_read_says_nothing_of_what_was_acknowledged_and_its_cause_is_for_the_log_alone() {
        let cause = StoreError::Read {
            what: "/var/lib/x: disk".into(),
        };
        let (read, write) = (
            ApiError::read_failed(&cause),
            ApiError::write_failed(&cause),
        );
        assert!(!text(&read).contains("acknowledged"), "{}", text(&read));
        assert!(text(&write).contains("nothing of the request was acknowledged"));
        for error in [read, write, ApiError::internal(&cause)] {
            assert!(error.cause().unwrap().contains("/var/lib/x: disk"));
            assert!(!text(&error).contains("/var/lib/x"), "{}", text(&error));
        }
    }

    #[test]
    fn what_is_told_once_for_all_requests_is_told_by_none_of_them() {
        let full = StoreError::NoSpace {
            path: "/x".into(),
            free: 1,
            needed: 2,
        };
        let failed = StoreError::Write { what: "x".into() };
        for error in [full, failed] {
            assert_eq!(ApiError::write_failed(&error).cause(), None);
        }
    }
}
