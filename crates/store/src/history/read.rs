//! Reading the history: changes in their order, those of one host, and what counts became.

use std::collections::HashMap;
use std::ops::{Bound, ControlFlow, Range, RangeBounds, RangeInclusive};

use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::time::UnixMicros;

use super::HistoryError;
use super::record::{Counts, Numbers, Part, Record};
use super::rows::{Change, Position, rows};
use crate::{HistoryOrder, Store, StoreError};

/// Takes one change after the other; `Break` ends the reading.
pub type EachChange<'a> = &'a mut dyn FnMut(Change) -> ControlFlow<()>;

/// What a reading comes past.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a step is handed out at once; a box for each change would be an allocation more"
)]
pub enum Step {
    /// A commit, perhaps one without a change.
    Commit {
        /// Its number.
        commit: u64,
        /// The moment of the first of its entries in the order of the reading.
        at: UnixMicros,
    },
    /// One of its changes.
    Change(Change),
}

impl Step {
    /// The moment that it is of.
    pub fn at(&self) -> UnixMicros {
        match self {
            Self::Commit { at, .. } => *at,
            Self::Change(change) => change.at,
        }
    }
}

/// Takes one step after the other; `Break` ends the reading.
pub type EachStep<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

/// Hands out the commits of some positions that are kept, in that order, each before its changes.
///
/// # Errors
/// The store cannot be read, or a record does not decode.
pub fn steps(
    store: &dyn Store,
    positions: impl RangeBounds<Position>,
    order: HistoryOrder,
    each: EachStep<'_>,
) -> Result<(), StoreError> {
    store.history(commits(&positions), order, &mut |commit, record| {
        let at = begins_at(&Record::read(record)?, order)?;
        if each(Step::Commit { commit, at }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let mut each = |change| each(Step::Change(change));
        Ok(changes_within(
            commit, record, &positions, order, &mut each,
        )?)
    })
}

fn begins_at(record: &Record<'_>, order: HistoryOrder) -> Result<UnixMicros, HistoryError> {
    match (order, record.len().checked_sub(1)) {
        (HistoryOrder::Descending, Some(last)) => Ok(record.entry(last)?.at),
        (HistoryOrder::Ascending, _) | (_, None) => Ok(record.first_at()),
    }
}

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
pub(super) fn commits(positions: &impl RangeBounds<Position>) -> RangeInclusive<u64> {
    let commit = |bound: Bound<&Position>| match bound {
        Bound::Included(position) | Bound::Excluded(position) => Some(position.commit),
        Bound::Unbounded => None,
    };
    let first = commit(positions.start_bound()).unwrap_or(0);
    first..=commit(positions.end_bound()).unwrap_or(u64::MAX)
}

pub(super) fn hand_out(
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
    let net = net_cells_while(store, project, commits, moments, &|| true)?;
    Ok(net.unwrap_or_default())
}

/// The same, for as long as it is wanted: `None` where that ended before it was done.
pub(super) fn net_cells_while(
    store: &dyn Store,
    project: &str,
    commits: RangeInclusive<u64>,
    moments: Moments,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Option<Net>, StoreError> {
    let mut net = Net::default();
    let mut is_done = true;
    let ascending = HistoryOrder::Ascending;
    store.history(commits, ascending, &mut |_, record| {
        is_done = is_wanted();
        if !is_done {
            return Ok(ControlFlow::Break(()));
        }
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
    Ok(is_done.then_some(net))
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
