//! The counts of one group of hosts: an enterprise project, or the whole project.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::cells::{Cell, ListId, RowKey};
use crate::liveness::HostCounts;
use crate::rows::{Row, RowChange, Rows};
use crate::slots::Slots;

/// Four row lists with the keys that are present in each, and the hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    lists: [List; 4],
    pub(crate) hosts: Slots,
    pub(crate) counts: Arc<HostCounts>,
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
    /// A scope of those hosts whose cells, in ascending order, count so often.
    pub(crate) fn of_counts(hosts: Slots, cells: &[(Cell, u32)]) -> Self {
        let mut scope = Self {
            hosts,
            ..Self::default()
        };
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
