//! How many hosts and records there are and what their hashes come to, kept up without reading them.
//!
//! A few numbers tell a lost, altered or revived one at the next start: a sum of 128-bit hashes
//! can be kept by adding the new value's and taking away the replaced one's. A hash over the whole
//! content would have to be made anew for every commit.

use crate::{Batch, Entry, Write};

/// What all hosts and records together come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many hosts there are.
    pub(crate) hosts: u64,
    /// How many records beside them there are.
    pub(crate) records: u64,
    /// The sum of the hashes of both ([`Entry::hash`]), wrapping.
    pub(crate) sum: u128,
}

impl Totals {
    /// Counts one more entry.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) {
        let count = match entry {
            Entry::Host(..) => &mut self.hosts,
            Entry::Record(..) => &mut self.records,
        };
        *count = count.saturating_add(1);
        self.sum = self.sum.wrapping_add(entry.hash());
    }

    /// These totals after `batch`; `None` if it takes away more than there is.
    pub(crate) fn after(mut self, batch: &Batch) -> Option<Self> {
        self.hosts = change(self.hosts, &mut self.sum, &batch.hosts)?;
        self.records = change(self.records, &mut self.sum, &batch.records)?;
        Some(self)
    }
}

fn change<K>(mut count: u64, sum: &mut u128, writes: &[Write<K>]) -> Option<u64> {
    for write in writes {
        if let Some(replaced) = write.replaces {
            count = count.checked_sub(1)?;
            *sum = sum.wrapping_sub(replaced);
        }
        if write.value.is_some() {
            count = count.saturating_add(1);
            *sum = sum.wrapping_add(write.hash);
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HostWrite, RecordKey, RecordKind, RecordWrite};

    fn write<K>(key: K, value: Option<u8>, hash: u128, replaces: Option<u128>) -> Write<K> {
        Write {
            key,
            value: value.map(|byte| vec![byte]),
            hash,
            replaces,
        }
    }

    fn host(value: Option<u8>, hash: u128, replaces: Option<u128>) -> HostWrite {
        let key = portolan_wire::ids::HostKey {
            project: "p".into(),
            host: "h".into(),
        };
        write(key, value, hash, replaces)
    }

    fn record(value: Option<u8>, hash: u128, replaces: Option<u128>) -> RecordWrite {
        let key = RecordKey {
            kind: RecordKind::Token,
            id: "t".into(),
        };
        write(key, value, hash, replaces)
    }

    fn batch(hosts: Vec<HostWrite>, records: Vec<RecordWrite>) -> Batch {
        Batch {
            hosts,
            records,
            ..Batch::default()
        }
    }

    fn totals(hosts: u64, records: u64, sum: u128) -> Totals {
        Totals {
            hosts,
            records,
            sum,
        }
    }

    #[test]
    fn totals_follow_puts_replacements_and_removals_of_hosts() {
        let none = Totals::default();
        let after = |totals: Totals, writes| totals.after(&batch(writes, Vec::new()));
        let one = after(none, vec![host(Some(1), u128::MAX, None)]).unwrap();
        assert_eq!(one, totals(1, 0, u128::MAX));
        let replaced = after(one, vec![host(Some(2), 5, Some(u128::MAX))]).unwrap();
        assert_eq!(replaced, totals(1, 0, 5));
        let two = after(replaced, vec![host(Some(3), u128::MAX, None)]).unwrap();
        assert_eq!(two, totals(2, 0, 4));
        let removals = vec![host(None, 0, Some(5)), host(None, 0, Some(u128::MAX))];
        assert_eq!(after(two, removals), Some(none));
        assert_eq!(after(none, vec![host(None, 0, None)]), Some(none));
        assert_eq!(after(none, vec![host(None, 0, Some(5))]), None);
    }

    #[test]
    fn records_have_a_count_of_their_own_and_share_the_sum() {
        let both = batch(
            vec![host(Some(1), 10, None)],
            vec![record(Some(1), 200, None)],
        );
        let both = Totals::default().after(&both).unwrap();
        assert_eq!(both, totals(1, 1, 210));
        let removed = batch(Vec::new(), vec![record(None, 0, Some(200))]);
        let one = both.after(&removed).unwrap();
        assert_eq!(one, totals(1, 0, 10));
        assert_eq!(one.after(&removed), None, "a host is no record");
    }
}
