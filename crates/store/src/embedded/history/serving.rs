//! The history of a store in use: days come and go while records are written and read.
//!
//! Holds: `store.json` is written by one at a time; a reader sees the days and the newest record of one
//! moment.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use portolan_wire::time::UnixMicros;

use super::checkpoint;
use super::days::{Day, Days};
use crate::embedded::EmbeddedOptions;
use crate::embedded::engine::{Engine, Keyspace};
use crate::embedded::entry::Stop;
use crate::embedded::identity::{DayKept, HistoryKept, Identity};
use crate::embedded::kinds::CommitRecord;
use crate::embedded::layout::DataDir;
use crate::embedded::parts;
use crate::embedded::serving::not_written;
use crate::embedded::trouble::Trouble;
use crate::{
    Checkpoint, CheckpointAt, Clock, EachPart, EachRecord, HistoryOrder, HistorySpan, StoreError,
    SystemClock,
};

/// The history of an open store.
pub(crate) struct History {
    dir: DataDir,
    options: EmbeddedOptions,
    /// What `store.json` says.
    identity: Mutex<Identity>,
    days: RwLock<Arc<Days>>,
    /// The commit of the newest record that is durable.
    last: AtomicU64,
    /// Held by the one checkpoint that is being written.
    saving: Mutex<()>,
}

impl History {
    /// Brings a store of format 1 over to this one: its history begins with its last commit, from
    /// which on all stayed as it is.
    pub(crate) fn upgrade(
        dir: &DataDir,
        identity: &mut Identity,
        head: &CommitRecord,
    ) -> Result<(), StoreError> {
        if identity.history.is_some() {
            return Ok(());
        }
        identity.history = Some(HistoryKept {
            from: begin(head).0,
            days: Vec::new(),
        });
        identity.write(dir)
    }

    /// Opens the days that `store.json` names, and removes what else a crash left of days.
    pub(crate) fn start(
        dir: &DataDir,
        engine: &Engine,
        identity: Identity,
        last: u64,
        options: &EmbeddedOptions,
    ) -> Result<Self, StoreError> {
        let days = Days::open(engine, &identity).map_err(|trouble| trouble.not_read(dir))?;
        for day in engine.days() {
            if days.day(day).is_some() {
                continue;
            }
            let left = engine.day(day).map_err(failed)?;
            left.map_or(Ok(()), |left| engine.remove_day(left))
                .map_err(failed)?;
        }
        Ok(Self {
            dir: dir.clone(),
            options: *options,
            identity: Mutex::new(identity),
            days: RwLock::new(Arc::new(days)),
            last: AtomicU64::new(last),
            saving: Mutex::new(()),
        })
    }

    /// The keyspace of a day, which is made if it is a new one. `last` is the commit of the newest
    /// record.
    pub(crate) fn day(&self, engine: &Engine, day: u32, last: u64) -> Result<Keyspace, StoreError> {
        let days = self.days();
        match days.all.last() {
            Some(newest) if newest.kept.day == day => Ok(newest.keyspace.clone()),
            Some(newest) if newest.kept.day > day => Err(not_written(format!(
                "day {day} of the history does not follow day {}",
                newest.kept.day
            ))),
            _ => self.begin_day(engine, DayKept { day, after: last }),
        }
    }

    fn begin_day(&self, engine: &Engine, kept: DayKept) -> Result<Keyspace, StoreError> {
        let mut identity = self.identity.lock();
        let keyspace = engine.make_day(kept.day, &self.options).map_err(failed)?;
        let mut days = Days::clone(&self.days());
        let ended = days.all.last().map(|day| day.keyspace.clone());
        days.all.push(Day::new(kept, keyspace.clone()));
        identity.parts.push(parts::of_day(keyspace.folder()));
        identity.history = Some(days.kept());
        identity.write(&self.dir)?;
        *self.days.write() = Arc::new(days);
        if let Some(ended) = ended {
            engine.flush(&ended).map_err(failed)?;
        }
        Ok(keyspace)
    }

    /// Notes that the record of a commit is durable.
    pub(crate) fn committed(&self, commit: u64) {
        self.last.store(commit, Ordering::Release);
    }

    /// Bytes of the tables that may be merged: those of older days are left alone.
    pub(crate) fn table_bytes(&self) -> u64 {
        let days = self.days();
        let newest = days.all.last();
        newest.map_or(0, |newest| newest.keyspace.table_bytes())
    }

    /// The days that are kept now.
    pub(crate) fn days(&self) -> Arc<Days> {
        Arc::clone(&self.days.read())
    }

    /// The same with the commit of the newest record, which is in them.
    fn now(&self) -> (Arc<Days>, u64) {
        // A day is there before its first record is the newest.
        let last = self.last.load(Ordering::Acquire);
        (self.days(), last)
    }

    pub(crate) fn span(&self) -> Result<HistorySpan, Trouble> {
        let (days, last) = self.now();
        days.span(last)
    }

    pub(crate) fn read(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), Stop> {
        let (days, last) = self.now();
        days.read(last, commits, order, each)
    }

    pub(crate) fn record(&self, commit: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let (days, last) = self.now();
        days.record(last, commit)
    }

    pub(crate) fn save_checkpoint(
        &self,
        engine: &Engine,
        checkpoint: &Checkpoint,
    ) -> Result<(), StoreError> {
        checkpoint::check(checkpoint)?;
        let _one = self.saving.lock();
        let days = self.days();
        match days.day(checkpoint.at.day) {
            Some(day) => checkpoint::save(engine, &day.keyspace, checkpoint).map_err(failed),
            None => Ok(()),
        }
    }

    pub(crate) fn checkpoints(&self, engine: &Engine) -> Result<Vec<CheckpointAt>, Trouble> {
        let view = engine.view();
        let days = self.days();
        let kept = days.all.iter().map(|day| day.checkpoint(&view));
        kept.filter_map(Result::transpose).collect()
    }

    pub(crate) fn checkpoint_parts(
        &self,
        engine: &Engine,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), Stop> {
        let view = engine.view();
        let days = self.days();
        match days.day(day) {
            Some(day) => day.checkpoint_parts(&view, prefix, each),
            None => Ok(()),
        }
    }

    /// Drops the days before `day`, but for the newest.
    pub(crate) fn drop_before(&self, engine: &Engine, day: u32) -> Result<(), StoreError> {
        for dropped in self.forget_before(day)? {
            engine.remove_day(dropped.keyspace).map_err(failed)?;
        }
        Ok(())
    }

    /// Takes the days out of `store.json` and of what readers see.
    fn forget_before(&self, day: u32) -> Result<Vec<Day>, StoreError> {
        let mut identity = self.identity.lock();
        let mut days = Days::clone(&self.days());
        let newest = days.all.last().map_or(0, |newest| newest.kept.day);
        let first_left = days
            .all
            .partition_point(|kept| kept.kept.day < day.min(newest));
        let left = days.all.split_off(first_left);
        let dropped = std::mem::replace(&mut days.all, left);
        let Some(first) = days.all.first().filter(|_| !dropped.is_empty()) else {
            return Ok(Vec::new());
        };
        days.from = days.from.max(UnixMicros::midnight(first.kept.day));
        let gone = dropped
            .iter()
            .map(|day| parts::of_day(day.keyspace.folder()));
        let gone: Vec<String> = gone.collect();
        identity.parts.retain(|part| !gone.contains(part));
        identity.history = Some(days.kept());
        identity.write(&self.dir)?;
        *self.days.write() = Arc::new(days);
        Ok(dropped)
    }
}

/// Where the history of a store begins that has none.
pub(crate) fn begin(head: &CommitRecord) -> UnixMicros {
    match head.number {
        0 => SystemClock.now(),
        _ => head.at,
    }
}

fn failed(trouble: Trouble) -> StoreError {
    not_written(trouble.into_text())
}
