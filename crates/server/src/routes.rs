//! Every route, and what answers where there is none.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::credentials::Kind;
use crate::error::ApiError;
use crate::{administration, hss, ingest, keystone, metrics, native};

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
    let routes = Router::new()
        .route(
            "/v5/{project_id}/asset/port/statistics",
            get(hss::port_statistics),
        )
        .nest("/portolan/v1/projects/{project_id}", native)
        .merge(keystone())
        .route("/portolan/v1/credential", get(native::credential))
        .route("/portolan/v1/backup", get(native::backup));
    // Only where there is something to learn from: a layer costs each request.
    let routes = match app.external {
        None => routes,
        Some(_) => routes.route_layer(from_fn_with_state(Arc::clone(&app), learn)),
    };
    routes
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

/// Asks the Keystone elsewhere about a token that is unknown here, before a handler looks at it.
async fn learn(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut tokens = request.headers().get_all("x-auth-token").iter();
    let token = match (tokens.next().map(HeaderValue::to_str), tokens.next()) {
        (Some(Ok(token)), None) => token,
        // The handler says what is wrong.
        _ => return next.run(request).await,
    };
    if let (Some(external), None) = (&app.external, app.credentials.token(token))
        && let Err(error) = external.learn(token).await
    {
        return error.into_response();
    }
    next.run(request).await
}

/// What clients of Keystone ask for.
fn keystone() -> Router<Arc<App>> {
    Router::new()
        .route("/v3", get(keystone::version))
        .route(
            "/v3/auth/tokens",
            get(keystone::validate)
                .post(keystone::log_in)
                .delete(keystone::log_out),
        )
        .route("/v3/auth/projects", get(keystone::projects))
        .route("/v3/auth/domains", get(keystone::domains))
        .route("/v3/projects", get(keystone::projects))
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
async fn readyz(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    app.serving()?;
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        r#"{"status":"ready"}"#,
    ))
}
