//! The one place that calls fjall.
//!
//! Two ways to open: *looking* starts no worker thread, so nothing is flushed, compacted or deleted
//! while the records are compared; *serving* starts them.
//!
//! Holds: a batch is one journal record, synced (`fdatasync`) before [`Engine::write`] returns; a
//! full journal is synced and the next one's name made durable before a batch goes there. Both
//! happen under fjall's journal lock (`batch/mod.rs` and `journal/writer.rs` of 3.1.13).
//! Limits: memory is the cache, plus up to five memtables while the disk is slower than the
//! reports, plus indexes and filters: 190 MB measured with 1,000,000 hosts of 1.5 KB. A worker that
//! fails while a commit waits for it, behind a disk that is full or slow, leaves that commit waiting.

use std::path::Path;
use std::time::{Duration, Instant};

use fjall::config::BlockSizePolicy;
use fjall::{
    Database, Guard, Iter, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot,
};

use super::EmbeddedOptions;
use super::trouble::{Trouble, guarded};

/// The keyspace that holds all records.
pub(crate) const KEYSPACE: &str = "records";

/// One, that flushes and compacts in turn. Of two, fjall reserves one for flushes, which hands each
/// request to compact back to the queue and takes it again, as fast as it can, for as long as the
/// other compacts: a core spent on nothing.
const WORKERS: usize = 1;

/// 16 KiB hold about ten snapshots: a quarter of the index that fjall's 4 KiB need, better
/// compression, and a single host is still one read.
const BLOCK_BYTES: u32 = 16 * 1024;

/// How long a close waits for the memtable to become a table.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);

/// Whether worker threads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// For comparing: nothing on disk changes but the cut of a journal's torn end.
    Looking,
    /// For use.
    Serving,
}

/// An open database.
pub(crate) struct Engine {
    db: Database,
    records: Keyspace,
}

/// One change of one record.
pub(crate) enum Change {
    /// The record gets this value.
    Put(Vec<u8>, Vec<u8>),
    /// The record goes.
    Remove(Vec<u8>),
}

/// How far a write has gone when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It survives a power loss.
    Synced,
    /// It survives the end of the process.
    Buffered,
}

impl Engine {
    /// Opens the database at `path`, making it if there is none: whether there should be one is
    /// the caller's to know, before. `memtable_bytes` counts only when it is made.
    pub(crate) fn open(
        path: &Path,
        options: &EmbeddedOptions,
        mode: Mode,
    ) -> Result<Self, Trouble> {
        guarded("opening the database", || {
            let workers = if mode == Mode::Serving { WORKERS } else { 0 };
            let db = Database::builder(path)
                .cache_size(options.cache_bytes)
                // The checked `worker_threads` refuses 0.
                .worker_threads_unchecked(workers)
                .open()?;
            let records = db.keyspace(KEYSPACE, || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(options.memtable_bytes)
                    .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
                    // Only hosts that exist are asked for: the last level needs no filters.
                    .expect_point_read_hits(true)
            })?;
            Ok(Self { db, records })
        })
    }

    /// The folder of the keyspace that holds all records.
    pub(crate) fn records_folder(&self) -> &Path {
        self.records.path()
    }

    /// Writes all changes as one, or none.
    pub(crate) fn write(
        &self,
        changes: Vec<Change>,
        durability: Durability,
    ) -> Result<(), Trouble> {
        guarded("writing a batch", || {
            let mode = match durability {
                Durability::Synced => PersistMode::SyncData,
                Durability::Buffered => PersistMode::Buffer,
            };
            let mut batch = self.db.batch().durability(Some(mode));
            for change in changes {
                match change {
                    Change::Put(key, value) => batch.insert(&self.records, key, value),
                    Change::Remove(key) => batch.remove(&self.records, key),
                }
            }
            batch.commit()
        })
    }

    /// The value of one record.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<fjall::Slice>, Trouble> {
        guarded("reading a record", || self.records.get(key))
    }

    /// Whether there is such a record.
    pub(crate) fn has(&self, key: &[u8]) -> Result<bool, Trouble> {
        guarded("looking for a record", || self.records.contains_key(key))
    }

    /// Hands out the records whose keys start with `prefix`, by ascending key or descending.
    /// Ends at the first one that cannot be read, or that `each` refuses.
    pub(crate) fn scan<E: From<Trouble>>(
        &self,
        prefix: &[u8],
        order: Order,
        each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let records = guarded(READING_ALL, || Ok(self.records.prefix(prefix)))?;
        hand_out(records, order, each)
    }

    /// Everything as it is now, however it changes later. What is replaced meanwhile stays on disk
    /// until the view is dropped.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            engine: self,
            snapshot: self.db.snapshot(),
        }
    }

    /// Bytes of all tables.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.records.disk_space()
    }

    /// Moves what is only in journals into tables, so that the next start has nothing to replay,
    /// and syncs. What is not moved in time stays in the journal, as safe and slower to open.
    #[expect(
        clippy::disallowed_methods,
        reason = "bounds how long a close waits for the database's own thread; what is kept is the same"
    )]
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        guarded("closing the database", || {
            self.records.rotate_memtable()?;
            let begun = Instant::now();
            while self.records.sealed_memtable_count() > 0 && begun.elapsed() < FLUSH_WITHIN {
                std::thread::sleep(Duration::from_millis(2));
            }
            // Also says whether a worker has failed.
            self.db.persist(PersistMode::SyncAll)
        })
    }
}

/// A database as it was at one moment.
pub(crate) struct View<'a> {
    engine: &'a Engine,
    snapshot: Snapshot,
}

impl View<'_> {
    /// The value of one record.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<fjall::Slice>, Trouble> {
        guarded("reading a record", || {
            self.snapshot.get(&self.engine.records, key)
        })
    }

    /// As [`Engine::scan`], ascending.
    pub(crate) fn scan<E: From<Trouble>>(
        &self,
        prefix: &[u8],
        each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let records = guarded(READING_ALL, || {
            Ok(self.snapshot.prefix(&self.engine.records, prefix))
        })?;
        hand_out(records, Order::Ascending, each)
    }
}

const READING_ALL: &str = "reading all records";

fn hand_out<E: From<Trouble>>(
    mut records: Iter,
    order: Order,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let next = guarded(READING_ALL, || {
            let next = match order {
                Order::Ascending => records.next(),
                Order::Descending => records.next_back(),
            };
            next.map(Guard::into_inner).transpose()
        })?;
        let Some((key, value)) = next else {
            return Ok(());
        };
        each(&key, &value)?;
    }
}

/// The order of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}
