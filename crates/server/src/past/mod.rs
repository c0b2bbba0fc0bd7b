//! What is asked about past moments: which moments can be, and the counts of one.
//!
//! A past moment never changes, so its counts are kept for the next page of the same question.
//! Holds: of a moment that the history does not reach nothing is told but its limits.
//! Limit: `caps::PAST_COUNTS_MAX` counts are kept, the oldest goes first.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use portolan_census::{MomentCounts, Selection};
use portolan_store::history::counts_at_while;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::query::{Parameter, Query};
use portolan_wire::time::UnixMicros;

use crate::app::{App, Asker};
use crate::error::ApiError;

/// The moment that a question is about; now, where it is absent.
pub(crate) const AS_OF: Parameter = Parameter::moment("as_of");

/// Refuses a moment where the answer is of now only: it would be taken for that moment's.
pub(crate) fn only_now(query: &Query<'_>) -> Result<(), ApiError> {
    if query.single(AS_OF.name) == Ok(None) {
        return Ok(());
    }
    let what = "as_of must be left out: this call answers of now only";
    Err(ApiError::new(ErrorCode::InvalidParameter, what))
}

/// Reads a moment that the history must reach.
pub(crate) fn moment(
    app: &App,
    query: &Query<'_>,
    parameter: Parameter,
) -> Result<Option<UnixMicros>, ApiError> {
    let asked = parameter.read_moment(query)?;
    asked.map(|at| kept(app, parameter.name, at)).transpose()
}

/// The moment, if the history reaches it.
pub(crate) fn kept(app: &App, name: &str, at: UnixMicros) -> Result<UnixMicros, ApiError> {
    let until = app.as_of();
    let from = begin(app)?;
    if (from..=until).contains(&at) {
        return Ok(at);
    }
    Err(outside(name, from, until, at))
}

/// That a moment is no longer kept which was when the question came.
pub(crate) fn not_kept(app: &App, name: &str, at: UnixMicros) -> ApiError {
    match begin(app) {
        Ok(from) => outside(name, from, app.as_of(), at),
        Err(error) => error,
    }
}

fn begin(app: &App) -> Result<UnixMicros, ApiError> {
    let span = app.store.history_span();
    Ok(span.map_err(|error| ApiError::read_failed(&error))?.from)
}

fn outside(name: &str, from: UnixMicros, until: UnixMicros, at: UnixMicros) -> ApiError {
    let what = format!("{name} must be {from}, where the history begins, to {until}, got {at}");
    ApiError::new(ErrorCode::MomentNotKept, what)
}

/// That freshness is asked of a past moment: who was heard when is kept of now only.
pub(crate) fn no_freshness() -> ApiError {
    let what = "freshness must be left out together with as_of: it is known of now only";
    ApiError::new(ErrorCode::InvalidParameter, what)
}

/// Whose counts of which moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    project_id: String,
    selection: Selection,
    at: UnixMicros,
}

/// The counts of the moments that were asked about last.
#[derive(Default)]
pub(crate) struct PastCounts(Mutex<VecDeque<(Asked, Arc<MomentCounts>)>>);

impl PastCounts {
    /// The counts of a moment that the history reaches, which the parameter `name` has named. Nothing
    /// more is read once the asker is gone, and there is no answer then.
    pub(crate) fn at(
        &self,
        app: &App,
        asker: &Asker,
        project_id: &str,
        selection: &Selection,
        (name, at): (&str, UnixMicros),
    ) -> Result<Arc<MomentCounts>, ApiError> {
        let asked = Asked {
            project_id: project_id.to_owned(),
            selection: selection.clone(),
            at,
        };
        if let Some(kept) = self.kept(&asked) {
            return Ok(kept);
        }
        // Held for long: a thread has few guards.
        let state = app.published.state.load_full();
        let is_wanted = || !asker.is_gone();
        let counted = counts_at_while(&*app.store, &state, project_id, selection, at, &is_wanted);
        let counted = counted.map_err(|error| ApiError::read_failed(&error))?;
        let counts = counted.ok_or_else(|| ApiError::internal("nobody waits for the answer"))?;
        let counts = Arc::new(counts);
        // A day that was dropped while it was read may be missing from the counts.
        if begin(app)? > at {
            return Err(not_kept(app, name, at));
        }
        let mut all = self.0.lock();
        if all.len() >= caps::PAST_COUNTS_MAX {
            all.pop_front();
        }
        all.push_back((asked, Arc::clone(&counts)));
        Ok(counts)
    }

    fn kept(&self, asked: &Asked) -> Option<Arc<MomentCounts>> {
        let all = self.0.lock();
        let mut same = all.iter().filter(|(kept, _)| kept == asked);
        same.next().map(|(_, counts)| Arc::clone(counts))
    }
}
