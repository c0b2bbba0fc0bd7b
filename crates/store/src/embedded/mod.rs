//! The embedded store: everything in one folder of this machine, on fjall.
//!
//! fjall is fast and young: it cuts a damaged journal and opens, and takes missing files for new
//! ones. So a store is opened twice. First without workers, to compare what is there with what was
//! acknowledged (`looking`); only when all agrees, for use (`serving`). The second open costs one
//! more replay of the journals, at most some hundred milliseconds, and nothing after a clean close.
//!
//! Holds: what was acknowledged is loaded again, or the start is refused with the part that is
//! damaged, and refused again the next time. Nothing but a repair accepts a loss.
//! Limits: one server a folder; closing waits for a copy that is being handed out; a damaged end of the journal that stems from the last second before
//! a power loss is taken for what the power loss tore (see `mark`); a panic of fjall while it holds
//! its own locks, which only damage that the checks before did not see could cause, ends the
//! process.
//!
//! In the data folder: `store.json`, `commit.mark`, `lock`, `fjall/`; for a time `creating` and
//! `journal-copies/`; after a repair `damaged-<n>/`. All other names belong to others.

mod attempt;
mod create;
mod engine;
mod entry;
mod fill;
mod history;
mod identity;
mod journals;
mod kinds;
mod layout;
mod lock;
mod looking;
mod mark;
mod parts;
mod repair;
mod restore;
mod salvage;
mod scan;
mod seen;
mod serving;
mod space;
mod tables;
mod trouble;
mod verify;

pub use repair::{RepairReport, repair};
pub use restore::restore;
pub(crate) use restore::{clear, replace};
pub use verify::{Report, verify};

use std::ops::RangeInclusive;
use std::path::Path;

use parking_lot::RawRwLock;
use parking_lot::lock_api::RwLock;
use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::{
    Batch, Checkpoint, CheckpointAt, CopyOut, EachEntry, EachPart, EachRecord, Entry, HistoryOrder,
    HistorySpan, Loaded, RecordKey, SeenAt, Store, StoreError,
};
use engine::Engine;
use entry::Stop;
use kinds::{host_key, record_key};
pub(crate) use layout::write_whole;
use layout::{DataDir, cannot_enter, make_folder};
use lock::DirLock;
use looking::Looking;
use serving::{Serving, not_written};
use trouble::Trouble;

/// How much memory an embedded store takes, and how much of its disk it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Bytes for blocks read from tables; default 64 MiB. All hosts are read once at the start and
    /// then a few at a time, so more helps little.
    pub cache_bytes: u64,
    /// Bytes of changes kept in memory before they become a table; default 32 MiB, at most five
    /// times that while the disk is behind. Also what a start after a crash has to replay. It is
    /// fixed when the store is made. A day of the history has a quarter of it for itself.
    pub memtable_bytes: u64,
    /// Bytes that must be left on its file system for a commit to be begun, beside its own and what
    /// merging tables may take; default [`caps::STORE_FREE_BYTES_MIN`]. 0 asks for nothing at all: a
    /// disk that fills up ends the process then.
    pub free_bytes_min: u64,
    /// The moment at which it is made, where it is: its history begins then. Default: what the
    /// system's clock says; who goes by another clock says what that does.
    pub made_at: Option<UnixMicros>,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            memtable_bytes: 32 << 20,
            free_bytes_min: caps::STORE_FREE_BYTES_MIN,
            made_at: None,
        }
    }
}

/// A store in a folder of this machine.
///
/// [`Store::load`] comes first: it decides whether the store can be trusted. Dropping it without
/// [`Store::close`] loses nothing that was acknowledged; the next start checks as after a crash.
pub struct EmbeddedStore {
    dir: DataDir,
    options: EmbeddedOptions,
    epoch: u64,
    /// What takes what is read may read again meanwhile, so a close that waits must not come between:
    /// the lock is one that lets readers pass.
    phase: RwLock<RawRwLock<true>, Phase>,
    /// Last, so that it is given back after the database is closed.
    _lock: DirLock,
}

enum Phase {
    /// Open for comparing; not loaded yet.
    Looking(Looking),
    /// Loaded and in use.
    Serving(Serving),
    /// Closed, or refused by [`Store::load`].
    Closed,
}

impl EmbeddedStore {
    /// Opens the store in `data_dir`, making one if the folder is missing or holds no part of one.
    ///
    /// # Errors
    /// [`StoreError::Locked`]: another server uses the folder. [`StoreError::NotWritable`]: it can
    /// only be read. [`StoreError::Format`]: another version of the program wrote it.
    /// [`StoreError::RestoreInterrupted`]: it is half a store. [`StoreError::Damaged`]: a part is missing or altered, or
    /// acknowledged commits are gone; nothing was changed, and the next open refuses as well.
    pub fn open(data_dir: &Path, options: EmbeddedOptions) -> Result<Self, StoreError> {
        let dir = DataDir::new(data_dir);
        make_folder(data_dir).map_err(cannot_enter(data_dir, data_dir))?;
        let lock = DirLock::take(&dir)?;
        let identity = create::open_or_create(&dir, &options)?;
        let looking = Looking::open(&dir, &identity, &options)?;
        Ok(Self {
            dir,
            options,
            epoch: identity.store.epoch(),
            phase: RwLock::new(Phase::Looking(looking)),
            _lock: lock,
        })
    }

    /// The number of the last commit that it holds, before it is loaded too.
    pub(crate) fn last_commit(&self) -> Result<u64, StoreError> {
        match &*self.phase.read() {
            Phase::Looking(looking) => Ok(looking.last_commit()),
            Phase::Serving(serving) => Ok(serving.last_commit()),
            Phase::Closed => Err(not_read("the store is closed")),
        }
    }

    /// Runs `read` on the open database.
    fn reading<T>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let phase = self.phase.read();
        let engine = match &*phase {
            Phase::Looking(looking) => looking.engine(),
            Phase::Serving(serving) => Some(serving.engine()),
            Phase::Closed => None,
        };
        let Some(engine) = engine else {
            return Err(not_read("the store is closed"));
        };
        read(engine).map_err(|trouble| trouble.not_read(&self.dir))
    }

    /// Runs `read` on the store in use.
    fn serving<T>(&self, read: impl FnOnce(&Serving) -> Result<T, Stop>) -> Result<T, StoreError> {
        match &*self.phase.read() {
            Phase::Serving(serving) => read(serving).map_err(|stop| stop.not_read(&self.dir)),
            Phase::Looking(_) => Err(not_read("the store is not loaded yet")),
            Phase::Closed => Err(not_read("the store is closed")),
        }
    }

    /// The value under a key; one that cannot be made was never stored.
    fn entry(&self, key: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        self.reading(|engine| {
            let Some(value) = engine.records().get(&key)? else {
                return Ok(None);
            };
            entry::parse(&key, &value).map(|entry| match entry {
                Entry::Host(_, value) | Entry::Record(_, value) => Some(value.to_vec()),
            })
        })
    }

    /// Runs `write` on the store in use.
    fn writing<T>(
        &self,
        write: impl FnOnce(&Serving) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &*self.phase.read() {
            Phase::Serving(serving) => write(serving),
            Phase::Looking(_) => Err(not_written("the store is not loaded yet")),
            Phase::Closed => Err(not_written("the store is closed")),
        }
    }
}

fn not_read(what: &str) -> StoreError {
    StoreError::Read { what: what.into() }
}

impl Store for EmbeddedStore {
    fn load(&self, each: EachEntry<'_>) -> Result<Loaded, StoreError> {
        let before = std::mem::replace(&mut *self.phase.write(), Phase::Closed);
        let mut looking = match before {
            Phase::Looking(looking) => looking,
            other => {
                *self.phase.write() = other;
                return Err(not_read("the store can be loaded only once"));
            }
        };
        looking.scan(each)?;
        let (identity, head) = looking.succeed();
        let serving = Serving::start(&self.dir, identity, head, &self.options)?;
        journals::discard_all_copies(&self.dir)?;
        *self.phase.write() = Phase::Serving(serving);
        Ok(head.loaded())
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.writing(|serving| serving.commit(batch))
    }

    fn check_room(&self, batch: &Batch) -> Result<(), StoreError> {
        self.writing(|serving| serving.check_room(batch))
    }

    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.entry(host_key(key))
    }

    fn record(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.entry(record_key(key))
    }

    fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        match &*self.phase.read() {
            Phase::Serving(serving) => serving.copy_out(to),
            Phase::Looking(_) => Err(not_read("the store is not loaded yet")),
            Phase::Closed => Err(not_read("the store is closed")),
        }
    }

    fn save_seen(&self, seen: &[SeenAt]) -> Result<(), StoreError> {
        self.writing(|serving| serving.save_seen(seen))
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        self.reading(seen::load)
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn history_span(&self) -> Result<HistorySpan, StoreError> {
        self.serving(|serving| serving.history().span().map_err(Stop::Trouble))
    }

    fn history(
        &self,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), StoreError> {
        self.serving(|serving| serving.history().read(commits, order, each))
    }

    fn history_record(&self, commit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.serving(|serving| serving.history().record(commit).map_err(Stop::Trouble))
    }

    fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        self.writing(|serving| serving.save_checkpoint(checkpoint))
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointAt>, StoreError> {
        self.serving(|serving| {
            let found = serving.history().checkpoints(serving.engine());
            found.map_err(Stop::Trouble)
        })
    }

    fn checkpoint_parts(
        &self,
        day: u32,
        prefix: &[u8],
        each: EachPart<'_>,
    ) -> Result<(), StoreError> {
        self.serving(|serving| {
            let history = serving.history();
            history.checkpoint_parts(serving.engine(), day, prefix, each)
        })
    }

    fn drop_history_before(&self, day: u32) -> Result<(), StoreError> {
        self.writing(|serving| serving.history().drop_before(serving.engine(), day))
    }

    fn close(&self) -> Result<(), StoreError> {
        match std::mem::replace(&mut *self.phase.write(), Phase::Closed) {
            Phase::Serving(serving) => serving.close(),
            // Dropping the attempt leaves all as it was.
            Phase::Looking(_) | Phase::Closed => Ok(()),
        }
    }
}
