//! `GET …/tokens`, `…/access-keys`, `…/users`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{Api, Call, Caller, Entry, Kind, Proof, within};
use crate::error::ApiError;
use crate::hss::{decoded, json};
use crate::native::paging;

/// A credential as an administrator sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub(crate) struct Shown {
    id: String,
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    temporary: bool,
    project_id: String,
    #[schema(value_type = portolan_wire::credential::Role)]
    role: &'static str,
    enterprise_projects: Vec<String>,
    source: &'static str,
    /// Of an enrol key: how many hosts that it enrolled there are, and how many there may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts_max: Option<u32>,
    created_at: Option<UnixMicros>,
    expires_at: Option<UnixMicros>,
    last_used: Option<UnixMicros>,
}

impl Shown {
    pub(super) fn of(app: &App, entry: &Entry) -> Self {
        let name = Some(entry.name.clone());
        let enrol_key = match &entry.proof {
            Proof::EnrolKey(key) => Some(key),
            Proof::Token(_) | Proof::AccessKey(_) | Proof::User { .. } => None,
        };
        Self {
            id: entry.id.clone(),
            name: name.filter(|name| !name.is_empty()),
            domain: match &entry.proof {
                Proof::User { domain, .. } => Some(domain.clone()),
                Proof::Token(_) | Proof::AccessKey(_) | Proof::EnrolKey(_) => None,
            },
            temporary: match &entry.proof {
                Proof::AccessKey(key) => key.security_token.is_some(),
                Proof::Token(_) | Proof::User { .. } | Proof::EnrolKey(_) => false,
            },
            project_id: entry.grant.project_id.clone(),
            role: entry.grant.role.as_str(),
            enterprise_projects: entry.grant.enterprise_project_ids(),
            source: entry.source.as_str(),
            hosts: enrol_key.map(|_| app.credentials.enrolments.enrolled_by(&entry.id)),
            hosts_max: enrol_key.and_then(|key| key.hosts_max),
            created_at: entry.created_at,
            expires_at: entry.grant.expires_at,
            last_used: entry.last_used(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Credentials)]
pub(crate) struct List {
    total_num: usize,
    data_list: Vec<Shown>,
    next_cursor: Option<String>,
}

/// Whether a credential is one that the caller could have made in that project.
pub(crate) fn is_visible(entry: &Entry, caller: &Caller, project_id: &str) -> bool {
    entry.grant.project_id == project_id
        && within(&entry.grant.enterprise_projects, caller.granted())
}

pub(crate) async fn list(
    kind: Kind,
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::ListCredentials)?;
    let query = decoded(raw_query.as_deref())?;
    let limit = paging::limit(&query)?;
    let after = paging::cursor(&query, |text| Some(text.to_owned()))?;
    let all = app
        .credentials
        .list(kind, |entry| is_visible(entry, &caller, &project_id));
    let from = after.map_or(0, |after| all.partition_point(|entry| entry.id <= after));
    let rest = all.get(from..).unwrap_or_default();
    let page: Vec<&Arc<Entry>> = rest.iter().take(limit).collect();
    let last = page.last().filter(|_| rest.len() > limit);
    json(&List {
        total_num: all.len(),
        next_cursor: last.map(|entry| entry.id.clone()),
        data_list: page
            .into_iter()
            .map(|entry| Shown::of(&app, entry))
            .collect(),
    })
}
