//! `POST …/enrol`: a host gets its own token for an enrol key.
//!
//! An answer may be lost. Who made the retry key of the enrolment may ask again until the token was used
//! for the first time; nobody else may, whatever enrol key it has.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::enrolment::EnrolRequest;
use portolan_wire::error::ErrorCode;
use portolan_wire::ids::EnterpriseProjectId;

use super::{host_token, keep, speaks_for, target};
use crate::administration::{Intent, act, created, read};
use crate::app::App;
use crate::credentials::{
    Api, Call, Caller, Enrolment, Grant, Proof, Role, TokenHash, host_entry, random_token,
};
use crate::edge::Peer;
use crate::error::ApiError;

pub(crate) async fn enrol(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Enrol)?;
    let asked = read(&app, &caller, call, EnrolRequest::parse).await?;
    speaks_for(&caller, &asked.host_id)?;
    let group = EnterpriseProjectId::from(asked.enterprise_project_id);
    if !caller.granted().holds(&group) {
        let detail = "enterprise_project_id must be granted to the credential that asks";
        return Err(ApiError::new(
            ErrorCode::EnterpriseProjectNotGranted,
            detail,
        ));
    }
    let intent = Intent::new(
        caller.id(),
        peer,
        "host.enrol",
        target(&project_id, &asked.host_id),
    )
    .detail(format!("enterprise project {group}"));
    let secret = random_token().map_err(ApiError::internal)?;
    let grant = Grant {
        project_id,
        enterprise_projects: Selection::of([group]),
        role: Role::Agent,
        expires_at: None,
    };
    let (now, by) = (app.now(), caller.id().to_owned());
    let entry = host_entry(grant, asked.host_id, TokenHash::of(&secret), now, by);
    let enrolment = Enrolment {
        entry: Arc::new(entry),
        next: None,
        retry: asked.retry_key.as_deref().map(TokenHash::of),
        enrolled_at: now,
        reported: false,
    };
    let answer = host_token(&enrolment, secret);
    let work = {
        let app = Arc::clone(&app);
        async move {
            let _one_at_a_time = app.changing_credentials.lock().await;
            keep(&app, || {
                may_enrol(&app, &caller, &enrolment)?;
                let enrolments = &app.credentials.enrolments;
                let held = enrolments.of_host(enrolment.project_id(), enrolment.host_id());
                Ok(Some(Enrolment {
                    reported: held.is_some_and(|held| held.reported),
                    ..enrolment.clone()
                }))
            })
            .await
        }
    };
    act(&app, intent, work).await?;
    created(&answer)
}

/// Whether the host may be enrolled now. What is checked holds until it is: the caller holds
/// `changing_credentials`.
fn may_enrol(app: &App, caller: &Caller, wanted: &Enrolment) -> Result<(), ApiError> {
    let hosts_max = match &caller.entry().proof {
        Proof::EnrolKey(key) => key.hosts_max,
        Proof::Token(_) | Proof::AccessKey(_) | Proof::User { .. } => None,
    };
    // Revoked since it was looked at?
    let is_there = |role| role != Role::Enrol || app.credentials.is_there(caller.entry());
    if !is_there(caller.entry().grant.role) {
        return Err(ApiError::of(ErrorCode::Unauthenticated).told_to(caller.id()));
    }
    let enrolments = &app.credentials.enrolments;
    if let Some(held) = enrolments.of_host(wanted.project_id(), wanted.host_id()) {
        return may_replace(&held, wanted);
    }
    let not_made = |detail: String| Err(ApiError::new(ErrorCode::CredentialNotMade, detail));
    if enrolments.len() >= caps::ENROLMENTS_MAX {
        let most = caps::ENROLMENTS_MAX;
        return not_made(format!(
            "the server keeps at most {most} enrolled hosts: release some"
        ));
    }
    match hosts_max {
        Some(most) if enrolments.enrolled_by(caller.id()) >= most as usize => not_made(format!(
            "the enrol key is for {most} hosts at a time: release some, or make another one"
        )),
        Some(_) | None => Ok(()),
    }
}

/// Whether it is the same enrolment, whose answer was lost.
fn may_replace(held: &Enrolment, wanted: &Enrolment) -> Result<(), ApiError> {
    let is_same = held.retry.is_some()
        && held.retry == wanted.retry
        && held.enrolled_by() == wanted.enrolled_by()
        && held.entry.grant == wanted.entry.grant;
    if is_same {
        return Ok(());
    }
    let detail = "Its own token gets another one at POST …/enrol/rotate; to enrol it anew, an administrator releases it: DELETE …/enrolments/{host_id}";
    Err(ApiError::new(ErrorCode::HostEnrolled, detail))
}
