//! Every route, and what answers where there is none.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post};
use portolan_wire::error::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::cluster::{self, Cluster};
use crate::credentials::{Kind, is_signed_request};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::hss::json;
use crate::{administration, changes, enrolment, hss, ingest, keystone, metrics, native, openapi};

/// The routes of a server that serves.
pub(crate) fn router(app: Arc<App>) -> Router {
    let with_credentials = hss_routes()
        .into_iter()
        .chain(native_routes())
        .chain(credential_routes())
        .chain(keystone_routes());
    let routes = add(Router::new(), with_credentials);
    // Only where there is something to learn from: a layer costs each request.
    let routes = match app.external {
        None => routes,
        Some(_) => routes.route_layer(from_fn_with_state(Arc::clone(&app), learn)),
    };
    let routes = match app.cluster {
        None => routes,
        Some(_) => routes.route_layer(from_fn_with_state(Arc::clone(&app), cluster::guard)),
    };
    add(routes, operations_routes())
        .method_not_allowed_fallback(no_such_api)
        .fallback(no_such_api)
        .with_state(app)
}

fn add(
    router: Router<Arc<App>>,
    routes: impl IntoIterator<Item = (&'static str, MethodRouter<Arc<App>>)>,
) -> Router<Arc<App>> {
    let routes = routes.into_iter();
    routes.fold(router, |router, (path, methods)| {
        router.route(path, methods)
    })
}

/// Asks the Keystone elsewhere about a token that is unknown here, before a handler looks at it.
async fn learn(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut tokens = request.headers().get_all("x-auth-token").iter();
    let token = match (tokens.next().map(HeaderValue::to_str), tokens.next()) {
        (Some(Ok(token)), None) => token,
        // The handler says what is wrong.
        _ => return next.run(request).await,
    };
    // A token that is not looked at is not asked about: a signature proves itself, and so does a log-in.
    let is_looked_at = !is_signed_request(request.headers())
        && (request.uri().path() != LOG_IN || request.method() != Method::POST);
    let from = request.extensions().get::<Peer>();
    if let (Some(external), None, Some(Peer(from)), true) = (
        &app.external,
        app.credentials.token(token),
        from,
        is_looked_at,
    ) && let Err(error) = external.learn(token, *from).await
    {
        return error.into_response();
    }
    next.run(request).await
}

type Routes = Vec<(&'static str, MethodRouter<Arc<App>>)>;

/// A path of the native API of one project.
macro_rules! native {
    ($rest:literal) => {
        concat!("/portolan/v1/projects/{project_id}", $rest)
    };
}

fn hss_routes() -> Routes {
    vec![
        (
            "/v5/{project_id}/asset/port/statistics",
            get(hss::port_statistics),
        ),
        (
            "/v5/{project_id}/asset/statistics",
            get(hss::asset_statistics),
        ),
        (
            "/v5/{project_id}/asset/common-port-info",
            get(hss::common_port_info),
        ),
        (
            "/v5/{project_id}/asset/batch-modify-port-status",
            post(hss::batch_modify_port_status),
        ),
        (
            "/v5/{project_id}/asset/overview/statistics/top/port",
            get(hss::top_ports),
        ),
        ("/v5/{project_id}/asset/ports", get(hss::host_ports)),
        ("/v5/{project_id}/asset/ports/detail", get(hss::port_hosts)),
        ("/v5/{project_id}/host-management/hosts", get(hss::hosts)),
    ]
}

fn native_routes() -> Routes {
    vec![
        (native!("/reports"), post(ingest::reports)),
        (native!("/heartbeats"), post(ingest::heartbeats)),
        (native!("/statistics"), get(native::statistics)),
        (native!("/statistics/diff"), get(native::diff)),
        (native!("/exposures"), get(native::exposures)),
        (native!("/hosts"), get(native::hosts)),
        (
            native!("/hosts/{host_id}"),
            get(native::host).delete(administration::remove_host),
        ),
        (native!("/ports/{port}/assets"), get(native::assets)),
        (native!("/export"), get(native::export)),
        (native!("/enrol"), post(enrolment::enrol)),
        (native!("/enrol/rotate"), post(enrolment::rotate)),
        (native!("/enrolments"), get(enrolment::list)),
        (native!("/enrolments/{host_id}"), delete(enrolment::release)),
        (native!("/recount"), get(native::recount)),
        (native!("/changes"), get(changes::changes)),
        (native!("/changes/stream"), get(changes::stream)),
        ("/portolan/v1/credential", get(native::credential)),
        ("/portolan/v1/backup", get(native::backup)),
    ]
}

/// Making, listing and revoking credentials, for each kind the same.
fn credential_routes() -> Routes {
    vec![
        (
            native!("/tokens"),
            get(|a, b, c, d| administration::list(Kind::Token, a, b, c, d))
                .post(administration::create_token),
        ),
        (
            native!("/tokens/{id}"),
            delete(|a, b, c, d| administration::revoke(Kind::Token, a, b, c, d)),
        ),
        (
            native!("/access-keys"),
            get(|a, b, c, d| administration::list(Kind::AccessKey, a, b, c, d))
                .post(administration::create_access_key),
        ),
        (
            native!("/access-keys/{id}"),
            delete(|a, b, c, d| administration::revoke(Kind::AccessKey, a, b, c, d)),
        ),
        (
            native!("/users"),
            get(|a, b, c, d| administration::list(Kind::User, a, b, c, d))
                .post(administration::create_user),
        ),
        (
            native!("/users/{id}"),
            delete(|a, b, c, d| administration::revoke(Kind::User, a, b, c, d)),
        ),
        (
            native!("/enrol-keys"),
            get(|a, b, c, d| administration::list(Kind::EnrolKey, a, b, c, d))
                .post(administration::create_enrol_key),
        ),
        (
            native!("/enrol-keys/{id}"),
            delete(|a, b, c, d| administration::revoke(Kind::EnrolKey, a, b, c, d)),
        ),
    ]
}

/// Where clients of Keystone log in.
const LOG_IN: &str = "/v3/auth/tokens";

/// What clients of Keystone ask for.
fn keystone_routes() -> Routes {
    vec![
        ("/v3", get(keystone::version)),
        (
            LOG_IN,
            get(keystone::validate)
                .post(keystone::log_in)
                .delete(keystone::log_out),
        ),
        ("/v3/auth/projects", get(keystone::projects)),
        ("/v3/auth/domains", get(keystone::domains)),
        ("/v3/projects", get(keystone::projects)),
    ]
}

fn operations_routes() -> Routes {
    vec![
        ("/healthz", get(healthz)),
        ("/readyz", get(readyz)),
        ("/metrics", get(metrics::metrics)),
        ("/openapi.json", get(openapi::openapi)),
        ("/docs", get(openapi::docs)),
        ("/docs/style.css", get(openapi::style)),
    ]
}

/// The routes of a server that is starting.
pub(crate) fn starting() -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .fallback(not_yet)
}

async fn not_yet() -> ApiError {
    ApiError::new(ErrorCode::NotServing, "it is starting")
}

/// A wrong method gets the same answer; the router adds the Allow header.
async fn no_such_api() -> ApiError {
    ApiError::of(ErrorCode::ApiNotFound)
}

/// What a probe is answered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
}

/// The process runs and answers.
async fn healthz() -> Result<Response, ApiError> {
    json(&Health { status: "ok" })
}

/// The census has caught up, and the server is not about to end.
async fn readyz(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    app.serving()?;
    app.cluster.as_ref().map_or(Ok(()), Cluster::close_enough)?;
    json(&Health { status: "ready" })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let all = [
            hss_routes(),
            native_routes(),
            credential_routes(),
            keystone_routes(),
            operations_routes(),
        ];
        let routes: BTreeSet<&str> = all.iter().flatten().map(|(path, _)| *path).collect();
        assert_eq!(routes, openapi::paths().into_iter().collect());
    }
}
