//! `GET …/ports/{port}/assets`: the hosts that have a port open, from the census's posting lists.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{AssetPage, AssetsOf};
use portolan_wire::exposure::Exposure;
use portolan_wire::hss::parameters::{KindFilter, PORT};
use portolan_wire::hss::port_statistics::AssetFilter;
use portolan_wire::open_port::Transport;
use portolan_wire::query::integer;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, json};
use crate::native::freshness::{self, Hosts};
use crate::native::{exposures, paging};
use crate::past;

#[derive(Serialize, ToSchema)]
#[schema(as = PortAssets)]
pub(crate) struct AssetList {
    hosts: Hosts,
    total_num: u64,
    data_list: Vec<AssetRow>,
    next_cursor: Option<String>,
}

/// A host that has the port open, and on how many of its assets: 1 in category host, the number of
/// its containers that have it in category container.
#[derive(Serialize, ToSchema)]
#[schema(as = PortAssetRow)]
pub(crate) struct AssetRow {
    host_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    enterprise_project_id: String,
    num: u32,
    /// The exposures of all its sockets of that port and transport, from the narrowest on.
    exposures: Vec<Exposure>,
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
        .ok_or_else(|| PORT.fault(&port))?;
    let asked = AssetFilter::read(&query)?;
    past::only_now(&query)?;
    let of = AssetsOf {
        category: asked.category,
        sockets: exposures::sockets(&query, asked.kind)?,
        port,
        transport: asked.kind.map(|kind| kind.transport),
        fresh: freshness::only_fresh(&query)?,
    };
    let page = move |app: &App| {
        let state = app.state();
        let project = state.project(&project_id);
        let after = after.as_ref().map(|(id, transport)| (&**id, *transport));
        let page = project.map(|project| project.port_assets(&selection, of, after, limit));
        let hosts = Hosts::of(&state, &project_id, &selection);
        Ok(asset_list(hosts, page.unwrap_or_default(), of, asked.kind))
    };
    json(&app.reading(page).await?)
}

fn asset_list(hosts: Hosts, page: AssetPage, of: AssetsOf, asked: Option<KindFilter>) -> AssetList {
    let row = |row: &portolan_census::AssetRow| AssetRow {
        host_id: row.host.facts.id.to_string(),
        kind: asked.map_or(row.transport.as_str(), KindFilter::as_str),
        enterprise_project_id: row.host.facts.enterprise_project.to_string(),
        num: row.num,
        exposures: row
            .host
            .exposures(of.category, of.port, row.transport)
            .collect(),
    };
    let data_list: Vec<AssetRow> = page.rows.iter().map(row).collect();
    AssetList {
        hosts,
        total_num: page.total,
        next_cursor: data_list.last().filter(|_| page.more).map(cursor_of),
        data_list,
    }
}

/// The cursor of a row. It is compared in its parts: as one text it would not order as the rows do,
/// since ids may hold characters that come before the one between the parts.
fn cursor_of(row: &AssetRow) -> String {
    format!("{}/{}", row.host_id, row.kind)
}

fn read_cursor(text: &str) -> Option<(String, Transport)> {
    let (host_id, kind) = text.rsplit_once('/')?;
    let kind = KindFilter::read(kind)?;
    Some((host_id.to_owned(), kind.transport))
}
