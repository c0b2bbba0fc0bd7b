//! `GET /v5/{project_id}/asset/port/statistics`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use portolan_census::{Filter, Page, PageRequest, PageRow, Selection, Start};
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::port_statistics::{
    KindFilter, PortStatistics, PortStatisticsQuery, PortStatisticsRow, enterprise_projects,
};
use portolan_wire::query::Query;

use crate::app::App;
use crate::counts::Counts;
use crate::credentials::{Caller, Need};
use crate::error::ApiError;

const AS_OF: HeaderName = HeaderName::from_static("x-portolan-as-of");
const HOSTS: HeaderName = HeaderName::from_static("x-portolan-hosts");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Room for the headers of an answer: these three, the edge's, and those of HTTP itself.
const HEADERS: usize = 6;

pub(crate) async fn port_statistics(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&app, &headers, &project_id, Need::Read)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let asked = PortStatisticsQuery::read(&query)?;
    let start = Start::Offset(asked.offset as usize);
    let as_of = app.as_of();
    let state = app.state();
    let project = state.project(&project_id);
    let counts = project.map(|project| {
        let (filter, request) = (filter(&asked), page_request(&asked, start));
        app.unions
            .counts(&project_id, project, &selection, &filter, &request)
    });
    let Counts { page, fresh, stale } = counts.unwrap_or_default();
    let with_status = app.settings.status_field || asked.status.is_some();
    let body = answer(page, asked.kind, with_status);
    let mut response = Response::new(Body::from(body.to_json()));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(AS_OF, value(as_of.to_string())?);
    headers.insert(HOSTS, value(format!("fresh={fresh}, stale={stale}"))?);
    Ok(response)
}

/// The decoded query of a request that has passed the edge.
pub(crate) fn decoded(raw: Option<&str>) -> Result<Query<'_>, ApiError> {
    Query::decode(raw.unwrap_or(""))
        .map_err(|error| ApiError::new(ErrorCode::RequestError, error.to_string()))
}

/// The enterprise projects that statistics are asked for. Whether one is granted is told before any
/// other fault; a fault in it is told by the parser, in its place among the others.
pub(crate) fn selected(query: &Query<'_>, caller: &Caller) -> Result<Selection, ApiError> {
    match enterprise_projects(query) {
        Ok(asked) => caller.select(&asked),
        Err(_) => Ok(caller.granted().clone()),
    }
}

/// Which rows a query asks for.
pub(crate) fn filter(asked: &PortStatisticsQuery) -> Filter {
    Filter {
        category: asked.category,
        v6: asked.kind.is_some_and(|kind| kind.v6),
        transport: asked.kind.map(|kind| kind.transport),
        port: asked.port,
        port_string: asked.port_string.clone(),
        status: asked.status,
    }
}

/// Which page of them.
pub(crate) fn page_request(asked: &PortStatisticsQuery, start: Start) -> PageRequest {
    PageRequest {
        sort_dir: asked.sort_dir,
        start,
        limit: asked.limit as usize,
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

/// A 200 with a JSON body.
pub(crate) fn json(body: &impl serde::Serialize) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, JSON)], bytes).into_response())
}

fn value(text: String) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(text).map_err(ApiError::internal)
}
