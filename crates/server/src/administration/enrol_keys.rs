//! `POST …/enrol-keys`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use portolan_wire::credential::{CredentialRequest, EnrolKeyRequest};

use crate::administration::create::{Made, created, grant, keep, read};
use crate::app::App;
use crate::credentials::{
    Api, Call, Caller, EnrolKey, Entry, Proof, Role, Source, TokenHash, random_id, random_token,
};
use crate::edge::Peer;
use crate::error::ApiError;

pub(crate) async fn create_enrol_key(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::CreateCredential)?;
    let asked = read(&app, &caller, call, EnrolKeyRequest::parse).await?;
    let (name, hosts_max) = (asked.name.clone(), asked.hosts_max);
    let wishes = CredentialRequest {
        name: asked.name,
        role: Role::Enrol,
        enterprise_projects: asked.enterprise_projects,
        expires_at: asked.expires_at,
    };
    let grant = grant(&app, &caller, project_id, wishes)?;
    let secret = random_token().map_err(ApiError::internal)?;
    let id = random_id().map_err(ApiError::internal)?;
    let token = TokenHash::of(&secret);
    let proof = Proof::EnrolKey(EnrolKey { token, hosts_max });
    let entry = Entry::new(id, name, grant, Source::Store, proof);
    let shown = keep(&app, &caller, peer, entry).await?;
    created(&Made::with(shown, secret))
}
