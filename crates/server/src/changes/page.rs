//! `GET …/changes`: what happened, by position, page by page.
//!
//! A page looks through so much of the history at most, and may be short or empty with a cursor.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::Selection;
use portolan_store::{HistoryOrder, HistorySpan};
use portolan_wire::changes::ChangesQuery;
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::parameters::sort_dir;
use portolan_wire::hss::port_statistics::SortDir;
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use super::ids::{Cursor, Epoch, NotHere};
use super::shown::ShownChange;
use super::wanted::Wanted;
use super::{damped, kept, look};
use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{decoded, json};
use crate::native::paging;

#[derive(Serialize, ToSchema)]
#[schema(as = Changes)]
pub(crate) struct ChangeList {
    changes: Vec<ShownChange>,
    next_cursor: Option<String>,
}

pub(crate) async fn changes(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Changes)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = paging::selection(&query, &caller)?;
    let asked = ChangesQuery::read(&query)?;
    let order = match sort_dir(&query)? {
        SortDir::Asc => HistoryOrder::Ascending,
        SortDir::Desc => HistoryOrder::Descending,
    };
    let limit = paging::limit(&query)?;
    let damped = asked.damped;
    let read = |text: &str| match app.epoch.read_cursor(text, damped) {
        Ok(cursor) => Some(Ok(cursor)),
        Err(NotHere::OtherEpoch) => Some(Err(other_epoch("cursor"))),
        Err(NotHere::NoId) => None,
    };
    let from = paging::cursor(&query, read)?.transpose()?;
    let page = Page {
        wanted: Wanted {
            project: project_id.into(),
            selection,
            granted: caller.granted().clone(),
            query: asked,
        },
        order,
        from,
        limit,
        as_of: app.as_of(),
    };
    json(&app.reading(move |app| page.make(app)).await?)
}

/// A name of a position that was before a restore.
fn other_epoch(name: &str) -> ApiError {
    let detail = format!("the {name} is of another store, or of before it was restored");
    ApiError::new(ErrorCode::ChangeNotKept, detail)
}

struct Page {
    wanted: Wanted,
    order: HistoryOrder,
    from: Option<Cursor>,
    limit: usize,
    as_of: UnixMicros,
}

impl Page {
    fn make(&self, app: &App) -> Result<ChangeList, ApiError> {
        let store = &*app.store;
        let span = store
            .history_span()
            .map_err(|error| ApiError::read_failed(&error))?;
        kept::moments(app, &span, &self.wanted.query, self.as_of)?;
        self.check_cursor(&span)?;
        let made = if self.wanted.query.damped {
            self.damped(app)
        } else {
            self.as_it_is(app)
        };
        let list = made.map_err(|error| ApiError::read_failed(&error))?;
        // What was dropped meanwhile is not passed over.
        let span = store
            .history_span()
            .map_err(|error| ApiError::read_failed(&error))?;
        self.check_cursor(&span)?;
        Ok(list)
    }

    /// Only who goes upwards would miss what is no longer kept.
    fn check_cursor(&self, span: &HistorySpan) -> Result<(), ApiError> {
        let from = self.from.filter(|_| self.order == HistoryOrder::Ascending);
        let is_kept = from.is_none_or(|from| {
            from.after.is_none_or(|after| kept::position(span, after))
                && from
                    .window
                    .is_none_or(|window| kept::window(span, window.number))
        });
        if is_kept {
            return Ok(());
        }
        let from = span.from;
        let detail = format!("the history goes back to {from}; begin there, or without a cursor");
        Err(ApiError::new(ErrorCode::ChangeNotKept, detail))
    }

    fn as_it_is(&self, app: &App) -> Result<ChangeList, portolan_store::StoreError> {
        let after = self.from.and_then(|from| from.after);
        let found = look::page(&*app.store, &self.wanted, self.order, after, self.most(app))?;
        let shown = found
            .rows
            .iter()
            .map(|change| self.shown(app.epoch, change, None));
        Ok(ChangeList {
            changes: shown.collect(),
            next_cursor: found.next.map(|after| {
                app.epoch.cursor(Cursor {
                    after: Some(after),
                    window: None,
                })
            }),
        })
    }

    fn damped(&self, app: &App) -> Result<ChangeList, portolan_store::StoreError> {
        let open = damped::window_of(self.as_of.plus_micros(1));
        let found = damped::page(
            &*app.store,
            &self.wanted,
            self.order,
            self.from,
            open,
            self.most(app),
        )?;
        let rows = found.rows.iter();
        Ok(ChangeList {
            changes: rows
                .map(|(change, folded)| self.shown(app.epoch, change, *folded))
                .collect(),
            next_cursor: found.next.map(|cursor| app.epoch.cursor(cursor)),
        })
    }

    fn most(&self, app: &App) -> look::Most {
        look::Most::rows(app, self.limit)
    }

    fn shown(
        &self,
        epoch: Epoch,
        change: &portolan_store::history::Change,
        folded: Option<super::shown::Folded>,
    ) -> ShownChange {
        let granted: &Selection = &self.wanted.granted;
        ShownChange::new(epoch, granted, change, folded)
    }
}
