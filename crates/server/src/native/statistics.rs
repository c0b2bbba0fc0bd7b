//! `GET …/statistics`: the HSS statistics with cursor paging and freshness in the body.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Cursor, Filter, Page, PageRow, Start};
use portolan_wire::hss::port_statistics::{PortStatisticsQuery, PortStatisticsRow};
use portolan_wire::open_port::Transport;
use portolan_wire::query::{Parameter, integer};
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::counts::{Counts, Question};
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, filter, json, page_request, row, selected};
use crate::native::freshness::{self, Hosts};
use crate::native::{exposures, paging};
use crate::past;

#[derive(Serialize, ToSchema)]
pub(crate) struct Statistics {
    as_of: UnixMicros,
    /// Of now; a past moment has none.
    hosts: Option<Hosts>,
    total_num: u64,
    data_list: Vec<PortStatisticsRow>,
    next_cursor: Option<String>,
}

/// Whether rows carry what the port table says of them; unasked they do where `status` selects.
pub(crate) const STATUS_FIELD: Parameter = Parameter::one_of("status_field", &["true", "false"]);

pub(crate) async fn statistics(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Statistics)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let asked = PortStatisticsQuery::read(&query)?;
    let with_status = STATUS_FIELD.read(&query, |text| text.parse::<bool>().ok())?;
    let with_status = with_status.unwrap_or(asked.status.is_some());
    let sockets = exposures::sockets(&query, asked.kind)?;
    let only_fresh = freshness::only_fresh(&query)?;
    let cursor = paging::cursor(&query, read_cursor)?;
    let start = cursor.map_or(Start::Offset(asked.range.offset as usize), Start::After);
    let question = Question {
        only_fresh,
        filter: Filter {
            sockets,
            ..filter(&asked)
        },
        request: page_request(&asked, start),
    };
    let past = past::moment(&app, &query, past::AS_OF)?;
    let (as_of, hosts, page) = match past {
        None => {
            let as_of = app.as_of();
            let state = app.state();
            let counts = state.project(&project_id).map(|project| {
                app.unions
                    .counts(&project_id, project, &selection, question)
            });
            let Counts { page, fresh, stale } = counts.unwrap_or_default();
            let hosts = Hosts {
                fresh,
                stale,
                never: state.never(&project_id, &selection),
            };
            (as_of, Some(hosts), page)
        }
        Some(_) if only_fresh => return Err(past::no_freshness()),
        Some(at) => {
            let page = move |app: &App, asker: &_| {
                let moment = (past::AS_OF.name, at);
                let counts = app.past.at(app, asker, &project_id, &selection, moment)?;
                Ok(counts.page(&question.filter, &question.request))
            };
            (at, None, app.scanning(page).await?)
        }
    };
    json(&Statistics {
        as_of,
        hosts,
        total_num: page.total,
        next_cursor: next_cursor(&page),
        data_list: page
            .rows
            .into_iter()
            .map(|r| row(r, asked.kind, with_status))
            .collect(),
    })
}

fn next_cursor(page: &Page) -> Option<String> {
    let last: &PageRow = page.rows.last().filter(|_| page.more)?;
    Some(cursor_of(last.port, last.transport))
}

/// The cursor that names a row.
pub(crate) fn cursor_of(port: u16, transport: Transport) -> String {
    format!("{port}-{}", transport.as_str())
}

pub(crate) fn read_cursor(text: &str) -> Option<Cursor> {
    let (port, transport) = text.split_once('-')?;
    let port = u16::try_from(integer(port, 1..=65_535)?).ok()?;
    let transport = match transport {
        "TCP" => Transport::Tcp,
        "UDP" => Transport::Udp,
        _ => return None,
    };
    Some(Cursor { port, transport })
}
