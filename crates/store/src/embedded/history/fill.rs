//! Fills a new database with history, some at a time: for a repair and a restore.
//!
//! Limit: `BYTES` bytes, or one record where that is more, are in memory.

use portolan_wire::time::UnixMicros;

use super::checkpoint::{Writing, write};
use super::record::{self, Link};
use crate::embedded::EmbeddedOptions;
use crate::embedded::engine::{Change, Engine, Keyspace};
use crate::embedded::identity::{DayKept, HistoryKept};
use crate::embedded::parts;
use crate::embedded::serving::not_written;
use crate::embedded::trouble::Trouble;
use crate::{HistoryPart, StoreError};

const BYTES: usize = 8 << 20;

/// A history that is being filled.
pub(crate) struct HistoryFilling<'a> {
    engine: &'a Engine,
    from: Option<UnixMicros>,
    days: Vec<(DayKept, Keyspace)>,
    pending: Vec<Change>,
    pending_bytes: usize,
    /// The commit of the record before the next one.
    last: u64,
    checkpoint: Option<Writing<'a>>,
}

/// What a history came to.
#[derive(Debug, Default)]
pub(crate) struct Filled {
    /// The commit of its newest record; 0 where there is none.
    pub(crate) last: u64,
    /// As `store.json` has it; `None` where none was given.
    pub(crate) history: Option<HistoryKept>,
    /// Files that must exist for it.
    pub(crate) parts: Vec<String>,
}

impl<'a> HistoryFilling<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            from: None,
            days: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            last: 0,
            checkpoint: None,
        }
    }

    /// Adds a part; they come in the order that [`HistoryPart`] tells.
    pub(crate) fn add(&mut self, part: &HistoryPart<'_>) -> Result<(), StoreError> {
        match part {
            HistoryPart::Begin { from, after, .. } => {
                (self.from, self.last) = (Some(*from), *after);
                Ok(())
            }
            HistoryPart::Record { day, commit, value } => self.record(*day, *commit, value),
            HistoryPart::Checkpoint(at) => {
                self.end_checkpoint()?;
                let day = self.days.iter().find(|(kept, _)| kept.day == at.day);
                if let Some((_, keyspace)) = day {
                    let begun = Writing::begin(self.engine, keyspace.clone(), *at, None);
                    self.checkpoint = Some(begun.map_err(failed)?);
                }
                Ok(())
            }
            HistoryPart::CheckpointPart(name, bytes) => match &mut self.checkpoint {
                Some(checkpoint) => checkpoint.part(name, bytes).map_err(failed),
                None => Ok(()),
            },
        }
    }

    fn record(&mut self, day: u32, commit: u64, payload: &[u8]) -> Result<(), StoreError> {
        if self.days.last().is_none_or(|(kept, _)| kept.day != day) {
            self.begin_day(day)?;
        }
        let link = Link {
            previous: self.last,
            payload,
        };
        self.last = commit;
        self.pending_bytes += payload.len();
        let change = Change::Put(record::record_key(commit), link.encode(commit));
        self.pending.push(change);
        if self.pending_bytes < BYTES {
            return Ok(());
        }
        self.write()
    }

    fn begin_day(&mut self, day: u32) -> Result<(), StoreError> {
        self.write()?;
        if let Some((_, ended)) = self.days.last() {
            self.engine.flush(ended).map_err(failed)?;
        }
        let kept = DayKept {
            day,
            after: self.last,
        };
        let options = EmbeddedOptions::default();
        let keyspace = self.engine.make_day(day, &options).map_err(failed)?;
        self.days.push((kept, keyspace));
        Ok(())
    }

    fn write(&mut self) -> Result<(), StoreError> {
        self.pending_bytes = 0;
        let changes = std::mem::take(&mut self.pending);
        match self.days.last() {
            Some((_, day)) if !changes.is_empty() => {
                write(self.engine, day, changes).map_err(failed)
            }
            _ => Ok(()),
        }
    }

    /// The checkpoint that comes does not come to its end: it never counts.
    pub(crate) fn forget_checkpoint(&mut self) {
        self.checkpoint = None;
    }

    fn end_checkpoint(&mut self) -> Result<(), StoreError> {
        match self.checkpoint.take() {
            Some(checkpoint) => checkpoint.end().map_err(failed),
            None => Ok(()),
        }
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> Result<Filled, StoreError> {
        self.write()?;
        self.end_checkpoint()?;
        let keyspaces = self.days.iter().map(|(_, keyspace)| keyspace);
        let parts = keyspaces.map(|keyspace| parts::of_day(keyspace.folder()));
        let days: Vec<DayKept> = self.days.iter().map(|(kept, _)| *kept).collect();
        Ok(Filled {
            last: if days.is_empty() { 0 } else { self.last },
            parts: parts.collect(),
            history: self.from.map(|UnixMicros(from)| HistoryKept { from, days }),
        })
    }
}

fn failed(trouble: Trouble) -> StoreError {
    not_written(trouble.into_text())
}
