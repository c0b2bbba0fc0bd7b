//! What all HSS calls do alike: reading the query, choosing the hosts, and the headers of an answer.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use portolan_census::Selection;
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::parameters::enterprise_projects;
use portolan_wire::query::Query;
use portolan_wire::time::UnixMicros;

use crate::credentials::Caller;
use crate::error::ApiError;

const AS_OF: HeaderName = HeaderName::from_static("x-portolan-as-of");
const HOSTS: HeaderName = HeaderName::from_static("x-portolan-hosts");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Room for the headers of an answer: these three, the edge's, and those of HTTP itself.
const HEADERS: usize = 6;

/// The decoded query of a request that has passed the edge.
pub(crate) fn decoded(raw: Option<&str>) -> Result<Query<'_>, ApiError> {
    Query::decode(raw.unwrap_or(""))
        .map_err(|error| ApiError::new(ErrorCode::RequestError, error.to_string()))
}

/// The enterprise projects that a query is about. Whether one is granted is told before any other
/// fault; a fault in it is told by the parser, in its place among the others.
pub(crate) fn selected(query: &Query<'_>, caller: &Caller) -> Result<Selection, ApiError> {
    match enterprise_projects(query) {
        Ok(asked) => caller.select(&asked),
        Err(_) => Ok(caller.granted().clone()),
    }
}

/// A 200 about counts: a JSON body, up to when it is complete, and the fresh and stale hosts of the
/// enterprise projects asked for.
pub(crate) fn counted(
    body: Vec<u8>,
    as_of: UnixMicros,
    (fresh, stale): (u64, u64),
) -> Result<Response, ApiError> {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(AS_OF, value(as_of.to_string())?);
    headers.insert(HOSTS, value(format!("fresh={fresh}, stale={stale}"))?);
    Ok(response)
}

/// Says up to when an answer is complete.
pub(crate) fn dated(response: &mut Response, as_of: UnixMicros) -> Result<(), ApiError> {
    let as_of = value(as_of.to_string())?;
    response.headers_mut().insert(AS_OF, as_of);
    Ok(())
}

/// A 200 with a JSON body.
pub(crate) fn json(body: &impl serde::Serialize) -> Result<Response, ApiError> {
    Ok(([(header::CONTENT_TYPE, JSON)], encoded(body)?).into_response())
}

/// A body as JSON.
pub(crate) fn encoded(body: &impl serde::Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(body).map_err(ApiError::internal)
}

fn value(text: String) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(text).map_err(ApiError::internal)
}
