//! `POST …/tokens`, `…/users`, and what every credential that is made has in common.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use portolan_store::RecordChange;
use portolan_wire::credential::{CredentialRequest, UserRequest};
use portolan_wire::error::ErrorCode;
use portolan_wire::report::RequestFault;
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::administration::act::{Intent, act};
use crate::administration::list::Shown;
use crate::app::App;
use crate::credentials::{
    Api, Call, Caller, Entry, Grant, Kind, Proof, Secret, Source, TokenHash, change_records,
    encode, password_hash, random_id, random_token, selection, within,
};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::hss::json;
use crate::ingest::body;

/// What is answered: the credential, and this once its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeCredential)]
pub(crate) struct Made {
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Made {
    pub(super) fn with(shown: Shown, secret: String) -> Self {
        Self {
            shown,
            secret: Some(secret),
        }
    }
}

pub(crate) async fn create_token(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::CreateCredential)?;
    let asked = read(&app, &caller, call, CredentialRequest::parse).await?;
    let name = asked.name.clone();
    let grant = grant(&app, &caller, project_id, asked)?;
    let secret = random_token().map_err(ApiError::internal)?;
    let id = random_id().map_err(ApiError::internal)?;
    let proof = Proof::Token(TokenHash::of(&secret));
    let entry = Entry::new(id, name, grant, Source::Store, proof);
    let shown = keep(&app, &caller, peer, entry).await?;
    created(&Made::with(shown, secret))
}

pub(crate) async fn create_user(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::CreateCredential)?;
    let asked = read(&app, &caller, call, UserRequest::parse).await?;
    let (name, domain, password) = (asked.name, asked.domain, Secret::new(asked.password));
    let wishes = CredentialRequest {
        name: name.clone(),
        role: asked.role,
        enterprise_projects: asked.enterprise_projects,
        expires_at: asked.expires_at,
    };
    let grant = grant(&app, &caller, project_id, wishes)?;
    let hashing = app
        .logins
        .in_turn(caller.id(), move || password_hash(&password));
    let password_argon2 = hashing.await?.map_err(ApiError::internal)?;
    let proof = Proof::User {
        domain,
        password_argon2,
    };
    let id = random_id().map_err(ApiError::internal)?;
    let entry = Entry::new(id, name, grant, Source::Store, proof);
    let shown = keep(&app, &caller, peer, entry).await?;
    created(&Made {
        shown,
        secret: None,
    })
}

/// Makes a credential durable, enters it, and tells the audit log.
pub(super) async fn keep(
    app: &Arc<App>,
    caller: &Caller,
    peer: Peer,
    entry: Entry,
) -> Result<Shown, ApiError> {
    let entry = Arc::new(entry.made(app.now(), caller.id().to_owned()));
    let kind = entry.proof.kind();
    let target = format!("{}/{}/{}", entry.grant.project_id, kind.as_str(), entry.id);
    let action = match kind {
        Kind::Token => "token.create",
        Kind::AccessKey => "access-key.create",
        Kind::User => "user.create",
        Kind::EnrolKey => "enrol-key.create",
    };
    let detail = format!(
        "role {}, enterprise projects {}, expires {}",
        entry.grant.role.as_str(),
        entry.grant.enterprise_project_ids().join(" "),
        entry
            .grant
            .expires_at
            .map_or("never".to_owned(), |end| end.to_string())
    );
    let intent = Intent::new(caller.id(), peer, action, target).detail(detail);
    let shown = Shown::of(app, &entry);
    let work = {
        let app = Arc::clone(app);
        async move {
            let _one_at_a_time = app.changing_credentials.lock().await;
            let refused = |error| ApiError::new(ErrorCode::CredentialNotMade, format!("{error}"));
            change_records(&app, || {
                app.credentials.may_make(&entry).map_err(refused)?;
                let (key, value) = encode(&entry).map_err(ApiError::internal)?;
                let change = RecordChange::put(key, value).map_err(ApiError::internal)?;
                Ok((vec![change], ()))
            })
            .await
        }
    };
    act(app, intent, work).await?;
    Ok(shown)
}

/// What a credential is to grant, which is no more than the one that asks has.
pub(super) fn grant(
    app: &App,
    caller: &Caller,
    project_id: String,
    asked: CredentialRequest,
) -> Result<Grant, ApiError> {
    let expires_at = match asked.expires_at {
        None => caller.expires_at(),
        Some(end) => Some(ending(end, app.now(), caller.expires_at())?),
    };
    let enterprise_projects = match asked.enterprise_projects {
        None => caller.granted().clone(),
        Some(ids) => selection(ids).map_err(|why| invalid(&why))?,
    };
    if !within(&enterprise_projects, caller.granted()) {
        let detail = "enterprise_projects must be granted to the credential that asks";
        return Err(ApiError::new(
            ErrorCode::EnterpriseProjectNotGranted,
            detail,
        ));
    }
    Ok(Grant {
        project_id,
        enterprise_projects,
        role: asked.role,
        expires_at,
    })
}

/// When a credential is to end: not after the one that makes it, which would else outlive itself.
fn ending(
    end: UnixMicros,
    now: UnixMicros,
    most: Option<UnixMicros>,
) -> Result<UnixMicros, ApiError> {
    if end <= now {
        return Err(invalid(&format!(
            "expires_at must be in the future, got {end}"
        )));
    }
    match most.filter(|most| end > *most) {
        None => Ok(end),
        Some(most) => Err(invalid(&format!(
            "expires_at must not be after {most}, when the credential that asks ends, got {end}"
        ))),
    }
}

pub(super) fn invalid(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::FieldInvalid, detail)
}

pub(crate) async fn read<T: Send + 'static>(
    app: &App,
    caller: &Caller,
    call: Call,
    parse: impl FnOnce(&[u8]) -> Result<T, RequestFault> + Send + 'static,
) -> Result<T, ApiError> {
    let (room, time) = (&app.room, app.limits.body);
    let parsed = body::read(room, caller.id(), time, &call.headers, call.body, parse).await?;
    parsed.map_err(|fault| ApiError::new(fault.code, fault.message))
}

pub(crate) fn created(made: &impl Serialize) -> Result<Response, ApiError> {
    Ok((StatusCode::CREATED, json(made)?).into_response())
}
