//! The body of a log-in: read before anybody is known, so it is small and never packed.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::ApiError;
use crate::ingest::body::{content_type, receive_small};

/// Reads a body of JSON.
pub(super) async fn read<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    content_type(headers)?;
    if headers.contains_key(header::CONTENT_ENCODING) {
        let detail = "the body must come without Content-Encoding";
        return Err(ApiError::new(ErrorCode::UnsupportedEncoding, detail));
    }
    let (time, most) = (app.limits.body, caps::LOGIN_BODY_BYTES_MAX);
    let received = receive_small(time, headers, body, most).await?;
    serde_json::from_slice(&received).map_err(|error| {
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
