//! `GET …/statistics/diff`: the rows that differ between two moments.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{Filter, PageRequest, PageRow, RowDifference, Selection, Start, differences};
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::parameters::KindFilter;
use portolan_wire::hss::port_statistics::{PortStatisticsQuery, SortDir};
use portolan_wire::open_port::Transport;
use portolan_wire::query::Parameter;
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, Asker};
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, filter, json, selected};
use crate::native::statistics::{cursor_of, read_cursor};
use crate::native::{exposures, paging};
use crate::past;

/// The earlier moment.
pub(crate) const FROM: Parameter = Parameter::moment("from");
/// The later moment; now, where it is absent.
pub(crate) const TO: Parameter = Parameter::moment("to");
/// Parameters of the statistics that it has not.
pub(crate) const NOT_TAKEN: [&str; 3] = ["offset", "sort_key", "sort_dir"];

#[derive(Serialize, ToSchema)]
pub(crate) struct StatisticsDiff {
    from: UnixMicros,
    to: UnixMicros,
    total_num: u64,
    data_list: Vec<DiffRow>,
    next_cursor: Option<String>,
}

/// A row that counts another number of assets at the later moment.
#[derive(Serialize, ToSchema)]
pub(crate) struct DiffRow {
    port: u16,
    #[serde(rename = "type")]
    kind: &'static str,
    change: RowChange,
    /// On how many assets it was open at the earlier moment.
    num_before: u64,
    /// On how many at the later one.
    num_after: u64,
}

/// What became of a row.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RowChange {
    /// It is open on no asset at the earlier moment.
    Appeared,
    /// It is open on no asset at the later one.
    Vanished,
    Grew,
    Shrank,
}

pub(crate) async fn diff(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::StatisticsDiff)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let asked = PortStatisticsQuery::read(&query)?;
    for name in NOT_TAKEN {
        if query.single(name) != Ok(None) {
            let what = format!("{name} must be left out: the rows are in one order, by cursor");
            return Err(ApiError::new(ErrorCode::InvalidParameter, what));
        }
    }
    let cursor = paging::cursor(&query, Cursor::read)?;
    let limit = asked.range.limit as usize;
    let from = past::moment(&app, &query, FROM)?.ok_or_else(|| FROM.fault(""))?;
    let to = match (past::moment(&app, &query, TO)?, cursor) {
        (Some(to), _) => to,
        // Of the same moment as the page before.
        (None, Some(cursor)) => past::kept(&app, TO.name, cursor.to)?,
        (None, None) => app.as_of(),
    };
    if from > to {
        let what = format!("{from}, which is later than to, {to}");
        return Err(FROM.fault(&what).into());
    }
    let filter = Filter {
        sockets: exposures::sockets(&query, asked.kind)?,
        ..filter(&asked)
    };
    let work = move |app: &App, asker: &Asker| {
        let rows = |moment| rows_at((app, asker), &project_id, &selection, &filter, moment);
        Ok(differences(
            &rows((FROM.name, from))?,
            &rows((TO.name, to))?,
        ))
    };
    let found = app.scanning(work).await?;
    let total_num = found.len() as u64;
    let after =
        |row: &RowDifference| cursor.is_none_or(|cursor| (row.port, row.transport) > cursor.row);
    let mut following = found.into_iter().filter(after);
    let page: Vec<RowDifference> = following.by_ref().take(limit).collect();
    let last = page.last().filter(|_| following.next().is_some());
    json(&StatisticsDiff {
        from,
        to,
        total_num,
        next_cursor: last.map(|row| {
            let row = (row.port, row.transport);
            Cursor { row, to }.to_string()
        }),
        data_list: page.iter().map(|row| shown(row, &asked)).collect(),
    })
}

/// The last row of a page, and which later moment it is of.
#[derive(Clone, Copy)]
struct Cursor {
    row: (u16, Transport),
    to: UnixMicros,
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let (row, to) = text.rsplit_once('-')?;
        let row = read_cursor(row)?;
        Some(Self {
            row: (row.port, row.transport),
            to: UnixMicros(to.parse().ok()?),
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (port, transport) = self.row;
        write!(f, "{}-{}", cursor_of(port, transport), self.to.0)
    }
}

fn rows_at(
    (app, asker): (&App, &Asker),
    project_id: &str,
    selection: &Selection,
    filter: &Filter,
    moment: (&str, UnixMicros),
) -> Result<Vec<PageRow>, ApiError> {
    let all = PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit: usize::MAX,
    };
    let counts = app.past.at(app, asker, project_id, selection, moment)?;
    Ok(counts.page(filter, &all).rows)
}

fn shown(row: &RowDifference, asked: &PortStatisticsQuery) -> DiffRow {
    DiffRow {
        port: row.port,
        kind: asked
            .kind
            .map_or(row.transport.as_str(), KindFilter::as_str),
        change: match (row.before, row.after) {
            (0, _) => RowChange::Appeared,
            (_, 0) => RowChange::Vanished,
            (before, after) if before < after => RowChange::Grew,
            _ => RowChange::Shrank,
        },
        num_before: row.before,
        num_after: row.after,
    }
}
