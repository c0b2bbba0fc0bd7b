//! `POST …/access-keys`.
//!
//! A temporary one ends, and signs only beside its security token, as those do that a cloud's identity
//! service hands out: a secret key that leaks alone signs nothing.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::administration::create::{Asked, created, invalid, keep, read};
use crate::administration::list::Shown;
use crate::app::App;
use crate::credentials::{
    AccessKey, Api, Call, Caller, Entry, Proof, SigningKey, Source, TokenHash, random_ak,
    random_sk, random_token,
};
use crate::edge::Peer;
use crate::error::ApiError;

/// What an access key is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedAccessKey {
    name: Option<String>,
    role: String,
    enterprise_projects: Option<Vec<String>>,
    expires_at: Option<String>,
    #[serde(default)]
    temporary: bool,
}

/// What is answered: the access key, and this once its secrets.
#[derive(Serialize)]
struct Made {
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
    let AskedAccessKey {
        name,
        role,
        enterprise_projects,
        expires_at,
        temporary,
    } = read(&app, call).await?;
    let asked = Asked {
        name,
        role,
        enterprise_projects,
        expires_at,
    };
    let (name, grant) = asked.grant(&app, &caller, project_id)?;
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
    created(&Made {
        shown,
        ak,
        sk: sk.expose().to_owned(),
        security_token,
    })
}
