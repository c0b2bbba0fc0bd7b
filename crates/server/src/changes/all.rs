//! All changes of a call, one after the other, for who takes them as fast as it can.
//!
//! Limits: memory holds one page of changes, and what `look` and `damped` hold of the history.

use std::collections::VecDeque;

use portolan_store::HistoryOrder;
use portolan_wire::changes::ChangesQuery;
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;

use super::ids::Cursor;
use super::shown::ShownChange;
use super::wanted::Wanted;
use super::{damped, kept, look};
use crate::app::App;
use crate::error::ApiError;

/// Changes that are read at once: a commit with many is read again for each so many of them.
const READ_AT_ONCE: usize = 4_096;

/// Changes from the oldest on.
pub(crate) struct AllChanges {
    wanted: Wanted,
    /// What was asked for, with ends that were given only.
    asked: ChangesQuery,
    /// What is complete, and so all that is told.
    as_of: UnixMicros,
    from: Option<Cursor>,
    ready: VecDeque<ShownChange>,
    is_over: bool,
}

impl AllChanges {
    /// Those up to `as_of`, which is no later than what is published.
    ///
    /// # Errors
    /// They are of a time that the history does not hold.
    pub(crate) fn until(
        app: &App,
        mut wanted: Wanted,
        as_of: UnixMicros,
    ) -> Result<Self, ApiError> {
        let span = app.store.history_span();
        let span = span.map_err(|error| ApiError::read_failed(&error))?;
        kept::moments(app, &span, &wanted.query, as_of)?;
        let asked = wanted.query.clone();
        wanted.query.until.get_or_insert(as_of.plus_micros(1));
        Ok(Self {
            wanted,
            asked,
            as_of,
            from: None,
            ready: VecDeque::new(),
            is_over: false,
        })
    }

    /// The next one that was read.
    pub(crate) fn pop(&mut self) -> Option<ShownChange> {
        self.ready.pop_front()
    }

    /// Whether there may be more than was read.
    pub(crate) fn may_have_more(&self) -> bool {
        !self.is_over
    }

    /// Reads more, perhaps none that is wanted.
    ///
    /// # Errors
    /// The store cannot be read, or no longer holds what comes next.
    pub(crate) fn read(&mut self, app: &App) -> Result<(), ApiError> {
        let (from, order) = (self.from, HistoryOrder::Ascending);
        let read = |error| ApiError::read_failed(&error);
        let most = look::Most::rows(app, READ_AT_ONCE);
        if self.wanted.query.damped {
            let open = damped::window_of(self.as_of.plus_micros(1));
            let found = damped::page(&*app.store, &self.wanted, order, from, open, most);
            let found = found.map_err(read)?;
            self.from = found.next;
            for (change, folded) in &found.rows {
                self.ready.push_back(ShownChange::new(
                    app.epoch,
                    &self.wanted.granted,
                    change,
                    *folded,
                ));
            }
        } else {
            let after = from.and_then(|from| from.after);
            let found = look::page(&*app.store, &self.wanted, order, after, most);
            let found = found.map_err(read)?;
            self.from = found.next.map(|after| Cursor {
                after: Some(after),
                window: None,
            });
            for change in &found.rows {
                self.ready.push_back(ShownChange::new(
                    app.epoch,
                    &self.wanted.granted,
                    change,
                    None,
                ));
            }
        }
        self.is_over = self.from.is_none();
        self.check(app, from)
    }

    /// What was dropped meanwhile is not passed over: all behind `from` must still be there.
    fn check(&self, app: &App, from: Option<Cursor>) -> Result<(), ApiError> {
        let span = app.store.history_span();
        let span = span.map_err(|error| ApiError::read_failed(&error))?;
        let Some(from) = from else {
            return kept::moments(app, &span, &self.asked, self.as_of);
        };
        let is_kept = from.after.is_none_or(|after| kept::position(&span, after))
            && from
                .window
                .is_none_or(|window| kept::window(&span, window.number));
        if is_kept {
            return Ok(());
        }
        let detail = format!("the history goes back to {} by now", span.from);
        Err(ApiError::new(ErrorCode::MomentNotKept, detail))
    }
}
