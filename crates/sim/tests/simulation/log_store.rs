//! A store over the simulated disk.
//!
//! A stand-in for the embedded store that promises what that one promises, so that what is above
//! the `Store` trait is tested against every crash that the trait allows.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};

use portolan_store::backup::{Backup, BackupError};
use portolan_store::{
    Batch, Checkpoint, CheckpointAt, CopyOut, EachEntry, EachPart, EachRecord, Entry, HistoryOrder,
    HistoryPart, HistorySpan, HistoryWrite, Loaded, MemoryHistory, RecordKey, SeenAt, Store,
    StoreError, record_hash,
};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::disk::{Disk, Interruption, PLACE};
use crate::journal::{Frame, frames};

/// An open store; a clone of it is the same one.
#[derive(Clone)]
pub(crate) struct LogStore {
    disk: Arc<Mutex<Disk>>,
    held: Arc<Mutex<Held>>,
}

/// What a store holds.
#[derive(Clone, Default)]
pub(crate) struct Held {
    commit: u64,
    at: UnixMicros,
    hosts: BTreeMap<HostKey, Vec<u8>>,
    records: BTreeMap<RecordKey, Vec<u8>>,
    history: MemoryHistory,
}

impl Held {
    /// What is in a backup.
    pub(crate) fn of_backup(backup: Backup) -> Result<Self, BackupError> {
        let Loaded { commit, at, .. } = backup.summary().at;
        let (mut hosts, mut records) = (BTreeMap::new(), BTreeMap::new());
        let mut history = MemoryHistory::default();
        let mut each = |entry: Entry<'_>| {
            match entry {
                Entry::Host(key, value) => hosts.insert(key, value.to_vec()).is_some(),
                Entry::Record(key, value) => records.insert(key, value.to_vec()).is_some(),
            };
            Ok(())
        };
        let mut fill = |part: HistoryPart<'_>| {
            history.fill(part);
            Ok(())
        };
        backup.read(&mut each, &mut fill)?;
        Ok(Self {
            commit,
            at,
            hosts,
            records,
            history,
        })
    }

    fn loaded(&self) -> Loaded {
        Loaded {
            commit: self.commit,
            at: self.at,
            hosts: self.hosts.len() as u64,
            records: self.records.len() as u64,
        }
    }

    fn apply(&mut self, frame: &Frame) {
        (self.commit, self.at) = (frame.commit, UnixMicros(frame.at));
        for write in &frame.hosts {
            match &write.value {
                Some(value) => self.hosts.insert(write.key(), value.clone()),
                None => self.hosts.remove(&write.key()),
            };
        }
        for write in &frame.records {
            match &write.value {
                Some(value) => self.records.insert(write.key(), value.clone()),
                None => self.records.remove(&write.key()),
            };
        }
        if let Some((day, value)) = &frame.history {
            let (day, value) = (*day, value.clone());
            self.history.add(frame.commit, &HistoryWrite { day, value });
        }
    }

    /// What a committer owes its store.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        if batch.commit != self.commit + 1 {
            return Err(damaged(format!(
                "commit {} after {}",
                batch.commit, self.commit
            )));
        }
        for write in &batch.hosts {
            let held = self.hosts.get(&write.key);
            let replaces = held.map(|value| record_hash(&write.key, value));
            let hash = write
                .value
                .as_ref()
                .map_or(0, |value| record_hash(&write.key, value));
            if (write.replaces, write.hash) != (replaces, hash) {
                return Err(damaged(format!("the sums of {} are wrong", write.key.host)));
            }
        }
        for write in &batch.records {
            let held = self.records.get(&write.key);
            let replaces = held.map(|value| write.key.hash_with(value));
            let hash = write
                .value
                .as_ref()
                .map_or(0, |value| write.key.hash_with(value));
            if (write.replaces, write.hash) != (replaces, hash) {
                return Err(damaged(format!("the sums of {:?} are wrong", write.key)));
            }
        }
        Ok(())
    }
}

fn damaged(what: String) -> StoreError {
    StoreError::Damaged {
        path: PLACE.into(),
        what,
    }
}

fn interrupted(what: &str) -> StoreError {
    StoreError::Write {
        what: what.to_owned(),
    }
}

impl LogStore {
    /// Opens what is on the disk; a torn end is cut off. Says how many bytes that were.
    ///
    /// What a killed process wrote and did not sync is read from the page cache like everything
    /// else, so it is synced before anybody can be told of it.
    pub(crate) fn open(disk: Arc<Mutex<Disk>>) -> (Self, usize) {
        let mut guard = disk.lock().unwrap();
        let mut held = guard.base.clone();
        let (whole, len) = frames(guard.bytes());
        let torn = guard.bytes().len() - len;
        guard.truncate(len);
        guard.sync();
        guard.dead = false;
        whole.iter().for_each(|frame| held.apply(frame));
        held.history.drop_before(guard.kept_from);
        for checkpoint in guard.checkpoints() {
            held.history.save_checkpoint(checkpoint);
        }
        drop(guard);
        let held = Arc::new(Mutex::new(held));
        (Self { disk, held }, torn)
    }

    /// The last commit.
    pub(crate) fn last_commit(&self) -> u64 {
        self.held.lock().unwrap().commit
    }

    /// A second store over what is durable now, to be read only.
    pub(crate) fn replica(&self) -> Self {
        let disk = self.disk().durable_copy();
        Self::open(Arc::new(Mutex::new(disk))).0
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

impl Store for LogStore {
    fn load(&self, each: EachEntry<'_>) -> Result<Loaded, StoreError> {
        let held = self.held.lock().unwrap();
        for (key, value) in &held.hosts {
            each(Entry::Host(key.clone(), value))?;
        }
        for (key, value) in &held.records {
            each(Entry::Record(key.clone(), value))?;
        }
        Ok(held.loaded())
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let (mut disk, mut held) = (self.disk(), self.held.lock().unwrap());
        if disk.dead {
            return Err(interrupted("the process is dead"));
        }
        held.check(batch)?;
        disk.check_room()?;
        let interruption = disk.interruption.take();
        disk.dead = interruption.is_some();
        if interruption == Some(Interruption::BeforeWrite) {
            return Err(interrupted("power lost before the write"));
        }
        let frame = Frame::of(batch);
        disk.append(&frame.encode());
        match interruption {
            Some(Interruption::BeforeSync | Interruption::KilledBeforeSync) => {
                return Err(interrupted("ended before the sync"));
            }
            Some(Interruption::SyncFails) => return Err(interrupted("the sync failed")),
            _ => disk.sync(),
        }
        held.apply(&frame);
        match interruption {
            Some(_) => Err(interrupted("power lost after the sync")),
            None => Ok(()),
        }
    }

    fn check_room(&self, _: &Batch) -> Result<(), StoreError> {
        self.disk().check_room()
    }

    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.held.lock().unwrap().hosts.get(key).cloned())
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.held.lock().unwrap().records.get(key).cloned())
    }

    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        let held = self.held.lock().unwrap().clone();
        to.begin(0, &held.loaded())?;
        for (key, value) in &held.hosts {
            to.entry(Entry::Host(key.clone(), value))?;
        }
        for (key, value) in &held.records {
            to.entry(Entry::Record(key.clone(), value))?;
        }
        held.history.copy_out(to)
    }

    fn save_seen(&self, seen: &[SeenAt]) -> Result<(), StoreError> {
        self.disk().write_seen(seen);
        Ok(())
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        Ok(self.disk().seen().to_vec())
    }

    fn history_span(&self) -> Result<HistorySpan, StoreError> {
        Ok(self.held.lock().unwrap().history.span())
    }

    fn history(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        self.held.lock().unwrap().history.read(commits, order, each)
    }

    fn history_record(&self, commit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.held.lock().unwrap().history.record(commit))
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let (mut disk, mut held) = (self.disk(), self.held.lock().unwrap());
        if disk.dead {
            return Err(interrupted("the process is dead"));
        }
        disk.write_checkpoint(checkpoint);
        held.history.save_checkpoint(checkpoint);
        Ok(())
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointAt>, StoreError> {
        Ok(self.held.lock().unwrap().history.checkpoints())
    }

    fn checkpoint_parts(
        &self,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), StoreError> {
        self.held
            .lock()
            .unwrap()
            .history
            .checkpoint_parts(day, prefix, each)
    }

    fn drop_history_before(&self, day: u32) -> Result<(), StoreError> {
        let (mut disk, mut held) = (self.disk(), self.held.lock().unwrap());
        if disk.dead {
            return Err(interrupted("the process is dead"));
        }
        // The newest day is never dropped, whatever is asked.
        let newest = held.history.span().days.last().map_or(0, |day| day.day);
        disk.kept_from = disk.kept_from.max(day.min(newest));
        held.history.drop_before(day);
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        self.disk().sync();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use portolan_store::HistoryWrite;

    use super::*;

    fn batch(commit: u64) -> Batch {
        let at = UnixMicros(commit as i64 * 86_400_000_000);
        Batch {
            commit,
            at,
            history: Some(HistoryWrite {
                day: at.day(),
                value: vec![commit as u8],
            }),
            ..Batch::default()
        }
    }

    fn checkpoint(commit: u64) -> Checkpoint {
        let Batch { at, .. } = batch(commit);
        Checkpoint {
            at: CheckpointAt {
                day: at.day(),
                commit,
                at,
            },
            parts: vec![(b"n".to_vec(), vec![commit as u8])],
        }
    }

    /// As the embedded store does: a drop is durable at once, a checkpoint by the next sync.
    #[test]
    fn what_was_dropped_and_written_down_is_so_when_it_is_opened_again() {
        let disk = Arc::new(Mutex::new(Disk::default()));
        let (store, _) = LogStore::open(Arc::clone(&disk));
        for commit in 1..=3 {
            store.commit(&batch(commit)).unwrap();
        }
        store.save_checkpoint(&checkpoint(3)).unwrap();
        store.drop_history_before(2).unwrap();
        let span = store.history_span().unwrap();
        assert_eq!((span.after, span.days.len()), (1, 2));
        let replica = store.replica();
        assert_eq!(replica.history_span().unwrap(), span);
        assert_eq!(replica.checkpoints().unwrap(), [], "it is not synced");
        store.commit(&batch(4)).unwrap();
        store.save_checkpoint(&checkpoint(4)).unwrap();
        let before = (store.history_span().unwrap(), store.checkpoints().unwrap());
        drop(store);
        let (store, _) = LogStore::open(Arc::clone(&disk));
        let after = (store.history_span().unwrap(), store.checkpoints().unwrap());
        assert_eq!(after, before, "a process that was killed loses nothing");
        assert_eq!(store.replica().checkpoints().unwrap().len(), 2);
    }
}
