//! The rows that match a filter, as a list that knows its length, a key's rank and any range.
//!
//! Three ways to the same list: by the class counts of one scope's chunks (no filter, type,
//! status), by looking at each row (port, port_string, and a status where a row of danger is
//! ignored by all its assets), and by the union of key sets (several scopes). A page asks only for length and range, so paging is written once.

use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::Transport;
use roaring::RoaringBitmap;

use crate::ignored::AllIgnored;
use crate::knowledge;
use crate::number::RowKey;
use crate::page::Filter;
use crate::rows::{Classes, Row};
use crate::scope::List;

/// Matching rows in ascending order.
pub(crate) enum Listing<'a> {
    /// Of one scope, found by class counts.
    Classed { list: &'a List, classes: Classes },
    /// Looked up or looked through, all of them.
    Found(Vec<Row>),
    /// Of several scopes: which keys, and where to sum their counts.
    Union {
        keys: RoaringBitmap,
        lists: Vec<&'a List>,
    },
}

impl<'a> Listing<'a> {
    pub(crate) fn new(lists: Vec<&'a List>, filter: &Filter, ignored: &AllIgnored) -> Self {
        let classes = filter.classes();
        match (filter.port, lists.as_slice()) {
            (Some(port), _) => Self::Found(of_port(&lists, port, filter, ignored)),
            (None, &[list]) if filter.port_string.is_none() => match filter.status {
                Some(PortStatus::Danger | PortStatus::Normal) if !ignored.is_empty() => {
                    Self::Found(of_the_table(list, filter, ignored))
                }
                _ => Self::Classed { list, classes },
            },
            (None, &[list]) => Self::Found(
                list.rows
                    .iter()
                    .filter(|row| filter.matches(row.key, ignored))
                    .collect(),
            ),
            (None, _) => {
                let mut keys = RoaringBitmap::new();
                for list in &lists {
                    keys |= &*list.present;
                }
                if classes != Classes::EVERY || filter.port_string.is_some() {
                    keys = keys
                        .iter()
                        .filter(|&key| filter.matches(RowKey(key), ignored))
                        .collect();
                }
                Self::Union { keys, lists }
            }
        }
    }

    /// How many rows match.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Classed { list, classes } => list.rows.len(*classes),
            Self::Found(rows) => rows.len(),
            Self::Union { keys, .. } => usize::try_from(keys.len()).unwrap_or(usize::MAX),
        }
    }

    /// How many matching rows come before `key`.
    pub(crate) fn rank(&self, key: RowKey) -> usize {
        match self {
            Self::Classed { list, classes } => list.rows.rank(*classes, key),
            Self::Found(rows) => rows.partition_point(|row| row.key < key),
            Self::Union { keys, .. } => {
                let before = key.0.checked_sub(1).map_or(0, |last| keys.rank(last));
                usize::try_from(before).unwrap_or(usize::MAX)
            }
        }
    }

    /// `count` rows from the `start`th on, with their counts.
    pub(crate) fn range(&self, start: usize, count: usize) -> Vec<(RowKey, u64)> {
        match self {
            Self::Classed { list, classes } => {
                let rows = list.rows.range(*classes, start, count);
                rows.into_iter()
                    .map(|row| (row.key, u64::from(row.num)))
                    .collect()
            }
            Self::Found(rows) => {
                let page = rows.iter().skip(start).take(count);
                page.map(|row| (row.key, u64::from(row.num))).collect()
            }
            Self::Union { keys, lists } => {
                let first = u32::try_from(start).ok().and_then(|nth| keys.select(nth));
                let page = first
                    .into_iter()
                    .flat_map(|first| keys.range(first..).take(count));
                page.map(|key| (RowKey(key), sum(lists, RowKey(key))))
                    .collect()
            }
        }
    }
}

fn of_port(lists: &[&List], port: u16, filter: &Filter, ignored: &AllIgnored) -> Vec<Row> {
    [Transport::Tcp, Transport::Udp]
        .into_iter()
        .map(|transport| RowKey::new(port, transport))
        .filter(|key| filter.matches(*key, ignored))
        .map(|key| Row {
            key,
            num: u32::try_from(sum(lists, key)).unwrap_or(u32::MAX),
        })
        .filter(|row| row.num > 0)
        .collect()
}

/// Of the rows that the port table knows, those that match. They are few.
fn of_the_table(list: &List, filter: &Filter, ignored: &AllIgnored) -> Vec<Row> {
    let [danger, normal] = [PortStatus::Danger, PortStatus::Normal].map(|status| {
        let filter = Filter {
            status: Some(status),
            ..filter.clone()
        };
        filter.classes().0
    });
    let known = list.rows.range(Classes(danger | normal), 0, usize::MAX);
    known
        .into_iter()
        .filter(|row| filter.matches(row.key, ignored))
        .collect()
}

/// On how many assets of all lists together.
pub(crate) fn sum(lists: &[&List], key: RowKey) -> u64 {
    lists.iter().map(|list| u64::from(list.rows.num(key))).sum()
}

impl Filter {
    /// The classes that the filter lets through, as far as the port table alone says it.
    fn classes(&self) -> Classes {
        let mut classes = 0;
        for transport in [Transport::Tcp, Transport::Udp] {
            for status in [PortStatus::Danger, PortStatus::Normal, PortStatus::Unknown] {
                let lets = self.transport.is_none_or(|only| only == transport)
                    && self.status.is_none_or(|only| only == status);
                if lets {
                    classes |= 1 << knowledge::class_of(transport, status);
                }
            }
        }
        Classes(classes)
    }

    fn matches(&self, key: RowKey, ignored: &AllIgnored) -> bool {
        self.transport.is_none_or(|only| only == key.transport())
            && self.status.is_none_or(|only| only == ignored.status(key))
            && self.port.is_none_or(|only| only == key.port())
            && self
                .port_string
                .as_deref()
                .is_none_or(|text| key.port().to_string().contains(text))
    }
}
