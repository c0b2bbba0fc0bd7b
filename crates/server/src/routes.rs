//! Every route, and what answers where there is none.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::edge::edge;
use crate::error::ApiError;
use crate::{hss, ingest, metrics, native};

pub(crate) fn router(app: Arc<App>) -> Router {
    let native = Router::new()
        .route("/reports", post(ingest::reports))
        .route("/heartbeats", post(ingest::heartbeats))
        .route("/statistics", get(native::statistics))
        .route("/hosts", get(native::hosts))
        .route("/hosts/{host_id}", get(native::host))
        .route("/ports/{port}/assets", get(native::assets))
        .route("/recount", get(native::recount));
    let routes = Router::new()
        .route(
            "/v5/{project_id}/asset/port/statistics",
            get(hss::port_statistics),
        )
        .nest("/portolan/v1/projects/{project_id}", native)
        .route("/portolan/v1/credential", get(native::credential))
        .route("/portolan/v1/backup", get(native::backup))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::metrics))
        .method_not_allowed_fallback(no_such_api)
        .fallback(no_such_api)
        .with_state(Arc::clone(&app));
    // Around the routes as a whole, not around each: only so does the edge change a method before it
    // is matched, and see the Allow header of an answer.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn_with_state(app, edge))
}

/// A wrong method gets the same answer; the router adds the Allow header.
async fn no_such_api() -> ApiError {
    ApiError::of(ErrorCode::ApiNotFound)
}

/// The process runs and answers.
async fn healthz() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        r#"{"status":"ok"}"#,
    )
}

/// The census has caught up, and the server is not about to end.
async fn readyz(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
) -> Result<impl IntoResponse, ApiError> {
    app.serving()?;
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        r#"{"status":"ready"}"#,
    ))
}
