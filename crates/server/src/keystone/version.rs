//! `GET /v3`: the version document, from which clients discover what there is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::hss;
use crate::keystone::links::Links;

pub(crate) async fn version(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let link = Links::of(&app, &headers)?.to("/v3");
    hss::json(&json!({"version": {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": link}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    }}))
}
