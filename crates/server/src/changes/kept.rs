//! Whether what a client names is in the history that is kept.

use portolan_store::HistorySpan;
use portolan_store::history::Position;
use portolan_wire::changes::ChangesQuery;
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;

use super::damped::begin_of;
use crate::app::App;
use crate::error::ApiError;

/// Refuses moments outside the history, which is complete up to `as_of`.
pub(super) fn moments(
    app: &App,
    span: &HistorySpan,
    query: &ChangesQuery,
    as_of: UnixMicros,
) -> Result<(), ApiError> {
    let limits = [
        ("since", query.since, app.now()),
        ("until", query.until, as_of),
    ];
    for (name, given, last) in limits {
        let from = span.from;
        if let Some(given) = given.filter(|given| *given < from || *given > last.max(from)) {
            let detail = format!("{name} must be {from} to {last}, got {given}");
            return Err(ApiError::new(ErrorCode::MomentNotKept, detail));
        }
    }
    Ok(())
}

/// Whether all that came after a position is still there, and the position itself was there.
pub(super) fn position(span: &HistorySpan, position: Position) -> bool {
    position >= first(span) && position.commit <= span.last
}

/// The first position behind which all is kept.
pub(super) fn first(span: &HistorySpan) -> Position {
    Position {
        commit: span.after,
        n: u32::MAX,
    }
}

/// Whether a window of damped changes is still there.
pub(super) fn window(span: &HistorySpan, number: i64) -> bool {
    begin_of(number.saturating_add(1)) > span.from
}
