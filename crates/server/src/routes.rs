//! Every route, and what answers where there is none.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::credentials::Kind;
use crate::error::ApiError;
use crate::{administration, hss, ingest, metrics, native};

/// The routes of a server that serves.
pub(crate) fn router(app: Arc<App>) -> Router {
    let native = Router::new()
        .route("/reports", post(ingest::reports))
        .route("/heartbeats", post(ingest::heartbeats))
        .route("/statistics", get(native::statistics))
        .route("/hosts", get(native::hosts))
        .route(
            "/hosts/{host_id}",
            get(native::host).delete(administration::remove_host),
        )
        .route("/ports/{port}/assets", get(native::assets))
        .route("/recount", get(native::recount))
        .merge(credentials());
    Router::new()
        .route(
            "/v5/{project_id}/asset/port/statistics",
            get(hss::port_statistics),
        )
        .route(
            "/v5/{project_id}/asset/common-port-info",
            get(hss::common_port_info),
        )
        .route(
            "/v5/{project_id}/asset/batch-modify-port-status",
            post(hss::batch_modify_port_status),
        )
        .nest("/portolan/v1/projects/{project_id}", native)
        .route("/portolan/v1/credential", get(native::credential))
        .route("/portolan/v1/backup", get(native::backup))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::metrics))
        .method_not_allowed_fallback(no_such_api)
        .fallback(no_such_api)
        .with_state(app)
}

/// The routes of a server that is starting.
pub(crate) fn starting() -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .fallback(not_yet)
}

/// Making, listing and revoking credentials, for each kind the same.
fn credentials() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/tokens",
            get(|a, b, c, d| administration::list(Kind::Token, a, b, c, d))
                .post(administration::create_token),
        )
        .route(
            "/tokens/{id}",
            delete(|a, b, c, d| administration::revoke(Kind::Token, a, b, c, d)),
        )
        .route(
            "/access-keys",
            get(|a, b, c, d| administration::list(Kind::AccessKey, a, b, c, d))
                .post(administration::create_access_key),
        )
        .route(
            "/access-keys/{id}",
            delete(|a, b, c, d| administration::revoke(Kind::AccessKey, a, b, c, d)),
        )
        .route(
            "/users",
            get(|a, b, c, d| administration::list(Kind::User, a, b, c, d))
                .post(administration::create_user),
        )
        .route(
            "/users/{id}",
            delete(|a, b, c, d| administration::revoke(Kind::User, a, b, c, d)),
        )
}

async fn not_yet() -> ApiError {
    ApiError::new(ErrorCode::NotServing, "it is starting")
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
