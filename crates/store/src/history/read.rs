//! Reading the history: changes in their order, those of one host, and what counts became.

use std::collections::HashMap;
use std::ops::{Bound, ControlFlow, Range, RangeBounds, RangeInclusive};

use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::time::UnixMicros;

use super::HistoryError;
use super::record::{Counts, Entry, Numbers, Part, Record};
use super::rows::{Change, Position, rows};
use super::waypoint;
use crate::snapshot::form::{Head, split};
use crate::{HistoryOrder, Store, StoreError};

/// Takes one change after the other; `Break` ends the reading.
pub type EachChange<'a> = &'a mut dyn FnMut(Change) -> ControlFlow<()>;

/// Hands out the changes of some positions that are kept, in that order.
///
/// # Errors
/// The store cannot be read, or a record does not decode.
pub fn changes(
    store: &dyn Store,
    positions: impl RangeBounds<Position>,
    order: HistoryOrder,
    each: EachChange<'_>,
) -> Result<(), StoreError> {
    store.history(commits(&positions), order, &mut |commit, record| {
        Ok(changes_within(commit, record, &positions, order, each)?)
    })
}

/// Hands out the changes of one record that have some positions. Entries without one of them are not
/// decoded: a commit may hold very many changes, and a page of them is asked for at a time.
///
/// # Errors
/// The record does not decode.
pub fn changes_within(
    commit: u64,
    record: &[u8],
    positions: &impl RangeBounds<Position>,
    order: HistoryOrder,
    each: EachChange<'_>,
) -> Result<ControlFlow<()>, HistoryError> {
    let record = Record::read(record)?;
    for step in 0..record.len() {
        let place = match order {
            HistoryOrder::Ascending => step,
            HistoryOrder::Descending => record.len() - 1 - step,
        };
        let entry = record.entry(place)?;
        let end = match place + 1 {
            next if next < record.len() => record.entry(next)?.head.first_row,
            _ => u32::MAX,
        };
        let rows_at = entry.head.first_row..end;
        if !meet(commit, &rows_at, positions) {
            continue;
        }
        if hand_out(rows(commit, &entry)?, positions, order, each).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Whether one of a commit's rows with these numbers is among the positions.
fn meet(commit: u64, numbers: &Range<u32>, positions: &impl RangeBounds<Position>) -> bool {
    let Some(last) = numbers
        .end
        .checked_sub(1)
        .filter(|last| *last >= numbers.start)
    else {
        return false;
    };
    let at = |n| Position { commit, n };
    let begins = match positions.start_bound() {
        Bound::Included(start) => at(last) >= *start,
        Bound::Excluded(start) => at(last) > *start,
        Bound::Unbounded => true,
    };
    let ends = match positions.end_bound() {
        Bound::Included(end) => at(numbers.start) <= *end,
        Bound::Excluded(end) => at(numbers.start) < *end,
        Bound::Unbounded => true,
    };
    begins && ends
}

/// The commits that changes of those positions are of.
fn commits(positions: &impl RangeBounds<Position>) -> RangeInclusive<u64> {
    let commit = |bound: Bound<&Position>| match bound {
        Bound::Included(position) | Bound::Excluded(position) => Some(position.commit),
        Bound::Unbounded => None,
    };
    let first = commit(positions.start_bound()).unwrap_or(0);
    first..=commit(positions.end_bound()).unwrap_or(u64::MAX)
}

fn hand_out(
    mut changes: Vec<Change>,
    positions: &impl RangeBounds<Position>,
    order: HistoryOrder,
    each: EachChange<'_>,
) -> ControlFlow<()> {
    if order == HistoryOrder::Descending {
        changes.reverse();
    }
    let asked = changes
        .into_iter()
        .filter(|change| positions.contains(&change.position));
    for change in asked {
        each(change)?;
    }
    ControlFlow::Continue(())
}

/// The same of one host, along its own chain: what other hosts did costs nothing, and what it did
/// outside the positions little. Of a host that is forgotten there are none.
///
/// # Errors
/// Those of [`changes`].
pub fn changes_of_host(
    store: &dyn Store,
    key: &HostKey,
    positions: impl RangeBounds<Position>,
    order: HistoryOrder,
    each: EachChange<'_>,
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
    each: EachChange<'_>,
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
        let changes = of_host.changes()?;
        Ok(hand_out(changes, positions, HistoryOrder::Descending, each))
    })
}

/// From waypoint to waypoint: the chain leads back only, so what is between two of them is gathered.
fn ascend(
    store: &dyn Store,
    key: &HostKey,
    head: &Head<'_>,
    positions: &impl RangeBounds<Position>,
    each: EachChange<'_>,
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
            let changes = Chain::of(key, &record, commit)?.changes()?;
            if hand_out(changes, positions, HistoryOrder::Ascending, each).is_break() {
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

    fn changes(&self) -> Result<Vec<Change>, HistoryError> {
        let mut changes = Vec::new();
        for entry in &self.entries {
            changes.extend(rows(self.commit, entry)?);
        }
        Ok(changes)
    }
}

/// The newest commit of the history none of whose entries is later than `at`, or which at least begins
/// no later; 0 where there is none. What is later than `at` is in it and behind it only.
///
/// # Errors
/// The store cannot be read, or a record does not decode.
pub fn commit_until(store: &dyn Store, at: UnixMicros) -> Result<u64, StoreError> {
    let span = store.history_span()?;
    let first = span.days.first().map_or(span.last, |day| day.first);
    let (mut low, mut high) = (first, span.last);
    let mut found = 0;
    // Not each commit has a record: those up to a middle are asked for the newest that has one.
    while low > 0 && low <= high {
        let middle = low + (high - low) / 2;
        let mut newest = None;
        store.history(
            low..=middle,
            HistoryOrder::Descending,
            &mut |commit, record| {
                newest = Some((commit, Record::read(record)?.first_at()));
                Ok(ControlFlow::Break(()))
            },
        )?;
        match newest {
            Some((commit, first_at)) if first_at > at => high = commit - 1,
            Some((commit, _)) => {
                found = commit;
                low = middle + 1;
            }
            None => low = middle + 1,
        }
    }
    Ok(found)
}

/// Which moments: later than `after`, and no later than `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// Not this one, and none before it.
    pub after: UnixMicros,
    /// This one, and none behind it.
    pub until: UnixMicros,
}

/// By how much each count of a project's enterprise projects grew: by enterprise project and the
/// number of the cell ([`Cells::changes_since`](portolan_census::Cells::changes_since)). None is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Net {
    /// What is open.
    pub cells: HashMap<(EnterpriseProjectId, u32), i64>,
    /// What of it is ignored.
    pub ignored: HashMap<(EnterpriseProjectId, u32), i64>,
}

/// What all commits of those numbers and moments did to the counts of a project.
///
/// # Errors
/// The store cannot be read, or a record does not decode.
pub fn net_cells(
    store: &dyn Store,
    project: &str,
    commits: RangeInclusive<u64>,
    moments: Moments,
) -> Result<Net, StoreError> {
    let mut net = Net::default();
    let ascending = HistoryOrder::Ascending;
    store.history(commits, ascending, &mut |_, record| {
        for entry in Record::read(record)?.entries() {
            let entry = entry?;
            // Moments never decrease along the history.
            if entry.at > moments.until {
                return Ok(ControlFlow::Break(()));
            }
            if entry.at > moments.after && entry.head.project == project {
                net.add(&entry.counts()?);
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    net.cells.retain(|_, by| *by != 0);
    net.ignored.retain(|_, by| *by != 0);
    Ok(net)
}

impl Net {
    fn add(&mut self, counts: &Counts<'_>) {
        match counts {
            Counts::Differs(part) => self.part(part, 1),
            Counts::Replaces { before, after } => {
                before.iter().for_each(|part| self.part(part, -1));
                after.iter().for_each(|part| self.part(part, 1));
            }
        }
    }

    fn part(&mut self, part: &Part<'_>, sign: i64) {
        let scope = EnterpriseProjectId::from(part.enterprise_project);
        let sum = |sums: &mut HashMap<_, i64>, numbers: &Numbers| {
            for &(number, by) in numbers {
                *sums.entry((scope.clone(), number)).or_default() += sign * i64::from(by);
            }
        };
        sum(&mut self.cells, &part.cells);
        sum(&mut self.ignored, &part.ignored);
    }
}
