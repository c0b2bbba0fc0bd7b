//! How many host records there are and what their hashes come to, kept up without reading them.
//!
//! Two numbers tell a lost, altered or revived record at the next start: a sum of 128-bit hashes
//! can be kept by adding the new record's and taking away the replaced one's. A hash over the whole
//! content would have to be made anew for every commit.

use crate::HostWrite;

/// What all host records together come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many there are.
    pub(crate) hosts: u64,
    /// The sum of their hashes ([`crate::record_hash`]), wrapping.
    pub(crate) sum: u128,
}

impl Totals {
    /// Counts one more record.
    pub(crate) fn add(&mut self, hash: u128) {
        self.hosts = self.hosts.saturating_add(1);
        self.sum = self.sum.wrapping_add(hash);
    }

    /// These totals after `writes`; `None` if they take away more records than there are.
    pub(crate) fn after(mut self, writes: &[HostWrite]) -> Option<Self> {
        for write in writes {
            if let Some(replaced) = write.replaces {
                self.hosts = self.hosts.checked_sub(1)?;
                self.sum = self.sum.wrapping_sub(replaced);
            }
            if write.value.is_some() {
                self.add(write.hash);
            }
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use portolan_wire::ids::HostKey;

    use super::*;

    fn write(value: Option<u8>, hash: u128, replaces: Option<u128>) -> HostWrite {
        let key = HostKey {
            project: "p".into(),
            host: "h".into(),
        };
        HostWrite {
            key,
            value: value.map(|byte| vec![byte]),
            hash,
            replaces,
        }
    }

    #[test]
    fn totals_follow_puts_replacements_and_removals() {
        let none = Totals::default();
        let one = none.after(&[write(Some(1), u128::MAX, None)]).unwrap();
        assert_eq!(
            one,
            Totals {
                hosts: 1,
                sum: u128::MAX
            }
        );
        let replaced = one.after(&[write(Some(2), 5, Some(u128::MAX))]).unwrap();
        assert_eq!(replaced, Totals { hosts: 1, sum: 5 });
        let two = replaced.after(&[write(Some(3), u128::MAX, None)]).unwrap();
        assert_eq!(two, Totals { hosts: 2, sum: 4 });
        let removed = two.after(&[write(None, 0, Some(5)), write(None, 0, Some(u128::MAX))]);
        assert_eq!(removed, Some(none));
        assert_eq!(none.after(&[write(None, 0, None)]), Some(none));
        assert_eq!(none.after(&[write(None, 0, Some(5))]), None);
    }
}
