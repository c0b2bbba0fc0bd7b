//! The description of the API: OpenAPI 3.1 at `/openapi.json`, and a page to read at `/docs`.
//!
//! Both are made from the code: parameters from what reads them, bodies from the types that are
//! written and read, ranges from `caps`. Holds: every route is described, and every text and number
//! has its range (tests in `tests/http/openapi.rs`).

mod bodies;
mod bounds;
mod call;
mod document;
mod keystone;
mod page;
mod table;

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The document, made at the first request.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document::document()));

/// The page, made at the first request.
static PAGE: LazyLock<String> = LazyLock::new(|| page::page(&document::document()).into_string());

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    text("application/json", &DOCUMENT)
}

/// `GET /docs`.
pub(crate) async fn docs() -> Response {
    let mut response = text("text/html; charset=utf-8", &PAGE);
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'self'");
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// `GET /docs/style.css`.
pub(crate) async fn style() -> Response {
    text("text/css; charset=utf-8", include_str!("style.css"))
}

/// The paths that are described.
#[cfg(test)]
pub(crate) fn paths() -> Vec<&'static str> {
    table::calls().iter().map(|call| call.path).collect()
}

fn text(kind: &'static str, body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}
