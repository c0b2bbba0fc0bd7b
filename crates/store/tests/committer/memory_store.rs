//! A store in memory that can be told to fail. The stand-in is for order and failure; the real store
//! has tests of its own.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use portolan_store::{
    Batch, Checkpoint, CheckpointAt, CopyOut, EachEntry, EachPart, EachRecord, Entry, HistoryOrder,
    HistorySpan, Loaded, MemoryHistory, RecordKey, SeenAt, Store, StoreError, Write, record_hash,
};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::bench::host_key;

#[derive(Default)]
pub(crate) struct MemoryStore {
    pub(crate) hosts: Mutex<BTreeMap<HostKey, Vec<u8>>>,
    pub(crate) records: Mutex<BTreeMap<RecordKey, Vec<u8>>>,
    history: Mutex<MemoryHistory>,
    pub(crate) sum: Mutex<u128>,
    commit: AtomicU64,
    at: AtomicI64,
    writes: AtomicU64,
    fails: Mutex<Option<StoreError>>,
    /// How many commits succeed before that.
    succeed: AtomicU64,
    /// How many records of the history were asked for by their commits.
    pub(crate) record_reads: AtomicU64,
    held: Mutex<()>,
    during: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl MemoryStore {
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Lets no commit through until the guard is dropped.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.held.lock().unwrap()
    }

    /// Puts bytes in the place of a host's value, past the committer.
    pub(crate) fn put_raw(&self, host: &str, value: &[u8]) {
        let key = host_key(host);
        self.hosts.lock().unwrap().insert(key, value.to_vec());
    }

    /// Every record, to be put back past the committer.
    pub(crate) fn records_now(&self) -> BTreeMap<RecordKey, Vec<u8>> {
        self.records.lock().unwrap().clone()
    }

    /// Puts records into the store past the committer.
    pub(crate) fn put_records(&self, records: BTreeMap<RecordKey, Vec<u8>>) {
        let mut sum = self.sum.lock().unwrap();
        for (key, value) in records {
            *sum = sum.wrapping_add(key.hash_with(&value));
            self.records.lock().unwrap().insert(key, value);
        }
    }

    /// Calls `what` in the middle of the next write.
    pub(crate) fn during_next_commit(&self, what: impl FnOnce() + Send + 'static) {
        *self.during.lock().unwrap() = Some(Box::new(what));
    }

    pub(crate) fn fail_next_commit(&self) {
        self.fail_next_commit_with(StoreError::Write {
            what: "told to fail".into(),
        });
    }

    pub(crate) fn fail_commit_after_next(&self) {
        self.succeed.store(1, Ordering::SeqCst);
        self.fail_next_commit();
    }

    pub(crate) fn fail_next_commit_with(&self, error: StoreError) {
        *self.fails.lock().unwrap() = Some(error);
    }

    fn loaded(&self) -> Loaded {
        Loaded {
            commit: self.commit.load(Ordering::SeqCst),
            at: UnixMicros(self.at.load(Ordering::SeqCst)),
            hosts: self.hosts.lock().unwrap().len() as u64,
            records: self.records.lock().unwrap().len() as u64,
        }
    }
}

/// Writes values to a map, and keeps the sum of their hashes as a store does.
fn write<K: Clone + Ord>(
    writes: &[Write<K>],
    map: &mut BTreeMap<K, Vec<u8>>,
    sum: &mut u128,
    hash: impl Fn(&K, &[u8]) -> u128,
) {
    for write in writes {
        let old = map.get(&write.key).map(|value| hash(&write.key, value));
        assert_eq!(write.replaces, old, "the hash of what is on disk");
        *sum = sum.wrapping_sub(old.unwrap_or(0)).wrapping_add(write.hash);
        match &write.value {
            Some(value) => map.insert(write.key.clone(), value.clone()),
            None => map.remove(&write.key),
        };
    }
}

impl Store for MemoryStore {
    fn load(&self, each: EachEntry<'_>) -> Result<Loaded, StoreError> {
        for (key, value) in &*self.hosts.lock().unwrap() {
            each(Entry::Host(key.clone(), value))?;
        }
        for (key, value) in &*self.records.lock().unwrap() {
            each(Entry::Record(key.clone(), value))?;
        }
        Ok(self.loaded())
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let _passed = self.hold();
        if let Some(during) = self.during.lock().unwrap().take() {
            during();
        }
        let succeeds = |left: u64| left.checked_sub(1);
        let succeed = self
            .succeed
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, succeeds);
        if succeed.is_err()
            && let Some(error) = self.fails.lock().unwrap().take()
        {
            return Err(error);
        }
        assert_eq!(
            batch.commit,
            self.commit.fetch_add(1, Ordering::SeqCst) + 1,
            "commits are numbered"
        );
        let before = self.at.swap(batch.at.0, Ordering::SeqCst);
        assert!(before < batch.at.0, "moments of commits rise");
        self.writes.fetch_add(1, Ordering::SeqCst);
        let (mut hosts, mut sum) = (self.hosts.lock().unwrap(), self.sum.lock().unwrap());
        let mut records = self.records.lock().unwrap();
        write(&batch.hosts, &mut hosts, &mut sum, record_hash);
        write(&batch.records, &mut records, &mut sum, RecordKey::hash_with);
        if let Some(write) = &batch.history {
            self.history.lock().unwrap().add(batch.commit, write);
        }
        Ok(())
    }

    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.hosts.lock().unwrap().get(key).cloned())
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.records.lock().unwrap().get(key).cloned())
    }

    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        to.begin(1, &self.loaded())?;
        self.load(&mut |entry| to.entry(entry)).map(|_| ())
    }

    fn save_seen(&self, _: &[SeenAt]) -> Result<(), StoreError> {
        Ok(())
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        Ok(Vec::new())
    }

    fn history_span(&self) -> Result<HistorySpan, StoreError> {
        Ok(self.history.lock().unwrap().span())
    }

    fn history(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        self.history.lock().unwrap().read(commits, order, each)
    }

    fn history_record(&self, commit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.record_reads.fetch_add(1, Ordering::SeqCst);
        Ok(self.history.lock().unwrap().record(commit))
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        self.history.lock().unwrap().save_checkpoint(checkpoint);
        Ok(())
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointAt>, StoreError> {
        Ok(self.history.lock().unwrap().checkpoints())
    }

    fn checkpoint_parts(
        &self,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), StoreError> {
        self.history
            .lock()
            .unwrap()
            .checkpoint_parts(day, prefix, each)
    }

    fn drop_history_before(&self, day: u32) -> Result<(), StoreError> {
        self.history.lock().unwrap().drop_before(day);
        Ok(())
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
