//! `POST …/access-keys`.
//!
//! A temporary one ends, and signs only beside its security token, as those do that a cloud's identity
//! service hands out: a secret key that leaks alone signs nothing.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use portolan_wire::credential::{AccessKeyRequest, CredentialRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::administration::create::{created, grant, invalid, keep, read};
use crate::administration::list::Shown;
use crate::app::App;
use crate::credentials::{
    AccessKey, Api, Call, Caller, Entry, Proof, SigningKey, Source, TokenHash, random_ak,
    random_sk, random_token,
};
use crate::edge::Peer;
use crate::error::ApiError;

/// What is answered: the access key, and this once its secrets.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeAccessKey)]
pub(crate) struct MadeAccessKey {
    #[serde(flatten)]
    shown: Shown,
    ak: String,
    sk: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    security_token: Option<String>,
}

pub(crate) async fn create_access_key(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::CreateCredential)?;
    let asked = read(&app, &caller, call, AccessKeyRequest::parse).await?;
    let (name, temporary) = (asked.name.clone(), asked.temporary);
    let wishes = CredentialRequest {
        name: asked.name,
        role: asked.role,
        enterprise_projects: asked.enterprise_projects,
        expires_at: asked.expires_at,
    };
    let grant = grant(&app, &caller, project_id, wishes)?;
    if temporary && grant.expires_at.is_none() {
        return Err(invalid("expires_at is required of a temporary access key"));
    }
    let (ak, sk) = (random_ak(), random_sk());
    let (ak, sk) = (
        ak.map_err(ApiError::internal)?,
        sk.map_err(ApiError::internal)?,
    );
    let security_token = temporary.then(random_token).transpose();
    let security_token = security_token.map_err(ApiError::internal)?;
    let proof = Proof::AccessKey(AccessKey {
        sealed: Some(app.seal_key.seal(&ak, &sk).map_err(ApiError::internal)?),
        security_token: security_token.as_deref().map(TokenHash::of),
    });
    let entry = Entry::new(ak.clone(), name, grant, Source::Store, proof)
        .signing_with(SigningKey::new(sk.expose()));
    let shown = keep(&app, &caller, peer, entry).await?;
    created(&MadeAccessKey {
        shown,
        ak,
        sk: sk.expose().to_owned(),
        security_token,
    })
}
