//! The counts of one group of hosts: an enterprise project, or the whole project.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::cells::{Cell, ListId};
use crate::liveness::HostCounts;
use crate::rows::{RowChange, Rows};
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
}

impl Scope {
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

    pub(crate) fn has_no_rows(&self) -> bool {
        self.lists.iter().all(|list| list.rows.is_empty())
    }
}
