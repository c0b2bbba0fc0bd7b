//! Where a stream begins.

use std::ops::Bound;

use portolan_store::StoreError;
use portolan_store::history::{Position, changes_of};

use super::super::damped::window_of;
use super::super::ids::{Cursor, NotHere, Window};
use super::super::wanted::Wanted;
use super::super::{kept, look};
use crate::app::App;
use crate::error::ApiError;

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begin {
    /// Behind this position.
    pub(super) after: Position,
    /// Of damped changes: in this window.
    pub(super) damped: Option<Cursor>,
    /// Why it does not begin where it was asked to.
    pub(super) reset: Option<&'static str>,
}

impl Begin {
    /// Behind the change that is asked for, at the moment that is, or now.
    pub(super) fn find(app: &App, wanted: &Wanted, after: Option<&str>) -> Result<Self, ApiError> {
        let read_failed = |error: StoreError| ApiError::read_failed(&error);
        let open = window_of(app.as_of().plus_micros(1));
        let span = app.store.history_span().map_err(read_failed)?;
        kept::moments(app, &span, &wanted.query, app.as_of())?;
        let now = Position {
            commit: span.last,
            n: u32::MAX,
        };
        let begin = |after, window, reset| Self {
            after,
            damped: wanted.query.damped.then_some(window),
            reset,
        };
        let in_window = |number, after| Cursor {
            after,
            window: Some(Window {
                number,
                as_is: false,
            }),
        };
        let from_now = in_window(open, Some(now));
        let reset = |reason| begin(now, from_now, Some(reason));
        let position = match after.map(|id| app.epoch.position(id)) {
            None => {
                return match wanted.query.since {
                    // Of the window that is open it tells what comes from now on, as behind any id.
                    None => Ok(begin(now, from_now, None)),
                    Some(since) => {
                        let start = look::start_of(&*app.store, since).map_err(read_failed)?;
                        let window = in_window(window_of(since), None);
                        let start = before(start).max(kept::first(&span));
                        Ok(begin(start, window, None))
                    }
                };
            }
            Some(Err(NotHere::NoId)) => return Ok(reset("no_id")),
            Some(Err(NotHere::OtherEpoch)) => return Ok(reset("other_epoch")),
            Some(Ok(position)) => position,
        };
        if !kept::position(&span, position) {
            return Ok(reset("not_kept"));
        }
        if !wanted.query.damped {
            return Ok(begin(position, in_window(open, None), None));
        }
        match window_at(app, position)? {
            Some(number) => Ok(begin(position, in_window(number, Some(position)), None)),
            None => Ok(reset("not_kept")),
        }
    }
}

/// The last position before a first one.
fn before(first: Bound<Position>) -> Position {
    let commit = match first {
        Bound::Included(position) | Bound::Excluded(position) => position.commit,
        Bound::Unbounded => 0,
    };
    Position {
        commit: commit.saturating_sub(1),
        n: u32::MAX,
    }
}

/// The window that the change at a position is in. An id that a stream began with is that of no
/// change, and may be of a commit that has none: then it is the window of the next one, if any.
fn window_at(app: &App, position: Position) -> Result<Option<i64>, ApiError> {
    let mut window = None;
    let from = position.commit..=u64::MAX;
    let order = portolan_store::HistoryOrder::Ascending;
    let found = app.store.history(from, order, &mut |commit, record| {
        let changes = changes_of(commit, record)?;
        let up_to = changes.iter().rev().find(|it| it.position <= position);
        window = up_to.or(changes.first()).map(|it| window_of(it.at));
        Ok(match window {
            Some(_) => std::ops::ControlFlow::Break(()),
            None => std::ops::ControlFlow::Continue(()),
        })
    });
    found.map_err(|error| ApiError::read_failed(&error))?;
    Ok(Some(
        window.unwrap_or_else(|| window_of(app.as_of().plus_micros(1))),
    ))
}
