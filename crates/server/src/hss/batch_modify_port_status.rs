//! `POST /v5/{project_id}/asset/batch-modify-port-status`: ports of assets are ignored, or no longer.
//!
//! Holds: all items take effect or none; what is answered with 200 is durable, visible and in the
//! audit log.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Choice, Selection};
use portolan_store::{Ignoring, IgnoringDone, Submission, hosts_of_agents};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::batch_modify_port_status::{
    PortOfAsset, PortStatusChange, category, parse,
};
use portolan_wire::ids::{HostId, ProjectId};
use portolan_wire::report::RequestFault;

use crate::administration::{Intent, act};
use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::hss::{decoded, json, selected};
use crate::ingest::{body, submit};
use crate::limits::Limit;

pub(crate) async fn batch_modify_port_status(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::ModifyPortStatus)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let category = category(&query)?;
    let parse = move |unpacked: &[u8]| parse(unpacked, category);
    let asked: Result<PortStatusChange, RequestFault> = body::read(
        &app.room,
        caller.id(),
        app.limits.body,
        &call.headers,
        call.body,
        parse,
    )
    .await?;
    let asked = asked.map_err(|fault| ApiError::new(fault.code, fault.message))?;
    let action = if asked.ignore {
        "ports.ignore"
    } else {
        "ports.not-ignore"
    };
    let intent = Intent::new(caller.id(), peer, action, format!("{project_id}/ports"));
    let intent = intent.detail(told(&asked.items));
    let work = change(Arc::clone(&app), project_id.into(), selection, asked);
    act(&app, intent, work).await?;
    json(&serde_json::Map::new())
}

/// The items for the audit log, as they were sent.
fn told(items: &[PortOfAsset]) -> String {
    let item = |item: &PortOfAsset| {
        let host = match (&item.host_id, &item.agent_id) {
            (Some(host), _) => format!("host {host}"),
            (None, agent) => format!("agent {}", agent.as_deref().unwrap_or("")),
        };
        let container = item
            .container_id
            .as_ref()
            .map(|id| format!(" container {id}"));
        let (kind, port) = (item.transport.as_str(), item.port);
        format!("{kind} {port} of {host}{}", container.unwrap_or_default())
    };
    items.iter().map(item).collect::<Vec<_>>().join(", ")
}

async fn change(
    app: Arc<App>,
    project: ProjectId,
    selection: Selection,
    asked: PortStatusChange,
) -> Result<(), ApiError> {
    let named = {
        let (project, selection) = (project.clone(), selection.clone());
        let work = move |app: &App| named(app, &project, &selection, asked.items);
        app.reading(work).await?
    };
    let wanted = Ignoring {
        project,
        selection,
        ignore: asked.ignore,
        items: named,
    };
    match submit(&app, |reply| Submission::ignore(wanted, reply)).await? {
        IgnoringDone::Done => Ok(()),
        IgnoringDone::Unknown(index) => Err(no_such_asset(index)),
        IgnoringDone::TooManyOfHost(index) => {
            let most = caps::IGNORED_OF_A_HOST_MAX;
            let detail = format!(
                "data_list[{index}] is one too many: a host may have {most} ignored ports, open or not"
            );
            Err(ApiError::new(ErrorCode::InvalidParameter, detail).at(Limit::IgnoredPorts))
        }
        IgnoringDone::TooManyOfProject => {
            let most = caps::IGNORED_OF_A_PROJECT_MAX;
            let detail = format!(
                "data_list is too many: a project may have {most} ignored ports, open or not"
            );
            Err(ApiError::new(ErrorCode::InvalidParameter, detail).at(Limit::IgnoredPorts))
        }
    }
}

/// The items by their hosts: an item that names none is that of its agent.
fn named(
    app: &App,
    project_id: &ProjectId,
    selection: &Selection,
    items: Vec<PortOfAsset>,
) -> Result<Vec<(HostId, Choice)>, ApiError> {
    let without_host = items.iter().filter(|item| item.host_id.is_none());
    let agents: BTreeSet<&str> = without_host.filter_map(|i| i.agent_id.as_deref()).collect();
    let state = app.state();
    let project = state
        .project(project_id.as_str())
        .filter(|_| !agents.is_empty());
    let hosts = project
        .map(|project| hosts_of_agents(&*app.store, project_id, project, selection, &agents));
    let hosts = hosts
        .transpose()
        .map_err(|error| ApiError::read_failed(&error))?;
    let hosts = hosts.unwrap_or_default();
    let named = items.into_iter().enumerate().map(|(index, item)| {
        let host = match (&item.host_id, &item.agent_id) {
            (Some(host), _) => Some(HostId::from(host.as_str())),
            (None, agent) => agent.as_deref().and_then(|agent| hosts.get(agent).cloned()),
        };
        let choice = Choice {
            container_asset: item.container_id.as_deref().map(Into::into),
            port: item.port,
            transport: item.transport,
        };
        host.map(|host| (host, choice))
            .ok_or_else(|| no_such_asset(index))
    });
    named.collect()
}

/// There is no such asset, or it is not the caller's to change.
fn no_such_asset(index: usize) -> ApiError {
    let detail = format!(
        "data_list[{index}] names no host or container of the enterprise projects asked for"
    );
    ApiError::new(ErrorCode::AssetUnknown, detail)
}
