//! Checkpoints: counts of a moment, in parts, beside the records of a day.
//!
//! Parts are written first, under a generation that no other has, and then the head that makes it the
//! one that counts; then the parts of the one before it go. So after a crash it is the new one or
//! the one before. The places of the parts and their number in the head tell a part that is missing.

use portolan_wire::caps;

use super::days::Day;
use super::record::{self, Head};
use crate::embedded::engine::{Change, Durability, Engine, Keys, Keyspace, Order, View};
use crate::embedded::entry::Stop;
use crate::embedded::kinds::TOUCHED_KEY;
use crate::embedded::trouble::Trouble;
use crate::{Checkpoint, CheckpointAt, EachPart, StoreError};

/// How much is written at once: other writes wait for it.
const BYTES: usize = 4 << 20;
/// How many keys are removed at once.
const REMOVALS: usize = 1000;

/// Refuses a checkpoint that cannot be kept.
pub(super) fn check(checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let fits = |(name, bytes): &(Vec<u8>, Vec<u8>)| {
        name.len() <= caps::CHECKPOINT_NAME_BYTES_MAX
            && bytes.len() <= caps::CHECKPOINT_PART_BYTES_MAX
    };
    if checkpoint.parts.iter().all(fits) {
        return Ok(());
    }
    let what = "a part of a checkpoint, or its name, is too long".into();
    Err(StoreError::Write { what })
}

/// Writes a checkpoint in the place of the one that the day has. One at a time.
pub(super) fn save(
    engine: &Engine,
    day: &Keyspace,
    checkpoint: &Checkpoint,
) -> Result<(), Trouble> {
    let before = head(&engine.view(), day, checkpoint.at.day)?;
    let mut writing = Writing::begin(engine, day.clone(), checkpoint.at, before)?;
    let mut parts: Vec<_> = checkpoint.parts.iter().collect();
    parts.sort();
    for (name, bytes) in parts {
        writing.part(name, bytes)?;
    }
    writing.end()
}

/// A checkpoint that is being written.
pub(super) struct Writing<'a> {
    engine: &'a Engine,
    day: Keyspace,
    head: Head,
    pending: Vec<Change>,
    bytes: usize,
}

impl<'a> Writing<'a> {
    pub(super) fn begin(
        engine: &'a Engine,
        day: Keyspace,
        at: CheckpointAt,
        before: Option<Head>,
    ) -> Result<Self, Trouble> {
        let generation = before.map_or(0, |before| before.generation.wrapping_add(1));
        let writing = Self {
            engine,
            day,
            head: Head {
                generation,
                parts: 0,
                commit: at.commit,
                at: at.at,
            },
            pending: Vec::new(),
            bytes: 0,
        };
        // What a crash left of one that was never made to count.
        writing.remove_all_but(before.map(|before| before.generation))?;
        Ok(writing)
    }

    /// Adds a part; names ascend.
    pub(super) fn part(&mut self, name: &[u8], bytes: &[u8]) -> Result<(), Trouble> {
        let key = record::part_key(self.head.generation, name);
        let value = record::part_value(&key, self.head.parts, bytes);
        self.head.parts = self.head.parts.saturating_add(1);
        self.bytes += key.len() + value.len();
        self.pending.push(Change::Put(key, value));
        if self.bytes < BYTES {
            return Ok(());
        }
        self.bytes = 0;
        let changes = std::mem::take(&mut self.pending);
        write(self.engine, &self.day, changes)
    }

    /// Makes it the one that counts.
    pub(super) fn end(mut self) -> Result<(), Trouble> {
        let head = Change::Put(Head::KEY.to_vec(), self.head.encode());
        self.pending.push(head);
        let changes = std::mem::take(&mut self.pending);
        write(self.engine, &self.day, changes)?;
        self.remove_all_but(Some(self.head.generation))
    }

    fn remove_all_but(&self, generation: Option<u32>) -> Result<(), Trouble> {
        let Some(generation) = generation else {
            return self.remove(record::part_keys(0..=u32::MAX));
        };
        if let Some(lower) = generation.checked_sub(1) {
            self.remove(record::part_keys(0..=lower))?;
        }
        match generation.checked_add(1) {
            Some(higher) => self.remove(record::part_keys(higher..=u32::MAX)),
            None => Ok(()),
        }
    }

    fn remove(&self, keys: Keys) -> Result<(), Trouble> {
        let mut parts = self.day.range(keys)?;
        let mut removals = Vec::new();
        while let Some((key, _)) = parts.next(Order::Ascending)? {
            removals.push(Change::Remove(key.to_vec()));
            if removals.len() == REMOVALS {
                write(self.engine, &self.day, std::mem::take(&mut removals))?;
            }
        }
        match removals.is_empty() {
            true => Ok(()),
            false => write(self.engine, &self.day, removals),
        }
    }
}

pub(super) fn write(engine: &Engine, day: &Keyspace, changes: Vec<Change>) -> Result<(), Trouble> {
    let touched = vec![Change::Put(TOUCHED_KEY.to_vec(), Vec::new())];
    let all = [(engine.records(), touched), (day, changes)];
    engine.write_all(all, Durability::Buffered)
}

fn head(view: &View, keyspace: &Keyspace, day: u32) -> Result<Option<Head>, Trouble> {
    let Some(value) = view.get(keyspace, &Head::KEY)? else {
        return Ok(None);
    };
    Head::decode(day, &value).map(Some)
}

impl Day {
    /// Which checkpoint it has.
    pub(super) fn checkpoint(&self, view: &View) -> Result<Option<CheckpointAt>, Trouble> {
        let day = self.kept.day;
        let head = head(view, &self.keyspace, day)?;
        Ok(head.map(|head| head.told(day)))
    }

    /// Hands out the parts of its checkpoint whose names begin with `prefix`, in their order.
    pub(super) fn checkpoint_parts(
        &self,
        view: &View,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), Stop> {
        let day = self.kept.day;
        let Some(head) = head(view, &self.keyspace, day)? else {
            return Ok(());
        };
        let keys = record::part_keys_before(head.generation, prefix);
        let mut before = view.range(&self.keyspace, keys)?;
        let mut expected = match before.next(Order::Descending)? {
            Some((key, value)) => place(day, &key, &value)?.saturating_add(1),
            None => 0,
        };
        let keys = record::part_keys_from(head.generation, prefix);
        let mut parts = view.range(&self.keyspace, keys)?;
        while let Some((key, value)) = parts.next(Order::Ascending)? {
            let (found, bytes) = part(day, &key, &value)?;
            if found != expected {
                return Err(lost(day, expected).into());
            }
            let name = record::parse_part_key(&key).map_or(&[][..], |(_, name)| name);
            if !name.starts_with(prefix) {
                // The first one behind them: none of them is missing.
                return Ok(());
            }
            each(name, bytes).map_err(Stop::Refused)?;
            expected = expected.saturating_add(1);
        }
        match expected == head.parts {
            true => Ok(()),
            false => Err(lost(day, expected).into()),
        }
    }
}

fn place(day: u32, key: &[u8], value: &[u8]) -> Result<u32, Trouble> {
    part(day, key, value).map(|(place, _)| place)
}

fn part<'a>(day: u32, key: &[u8], value: &'a [u8]) -> Result<(u32, &'a [u8]), Trouble> {
    record::parse_part(key, value)
        .map_err(|unread| unread.of(&format!("a part of the checkpoint of day {day}")))
}

fn lost(day: u32, place: u32) -> Trouble {
    Trouble::Damaged(format!(
        "part {place} of the checkpoint of day {day} is missing"
    ))
}
