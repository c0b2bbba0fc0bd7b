//! `GET /v5/{project_id}/asset/port/statistics`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Filter, Page, PageRequest, PageRow, Sockets, Start};
use portolan_wire::hss::parameters::KindFilter;
use portolan_wire::hss::port_statistics::{PortStatistics, PortStatisticsQuery, PortStatisticsRow};

use crate::app::App;
use crate::counts::{Counts, Question};
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{counted, decoded, selected};

pub(crate) async fn port_statistics(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::PortStatistics)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let asked = PortStatisticsQuery::read(&query)?;
    let start = Start::Offset(asked.range.offset as usize);
    let as_of = app.as_of();
    let state = app.state();
    let project = state.project(&project_id);
    let counts = project.map(|project| {
        let question = Question {
            only_fresh: false,
            filter: filter(&asked),
            request: page_request(&asked, start),
        };
        app.unions
            .counts(&project_id, project, &selection, question)
    });
    let Counts { page, fresh, stale } = counts.unwrap_or_default();
    let with_status = app.settings.status_field || asked.status.is_some();
    let body = answer(page, asked.kind, with_status);
    counted(body.to_json(), as_of, (fresh, stale))
}

/// Which rows a query asks for.
pub(crate) fn filter(asked: &PortStatisticsQuery) -> Filter {
    Filter {
        category: asked.category,
        sockets: sockets(asked.kind),
        transport: asked.kind.map(|kind| kind.transport),
        port: asked.port,
        port_string: asked.port_string.clone(),
        status: asked.status,
    }
}

/// Which sockets a type is about.
pub(crate) fn sockets(kind: Option<KindFilter>) -> Sockets {
    match kind {
        Some(KindFilter { v6: true, .. }) => Sockets::V6,
        _ => Sockets::All,
    }
}

/// Which page of them.
pub(crate) fn page_request(asked: &PortStatisticsQuery, start: Start) -> PageRequest {
    PageRequest {
        sort_dir: asked.sort_dir,
        start,
        limit: asked.range.limit as usize,
    }
}

/// A row as the wire shows it: the type is the one asked for.
pub(crate) fn row(row: PageRow, kind: Option<KindFilter>, with_status: bool) -> PortStatisticsRow {
    PortStatisticsRow {
        num: row.num,
        port: row.port,
        kind: kind.map_or(row.transport.as_str(), |kind| kind.as_str()),
        status: with_status.then_some(row.status),
    }
}

fn answer(page: Page, kind: Option<KindFilter>, with_status: bool) -> PortStatistics {
    let rows = page.rows.into_iter().map(|r| row(r, kind, with_status));
    PortStatistics {
        total_num: page.total,
        data_list: rows.collect(),
    }
}
