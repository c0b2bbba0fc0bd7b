//! `GET /portolan/v1/credential`: what the caller's own credential is for, so that a client that was
//! given a token need not be told the project as well.

use axum::response::Response;
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::credentials::{Api, Call};
use crate::error::ApiError;
use crate::hss::json;

#[derive(Serialize, ToSchema)]
#[schema(as = OwnCredential)]
pub(crate) struct Credential {
    project_id: String,
    enterprise_projects: Vec<String>,
    #[schema(value_type = portolan_wire::credential::Role)]
    role: &'static str,
    /// The only host that it speaks for, where it is one host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_id: Option<String>,
    expires_at: Option<UnixMicros>,
}

pub(crate) async fn credential(call: Call) -> Result<Response, ApiError> {
    let entry = call.credential(Api::OwnCredential)?;
    let grant = &entry.grant;
    json(&Credential {
        project_id: grant.project_id.clone(),
        enterprise_projects: grant.enterprise_project_ids(),
        role: grant.role.as_str(),
        host_id: entry.host_id.clone(),
        expires_at: grant.expires_at,
    })
}
