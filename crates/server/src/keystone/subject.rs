//! `GET` and `DELETE /v3/auth/tokens`: looking at a token and revoking it, by who may.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use portolan_store::RecordChange;
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;

use crate::app::App;
use crate::credentials::{Api, Call, Entry, Method, Parent, Role, Scope, change_records, within};
use crate::error::ApiError;
use crate::hss;
use crate::keystone::answer::{Holder, Told};
use crate::keystone::links::Links;
use crate::keystone::log_in::{SUBJECT_TOKEN, catalog, told};

pub(crate) async fn validate(
    State(app): State<Arc<App>>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let subject = subject(&app, &call)?;
    let links = Links::of(&app, &call.headers)?;
    let catalog = catalog(raw_query.as_deref(), &links)?;
    let body = match app.credentials.session(&subject) {
        Some(session) => {
            let holder = app.credentials.parent(&session.parent);
            let holder = holder.ok_or_else(unknown)?;
            told(&session, &holder).body(catalog)
        }
        None => Told {
            holder: Holder(&subject),
            entry: &subject,
            methods: &[Method::Token],
            scope: Scope::Project,
            issued_at: subject.created_at.unwrap_or(UnixMicros(0)),
        }
        .body(catalog),
    };
    // What was sent comes back, as Keystone does it.
    let token = call
        .headers
        .get(SUBJECT_TOKEN)
        .cloned()
        .ok_or_else(unknown)?;
    Ok(([(SUBJECT_TOKEN, token)], hss::json(&body)?).into_response())
}

pub(crate) async fn log_out(
    State(app): State<Arc<App>>,
    call: Call,
) -> Result<StatusCode, ApiError> {
    app.serving()?;
    let subject = subject(&app, &call)?;
    let whole = async move {
        let _one_at_a_time = app.changing_credentials.lock().await;
        let no_session = || {
            let detail = "It was made by an administrator, who can revoke it: DELETE /portolan/v1/projects/{project_id}/tokens/{id}.";
            ApiError::new(ErrorCode::CredentialNotRevocable, detail)
        };
        change_records(&app, || {
            let session = app.credentials.session(&subject).ok_or_else(no_session)?;
            let change = RecordChange::remove(session.key());
            Ok((vec![change], StatusCode::NO_CONTENT))
        })
        .await
    };
    let done = tokio::spawn(whole).await;
    done.map_err(ApiError::internal)?
}

fn unknown() -> ApiError {
    ApiError::new(ErrorCode::CredentialUnknown, "Or it is not yours to see.")
}

/// The token that a request is about, if its caller may see it: its own, one that comes from the same
/// credential, and to an administrator one that it could have granted.
fn subject(app: &App, call: &Call) -> Result<Arc<Entry>, ApiError> {
    let caller = call.credential(Api::Identity)?;
    let mut given = call.headers.get_all(SUBJECT_TOKEN).iter();
    let (Some(token), None) = (given.next(), given.next()) else {
        let detail = "X-Subject-Token must be given once.";
        return Err(ApiError::new(ErrorCode::RequestError, detail));
    };
    let token = std::str::from_utf8(token.as_bytes()).map_err(|_| unknown())?;
    let subject = app.credentials.token(token).ok_or_else(unknown)?;
    let origin = |entry: &Entry| {
        let session = app.credentials.session(entry);
        session.map_or_else(|| Parent::of(entry), |session| session.parent.clone())
    };
    let parent = app
        .credentials
        .parent(&origin(&subject))
        .ok_or_else(unknown)?;
    let administers = caller.grant.role == Role::Admin
        && caller.grant.is_for(&parent.grant.project_id)
        && within(
            &parent.grant.enterprise_projects,
            &caller.grant.enterprise_projects,
        );
    let may_see = origin(caller) == origin(&subject) || administers;
    if !may_see || subject.is_expired(app.now()) {
        return Err(unknown());
    }
    Ok(subject)
}
