//! The body of a log-in: read before anybody is known, so it is small and never packed.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::ingest::body::content_type;
use crate::limits::Limit;

/// Reads a body of JSON that must have come after `time`.
pub(super) async fn read<T: DeserializeOwned>(
    time: Duration,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    content_type(headers)?;
    if headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "the body must come without Content-Encoding";
        return Err(ApiError::new(ErrorCode::UnsupportedEncoding, detail));
    }
    let limited = Limited::new(body, caps::LOGIN_BODY_BYTES_MAX);
    let received = tokio::time::timeout(time, limited.collect()).await;
    let late = |_| {
        let detail = format!("the body did not arrive within {time:?}");
        ApiError::new(ErrorCode::RequestError, detail).at(Limit::BodyTime)
    };
    let received = received.map_err(late)?.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            let detail = format!("at most {} bytes are read", caps::LOGIN_BODY_BYTES_MAX);
            return ApiError::new(ErrorCode::BodyTooLarge, detail).at(Limit::BodySentBytes);
        }
        ApiError::new(ErrorCode::RequestError, error.to_string())
    })?;
    serde_json::from_slice(&received.to_bytes()).map_err(|error| {
        // The parser quotes what is of the wrong type, and that may be a password: only the place
        // is told.
        let (line, column) = (error.line(), error.column());
        let code = if error.is_data() {
            ErrorCode::FieldInvalid
        } else {
            ErrorCode::NotJson
        };
        ApiError::new(code, format!("See line {line}, column {column}."))
    })
}
