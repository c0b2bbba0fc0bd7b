//! Fills a new database with hosts and records, some at a time: for a repair and a restore.
//!
//! Limits: `ENTRIES` entries or `BYTES` bytes are in memory, whichever comes first.

use super::engine::{Change, Durability, Engine};
use super::entry;
use super::kinds::CommitRecord;
use super::seen;
use super::trouble::Trouble;
use crate::totals::Totals;
use crate::{Entry, SeenAt, StoreError};

const ENTRIES: usize = 1000;
const BYTES: usize = 8 << 20;

/// A database that is being filled.
pub(crate) struct Filling<'a> {
    engine: &'a Engine,
    pending: Vec<Change>,
    pending_bytes: usize,
    totals: Totals,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            pending: Vec::new(),
            pending_bytes: 0,
            totals: Totals::default(),
        }
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) -> Result<(), StoreError> {
        let Some(change) = entry::put(entry) else {
            return Ok(());
        };
        if let Change::Put(key, value) = &change {
            self.pending_bytes += key.len() + value.len();
        }
        self.totals.add(entry);
        self.pending.push(change);
        if self.pending.len() < ENTRIES && self.pending_bytes < BYTES {
            Ok(())
        } else {
            self.write()
        }
    }

    /// What was added so far.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Writes what is left, who was heard when, and at last the commit record, whose totals become
    /// those of what was added; then everything is durable and in tables.
    pub(crate) fn finish(
        mut self,
        seen: &[SeenAt],
        head: &mut CommitRecord,
    ) -> Result<(), StoreError> {
        self.write()?;
        head.totals = self.totals;
        let change = Change::Put(CommitRecord::KEY.to_vec(), head.encode());
        seen::save(self.engine, seen)
            .and_then(|()| self.engine.write(vec![change], Durability::Synced))
            .and_then(|()| self.engine.settle())
            .map_err(not_written)
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.pending_bytes = 0;
        self.engine
            .write(std::mem::take(&mut self.pending), Durability::Buffered)
            .map_err(not_written)
    }
}

fn not_written(trouble: Trouble) -> StoreError {
    StoreError::Write {
        what: trouble.into_text(),
    }
}
