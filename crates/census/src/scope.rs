//! The counts of one group of hosts: an enterprise project, or the whole project.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::liveness::HostCounts;
use crate::number::{ListId, Number, RowKey};
use crate::rows::{Row, RowChange, Rows};
use crate::slots::Slots;

/// The row lists, and the hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    lists: Lists,
    pub(crate) hosts: Slots,
    pub(crate) counts: Arc<HostCounts>,
}

/// The row lists that have rows; each shared until a commit changes it.
type Lists = [Option<Arc<List>>; ListId::COUNT];

/// One row list, and the set of its keys: unions over scopes are made from these sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) rows: Rows,
    pub(crate) present: Arc<RoaringBitmap>,
    /// Of rows that the port table calls danger: how many of the assets ignore it, where any does.
    pub(crate) ignored: Arc<BTreeMap<RowKey, u32>>,
}

impl Scope {
    /// A scope of those hosts whose numbers, in ascending order, count so often.
    pub(crate) fn of_counts(hosts: Slots, numbers: &[(Number, u32)]) -> Self {
        let mut rows: [Vec<Row>; ListId::COUNT] = Default::default();
        for (number, num) in numbers {
            for id in number.lists() {
                let Some(rows) = rows.get_mut(id.index()) else {
                    continue;
                };
                let key = number.key();
                // Numbers of one row stand together.
                match rows.last_mut().filter(|last| last.key == key) {
                    Some(last) => last.num += num,
                    None => rows.push(Row { key, num: *num }),
                }
            }
        }
        let of_rows = |rows: Vec<Row>| (!rows.is_empty()).then(|| Arc::new(List::of_sorted(rows)));
        Self {
            lists: rows.map(of_rows),
            hosts,
            counts: Arc::default(),
        }
    }

    /// A list that has rows.
    pub(crate) fn list(&self, id: ListId) -> Option<&List> {
        self.lists.get(id.index())?.as_deref()
    }

    /// So many more, or fewer, assets have what the number says.
    pub(crate) fn add(&mut self, number: Number, by: i32) {
        self.change(number, |list, key| list.add(key, by));
    }

    /// So many more, or fewer, of them ignore it.
    pub(crate) fn ignore(&mut self, number: Number, by: i32) {
        self.change(number, |list, key| list.ignore(key, by));
    }

    fn change(&mut self, number: Number, change: impl Fn(&mut List, RowKey)) {
        for id in number.lists() {
            let Some(list) = self.lists.get_mut(id.index()) else {
                continue;
            };
            let changed = Arc::make_mut(list.get_or_insert_default());
            change(changed, number.key());
            if changed.is_empty() {
                *list = None;
            }
        }
    }

    pub(crate) fn has_no_rows(&self) -> bool {
        self.lists.iter().all(Option::is_none)
    }
}

impl List {
    fn of_sorted(rows: Vec<Row>) -> Self {
        let present = rows.iter().map(|row| row.key.0).collect();
        Self {
            rows: Rows::of_sorted(rows),
            present: Arc::new(present),
            ignored: Arc::default(),
        }
    }

    fn add(&mut self, key: RowKey, by: i32) {
        match self.rows.add(key, by) {
            RowChange::Appeared => {
                Arc::make_mut(&mut self.present).insert(key.0);
            }
            RowChange::Vanished => {
                Arc::make_mut(&mut self.present).remove(key.0);
            }
            RowChange::Counted => {}
        }
    }

    fn ignore(&mut self, key: RowKey, by: i32) {
        let ignored = Arc::make_mut(&mut self.ignored);
        let num = ignored.entry(key).or_default();
        *num = num.saturating_add_signed(by);
        if *num == 0 {
            ignored.remove(&key);
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.ignored.is_empty()
    }
}
