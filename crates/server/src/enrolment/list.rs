//! `GET …/enrolments`: which hosts have a token of their own.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::administration::credential_is_visible;
use crate::app::App;
use crate::credentials::{Api, Call, Caller, Enrolment, Kind, within};
use crate::error::ApiError;
use crate::hss::{decoded, json};
use crate::native::paging;

/// An enrolled host.
#[derive(Serialize, ToSchema)]
#[schema(as = Enrolment)]
struct Shown {
    /// The id of its credential in the audit log.
    id: String,
    host_id: String,
    enterprise_project_id: String,
    enrolled_at: UnixMicros,
    /// The enrol key, or the administrator's credential, by which it was enrolled; null where that is
    /// revoked, or not the caller's to see. The audit log has it all the same.
    enrolled_by: Option<String>,
    /// Since when the token is there that it uses.
    token_made_at: Option<UnixMicros>,
    /// Whether another token was given out that was not used yet.
    rotating: bool,
    last_used: Option<UnixMicros>,
}

impl Shown {
    fn of(app: &App, caller: &Caller, enrolment: &Enrolment) -> Self {
        let entry = &enrolment.entry;
        Self {
            id: entry.id.clone(),
            host_id: enrolment.host_id().to_owned(),
            enterprise_project_id: entry.grant.enterprise_project_ids().concat(),
            enrolled_at: enrolment.enrolled_at,
            enrolled_by: enrolled_by(app, caller, enrolment),
            token_made_at: entry.created_at,
            rotating: enrolment.next.is_some(),
            last_used: entry.last_used(),
        }
    }
}

fn enrolled_by(app: &App, caller: &Caller, enrolment: &Enrolment) -> Option<String> {
    let id = enrolment.enrolled_by();
    let kinds = [Kind::EnrolKey, Kind::Token, Kind::AccessKey, Kind::User];
    let mut found = kinds
        .into_iter()
        .filter_map(|kind| app.credentials.get(kind, id));
    let may_see = caller.entry().grant.is_whole_server()
        || found.any(|by| credential_is_visible(&by, caller, enrolment.project_id()));
    may_see.then(|| id.to_owned())
}

#[derive(Serialize, ToSchema)]
#[schema(as = Enrolments)]
pub(crate) struct EnrolmentList {
    total_num: usize,
    data_list: Vec<Shown>,
    next_cursor: Option<String>,
}

/// Whether it is one of the caller's enterprise projects.
pub(super) fn is_visible(enrolment: &Enrolment, caller: &Caller) -> bool {
    let grant = &enrolment.entry.grant;
    within(&grant.enterprise_projects, caller.granted())
}

pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::ListEnrolments)?;
    let query = decoded(raw_query.as_deref())?;
    let limit = paging::limit(&query)?;
    let after = paging::cursor(&query, |text| Some(text.to_owned()))?;
    // One more than the page says whether there is another page.
    let (total_num, mut page) =
        app.credentials
            .enrolments
            .page(&project_id, after.as_deref(), limit + 1, |enrolment| {
                is_visible(enrolment, &caller)
            });
    let is_more = page.len() > limit;
    page.truncate(limit);
    let last = page.last().filter(|_| is_more);
    json(&EnrolmentList {
        total_num,
        next_cursor: last.map(|last| last.host_id().to_owned()),
        data_list: page
            .iter()
            .map(|enrolment| Shown::of(&app, &caller, enrolment))
            .collect(),
    })
}
