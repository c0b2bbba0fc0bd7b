//! `GET …/hosts` and `GET …/hosts/{host_id}`.
//!
//! The census knows which hosts there are and how fresh; their names and ports come from the store,
//! one read a host of the page.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Freshness, Host, Selection};
use portolan_store::{Snapshot, snapshot_of};
use portolan_wire::digest::Digest;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, json};
use crate::native::paging;
use crate::native::shown::{ShownAgent, ShownCoverage, ShownPort};

#[derive(Serialize, ToSchema)]
#[schema(as = NativeHosts)]
pub(crate) struct HostList {
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
    last_seen: UnixMicros,
    freshness: &'static str,
    identity_conflict: bool,
    open_ports: u32,
    coverage: ShownCoverage,
    agent: Option<ShownAgent>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NativeHost)]
pub(crate) struct HostPage {
    #[serde(flatten)]
    row: HostRow,
    host_ips: Vec<String>,
    os_type: Option<String>,
    os_name: Option<String>,
    kernel_version: Option<String>,
    agent_id: Option<String>,
    generation: u64,
    sequence: u64,
    digest: Digest,
    observed_at: UnixMicros,
    committed_at: UnixMicros,
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
    let page = move |app: &App| {
        host_list(
            app,
            &project_id,
            caller.granted(),
            &selection,
            after.as_deref(),
            limit,
        )
    };
    json(&app.reading(page).await?)
}

fn host_list(
    app: &App,
    project_id: &str,
    granted: &Selection,
    selection: &Selection,
    after: Option<&str>,
    limit: usize,
) -> Result<HostList, ApiError> {
    let state = app.state();
    let Some(project) = state.project(project_id) else {
        return Ok(HostList {
            total_num: 0,
            data_list: Vec::new(),
            next_cursor: None,
        });
    };
    let total_num = project.hosts_in(selection);
    let mut matching = project
        .hosts_after(after)
        .filter(|host| selection.holds(&host.facts.enterprise_project));
    let page: Vec<&Arc<Host>> = matching.by_ref().take(limit).collect();
    let next_cursor = match (page.last(), matching.next()) {
        (Some(last), Some(_)) => Some(last.facts.id.to_string()),
        _ => None,
    };
    let mut data_list = Vec::with_capacity(page.len());
    for host in page {
        // A host that was removed or moved away since the view was published is not told of.
        let stored = stored(app, project_id, granted, host)?;
        data_list.extend(stored.map(|snapshot| row(app, host, &snapshot)));
    }
    Ok(HostList {
        total_num,
        data_list,
        next_cursor,
    })
}

pub(crate) async fn host(
    State(app): State<Arc<App>>,
    Path((project_id, host_id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Host)?;
    let page = move |app: &App| host_page(app, &project_id, &host_id, caller.granted());
    json(&app.reading(page).await?)
}

fn host_page(
    app: &App,
    project_id: &str,
    host_id: &str,
    granted: &Selection,
) -> Result<HostPage, ApiError> {
    let state = app.state();
    let host = state
        .project(project_id)
        .and_then(|project| project.host(host_id))
        .filter(|host| granted.holds(&host.facts.enterprise_project))
        .ok_or_else(paging::no_such_host)?;
    let snapshot = stored(app, project_id, granted, host)?.ok_or_else(paging::no_such_host)?;
    Ok(HostPage {
        row: row(app, host, &snapshot),
        host_ips: snapshot.host.host_ips,
        os_type: snapshot.host.os_type,
        os_name: snapshot.host.os_name,
        kernel_version: snapshot.host.kernel_version,
        agent_id: snapshot.host.agent_id,
        generation: snapshot.pair.generation,
        sequence: snapshot.pair.sequence,
        digest: snapshot.digest,
        observed_at: snapshot.observed_at,
        committed_at: snapshot.at,
        data_list: (snapshot.open_ports.into_iter())
            .zip(snapshot.first_seen)
            .map(Into::into)
            .collect(),
    })
}

/// Reads a host of the view from the store, which may be one report ahead: where the host went
/// meanwhile must be granted, too.
pub(crate) fn stored(
    app: &App,
    project_id: &str,
    granted: &Selection,
    host: &Host,
) -> Result<Option<Snapshot>, ApiError> {
    let key = HostKey {
        project: project_id.into(),
        host: host.facts.id.clone(),
    };
    let stored = snapshot_of(&*app.store, &key).map_err(|error| ApiError::read_failed(&error))?;
    let granted =
        |snapshot: &Snapshot| granted.holds(&snapshot.host.enterprise_project_id.as_str().into());
    Ok(stored.filter(granted))
}

fn row(app: &App, host: &Host, snapshot: &Snapshot) -> HostRow {
    let (freshness, last_seen_s) = host.freshness();
    HostRow {
        host_id: snapshot.host.host_id.clone(),
        host_name: snapshot.host.host_name.clone(),
        host_ip: snapshot.host.host_ip.clone(),
        enterprise_project_id: snapshot.host.enterprise_project_id.clone(),
        last_seen: UnixMicros::from_seconds(i64::from(last_seen_s)),
        freshness: match freshness {
            Freshness::Fresh => "fresh",
            Freshness::Stale => "stale",
        },
        identity_conflict: host.in_conflict(app.clock.now_s()),
        open_ports: host.facts.open_ports,
        coverage: snapshot.coverage.clone().into(),
        agent: snapshot.agent.clone().map(Into::into),
    }
}
