//! What every request passes, in this order: its id, the length of its target and of its head, its
//! escapes, its shape; and every answer: the id, and the body of an error.
//!
//! Around the router, not a layer of it: a layer could not change a method before it is matched, and
//! costs boxes and clones a request. On the raw path and query, because the router decodes leniently: it would take `%ZZ`, and match
//! an empty segment as an id.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use portolan_store::Clock;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::query::percent_decode;

use crate::audit::{Act, Audit};
use crate::error::{ApiError, REQUEST_ID};
use crate::limits::Limit;
use crate::metrics::Metrics;
use crate::request_id::RequestIds;
use crate::seldom::Seldom;

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The target of a signed request as it came: nested routes see a shorter one.
#[derive(Clone, Debug)]
pub(crate) struct Target(pub(crate) Uri);

/// What the edge needs, which is there before anything else of the server.
pub(crate) struct Edge {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) request_ids: RequestIds,
    /// There before the first credential is looked at.
    pub(crate) audit: OnceLock<Arc<Audit>>,
    /// Requests that failed by a fault of the server or its machine.
    pub(crate) faults: Seldom,
}

/// Takes a request to what answers it, and the answer back.
pub(crate) async fn pass<F>(
    edge: &Edge,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Infallible>>,
{
    let request_id = edge.request_ids.next();
    let asked = Asked::of(&request);
    if request.headers().contains_key(header::AUTHORIZATION) {
        let target = Target(request.uri().clone());
        request.extensions_mut().insert(target);
    }
    // The router would answer HEAD by GET. The contract knows no HEAD, so it becomes a method that
    // no route has, and is refused with the Allow header like any other.
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::TRACE;
    }
    let response = match check(&request) {
        Ok(()) => answer(request).await.unwrap_or_else(|never| match never {}),
        Err(error) => error.into_response(),
    };
    finish(edge, response, &request_id, &asked)
}

/// What the audit log tells of a request.
struct Asked {
    method: Method,
    target: Uri,
    source: Option<IpAddr>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            target: request.uri().clone(),
            source: request.extensions().get::<Peer>().map(|peer| peer.0),
        }
    }

    /// Whether its errors have Keystone's form.
    fn is_keystones(&self) -> bool {
        let rest = self.target.path().strip_prefix("/v3");
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Tells the audit log of a refused credential, whichever route refused it.
fn audit(edge: &Edge, error: &ApiError, asked: &Asked) {
    let of_a_credential = matches!(
        error.code(),
        ErrorCode::Unauthenticated
            | ErrorCode::TokenExpired
            | ErrorCode::AccessDenied
            | ErrorCode::RoleNotAllowed
    );
    let Some(audit) = edge.audit.get().filter(|_| of_a_credential) else {
        return;
    };
    let path = asked.target.path().chars();
    let path: String = path.take(caps::AUDIT_TARGET_CHARS_MAX).collect();
    audit.refused(Act {
        at: edge.clock.now(),
        actor: error.actor().map(str::to_owned),
        source: asked.source,
        action: "credential.refused",
        target: format!("{} {path}", asked.method),
        outcome: error.code().as_str().to_owned(),
        detail: error.reason().to_owned(),
        count: 1,
    });
}

/// Tells the log why a request failed that its client could not have made otherwise.
fn tell_cause(edge: &Edge, error: &ApiError, request_id: &str) {
    let Some(cause) = error.cause() else { return };
    if let Some(untold) = edge.faults.happens(edge.clock.now_s()) {
        tracing::error!(
            request.id = request_id,
            error.code = error.code().as_str(),
            error = cause,
            untold,
            "a request failed by a fault of the server or its machine"
        );
    }
}

fn check(request: &Request) -> Result<(), ApiError> {
    let target = request.uri();
    let length = target_bytes(target);
    if length > caps::TARGET_BYTES_MAX {
        let detail = format!("at most {} bytes, got {length}", caps::TARGET_BYTES_MAX);
        return Err(ApiError::new(ErrorCode::TargetTooLong, detail).at(Limit::TargetBytes));
    }
    let length = head_bytes(request);
    if length > caps::HEAD_BYTES_MAX {
        let detail = format!("at most {} bytes, got {length}", caps::HEAD_BYTES_MAX);
        return Err(ApiError::new(ErrorCode::HeadTooLong, detail).at(Limit::HeadBytes));
    }
    let malformed = |error: portolan_wire::query::BadEscape| {
        ApiError::new(ErrorCode::RequestError, error.to_string())
    };
    percent_decode(target.path(), "path").map_err(malformed)?;
    // As a whole: its separators are ASCII, so no character reaches across one.
    percent_decode(target.query().unwrap_or(""), "query").map_err(malformed)?;
    let empty_segment = target.path() != "/" && target.path().split('/').skip(1).any(str::is_empty);
    if empty_segment {
        Err(ApiError::of(ErrorCode::ApiNotFound))
    } else {
        Ok(())
    }
}

/// The target as it was received: `/path?query`, `http://host/path?query`, `host:port` or `*`.
fn target_bytes(target: &Uri) -> usize {
    let scheme = target.scheme_str().map_or(0, |it| it.len() + "://".len());
    let authority = target.authority().map_or(0, |it| it.as_str().len());
    let path_and_query = target.path_and_query().map_or(0, |it| it.as_str().len());
    scheme + authority + path_and_query
}

/// The head as it was received, if it has one blank after each colon. The HTTP library bounds only what
/// it buffers of one that is not whole: in one piece up to twice as much would come through.
fn head_bytes(request: &Request) -> usize {
    let method = request.method().as_str().len();
    let line = method + target_bytes(request.uri()) + "  HTTP/1.1\r\n".len();
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + headers.sum::<usize>() + "\r\n".len()
}

fn finish(edge: &Edge, mut response: Response, request_id: &str, asked: &Asked) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        edge.metrics.error(error.code());
        if let Some(limit) = error.limit() {
            edge.metrics.reached(limit);
        }
        audit(edge, &error, asked);
        tell_cause(edge, &error, request_id);
        let (mut parts, _) = response.into_parts();
        parts.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        parts.headers.remove(header::CONTENT_LENGTH);
        let body = match asked.is_keystones() {
            true => error.keystone_body(),
            false => error.body(request_id),
        };
        response = Response::from_parts(parts, Body::from(body));
    }
    if let Some(allow) = response.headers().get(header::ALLOW).and_then(without_head) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    edge.metrics.answered(response.status());
    // 32 hex digits are always a header value.
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The router takes it that a route with GET has HEAD as well.
fn without_head(allow: &HeaderValue) -> Option<HeaderValue> {
    let methods = allow
        .to_str()
        .ok()?
        .split(',')
        .filter(|method| *method != "HEAD");
    HeaderValue::try_from(methods.collect::<Vec<_>>().join(",")).ok()
}
