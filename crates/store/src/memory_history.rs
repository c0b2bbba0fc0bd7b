//! The history of a store that keeps everything in memory, for tests of what is above the store.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use portolan_wire::time::UnixMicros;

use crate::{
    Checkpoint, CheckpointAt, CopyOut, EachPart, EachRecord, HistoryDay, HistoryOrder, HistoryPart,
    HistorySpan, HistoryWrite, StoreError,
};

/// Records and checkpoints of all days, with the meaning that [`Store`](crate::Store) gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryHistory {
    from: UnixMicros,
    after: u64,
    last: u64,
    days: BTreeMap<u32, Day>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Day {
    records: BTreeMap<u64, Vec<u8>>,
    checkpoint: Option<Checkpoint>,
}

impl MemoryHistory {
    /// None, of a store made at `from`.
    pub fn new(from: UnixMicros) -> Self {
        Self {
            from,
            ..Self::default()
        }
    }

    /// Adds what a commit adds.
    ///
    /// # Panics
    /// The day is before that of an earlier record.
    pub fn add(&mut self, commit: u64, write: &HistoryWrite) {
        let newest = self.days.last_key_value().map_or(0, |(day, _)| *day);
        assert!(write.day >= newest, "days never go back");
        let records = &mut self.days.entry(write.day).or_default().records;
        records.insert(commit, write.value.clone());
        self.last = commit;
    }

    /// [`Store::history_span`](crate::Store::history_span).
    pub fn span(&self) -> HistorySpan {
        let days = self.days.iter().filter_map(|(&day, held)| {
            let (&first, _) = held.records.first_key_value()?;
            let bytes = held.records.values().map(|value| value.len() as u64).sum();
            Some(HistoryDay { day, first, bytes })
        });
        HistorySpan {
            from: self.from,
            after: self.after,
            last: self.last,
            days: days.collect(),
        }
    }

    /// [`Store::history`](crate::Store::history).
    ///
    /// # Errors
    /// What `each` says.
    pub fn read(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        let mut found: Vec<_> = self
            .days
            .values()
            .flat_map(|day| &day.records)
            .filter(|(commit, _)| commits.contains(commit))
            .collect();
        if order == HistoryOrder::Descending {
            found.reverse();
        }
        for (commit, value) in found {
            if each(*commit, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// [`Store::history_record`](crate::Store::history_record).
    pub fn record(&self, commit: u64) -> Option<Vec<u8>> {
        self.days
            .values()
            .find_map(|day| day.records.get(&commit).cloned())
    }

    /// [`Store::save_checkpoint`](crate::Store::save_checkpoint).
    pub fn save_checkpoint(&mut self, checkpoint: &Checkpoint) {
        if let Some(day) = self.days.get_mut(&checkpoint.at.day) {
            day.checkpoint = Some(checkpoint.clone());
        }
    }

    /// [`Store::checkpoints`](crate::Store::checkpoints).
    pub fn checkpoints(&self) -> Vec<CheckpointAt> {
        let kept = self.days.values().filter_map(|day| day.checkpoint.as_ref());
        kept.map(|checkpoint| checkpoint.at).collect()
    }

    /// [`Store::checkpoint_parts`](crate::Store::checkpoint_parts).
    ///
    /// # Errors
    /// What `each` says.
    pub fn checkpoint_parts(
        &self,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), StoreError> {
        let kept = self.days.get(&day).and_then(|day| day.checkpoint.as_ref());
        let parts: BTreeMap<_, _> = kept
            .iter()
            .flat_map(|checkpoint| &checkpoint.parts)
            .map(|(name, bytes)| (name, bytes))
            .collect();
        for (name, bytes) in parts {
            if name.starts_with(prefix) {
                each(name, bytes)?;
            }
        }
        Ok(())
    }

    /// [`Store::drop_history_before`](crate::Store::drop_history_before).
    pub fn drop_before(&mut self, day: u32) {
        let Some((&newest, _)) = self.days.last_key_value() else {
            return;
        };
        let kept = self.days.split_off(&day.min(newest));
        let dropped = std::mem::replace(&mut self.days, kept);
        let newest = dropped
            .values()
            .filter_map(|day| day.records.last_key_value());
        self.after = newest
            .map(|(commit, _)| *commit)
            .max()
            .unwrap_or(self.after);
        if let (false, Some((&first, _))) = (dropped.is_empty(), self.days.first_key_value()) {
            self.from = self.from.max(UnixMicros::midnight(first));
        }
    }

    /// Hands out all of it, as [`Store::copy_out`](crate::Store::copy_out) does.
    ///
    /// # Errors
    /// What the receiver says.
    pub fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        let Self {
            from, after, last, ..
        } = *self;
        to.history(HistoryPart::Begin { from, after, last })?;
        for (&day, held) in &self.days {
            for (&commit, value) in &held.records {
                to.history(HistoryPart::Record { day, commit, value })?;
            }
        }
        for at in self.checkpoints() {
            to.history(HistoryPart::Checkpoint(at))?;
            self.checkpoint_parts(at.day, &[], &mut |name, bytes| {
                to.history(HistoryPart::CheckpointPart(name, bytes))
            })?;
        }
        Ok(())
    }

    /// Takes in what another hands out, one part after the other.
    pub fn fill(&mut self, part: HistoryPart<'_>) {
        match part {
            HistoryPart::Begin { from, after, last } => {
                (self.from, self.after, self.last) = (from, after, last);
            }
            HistoryPart::Record { day, commit, value } => {
                let value = value.to_vec();
                self.add(commit, &HistoryWrite { day, value });
            }
            HistoryPart::Checkpoint(at) => {
                let parts = Vec::new();
                self.save_checkpoint(&Checkpoint { at, parts });
            }
            HistoryPart::CheckpointPart(name, bytes) => {
                let newest = self.days.values_mut().rev();
                let mut kept = newest.filter_map(|day| day.checkpoint.as_mut());
                if let Some(checkpoint) = kept.next() {
                    checkpoint.parts.push((name.to_vec(), bytes.to_vec()));
                }
            }
        }
    }
}
