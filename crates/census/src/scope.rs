//! The counts of one group of hosts: an enterprise project, or the whole project.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::counts::CountRow;
use crate::number::{ListId, Number, RowKey};
use crate::rows::{Row, RowChange, Rows};

/// The row lists that have rows; each is shared until a commit changes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope([Option<Arc<List>>; ListId::COUNT]);

/// One row list, and the set of its keys: unions over scopes are made from these sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    pub(crate) rows: Rows,
    pub(crate) present: Arc<RoaringBitmap>,
    /// Of rows that the port table calls danger: how many of the assets ignore it, where any does.
    pub(crate) ignored: Arc<BTreeMap<RowKey, u32>>,
}

impl Scope {
    /// A scope whose numbers, in ascending order, count so often.
    pub(crate) fn of_counts(numbers: &[(Number, u32)]) -> Self {
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
        Self(rows.map(of_rows))
    }

    /// A scope of these rows, in the order of their lists and keys, each once.
    pub(crate) fn of_rows(rows: &[CountRow]) -> Self {
        let mut scope = Self::default();
        for of_list in rows.chunk_by(|a, b| a.list == b.list) {
            let list = of_list.first().map(|row| usize::from(row.list));
            let Some(list) = list.and_then(|list| scope.0.get_mut(list)) else {
                continue;
            };
            let counted = of_list.iter().map(|row| Row {
                key: RowKey(row.key),
                num: row.num,
            });
            let ignored = of_list.iter().filter(|row| row.ignored > 0);
            let ignored = ignored.map(|row| (RowKey(row.key), row.ignored));
            *list = Some(Arc::new(List {
                ignored: Arc::new(ignored.collect()),
                ..List::of_sorted(counted.collect())
            }));
        }
        scope
    }

    /// Its rows, in that order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = CountRow> + '_ {
        let lists = (0u8..).zip(&self.0);
        let lists = lists.filter_map(|(id, list)| Some((id, list.as_deref()?)));
        lists.flat_map(|(id, list)| {
            list.rows.iter().map(move |row| CountRow {
                list: id,
                key: row.key.0,
                num: row.num,
                ignored: list.ignored.get(&row.key).copied().unwrap_or(0),
            })
        })
    }

    /// A list that has rows.
    pub(crate) fn list(&self, id: ListId) -> Option<&List> {
        self.0.get(id.index())?.as_deref()
    }

    /// Whether a number can change by so much: no list counts less than nothing then.
    pub(crate) fn has(&self, number: Number, by: i32) -> bool {
        self.can(number, by, |list, key| list.rows.num(key))
    }

    /// The same of what is ignored.
    pub(crate) fn has_ignored(&self, number: Number, by: i32) -> bool {
        self.can(number, by, |list, key| {
            list.ignored.get(&key).copied().unwrap_or(0)
        })
    }

    fn can(&self, number: Number, by: i32, num: impl Fn(&List, RowKey) -> u32) -> bool {
        number.lists().all(|id| {
            let num = self.list(id).map_or(0, |list| num(list, number.key()));
            num.checked_add_signed(by).is_some()
        })
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
            let Some(list) = self.0.get_mut(id.index()) else {
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
        self.0.iter().all(Option::is_none)
    }
}

impl List {
    fn of_sorted(rows: Vec<Row>) -> Self {
        let present: RoaringBitmap = rows.iter().map(|row| row.key.0).collect();
        Self {
            rows: Rows::of_sorted(rows),
            // A copy has no room to spare, and there are many such lists.
            present: Arc::new(RoaringBitmap::clone(&present)),
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
