//! Walking through the history, and a page of it as it is.

use std::ops::{Bound, ControlFlow, RangeInclusive};

use portolan_store::history::{Change, Position, changes_of_host, changes_within, commit_until};
use portolan_store::{HistoryOrder, Store, StoreError};
use portolan_wire::caps;
use portolan_wire::time::UnixMicros;

use super::wanted::Wanted;

/// Positions from one to the other.
pub(super) type Span = (Bound<Position>, Bound<Position>);

/// What a page found.
#[derive(Debug)]
pub(super) struct Found<T, P> {
    pub(super) rows: Vec<T>,
    /// Where the next page goes on; `None` at the end.
    pub(super) next: Option<P>,
}

/// Hands out changes in an order, and `None` at each record, since one without changes is looked at,
/// too. Of one host it goes along that host's own chain.
pub(super) fn walk(
    store: &dyn Store,
    wanted: &Wanted,
    span: Span,
    order: HistoryOrder,
    each: &mut dyn FnMut(Option<Change>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    if let Some(host) = wanted.host() {
        let mut each = |change| each(Some(change));
        return changes_of_host(store, &host, span, order, &mut each);
    }
    store.history(commits(span), order, &mut |commit, record| {
        if each(None).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut each = |change| each(Some(change));
        Ok(changes_within(commit, record, &span, order, &mut each)?)
    })
}

fn commits((start, end): Span) -> RangeInclusive<u64> {
    let commit = |bound: Bound<Position>, open: u64| match bound {
        Bound::Included(position) | Bound::Excluded(position) => position.commit,
        Bound::Unbounded => open,
    };
    commit(start, 0)..=commit(end, u64::MAX)
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

/// A page of changes behind `after`, at most `limit` of them.
pub(super) fn page(
    store: &dyn Store,
    wanted: &Wanted,
    order: HistoryOrder,
    after: Option<Position>,
    limit: usize,
) -> Result<Found<Change, Position>, StoreError> {
    let span = span(store, wanted, order, after)?;
    let mut found = Found {
        rows: Vec::new(),
        next: None,
    };
    let (mut looked_at, mut last) = (0, after);
    walk(store, wanted, span, order, &mut |change| {
        looked_at += 1;
        if let Some(change) = change {
            if is_past(wanted, order, change.at) {
                return ControlFlow::Break(());
            }
            let position = change.position;
            if wanted.shows(&change) {
                if found.rows.len() == limit {
                    found.next = found.rows.last().map(|row: &Change| row.position);
                    return ControlFlow::Break(());
                }
                found.rows.push(change);
            }
            last = Some(position);
        }
        if looked_at >= caps::CHANGES_LOOKED_AT_MAX && last != after {
            found.next = last;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
