//! Walking through the history, and a page of it as it is.

use std::ops::{Bound, ControlFlow};

use portolan_store::history::{
    Change, EachStep, Position, Step, commit_until, steps, steps_of_host,
};
use portolan_store::{HistoryOrder, Store, StoreError};
use portolan_wire::time::UnixMicros;

use super::wanted::Wanted;
use crate::app::App;

/// Positions from one to the other.
pub(super) type Span = (Bound<Position>, Bound<Position>);

/// What a page found.
#[derive(Debug)]
pub(super) struct Found<T, P> {
    pub(super) rows: Vec<T>,
    /// Where the next page goes on; `None` at the end.
    pub(super) next: Option<P>,
}

/// How much a page may hold, and look through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) rows: usize,
    /// Changes, and commits with none.
    pub(super) looked_at: usize,
}

impl Most {
    /// Of so many rows.
    pub(super) fn rows(app: &App, rows: usize) -> Self {
        Self {
            rows,
            looked_at: app.limits.changes_looked_at,
        }
    }
}

/// Hands out commits and their changes in an order. Of one host it goes along that host's own chain.
pub(super) fn walk(
    store: &dyn Store,
    wanted: &Wanted,
    span: Span,
    order: HistoryOrder,
    each: EachStep<'_>,
) -> Result<(), StoreError> {
    match wanted.host() {
        Some(host) => steps_of_host(store, &host, span, order, each),
        None => steps(store, span, order, each),
    }
}

/// Behind which position a page goes on that ends where a commit begins.
pub(super) fn before_commit(order: HistoryOrder, commit: u64) -> Position {
    let n = u32::MAX;
    match order {
        HistoryOrder::Ascending => Position {
            commit: commit.saturating_sub(1),
            n,
        },
        HistoryOrder::Descending => Position { commit, n },
    }
}

/// The further one of a position and where a page began.
pub(super) fn further(order: HistoryOrder, position: Position, than: Option<Position>) -> Position {
    match (order, than) {
        (_, None) => position,
        (HistoryOrder::Ascending, Some(than)) => position.max(than),
        (HistoryOrder::Descending, Some(than)) => position.min(than),
    }
}

/// The first position that a change at or after `at` can have.
pub(super) fn start_of(store: &dyn Store, at: UnixMicros) -> Result<Bound<Position>, StoreError> {
    let commit = commit_until(store, at.plus_micros(-1))?;
    Ok(Bound::Included(Position { commit, n: 0 }))
}

/// The last position that a change before `at` can have.
pub(super) fn end_of(store: &dyn Store, at: UnixMicros) -> Result<Bound<Position>, StoreError> {
    let commit = commit_until(store, at.plus_micros(-1))?;
    let n = u32::MAX;
    Ok(Bound::Included(Position { commit, n }))
}

/// The span that a page is about which begins behind `after`, or at the one end of what is wanted.
fn span(
    store: &dyn Store,
    wanted: &Wanted,
    order: HistoryOrder,
    after: Option<Position>,
) -> Result<Span, StoreError> {
    match (order, after) {
        (HistoryOrder::Ascending, Some(after)) => Ok((Bound::Excluded(after), Bound::Unbounded)),
        (HistoryOrder::Descending, Some(after)) => Ok((Bound::Unbounded, Bound::Excluded(after))),
        (HistoryOrder::Ascending, None) => {
            let since = wanted.query.since.map(|since| start_of(store, since));
            Ok((since.unwrap_or(Ok(Bound::Unbounded))?, Bound::Unbounded))
        }
        (HistoryOrder::Descending, None) => {
            let until = wanted.query.until.map(|until| end_of(store, until));
            Ok((Bound::Unbounded, until.unwrap_or(Ok(Bound::Unbounded))?))
        }
    }
}

/// Whether nothing further in that order is wanted.
pub(super) fn is_past(wanted: &Wanted, order: HistoryOrder, at: UnixMicros) -> bool {
    match order {
        HistoryOrder::Ascending => wanted.is_over(at),
        HistoryOrder::Descending => wanted.is_before(at),
    }
}

/// A page of changes behind `after`.
pub(super) fn page(
    store: &dyn Store,
    wanted: &Wanted,
    order: HistoryOrder,
    after: Option<Position>,
    most: Most,
) -> Result<Found<Change, Position>, StoreError> {
    let span = span(store, wanted, order, after)?;
    let mut found = Found {
        rows: Vec::new(),
        next: None,
    };
    let (mut looked_at, mut last) = (0, after);
    walk(store, wanted, span, order, &mut |step| {
        looked_at += 1;
        if is_past(wanted, order, step.at()) {
            return ControlFlow::Break(());
        }
        match step {
            Step::Commit { commit, .. } => {
                last = Some(further(order, before_commit(order, commit), last));
            }
            Step::Change(change) => {
                last = Some(change.position);
                if wanted.shows(&change) {
                    if found.rows.len() == most.rows {
                        found.next = found.rows.last().map(|row: &Change| row.position);
                        return ControlFlow::Break(());
                    }
                    found.rows.push(change);
                }
            }
        }
        if looked_at >= most.looked_at && last != after {
            found.next = last;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
