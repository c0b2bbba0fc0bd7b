//! `POST …/tokens`, `…/users`, and what every credential that is made has in common.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use portolan_census::Selection;
use portolan_store::{RecordChange, Submission};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::administration::act::{Intent, act};
use crate::administration::list::Shown;
use crate::app::App;
use crate::credentials::{
    Api, Call, Caller, Entry, Grant, Kind, Proof, Role, Secret, Source, TokenHash, encode,
    password_hash, random_id, random_token, selection, within,
};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::hss::json;
use crate::ingest::{body, submit};

/// What a token is to be. A field that is unknown is a mistake: one that was meant
/// to limit the credential must not be passed over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) name: Option<String>,
    pub(super) role: String,
    pub(super) enterprise_projects: Option<Vec<String>>,
    pub(super) expires_at: Option<String>,
}

/// What a user is to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedUser {
    name: String,
    domain: Option<String>,
    password: String,
    role: String,
    enterprise_projects: Option<Vec<String>>,
    expires_at: Option<String>,
}

/// What is answered: the credential, and this once its secret.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    shown: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

pub(crate) async fn create_token(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::CreateCredential)?;
    let asked: Asked = read(&app, call).await?;
    let (name, grant) = asked.grant(&app, &caller, project_id)?;
    let secret = random_token().map_err(ApiError::internal)?;
    let id = random_id().map_err(ApiError::internal)?;
    let proof = Proof::Token(TokenHash::of(&secret));
    let entry = Entry::new(id, name, grant, Source::Store, proof);
    let shown = keep(&app, &caller, peer, entry).await?;
    created(&Made {
        shown,
        secret: Some(secret),
    })
}

pub(crate) async fn create_user(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::CreateCredential)?;
    let AskedUser {
        name,
        domain,
        password,
        role,
        enterprise_projects,
        expires_at,
    } = read(&app, call).await?;
    let domain = domain.unwrap_or_else(|| "default".to_owned());
    length("name", &name, 1..=caps::STRING_CHARS_MAX)?;
    length("domain", &domain, 1..=caps::STRING_CHARS_MAX)?;
    length(
        "password",
        &password,
        caps::PASSWORD_CHARS_MIN..=caps::PASSWORD_CHARS_MAX,
    )?;
    let asked = Asked {
        name: Some(name),
        role,
        enterprise_projects,
        expires_at,
    };
    let (name, grant) = asked.grant(&app, &caller, project_id)?;
    let password = Secret::new(password);
    let hashing = tokio::task::spawn_blocking(move || password_hash(&password)).await;
    let password_argon2 = hashing
        .map_err(ApiError::internal)?
        .map_err(ApiError::internal)?;
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
    let shown = Shown::of(&entry);
    let work = {
        let app = Arc::clone(app);
        async move {
            let _one_at_a_time = app.changing_credentials.lock().await;
            let refused = |error| ApiError::new(ErrorCode::CredentialNotMade, format!("{error}"));
            app.credentials.may_make(&entry).map_err(refused)?;
            let (key, value) = encode(&entry).map_err(ApiError::internal)?;
            let change = RecordChange::put(key, value).map_err(ApiError::internal)?;
            submit(&app, |reply| Submission::records(vec![change], reply)).await?;
            app.credentials.insert_made(&entry);
            Ok(())
        }
    };
    act(app, intent, work).await?;
    Ok(shown)
}

impl Asked {
    pub(super) fn grant(
        self,
        app: &App,
        caller: &Caller,
        project_id: String,
    ) -> Result<(String, Grant), ApiError> {
        let name = self.name.unwrap_or_default();
        length("name", &name, 0..=caps::STRING_CHARS_MAX)?;
        let role =
            Role::read(&self.role).ok_or_else(|| invalid("role must be reader, agent or admin"))?;
        let expires_at = match self.expires_at {
            None => caller.expires_at(),
            Some(text) => Some(end(&text, app.now(), caller.expires_at())?),
        };
        let enterprise_projects = match self.enterprise_projects {
            None => caller.granted().clone(),
            Some(ids) if ids.len() > caps::CREDENTIAL_ENTERPRISE_PROJECTS_MAX => {
                return Err(invalid("enterprise_projects must name at most 1000"));
            }
            Some(ids) => selection(ids).map_err(|why| invalid(&why))?,
        };
        if !within(&enterprise_projects, caller.granted()) {
            let detail = "enterprise_projects must be granted to the credential that asks";
            return Err(ApiError::new(
                ErrorCode::EnterpriseProjectNotGranted,
                detail,
            ));
        }
        if let Selection::Of(ids) = &enterprise_projects
            && ids.iter().any(|id| id.as_str().contains('\0'))
        {
            return Err(invalid("enterprise_projects must hold no NUL"));
        }
        let grant = Grant {
            project_id,
            enterprise_projects,
            role,
            expires_at,
        };
        Ok((name, grant))
    }
}

/// When a credential is to end: not after the one that makes it, which would else outlive itself.
fn end(text: &str, now: UnixMicros, most: Option<UnixMicros>) -> Result<UnixMicros, ApiError> {
    let end: UnixMicros = text
        .parse()
        .map_err(|error| invalid(&format!("expires_at is {error}")))?;
    if end <= now {
        return Err(invalid("expires_at must be in the future"));
    }
    match most.filter(|most| end > *most) {
        None => Ok(end),
        Some(most) => Err(invalid(&format!(
            "expires_at must not be after {most}, when the credential that asks ends"
        ))),
    }
}

fn length(
    field: &str,
    text: &str,
    allowed: std::ops::RangeInclusive<usize>,
) -> Result<(), ApiError> {
    let chars = text.chars().count();
    if allowed.contains(&chars) && !text.contains('\0') {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    Err(invalid(&format!(
        "{field} must be {least} to {most} characters without NUL, got {chars}"
    )))
}

pub(super) fn invalid(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::FieldInvalid, detail)
}

pub(super) async fn read<T: DeserializeOwned + Send + 'static>(
    app: &App,
    call: Call,
) -> Result<T, ApiError> {
    let parse = |bytes: &[u8]| serde_json::from_slice(bytes);
    let parsed: Result<T, serde_json::Error> =
        body::read(&app.room, app.limits.body, &call.headers, call.body, parse).await?;
    parsed.map_err(|error| {
        let code = if error.is_data() {
            ErrorCode::FieldInvalid
        } else {
            ErrorCode::NotJson
        };
        ApiError::new(code, error.to_string())
    })
}

pub(super) fn created(made: &impl Serialize) -> Result<Response, ApiError> {
    Ok((StatusCode::CREATED, json(made)?).into_response())
}
