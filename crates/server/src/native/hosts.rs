//! `GET …/hosts` and `GET …/hosts/{host_id}`.
//!
//! The census knows which hosts there are and how fresh; their names and ports come from the store,
//! one read a host of the page. Of a host that is enrolled and has not reported nothing else is known.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Freshness, Host, Selection};
use portolan_store::history::{HostAt, host_at};
use portolan_store::{Snapshot, stored_snapshot_of};
use portolan_wire::digest::Digest;
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, json};
use crate::native::freshness::{self, Hosts};
use crate::native::listed::{Listed, ListedPage};
use crate::native::paging;
use crate::native::shown::{ShownAgent, ShownCoverage, ShownPort};
use crate::past;

#[derive(Serialize, ToSchema)]
#[schema(as = NativeHosts)]
pub(crate) struct HostList {
    hosts: Hosts,
    total_num: u64,
    data_list: Vec<HostRow>,
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NativeHostRow)]
pub(crate) struct HostRow {
    host_id: String,
    host_name: Option<String>,
    host_ip: Option<String>,
    enterprise_project_id: String,
    /// Of a past moment `null`, as freshness and conflict are: they are known of now only. Of a host
    /// that never reported, too.
    last_seen: Option<UnixMicros>,
    freshness: Option<&'static str>,
    retired_at: Option<UnixMicros>,
    identity_conflict: Option<bool>,
    open_ports: u32,
    /// `null` where it never reported.
    coverage: Option<ShownCoverage>,
    agent: Option<ShownAgent>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NativeHost)]
pub(crate) struct HostPage {
    as_of: UnixMicros,
    #[serde(flatten)]
    row: HostRow,
    host_ips: Vec<String>,
    os_type: Option<String>,
    os_name: Option<String>,
    kernel_version: Option<String>,
    agent_id: Option<String>,
    /// What is of its last report: `null` where it never reported.
    generation: Option<u64>,
    sequence: Option<u64>,
    digest: Option<Digest>,
    observed_at: Option<UnixMicros>,
    committed_at: Option<UnixMicros>,
    data_list: Vec<ShownPort>,
}

pub(crate) async fn hosts(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Hosts)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = paging::selection(&query, &caller)?;
    let limit = paging::limit(&query)?;
    let after = paging::cursor(&query, |text| Some(text.to_owned()))?;
    let asked = freshness::of_hosts(&query)?;
    past::only_now(&query)?;
    let page = move |app: &App| {
        let state = app.state();
        let after = after.as_deref();
        let page = ListedPage::of(&state, &project_id, &selection, asked, after, limit);
        let hosts = Hosts::of(&state, &project_id, &selection);
        host_list(app, &project_id, caller.granted(), hosts, &page)
    };
    json(&app.reading(page).await?)
}

fn host_list(
    app: &App,
    project_id: &str,
    granted: &Selection,
    hosts: Hosts,
    page: &ListedPage,
) -> Result<HostList, ApiError> {
    let mut data_list = Vec::with_capacity(page.hosts.len());
    for listed in &page.hosts {
        let host = match listed {
            Listed::Held(host) => host,
            Listed::Awaited(id, enterprise_project) => {
                data_list.push(awaited_row(id.as_str(), enterprise_project));
                continue;
            }
        };
        // A host that went, came back or moved away since the view was published is not told of.
        let stored = any_stored(app, project_id, granted, host)?;
        let is_retired = |snapshot: &Snapshot| snapshot.retired_at.is_some();
        let stored = stored.filter(|stored| is_retired(stored) == host.facts.retired_at.is_some());
        data_list.extend(stored.map(|snapshot| row(app, host, &snapshot)));
    }
    let last = page.hosts.last().filter(|_| page.more);
    Ok(HostList {
        hosts,
        total_num: page.total,
        data_list,
        next_cursor: last.map(|last| last.id().to_string()),
    })
}

pub(crate) async fn host(
    State(app): State<Arc<App>>,
    Path((project_id, host_id)): Path<(String, String)>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Host)?;
    let query = decoded(raw_query.as_deref())?;
    let past = past::moment(&app, &query, past::AS_OF)?;
    let page = match past {
        None => {
            let page = move |app: &App| host_page(app, &project_id, &host_id, caller.granted());
            app.reading(page).await?
        }
        // It may lead back over very many versions: that takes no turn from who reads a host of now.
        Some(at) => {
            let page = move |app: &App, _: &_| {
                host_page_at(app, &project_id, &host_id, caller.granted(), at)
            };
            app.scanning(page).await?
        }
    };
    json(&page)
}

fn host_page(
    app: &App,
    project_id: &str,
    host_id: &str,
    granted: &Selection,
) -> Result<HostPage, ApiError> {
    let as_of = app.as_of();
    let state = app.state();
    let awaited = state.awaited(project_id);
    let awaited = awaited.and_then(|awaited| awaited.enterprise_project(host_id));
    if let Some(enterprise_project) = awaited.filter(|id| granted.holds(id)) {
        return Ok(awaited_page(as_of, host_id, enterprise_project));
    }
    let host = state
        .project(project_id)
        .and_then(|project| project.host(host_id))
        .filter(|host| granted.holds(&host.facts.enterprise_project))
        .ok_or_else(paging::no_such_host)?;
    let snapshot = stored(app, project_id, granted, host)?.ok_or_else(paging::no_such_host)?;
    Ok(page(as_of, row(app, host, &snapshot), snapshot))
}

/// The host as of a past moment. Whose it was then decides who may see it.
fn host_page_at(
    app: &App,
    project_id: &str,
    host_id: &str,
    granted: &Selection,
    at: UnixMicros,
) -> Result<HostPage, ApiError> {
    let key = HostKey {
        project: project_id.into(),
        host: host_id.into(),
    };
    let host = host_at(&*app.store, &key, at).map_err(|error| ApiError::read_failed(&error))?;
    let snapshot = match host {
        HostAt::Present(snapshot) => *snapshot,
        HostAt::Retired(_) | HostAt::Absent => return Err(paging::no_such_host()),
        // The day was dropped since the moment was compared with what is kept.
        HostAt::NotKept => return Err(past::not_kept(app, past::AS_OF.name, at)),
    };
    if !granted.holds(&snapshot.host.enterprise_project_id.as_str().into()) {
        return Err(paging::no_such_host());
    }
    let row = HostRow {
        host_id: snapshot.host.host_id.clone(),
        host_name: snapshot.host.host_name.clone(),
        host_ip: snapshot.host.host_ip.clone(),
        enterprise_project_id: snapshot.host.enterprise_project_id.clone(),
        last_seen: None,
        freshness: None,
        retired_at: None,
        identity_conflict: None,
        open_ports: u32::try_from(snapshot.open_ports.len()).unwrap_or(u32::MAX),
        coverage: Some(snapshot.coverage.clone().into()),
        agent: snapshot.agent.clone().map(Into::into),
    };
    Ok(page(at, row, snapshot))
}

fn page(as_of: UnixMicros, row: HostRow, snapshot: Snapshot) -> HostPage {
    HostPage {
        as_of,
        row,
        host_ips: snapshot.host.host_ips,
        os_type: snapshot.host.os_type,
        os_name: snapshot.host.os_name,
        kernel_version: snapshot.host.kernel_version,
        agent_id: snapshot.host.agent_id,
        generation: Some(snapshot.pair.generation),
        sequence: Some(snapshot.pair.sequence),
        digest: Some(snapshot.digest),
        observed_at: Some(snapshot.observed_at),
        committed_at: Some(snapshot.at),
        data_list: (snapshot.open_ports.into_iter())
            .zip(snapshot.first_seen)
            .map(Into::into)
            .collect(),
    }
}

/// A host that is enrolled and has not reported.
fn awaited_page(
    as_of: UnixMicros,
    host_id: &str,
    enterprise_project: &EnterpriseProjectId,
) -> HostPage {
    HostPage {
        as_of,
        row: awaited_row(host_id, enterprise_project),
        host_ips: Vec::new(),
        os_type: None,
        os_name: None,
        kernel_version: None,
        agent_id: None,
        generation: None,
        sequence: None,
        digest: None,
        observed_at: None,
        committed_at: None,
        data_list: Vec::new(),
    }
}

fn awaited_row(host_id: &str, enterprise_project: &EnterpriseProjectId) -> HostRow {
    HostRow {
        host_id: host_id.to_owned(),
        host_name: None,
        host_ip: None,
        enterprise_project_id: enterprise_project.to_string(),
        last_seen: None,
        freshness: Some("never"),
        retired_at: None,
        identity_conflict: None,
        open_ports: 0,
        coverage: None,
        agent: None,
    }
}

/// Reads a host of the view from the store, which may be one report ahead: where the host went
/// meanwhile must be granted, too, and it must not be retired.
pub(crate) fn stored(
    app: &App,
    project_id: &str,
    granted: &Selection,
    host: &Host,
) -> Result<Option<Snapshot>, ApiError> {
    let stored = any_stored(app, project_id, granted, host)?;
    Ok(stored.filter(|snapshot| snapshot.retired_at.is_none()))
}

/// The same, retired or not.
fn any_stored(
    app: &App,
    project_id: &str,
    granted: &Selection,
    host: &Host,
) -> Result<Option<Snapshot>, ApiError> {
    let key = HostKey {
        project: project_id.into(),
        host: host.facts.id.clone(),
    };
    let stored =
        stored_snapshot_of(&*app.store, &key).map_err(|error| ApiError::read_failed(&error))?;
    let granted =
        |snapshot: &Snapshot| granted.holds(&snapshot.host.enterprise_project_id.as_str().into());
    Ok(stored.filter(granted))
}

fn row(app: &App, host: &Host, snapshot: &Snapshot) -> HostRow {
    let (freshness, heard_s) = host.freshness();
    let retired_at = host.facts.retired_at;
    HostRow {
        host_id: snapshot.host.host_id.clone(),
        host_name: snapshot.host.host_name.clone(),
        host_ip: snapshot.host.host_ip.clone(),
        enterprise_project_id: snapshot.host.enterprise_project_id.clone(),
        last_seen: Some(match (heard_s, retired_at) {
            // What was kept of it is lost: it was not heard after its last report was made.
            (0, Some(retired_at)) => snapshot.observed_at.min(retired_at),
            (heard_s, _) => UnixMicros::from_seconds(i64::from(heard_s)),
        }),
        freshness: Some(match freshness {
            _ if retired_at.is_some() => "retired",
            Freshness::Fresh => "fresh",
            Freshness::Stale => "stale",
        }),
        retired_at,
        identity_conflict: Some(host.in_conflict(app.clock.now_s())),
        open_ports: host.facts.open_ports,
        coverage: Some(snapshot.coverage.clone().into()),
        agent: snapshot.agent.clone().map(Into::into),
    }
}
