//! The counts of a selection at another moment.
//!
//! They begin as those of a moment that is known, now or that of a checkpoint, and are changed by
//! what the history says of the time between. Of the whole project only its own counts are needed,
//! and of some enterprise projects only theirs, so nothing else is carried along.

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_wire::ids::EnterpriseProjectId;

use crate::counts::{CountRow, Counts};
use crate::number::{ListId, Number, RowKey};
use crate::page::{Filter, Page, PageRequest, page_of};
use crate::project::Selection;
use crate::scope::Scope;

/// Whose counts: of an enterprise project, or, as `None`, of the whole project.
pub type Group = Option<EnterpriseProjectId>;

/// The counts of the groups of a selection.
#[derive(Clone, Debug, Default)]
pub struct MomentCounts {
    groups: BTreeMap<Group, Arc<Scope>>,
}

/// A change that would count fewer than no assets, or of a number that is none: it is not of these
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counts cannot be changed by {by} at number {number}: too few are counted, or it is none")]
pub struct TooFew {
    /// The number: see [`Cells::changes_since`](crate::Cells::changes_since).
    pub number: u32,
    /// By how much it was to change.
    pub by: i32,
}

/// A row that no counts have, or that is not in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no row of counts, or does not follow the row before it")]
pub struct BadRow(pub CountRow);

impl Selection {
    /// The groups whose counts make up this selection's.
    pub fn groups(&self) -> Vec<Group> {
        match self {
            Self::Whole => vec![None],
            Self::Of(list) => list.iter().cloned().map(Some).collect(),
        }
    }
}

impl MomentCounts {
    /// No counts, of the groups of a selection.
    pub fn empty(selection: &Selection) -> Self {
        let groups = selection.groups().into_iter();
        Self {
            groups: groups.map(|group| (group, Arc::default())).collect(),
        }
    }

    /// Takes the rows of one group, in the order in which [`Counts::group_rows`] gives them.
    ///
    /// # Errors
    /// A row is none, is given twice or stands in another order; nothing is changed.
    pub fn set_rows(&mut self, group: &Group, rows: &[CountRow]) -> Result<(), BadRow> {
        let mut last = None;
        for &row in rows {
            let place = Some((row.list, row.key));
            let is_one = usize::from(row.list) < ListId::COUNT && row.key <= RowKey::MAX.0;
            if last >= place || !is_one || row.num == 0 || row.ignored > row.num {
                return Err(BadRow(row));
            }
            last = place;
        }
        if let Some(scope) = self.groups.get_mut(group) {
            *scope = Arc::new(Scope::of_rows(rows));
        }
        Ok(())
    }

    /// Whether it has the counts of a group.
    pub fn has(&self, group: &Group) -> bool {
        self.groups.contains_key(group)
    }

    /// Changes how many assets of a group have a cell, and how many of those ignore it, by the
    /// cell's number. A group that is not selected has no counts here.
    ///
    /// # Errors
    /// There are too few of them: the change is not of these counts, and they are of no use.
    pub fn change(
        &mut self,
        group: &Group,
        number: u32,
        by: i32,
        ignored_by: i32,
    ) -> Result<(), TooFew> {
        let Some(scope) = self.groups.get_mut(group) else {
            return Ok(());
        };
        let too_few = TooFew { number, by };
        let cell = Number::read(number).ok_or(too_few)?;
        if !scope.has(cell, by) || !scope.has_ignored(cell, ignored_by) {
            return Err(too_few);
        }
        let scope = Arc::make_mut(scope);
        if by != 0 {
            scope.add(cell, by);
        }
        if ignored_by != 0 {
            scope.ignore(cell, ignored_by);
        }
        Ok(())
    }

    /// One page of the rows that match a filter.
    pub fn page(&self, filter: &Filter, request: &PageRequest) -> Page {
        page_of(self.groups.values().map(|scope| &**scope), filter, request)
    }
}

impl Counts {
    /// The counts of a selection, to be changed to those of another moment.
    pub fn of_selection(&self, selection: &Selection) -> MomentCounts {
        let scope = |group: &Group| self.group(group).cloned().unwrap_or_default();
        let groups = selection.groups().into_iter();
        MomentCounts {
            groups: groups.map(|group| (group.clone(), scope(&group))).collect(),
        }
    }

    /// The groups that have counts: the whole first.
    pub fn groups(&self) -> impl Iterator<Item = Group> + '_ {
        let of_enterprise_projects = self.enterprise_projects().cloned().map(Some);
        std::iter::once(None).chain(of_enterprise_projects)
    }

    /// The rows of a group, by list and then by place.
    pub fn group_rows(&self, group: &Group) -> Vec<CountRow> {
        let scope = self.group(group);
        scope.map_or_else(Vec::new, |scope| scope.rows().collect())
    }
}

#[cfg(test)]
#[path = "moment_tests.rs"]
mod tests;
