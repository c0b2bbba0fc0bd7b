//! `DELETE …/tokens/{id}`, `…/access-keys/{id}`, `…/users/{id}`.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portolan_store::{RecordChange, RecordKey};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;

use crate::administration::act::{Intent, act};
use crate::administration::list::is_visible;
use crate::app::App;
use crate::credentials::{Api, Call, Caller, Entry, Kind, Parent, Source, change_records};
use crate::edge::Peer;
use crate::error::ApiError;

pub(crate) async fn revoke(
    kind: Kind,
    State(app): State<Arc<App>>,
    Path((project_id, id)): Path<(String, String)>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<StatusCode, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::RevokeCredential)?;
    let action = match kind {
        Kind::Token => "token.revoke",
        Kind::AccessKey => "access-key.revoke",
        Kind::User => "user.revoke",
        Kind::EnrolKey => "enrol-key.revoke",
    };
    let named: String = id.chars().take(caps::AUDIT_TARGET_CHARS_MAX).collect();
    let target = format!("{project_id}/{}/{named}", kind.as_str());
    let intent = Intent::new(caller.id(), peer, action, target);
    let work = {
        let app = Arc::clone(&app);
        async move { remove(&app, &caller, kind, &project_id, id).await }
    };
    act(&app, intent, work).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    app: &App,
    caller: &Caller,
    kind: Kind,
    project_id: &str,
    id: String,
) -> Result<(), ApiError> {
    let _one_at_a_time = app.changing_credentials.lock().await;
    change_records(app, || {
        let entry = revocable(app, caller, kind, project_id, &id)?;
        // With it, in one write, all tokens that it logged in for.
        let sessions = app.credentials.sessions.of(&Parent::of(&entry));
        let keys = sessions.iter().map(|session| session.key());
        let key = RecordKey {
            kind: kind.record(),
            id: id.clone(),
        };
        let changes = keys.chain([key]).map(RecordChange::remove).collect();
        Ok((changes, ()))
    })
    .await
}

/// The credential, if it is the caller's to revoke here.
fn revocable(
    app: &App,
    caller: &Caller,
    kind: Kind,
    project_id: &str,
    id: &str,
) -> Result<Arc<Entry>, ApiError> {
    let entry = app
        .credentials
        .get(kind, id)
        .filter(|entry| is_visible(entry, caller, project_id))
        .ok_or_else(|| ApiError::of(ErrorCode::CredentialUnknown))?;
    let elsewhere = |detail| Err(ApiError::new(ErrorCode::CredentialNotRevocable, detail));
    match entry.source {
        Source::Store => {}
        Source::File => {
            return elsewhere(
                "It stands in the credentials file: take it out there and send the server SIGHUP",
            );
        }
        Source::Keystone => return elsewhere("It is a token of Keystone's: revoke it there"),
        Source::FirstStart => {
            return elsewhere(
                "It is the first start's: make another administrator's token for project *, remove admin-token from the data folder, and send the server SIGHUP",
            );
        }
    }
    Ok(entry)
}
