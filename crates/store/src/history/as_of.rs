//! The counts of a moment that is past.
//!
//! They are those of the nearest moment that is known, the published state or the checkpoint of a
//! day, changed by all commits between. So what it costs is bounded by half a day's commits, and
//! answers about the last hours cost what has changed since.
//! Holds: exact at any moment from [`HistorySpan::from`](crate::HistorySpan::from) on.

use std::collections::HashMap;

use portolan_census::{Group, MomentCounts, Selection, State};
use portolan_wire::time::UnixMicros;

use super::checkpoint;
use super::read::{Moments, Net, commit_until, net_cells_while};
use crate::{CheckpointAt, Store, StoreError};

/// From where the counts of another moment are reached.
enum Known {
    /// From the state that was given.
    Now,
    /// From a checkpoint.
    Checkpoint(CheckpointAt),
}

/// The counts of a project's selection as of `at`, which the history must reach: nothing is known
/// of what was before it, nor of what comes after `state`.
///
/// # Errors
/// The store cannot be read, or what it holds does not fit together.
pub fn counts_at(
    store: &dyn Store,
    state: &State,
    project_id: &str,
    selection: &Selection,
    at: UnixMicros,
) -> Result<MomentCounts, StoreError> {
    let counts = counts_at_while(store, state, project_id, selection, at, &|| true)?;
    Ok(counts.unwrap_or_default())
}

/// The same, for as long as it is wanted: `None` where that ended before it was done.
///
/// # Errors
/// Those of [`counts_at`].
pub fn counts_at_while(
    store: &dyn Store,
    state: &State,
    project_id: &str,
    selection: &Selection,
    at: UnixMicros,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<MomentCounts>, StoreError> {
    let last = commit_until(store, at)?.min(state.commit());
    let until_now = Moments {
        after: at,
        until: UnixMicros(i64::MAX),
    };
    // By moment and not by commit: one commit may hold versions of either side of the moment.
    let (known, commits, moments, sign) = match nearest(store, state, at)? {
        Known::Now => {
            let now = state.project(project_id).map(|project| project.counts());
            let now = now.unwrap_or_default().of_selection(selection);
            (now, last.max(1)..=state.commit(), until_now, -1)
        }
        Known::Checkpoint(known) => {
            let then = checkpoint::read(store, &known, project_id, selection)?;
            if known.at <= at {
                let until_then = Moments {
                    after: UnixMicros(i64::MIN),
                    until: at,
                };
                (then, known.commit + 1..=state.commit(), until_then, 1)
            } else {
                (then, last.max(1)..=known.commit, until_now, -1)
            }
        }
    };
    let net = net_cells_while(store, project_id, commits, moments, is_wanted)?;
    net.map(|net| changed(known, &net, sign)).transpose()
}

/// Of all known moments the one with the least time between.
fn nearest(store: &dyn Store, state: &State, at: UnixMicros) -> Result<Known, StoreError> {
    let now = (state.at().0.abs_diff(at.0), Known::Now);
    let checkpoints = store.checkpoints()?.into_iter();
    // One that was made of a newer state than the one given is of no use to it.
    let known = checkpoints.filter(|known| known.commit <= state.commit());
    let known = known.map(|known| (known.at.0.abs_diff(at.0), Known::Checkpoint(known)));
    let nearest = known.chain([now]).min_by_key(|(distance, _)| *distance);
    Ok(nearest.map_or(Known::Now, |(_, known)| known))
}

fn changed(mut counts: MomentCounts, net: &Net, sign: i64) -> Result<MomentCounts, StoreError> {
    let mut sums = HashMap::<(Group, u32), (i64, i64)>::new();
    let is_whole = counts.has(&None);
    for (of, is_ignored) in [(&net.cells, false), (&net.ignored, true)] {
        for ((enterprise_project, number), by) in of {
            let group = (!is_whole).then(|| enterprise_project.clone());
            let (open, ignored) = sums.entry((group, *number)).or_default();
            *(if is_ignored { ignored } else { open }) += by * sign;
        }
    }
    for ((group, number), (open, ignored)) in sums {
        let small = |by: i64| {
            i32::try_from(by).map_err(|_| does_not_fit("a count changed by more than can be"))
        };
        counts
            .change(&group, number, small(open)?, small(ignored)?)
            .map_err(|error| does_not_fit(&error.to_string()))?;
    }
    Ok(counts)
}

fn does_not_fit(what: &str) -> StoreError {
    StoreError::Read {
        what: format!("the history does not lead to the counts of that moment: {what}"),
    }
}
