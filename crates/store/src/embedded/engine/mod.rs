//! The one place that calls fjall.
//!
//! Two ways to open: *looking* starts no worker thread, so nothing is flushed, compacted or deleted
//! while the records are compared; *serving* starts them.
//!
//! Hosts and records are in one keyspace, each day of the history in one of its own (`days`).
//!
//! Holds: a batch is one journal record, synced (`fdatasync`) before [`Engine::write`] returns; a
//! full journal is synced and the next one's name made durable before a batch goes there. Both
//! happen under fjall's journal lock (`batch/mod.rs` and `journal/writer.rs` of 3.1.13).
//! Limits: memory is the cache, plus up to five memtables while the disk is slower than the
//! reports, plus indexes and filters: 190 MB measured with 1,000,000 hosts of 1.5 KB.

use std::path::Path;
use std::time::{Duration, Instant};

use fjall::config::BlockSizePolicy;
use fjall::{AbstractTree as _, Database, KeyspaceCreateOptions, PersistMode};

use super::EmbeddedOptions;
use super::trouble::{Trouble, guarded};

mod days;
mod keyspace;

pub(crate) use keyspace::{Keys, Keyspace, Order, View};

/// The keyspace that holds hosts and records.
pub(crate) const KEYSPACE: &str = "records";

/// One, that flushes and compacts in turn. Of two, fjall reserves one for flushes, which hands each
/// request to compact back to the queue and takes it again, as fast as it can, for as long as the
/// other compacts: a core spent on nothing.
const WORKERS: usize = 1;

/// 16 KiB hold about ten snapshots: a quarter of the index that fjall's 4 KiB need, better
/// compression, and a single host is still one read.
const BLOCK_BYTES: u32 = 16 * 1024;

/// Bytes of sealed journals from which on the database turns the memtables that the oldest one is
/// still needed for into tables: the least that it takes, and one journal's size.
const JOURNALS_BYTES: u64 = 64 << 20;

/// Memtables of a keyspace that wait to become tables: with one more fjall holds writes.
const SEALED_MAX: usize = 3;
/// Runs of tables on the first level: far fewer than those at which fjall holds writes.
const LEVEL_0_RUNS_MAX: usize = 20;
/// How long a batch waits before it looks at the worker again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long a close waits for the memtables to become tables.
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
    memtable_bytes: u64,
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
                .max_journaling_size(JOURNALS_BYTES)
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
            let records = Keyspace(records);
            Ok(Self {
                db,
                records,
                memtable_bytes: options.memtable_bytes,
            })
        })
    }

    /// The keyspace that holds hosts and records.
    pub(crate) fn records(&self) -> &Keyspace {
        &self.records
    }

    /// Writes all changes as one, or none.
    pub(crate) fn write(
        &self,
        changes: Vec<Change>,
        durability: Durability,
    ) -> Result<(), Trouble> {
        self.write_all([(&self.records, changes)], durability)
    }

    /// Writes changes of several keyspaces as one, or none. One of them must be that of the hosts and
    /// records: the numbers that the database gives its writes begin anew, at a start, behind
    /// the highest one in any keyspace, and lower ones must not follow higher ones in a journal
    /// when a day that had the highest is dropped.
    pub(crate) fn write_all<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a Keyspace, Vec<Change>)>,
        durability: Durability,
    ) -> Result<(), Trouble> {
        guarded("writing a batch", || {
            let mode = match durability {
                Durability::Synced => PersistMode::SyncData,
                Durability::Buffered => PersistMode::Buffer,
            };
            let mut batch = self.db.batch().durability(Some(mode));
            let mut written = Vec::new();
            for (Keyspace(keyspace), changes) in changes {
                for change in changes {
                    match change {
                        Change::Put(key, value) => batch.insert(keyspace, key, value),
                        Change::Remove(key) => batch.remove(keyspace, key),
                    }
                }
                written.push(keyspace);
            }
            written.iter().try_for_each(|of| self.wait_for_worker(of))?;
            batch.commit()?;
            written.into_iter().try_for_each(|of| self.seal_full(of))
        })
    }

    /// Waits until the worker is near enough for one more batch. fjall waits behind a batch, too, and for
    /// as long as it takes: behind a worker that has failed, for ever.
    fn wait_for_worker(&self, keyspace: &fjall::Keyspace) -> Result<(), fjall::Error> {
        let is_behind = || {
            keyspace.sealed_memtable_count() >= SEALED_MAX
                || keyspace.tree.l0_run_count() >= LEVEL_0_RUNS_MAX
        };
        while is_behind() {
            // It also says whether the worker has failed.
            self.db.persist(PersistMode::Buffer)?;
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Has a memtable that is nearly full become a table. fjall would ask its worker for that once it
    /// is over full, with each further batch again: while the worker merges tables the requests fill
    /// its queue, and at last it waits for a place there itself, which nobody else makes (fjall#323).
    fn seal_full(&self, keyspace: &fjall::Keyspace) -> Result<(), fjall::Error> {
        let full = if *keyspace == self.records.0 {
            self.memtable_bytes
        } else {
            self.memtable_bytes / days::MEMTABLE_PART
        };
        if keyspace.tree.active_memtable().size() > full / 8 * 7 {
            keyspace.rotate_memtable()?;
        }
        Ok(())
    }

    /// Everything as it is now, however it changes later. What is replaced meanwhile stays on disk
    /// until the view is dropped.
    pub(crate) fn view(&self) -> View {
        View(self.db.snapshot())
    }

    /// Moves what is only in journals into tables, so that the next start has nothing to replay,
    /// and syncs. What is not moved in time stays in the journal, as safe and slower to open.
    #[expect(
        clippy::disallowed_methods,
        reason = "bounds how long a close waits for the database's own thread; what is kept is the same"
    )]
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        let all: Vec<Keyspace> = self.all().collect();
        guarded("closing the database", || {
            for Keyspace(keyspace) in &all {
                keyspace.rotate_memtable()?;
            }
            let begun = Instant::now();
            let pending = |Keyspace(keyspace): &Keyspace| keyspace.sealed_memtable_count() > 0;
            while all.iter().any(pending) && begun.elapsed() < FLUSH_WITHIN {
                std::thread::sleep(Duration::from_millis(2));
            }
            // Also says whether a worker has failed.
            self.db.persist(PersistMode::SyncAll)
        })
    }

    /// All keyspaces.
    fn all(&self) -> impl Iterator<Item = Keyspace> {
        let days = self.days().into_iter();
        let days = days.filter_map(|day| self.day(day).ok().flatten());
        std::iter::once(self.records.clone()).chain(days)
    }
}
