//! `GET /v5/{project_id}/asset/overview/statistics/top/port` and `GET /v5/{project_id}/asset/statistics`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Filter, PageRequest, Project, Selection, Sockets, Start};
use portolan_wire::hss::overview::{AssetStatistics, AssetStatisticsQuery, TopPortRow, TopPorts};
use portolan_wire::hss::parameters::enterprise_projects;
use portolan_wire::hss::port_statistics::SortDir;

use crate::app::App;
use crate::counts::Question;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{counted, decoded, encoded, selected};

/// Rows of the list, by the contract.
const TOP: usize = 5;

pub(crate) async fn top_ports(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::TopPorts)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    enterprise_projects(&query)?;
    // Every row of every scope is looked at: milliseconds, which other connections need not wait for.
    let top = move |app: &App| top(app, &project_id, &selection);
    app.reading(top).await
}

fn top(app: &App, project_id: &str, selection: &Selection) -> Result<Response, ApiError> {
    let as_of = app.as_of();
    let state = app.state();
    let project = state.project(project_id);
    let hosts = project.map_or(0, |project| project.hosts_in(selection));
    let top = project.map(|project| project.top_ports(selection, TOP));
    let rows = top.into_iter().flatten().map(|top| TopPortRow {
        name: top.port.to_string(),
        host_num: top.hosts,
        percentage: top
            .hosts
            .saturating_mul(100)
            .checked_div(hosts)
            .unwrap_or(0),
    });
    let data_list: Vec<TopPortRow> = rows.collect();
    let body = TopPorts {
        total_num: data_list.len() as u64,
        data_list,
    };
    let fresh_and_stale = project.map(|project| project.fresh_and_stale(selection));
    counted(encoded(&body)?, as_of, fresh_and_stale.unwrap_or_default())
}

pub(crate) async fn asset_statistics(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::AssetStatistics)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let asked = AssetStatisticsQuery::read(&query)?;
    let as_of = app.as_of();
    let state = app.state();
    let project = state.project(&project_id);
    let port_num = project.map_or(0, |project| {
        port_num(&app, &project_id, project, &selection, &asked)
    });
    let body = AssetStatistics {
        port_num,
        ..AssetStatistics::default()
    };
    let fresh_and_stale = project.map(|project| project.fresh_and_stale(&selection));
    counted(encoded(&body)?, as_of, fresh_and_stale.unwrap_or_default())
}

/// The rows (port, type) of the scope, or of one of its hosts.
fn port_num(
    app: &App,
    project_id: &str,
    project: &Project,
    selection: &Selection,
    asked: &AssetStatisticsQuery,
) -> u64 {
    if let Some(host_id) = &asked.host_id {
        let host = project.host(host_id);
        return host
            .filter(|host| selection.holds(&host.facts.enterprise_project))
            .map_or(0, |host| host.rows_in(asked.category));
    }
    let filter = Filter {
        category: asked.category,
        sockets: Sockets::All,
        transport: None,
        port: None,
        port_string: None,
        status: None,
    };
    // The page is not looked at; the smallest is the cheapest, and the same for all who ask.
    let request = PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit: 1,
    };
    let question = Question {
        only_fresh: false,
        filter,
        request,
    };
    let counts = app.unions.counts(project_id, project, selection, question);
    counts.page.total
}
