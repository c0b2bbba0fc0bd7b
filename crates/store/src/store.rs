//! What a store must do. Everything above it sees only this.

use std::collections::HashMap;
use std::ops::{ControlFlow, RangeInclusive};

use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::record::RecordKey;
use crate::{StoreError, record_hash};

/// One durable, ordered log with the last value of every host and of every record beside them.
///
/// A store knows no meaning: values are opaque bytes. Only the committer's thread calls
/// [`commit`](Self::commit); reads may come from any thread at the same time.
pub trait Store: Send + Sync {
    /// Hands every host and every record to `each`, in any order, and then says where the log
    /// stands. Called once, before the first commit. The store checks what it read against its own
    /// records of how much there must be, and refuses when they disagree.
    fn load(&self, each: EachEntry<'_>) -> Result<Loaded, StoreError>;

    /// Makes a batch durable: all of it, or nothing. When this returns `Ok` the batch survives a
    /// power loss. After an error that [`StoreError::is_fatal`] the process must end: a disk that
    /// failed a sync once cannot be trusted by trying again. After any other error nothing was
    /// written, and the same commit may be tried again; but after [`StoreError::Overtaken`] only
    /// behind what [`Shared::next`] hands out, and after [`StoreError::Unavailable`] it may come from
    /// there yet.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// Whether the batch could be written, as far as that can be known: [`StoreError::NoSpace`] where
    /// its disk has too little room.
    fn check_room(&self, _batch: &Batch) -> Result<(), StoreError> {
        Ok(())
    }

    /// The stored value of one host.
    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// The stored value of one record.
    fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// Hands out everything as it is at one moment, while commits go on: for a backup. Called from
    /// any thread, and for as long as the receiver takes.
    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError>;

    /// Keeps when hosts were last heard, replacing all kept before. Not synced by itself: a loss
    /// costs a minute of freshness and no truth.
    fn save_seen(&self, seen: &[SeenAt]) -> Result<(), StoreError>;

    /// What [`save_seen`](Self::save_seen) kept last.
    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError>;

    /// Tells this log from others that number their commits alike: it is another one after a restore.
    fn epoch(&self) -> u64 {
        0
    }

    /// Which part of the history is kept. Begins with the store, or with what it was made of.
    fn history_span(&self) -> Result<HistorySpan, StoreError>;

    /// Hands out the records of `commits` that are kept, in that order. A record that is missing or
    /// altered within the kept days is [`StoreError::Damaged`] and never passed over: each record
    /// names the one before it.
    fn history(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError>;

    /// One record of the history; `None` where its day is no longer kept or there never was one.
    fn history_record(&self, commit: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps counts of one moment beside the records of its day, replacing what that day had. Not
    /// synced by itself; after a crash it is whole or absent. A day that is not kept is passed over:
    /// it may be dropped while its checkpoint is being made.
    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError>;

    /// The checkpoints that are kept, in the order of their days.
    fn checkpoints(&self) -> Result<Vec<CheckpointAt>, StoreError>;

    /// Hands out the parts of a day's checkpoint whose names begin with `prefix`, in the order of
    /// their names; nothing where there is none.
    fn checkpoint_parts(
        &self,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), StoreError>;

    /// Drops the history of every day before `day`, whole. The newest day is never dropped. After
    /// it [`HistorySpan::from`] is at least the midnight that begins the first day that is left.
    fn drop_history_before(&self, day: u32) -> Result<(), StoreError>;

    /// Where other servers write to the same log: how their commits come in.
    fn shared(&self) -> Option<&dyn Shared> {
        None
    }

    /// Leaves everything synced and marked as cleanly closed. No commit may follow.
    fn close(&self) -> Result<(), StoreError>;
}

/// A log that other servers write as well.
pub trait Shared: Send + Sync {
    /// The commit that follows the last one known here, if another server has made one and it has
    /// come in: it is durable and stored. Only the committer's thread asks.
    fn next(&self) -> Result<Option<Batch>, StoreError>;

    /// Calls `wake` from now on whenever a commit of another server may have come in. It must not
    /// block.
    fn on_arrival(&self, wake: Wake);

    /// The last commit of the log, as a majority of the cluster has it.
    fn end(&self) -> Result<u64, StoreError>;

    /// Tells the other servers when this one heard hosts, in place of what it told before.
    fn tell_seen(&self, seen: &[SeenAt], now_s: u32) -> Result<(), StoreError>;

    /// When the other servers last heard hosts, by [`SeenAt::host`].
    fn seen_elsewhere(&self, now_s: u32) -> Result<HashMap<u64, u32>, StoreError>;

    /// Does what the log needs of some server now and then.
    fn keep_up(&self) -> Result<(), StoreError>;
}

/// Says that something has come in.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// One stored value with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A host.
    Host(HostKey, &'a [u8]),
    /// A record beside the hosts.
    Record(RecordKey, &'a [u8]),
}

impl Entry<'_> {
    /// What it adds to the sum of all hashes.
    pub fn hash(&self) -> u128 {
        match self {
            Self::Host(key, value) => record_hash(key, value),
            Self::Record(key, value) => key.hash_with(value),
        }
    }
}

/// Takes one entry after the other while a store is loaded; its error ends the loading.
pub type EachEntry<'a> = &'a mut dyn FnMut(Entry<'_>) -> Result<(), StoreError>;

/// Takes a copy of a store.
pub trait CopyOut {
    /// First: which store it is, and where its log stood at the moment of the copy. The counts are
    /// those of the entries that follow.
    fn begin(&mut self, store_id: u128, at: &Loaded) -> Result<(), StoreError>;

    /// Then: one entry after the other, in any order.
    fn entry(&mut self, entry: Entry<'_>) -> Result<(), StoreError>;

    /// At last: the history, in the order that [`HistoryPart`] tells. A store without one leaves it
    /// out.
    fn history(&mut self, part: HistoryPart<'_>) -> Result<(), StoreError>;
}

/// One part of the history in a copy of a store. They come in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPart<'a> {
    /// Once: where it begins.
    Begin {
        /// [`HistorySpan::from`].
        from: UnixMicros,
        /// The commit of the last record before those that follow; 0 where there was none.
        after: u64,
        /// The commit of the last one that follows, or `after` where none does.
        last: u64,
    },
    /// For each record, in their order.
    Record {
        /// The day it belongs to.
        day: u32,
        /// Its commit.
        commit: u64,
        /// What the store was given.
        value: &'a [u8],
    },
    /// For each day that has one, in their order.
    Checkpoint(CheckpointAt),
    /// Behind its checkpoint: name and bytes of each part, by ascending name.
    CheckpointPart(&'a [u8], &'a [u8]),
}

/// Takes one part of the history after the other; its error ends the reading.
pub type EachHistoryPart<'a> = &'a mut dyn FnMut(HistoryPart<'_>) -> Result<(), StoreError>;

/// Where the log stands after loading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The number of the last commit; 0 in a new store.
    pub commit: u64,
    /// When the last commit was made.
    pub at: UnixMicros,
    /// Hosts handed out.
    pub hosts: u64,
    /// Records handed out.
    pub records: u64,
}

/// One durable write.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The number of this commit: the last one's plus 1.
    pub commit: u64,
    /// The newest moment in it.
    pub at: UnixMicros,
    /// What changes; at most one write a host.
    pub hosts: Vec<HostWrite>,
    /// What changes beside the hosts; at most one write a record.
    pub records: Vec<RecordWrite>,
    /// What it adds to the history; `None` where it changes no host.
    pub history: Option<HistoryWrite>,
}

/// What a commit adds to the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryWrite {
    /// The day it belongs to: whole days since 1970-01-01 UTC of the batch's `at`. Never less than
    /// that of an earlier commit.
    pub day: u32,
    /// The record: opaque here.
    pub value: Vec<u8>,
}

/// Which part of the history is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistorySpan {
    /// Answers about moments from here on are complete.
    pub from: UnixMicros,
    /// The records of all commits after this one are kept; 0 where none ever went.
    pub after: u64,
    /// The commit of the newest record; 0 where there never was one.
    pub last: u64,
    /// The days that have records, ascending.
    pub days: Vec<HistoryDay>,
}

/// One day of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryDay {
    /// Whole days since 1970-01-01 UTC.
    pub day: u32,
    /// The commit of its first record.
    pub first: u64,
    /// Bytes on disk, about; those of its checkpoint too.
    pub bytes: u64,
}

/// In which order records of the history are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryOrder {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// Takes the commit of a record of the history and the record; `Break` ends the reading.
pub type EachRecord<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<ControlFlow<()>, StoreError>;

/// Takes name and bytes of one part of a checkpoint; its error ends the reading.
pub type EachPart<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError>;

/// Which moment a checkpoint is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointAt {
    /// The day it stands beside.
    pub day: u32,
    /// The last commit in it.
    pub commit: u64,
    /// The moment of that commit.
    pub at: UnixMicros,
}

/// Counts of one moment: opaque here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which moment.
    pub at: CheckpointAt,
    /// Name and bytes of each part: at most `caps::CHECKPOINT_PART_BYTES_MAX` bytes a part, names of at most
    /// `caps::CHECKPOINT_NAME_BYTES_MAX` bytes and each at most once.
    pub parts: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A new value of something, or its removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write<K> {
    /// What is written.
    pub key: K,
    /// Its new value, or `None` to remove it.
    pub value: Option<Vec<u8>>,
    /// The hash of the new value ([`record_hash`], [`RecordKey::hash_with`]); 0 on removal.
    pub hash: u128,
    /// The hash of the value that this replaces or removes; `None` where there was none.
    pub replaces: Option<u128>,
}

/// A new value of one host, or its removal.
pub type HostWrite = Write<HostKey>;

/// A new value of one record, or its removal.
pub type RecordWrite = Write<RecordKey>;

/// When a host was last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenAt {
    /// The first 64 bits of xxh3 over the host's key (see [`crate::record_hash`] for the form):
    /// at two hosts of one hash the later moment is kept, which errs by calling one fresh.
    pub host: u64,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub second: u32,
}
