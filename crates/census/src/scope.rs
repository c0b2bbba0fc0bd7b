//! The counts of one group of hosts: an enterprise project, or the whole project.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::cells::{Cell, ListId, RowKey};
use crate::counts::{Adds, CountRow};
use crate::rows::{Row, RowChange, Rows};

/// Four row lists with the keys that are present in each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    lists: [List; 4],
}

/// One row list, and the set of its keys: unions over scopes are made from these sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) rows: Rows,
    pub(crate) present: Arc<RoaringBitmap>,
    /// Of rows that the port table calls danger: how many of the assets ignore it, where any does.
    pub(crate) ignored: Arc<BTreeMap<RowKey, u32>>,
}

impl Scope {
    /// A scope whose cells, in ascending order, count so often.
    pub(crate) fn of_counts(cells: &[(Cell, u32)]) -> Self {
        let mut scope = Self::default();
        for of_list in cells.chunk_by(|(a, _), (b, _)| a.list() == b.list()) {
            let Some(list) = of_list
                .first()
                .and_then(|(cell, _)| scope.lists.get_mut(cell.list().index()))
            else {
                continue;
            };
            let rows = of_list.iter().map(|&(cell, num)| Row {
                key: cell.key(),
                num,
            });
            list.rows = Rows::of_sorted(rows.collect());
            list.present = Arc::new(of_list.iter().map(|(cell, _)| cell.key().0).collect());
        }
        scope
    }

    /// A scope of these rows, in the order of their lists and keys, each once.
    pub(crate) fn of_rows(rows: &[CountRow]) -> Self {
        let mut scope = Self::default();
        for of_list in rows.chunk_by(|a, b| a.list == b.list) {
            let list = of_list.first().map(|row| usize::from(row.list));
            let Some(list) = list.and_then(|list| scope.lists.get_mut(list)) else {
                continue;
            };
            let counted = of_list.iter().map(|row| Row {
                key: RowKey(row.key),
                num: row.num,
            });
            list.rows = Rows::of_sorted(counted.collect());
            list.present = Arc::new(of_list.iter().map(|row| row.key).collect());
            let ignored = of_list.iter().filter(|row| row.ignored > 0);
            let ignored = ignored.map(|row| (RowKey(row.key), row.ignored));
            list.ignored = Arc::new(ignored.collect());
        }
        scope
    }

    /// Its rows, in that order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = CountRow> + '_ {
        let lists = (0u8..).zip(&self.lists);
        lists.flat_map(|(id, list)| {
            list.rows.iter().map(move |row| CountRow {
                list: id,
                key: row.key.0,
                num: row.num,
                ignored: list.ignored.get(&row.key).copied().unwrap_or(0),
            })
        })
    }

    /// Whether a cell can change by so much: it does not count less than nothing then.
    pub(crate) fn has(&self, cell: Cell, by: i32) -> bool {
        let list = self.lists.get(cell.list().index());
        list.is_some_and(|list| list.rows.num(cell.key()).checked_add_signed(by).is_some())
    }

    /// The same of what is ignored.
    pub(crate) fn has_ignored(&self, cell: Cell, by: i32) -> bool {
        let list = self.lists.get(cell.list().index());
        let ignored = list.map(|list| list.ignored.get(&cell.key()).copied().unwrap_or(0));
        ignored.is_some_and(|num| num.checked_add_signed(by).is_some())
    }

    /// Takes what a host adds in the place of what it added.
    pub(crate) fn replace(&mut self, before: Adds<'_>, after: Adds<'_>) {
        after
            .cells
            .differences(before.cells, |cell, by| self.add(cell, by));
        if after.ignored != before.ignored {
            let (is, was) = (after.ignored.cells(), before.ignored.cells());
            is.differences(&was, |cell, by| self.ignore(cell, by));
        }
    }

    pub(crate) fn list(&self, id: ListId) -> Option<&List> {
        self.lists.get(id.index())
    }

    pub(crate) fn add(&mut self, cell: Cell, by: i32) {
        let Some(list) = self.lists.get_mut(cell.list().index()) else {
            return;
        };
        let key = cell.key();
        match list.rows.add(key, by) {
            RowChange::Appeared => {
                Arc::make_mut(&mut list.present).insert(key.0);
            }
            RowChange::Vanished => {
                Arc::make_mut(&mut list.present).remove(key.0);
            }
            RowChange::Counted => {}
        }
    }

    /// So many more, or fewer, of a row's assets ignore it.
    pub(crate) fn ignore(&mut self, cell: Cell, by: i32) {
        let Some(list) = self.lists.get_mut(cell.list().index()) else {
            return;
        };
        let ignored = Arc::make_mut(&mut list.ignored);
        let num = ignored.entry(cell.key()).or_default();
        *num = num.saturating_add_signed(by);
        if *num == 0 {
            ignored.remove(&cell.key());
        }
    }

    pub(crate) fn has_no_rows(&self) -> bool {
        let is_empty = |list: &List| list.rows.is_empty() && list.ignored.is_empty();
        self.lists.iter().all(is_empty)
    }
}
