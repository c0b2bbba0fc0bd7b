//! Reading one keyspace of the database.

use std::ops::Bound;
use std::path::Path;

use fjall::{Guard, Iter, Snapshot};

use crate::embedded::trouble::{Trouble, guarded};

/// One keyspace. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Keyspace(pub(super) fjall::Keyspace);

impl Keyspace {
    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Bytes of its tables.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.0.disk_space()
    }

    /// The value of one record.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<fjall::Slice>, Trouble> {
        guarded("reading a record", || self.0.get(key))
    }

    /// Whether there is such a record.
    pub(crate) fn has(&self, key: &[u8]) -> Result<bool, Trouble> {
        guarded("looking for a record", || self.0.contains_key(key))
    }

    /// Hands out the records whose keys start with `prefix`, by ascending key or descending.
    /// Ends at the first one that cannot be read, or that `each` refuses.
    pub(crate) fn scan<E: From<Trouble>>(
        &self,
        prefix: &[u8],
        order: Order,
        each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let records = guarded(READING_ALL, || Ok(self.0.prefix(prefix)))?;
        hand_out(records, order, each)
    }

    /// The records with these keys, to be taken one by one.
    pub(crate) fn range(&self, keys: Keys) -> Result<Cursor, Trouble> {
        guarded(READING_ALL, || Ok(Cursor(self.0.range(keys))))
    }
}

/// From which key to which.
pub(crate) type Keys = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Records of a range, from either end.
pub(crate) struct Cursor(Iter);

impl Cursor {
    /// The next one in that order; `None` behind the last.
    pub(crate) fn next(&mut self, order: Order) -> Result<Option<fjall::KvPair>, Trouble> {
        guarded(READING_ALL, || {
            let next = match order {
                Order::Ascending => self.0.next(),
                Order::Descending => self.0.next_back(),
            };
            next.map(Guard::into_inner).transpose()
        })
    }
}

/// A database as it was at one moment.
pub(crate) struct View(pub(super) Snapshot);

impl View {
    /// The value of one record.
    pub(crate) fn get(
        &self,
        keyspace: &Keyspace,
        key: &[u8],
    ) -> Result<Option<fjall::Slice>, Trouble> {
        use fjall::Readable;
        guarded("reading a record", || self.0.get(&keyspace.0, key))
    }

    /// As [`Keyspace::range`].
    pub(crate) fn range(&self, keyspace: &Keyspace, keys: Keys) -> Result<Cursor, Trouble> {
        use fjall::Readable;
        guarded(READING_ALL, || Ok(Cursor(self.0.range(&keyspace.0, keys))))
    }

    /// As [`Keyspace::scan`], ascending.
    pub(crate) fn scan<E: From<Trouble>>(
        &self,
        keyspace: &Keyspace,
        prefix: &[u8],
        each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        use fjall::Readable;
        let records = guarded(READING_ALL, || Ok(self.0.prefix(&keyspace.0, prefix)))?;
        hand_out(records, Order::Ascending, each)
    }
}

const READING_ALL: &str = "reading all records";

fn hand_out<E: From<Trouble>>(
    records: Iter,
    order: Order,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut records = Cursor(records);
    while let Some((key, value)) = records.next(order)? {
        each(&key, &value)?;
    }
    Ok(())
}

/// The order of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}
