//! The counts of a project without its hosts: what a page needs, and nothing else.
//!
//! A clone shares everything that does not change later, so counts of another moment, or of some of
//! the hosts, cost what differs.
//! Holds: the counts of the whole are the sums of those of the enterprise projects; one without rows
//! has no counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use portolan_wire::ids::EnterpriseProjectId;

use crate::number::{ListId, Number, RowKey};
use crate::project::Selection;
use crate::scope::Scope;

/// The counts of a project.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    scopes: OrdMap<EnterpriseProjectId, Arc<Scope>>,
    whole: Arc<Scope>,
}

/// A change that would count fewer than no assets, or of a number that is none: it is not of these
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counts cannot be changed by {by} at number {number}: too few are counted, or it is none")]
pub struct TooFew {
    /// The number: see [`Cells::changes_since`].
    pub number: u32,
    /// By how much it was to change.
    pub by: i32,
}

/// One row of the counts of an enterprise project: what a copy of them is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountRow {
    /// The number of its list.
    pub list: u8,
    /// Its place in the list: the port and, in the lowest bit, whether it is of UDP.
    pub key: u32,
    /// On how many assets it is open; at least 1.
    pub num: u32,
    /// How many of them ignore it, where it is danger; at most as many.
    pub ignored: u32,
}

/// A row that no counts have, or that is not in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no row of counts, or does not follow the row before it")]
pub struct BadRow(pub CountRow);

impl Counts {
    pub(crate) fn of_scopes(
        scopes: impl IntoIterator<Item = (EnterpriseProjectId, Arc<Scope>)>,
        whole: Arc<Scope>,
    ) -> Self {
        let scopes = scopes.into_iter();
        Self {
            scopes: scopes.filter(|(_, scope)| !scope.has_no_rows()).collect(),
            whole,
        }
    }

    /// The counts that these rows are those of: of each enterprise project in the order in which
    /// [`rows`](Self::rows) gives them.
    ///
    /// # Errors
    /// A row is none, is given twice or stands in another order.
    pub fn of_rows(
        rows: impl IntoIterator<Item = (EnterpriseProjectId, CountRow)>,
    ) -> Result<Self, BadRow> {
        let mut scopes = BTreeMap::<EnterpriseProjectId, Vec<CountRow>>::new();
        let mut whole = BTreeMap::<(u8, u32), CountRow>::new();
        for (id, row) in rows {
            let place = |row: &CountRow| (row.list, row.key);
            let scope = scopes.entry(id).or_default();
            let follows = scope.last().is_none_or(|last| place(last) < place(&row));
            let is_one = usize::from(row.list) < ListId::COUNT && row.key <= RowKey::MAX.0;
            if !follows || !is_one || row.num == 0 || row.ignored > row.num {
                return Err(BadRow(row));
            }
            scope.push(row);
            let sum = whole.entry(place(&row)).or_insert(CountRow {
                num: 0,
                ignored: 0,
                ..row
            });
            sum.num = sum.num.saturating_add(row.num);
            sum.ignored = sum.ignored.saturating_add(row.ignored);
        }
        let scopes = scopes.into_iter();
        let whole: Vec<CountRow> = whole.into_values().collect();
        Ok(Self {
            scopes: scopes
                .map(|(id, rows)| (id, Arc::new(Scope::of_rows(&rows))))
                .collect(),
            whole: Arc::new(Scope::of_rows(&whole)),
        })
    }

    /// Every row of every enterprise project; those of the whole follow from them.
    pub fn rows(&self) -> impl Iterator<Item = (&EnterpriseProjectId, CountRow)> {
        let scopes = self.scopes.iter();
        scopes.flat_map(|(id, scope)| scope.rows().map(move |row| (id, row)))
    }

    /// Changes how many assets have a (port, transport), by its number: see
    /// [`Cells::changes_since`].
    ///
    /// # Errors
    /// There are too few of them, or the number is none; nothing is changed.
    pub fn change(
        &mut self,
        enterprise_project: &EnterpriseProjectId,
        number: u32,
        by: i32,
    ) -> Result<(), TooFew> {
        let too_few = TooFew { number, by };
        let number = Number::read(number).ok_or(too_few)?;
        let held = self.scopes.get(enterprise_project);
        if !held.map_or(by >= 0, |scope| scope.has(number, by)) {
            return Err(too_few);
        }
        if by != 0 {
            self.on_both(enterprise_project, |scope| scope.add(number, by));
        }
        Ok(())
    }

    /// Changes how many of those assets ignore it, by its number.
    ///
    /// # Errors
    /// There are too few of them, or the number is none; nothing is changed.
    pub fn ignore(
        &mut self,
        enterprise_project: &EnterpriseProjectId,
        number: u32,
        by: i32,
    ) -> Result<(), TooFew> {
        let too_few = TooFew { number, by };
        let number = Number::read(number).ok_or(too_few)?;
        let held = self.scopes.get(enterprise_project);
        if !held.map_or(by >= 0, |scope| scope.has_ignored(number, by)) {
            return Err(too_few);
        }
        if by != 0 {
            self.on_both(enterprise_project, |scope| scope.ignore(number, by));
        }
        Ok(())
    }

    /// Changes an enterprise project's counts and, by the same, those of the whole.
    fn on_both(&mut self, id: &EnterpriseProjectId, change: impl Fn(&mut Scope)) {
        self.on_scope(id, &change);
        self.on_whole(change);
    }

    /// Changes an enterprise project's counts; whoever calls it changes those of the whole.
    pub(crate) fn on_scope(&mut self, id: &EnterpriseProjectId, change: impl Fn(&mut Scope)) {
        let scope = match self.scopes.get_mut(id) {
            Some(scope) => scope,
            None => self.scopes.entry(id.clone()).or_default(),
        };
        change(Arc::make_mut(scope));
        if scope.has_no_rows() {
            self.scopes.remove(id);
        }
    }

    /// Changes the counts of the whole.
    pub(crate) fn on_whole(&mut self, change: impl Fn(&mut Scope)) {
        change(Arc::make_mut(&mut self.whole));
    }

    /// Lets go what it shares of an enterprise project: what nobody else holds is changed in its place.
    pub(crate) fn let_scope_go(&mut self, id: &EnterpriseProjectId) {
        self.scopes.remove(id);
    }

    /// The same of the whole.
    pub(crate) fn let_whole_go(&mut self) {
        self.whole = Arc::default();
    }

    /// Counts of an enterprise project what `other` counts.
    pub(crate) fn share_scope(&mut self, id: &EnterpriseProjectId, other: &Self) {
        match other.scopes.get(id) {
            Some(scope) => self.scopes.insert(id.clone(), Arc::clone(scope)),
            None => self.scopes.remove(id),
        };
    }

    /// Counts of the whole what `other` counts.
    pub(crate) fn share_whole(&mut self, other: &Self) {
        self.whole = Arc::clone(&other.whole);
    }

    pub(crate) fn selected<'a>(
        &'a self,
        selection: &'a Selection,
    ) -> Box<dyn Iterator<Item = &'a Scope> + 'a> {
        match selection {
            Selection::Whole => Box::new(std::iter::once(&*self.whole)),
            Selection::Of(list) => Box::new(
                list.iter()
                    .filter_map(|id| self.scopes.get(id).map(|scope| &**scope)),
            ),
        }
    }
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
