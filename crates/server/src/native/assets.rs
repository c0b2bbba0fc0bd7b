//! `GET …/ports/{port}/assets`: the hosts that have a port open, from the census's posting lists.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::Selection;
use portolan_wire::hss::port_statistics::AssetFilter;
use portolan_wire::open_port::Transport;
use portolan_wire::query::{ParameterFault, integer};
use serde::Serialize;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, json};
use crate::native::paging;

#[derive(Serialize)]
struct AssetList {
    total_num: u64,
    data_list: Vec<AssetRow>,
    next_cursor: Option<String>,
}

/// A host that has the port open, and on how many of its assets: 1 in category host, the number of
/// its containers that have it in category container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct AssetRow {
    host_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    enterprise_project_id: String,
    num: u32,
}

pub(crate) async fn assets(
    State(app): State<Arc<App>>,
    Path((project_id, port)): Path<(String, String)>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Assets)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = paging::selection(&query, &caller)?;
    let limit = paging::limit(&query)?;
    let after = paging::cursor(&query, read_cursor)?;
    let port = integer(&port, 1..=65_535)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or(ParameterFault {
            name: "port",
            allowed: "1 to 65535",
            given: port,
        })?;
    let asked = AssetFilter::read(&query)?;
    let page = move |app: &App| {
        let rows = rows(app, &project_id, &selection, port, asked);
        Ok(asset_list(rows, after, limit))
    };
    json(&app.reading(page).await?)
}

fn asset_list(
    mut rows: Vec<AssetRow>,
    after: Option<(String, &'static str)>,
    limit: usize,
) -> AssetList {
    let total_num = rows.len() as u64;
    rows.sort_unstable();
    let from = after.map_or(0, |after| {
        rows.partition_point(|row| (&*row.host_id, row.kind) <= (&*after.0, after.1))
    });
    let more = rows.len() - from > limit;
    let data_list: Vec<AssetRow> = rows.into_iter().skip(from).take(limit).collect();
    let next_cursor = data_list.last().filter(|_| more).map(cursor_of);
    AssetList {
        total_num,
        data_list,
        next_cursor,
    }
}

/// The cursor of a row. It is compared in its parts: as one text it would not order as the rows do,
/// since ids may hold characters that come before the one between the parts.
fn cursor_of(row: &AssetRow) -> String {
    format!("{}/{}", row.host_id, row.kind)
}

fn read_cursor(text: &str) -> Option<(String, &'static str)> {
    let (host_id, kind) = text.rsplit_once('/')?;
    let kind = ["TCP", "TCP6", "UDP", "UDP6"]
        .into_iter()
        .find(|known| *known == kind)?;
    Some((host_id.to_owned(), kind))
}

fn rows(
    app: &App,
    project_id: &str,
    selection: &Selection,
    port: u16,
    asked: AssetFilter,
) -> Vec<AssetRow> {
    let state = app.state();
    let Some(project) = state.project(project_id) else {
        return Vec::new();
    };
    let transports = match asked.kind {
        Some(kind) => vec![kind.transport],
        None => vec![Transport::Tcp, Transport::Udp],
    };
    let mut rows = Vec::new();
    let v6 = asked.kind.is_some_and(|kind| kind.v6);
    for transport in transports {
        let hosts = project.hosts_with(selection, asked.category, port, transport);
        let nums = hosts.map(|(host, _)| {
            let num = host.assets_with(asked.category, v6, port, transport);
            (host, num)
        });
        rows.extend(
            nums.filter(|(_, num)| *num > 0)
                .map(|(host, num)| AssetRow {
                    host_id: host.facts.id.to_string(),
                    kind: asked.kind.map_or(transport.as_str(), |kind| kind.as_str()),
                    enterprise_project_id: host.facts.enterprise_project.to_string(),
                    num,
                }),
        );
    }
    rows
}
