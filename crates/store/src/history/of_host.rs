//! What one host did, along its chain and its waypoints.

use std::ops::{ControlFlow, RangeBounds};

use portolan_wire::ids::HostKey;

use super::read::{EachChange, EachStep, Step, commits, hand_out};
use super::record::{Entry, Record};
use super::rows::{Change, Position, rows};
use super::{HistoryError, waypoint};
use crate::snapshot::form::{Head, split};
use crate::{HistoryOrder, Store, StoreError};

/// Hands out the changes of one host, along its own chain: what other hosts did costs nothing, and what
/// it did outside the positions little. Of a host that is forgotten there are none.
///
/// # Errors
/// Those of [`changes`](super::changes).
pub fn changes_of_host(
    store: &dyn Store,
    key: &HostKey,
    positions: impl RangeBounds<Position>,
    order: HistoryOrder,
    each: EachChange<'_>,
) -> Result<(), StoreError> {
    steps_of_host(store, key, positions, order, &mut |step| match step {
        Step::Commit { .. } => ControlFlow::Continue(()),
        Step::Change(change) => each(change),
    })
}

/// The same with the commits that made a version of the host, each before its changes.
///
/// # Errors
/// Those of [`changes`](super::changes).
pub fn steps_of_host(
    store: &dyn Store,
    key: &HostKey,
    positions: impl RangeBounds<Position>,
    order: HistoryOrder,
    each: EachStep<'_>,
) -> Result<(), StoreError> {
    let Some(value) = store.host(key)? else {
        return Ok(());
    };
    let head = split(&value)?.0;
    match order {
        HistoryOrder::Descending => descend(store, key, &head, &positions, each),
        HistoryOrder::Ascending => ascend(store, key, &head, &positions, each),
    }
}

fn descend(
    store: &dyn Store,
    key: &HostKey,
    head: &Head<'_>,
    positions: &impl RangeBounds<Position>,
    each: EachStep<'_>,
) -> Result<(), StoreError> {
    let commits = commits(positions);
    let mut newest = head.history_at;
    if newest > *commits.end() {
        waypoint::each(store, key, head.way, &mut |commit, _| {
            if commit < *commits.end() {
                return Ok(ControlFlow::Break(()));
            }
            newest = commit;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let before = commits.start().saturating_sub(1);
    along(store, key, newest, before, |of_host| {
        if !commits.contains(&of_host.commit) {
            return Ok(ControlFlow::Continue(()));
        }
        of_host.hand_out(positions, HistoryOrder::Descending, each)
    })
}

/// From waypoint to waypoint: the chain leads back only, so what is between two of them is gathered.
fn ascend(
    store: &dyn Store,
    key: &HostKey,
    head: &Head<'_>,
    positions: &impl RangeBounds<Position>,
    each: EachStep<'_>,
) -> Result<(), StoreError> {
    let commits = commits(positions);
    let mut ends = vec![head.history_at];
    waypoint::each(store, key, head.way, &mut |commit, _| {
        if commit < *commits.start() {
            return Ok(ControlFlow::Break(()));
        }
        ends.push(commit);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut before = commits.start().saturating_sub(1);
    while let Some(newest) = ends.pop().filter(|_| before < *commits.end()) {
        let mut later = Vec::new();
        along(store, key, newest, before, |of_host| {
            later.extend(Some(of_host.commit).filter(|commit| commits.contains(commit)));
            Ok(ControlFlow::Continue(()))
        })?;
        for commit in later.into_iter().rev() {
            // What a retention took since then is gone.
            let Some(record) = store.history_record(commit)? else {
                continue;
            };
            let of_host = Chain::of(key, &record, commit)?;
            let flow = of_host.hand_out(positions, HistoryOrder::Ascending, each)?;
            if flow.is_break() {
                return Ok(());
            }
        }
        before = newest;
    }
    Ok(())
}

/// Goes along a host's chain from the entries of one commit back to those behind another.
fn along(
    store: &dyn Store,
    key: &HostKey,
    newest: u64,
    oldest: u64,
    mut each: impl FnMut(&Chain<'_>) -> Result<ControlFlow<()>, HistoryError>,
) -> Result<(), StoreError> {
    let mut next = newest;
    while next > oldest {
        let Some(record) = store.history_record(next)? else {
            break;
        };
        let of_host = Chain::of(key, &record, next)?;
        if each(&of_host)?.is_break() {
            break;
        }
        next = of_host.previous;
    }
    Ok(())
}

/// A host's entries of one record.
struct Chain<'a> {
    commit: u64,
    entries: Vec<Entry<'a>>,
    /// The commit of the entry before them.
    previous: u64,
}

impl<'a> Chain<'a> {
    fn of(key: &HostKey, record: &'a [u8], commit: u64) -> Result<Self, HistoryError> {
        let mut entries = Vec::new();
        for entry in Record::read(record)?.entries() {
            let entry = entry?;
            if entry.is_version_of(key) {
                entries.push(entry);
            }
        }
        let previous = entries.first().map(|entry| entry.head.previous);
        let previous = previous.filter(|previous| *previous < commit);
        Ok(Self {
            commit,
            entries,
            previous: previous.ok_or(HistoryError::Parts("a host's chain is broken"))?,
        })
    }

    fn hand_out(
        &self,
        positions: &impl RangeBounds<Position>,
        order: HistoryOrder,
        each: EachStep<'_>,
    ) -> Result<ControlFlow<()>, HistoryError> {
        let entry = match order {
            HistoryOrder::Ascending => self.entries.first(),
            HistoryOrder::Descending => self.entries.last(),
        };
        if let Some(entry) = entry {
            let (commit, at) = (self.commit, entry.at);
            if each(Step::Commit { commit, at }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let mut each = |change| each(Step::Change(change));
        Ok(hand_out(self.changes()?, positions, order, &mut each))
    }

    fn changes(&self) -> Result<Vec<Change>, HistoryError> {
        let mut changes = Vec::new();
        for entry in &self.entries {
            changes.extend(rows(self.commit, entry)?);
        }
        Ok(changes)
    }
}
