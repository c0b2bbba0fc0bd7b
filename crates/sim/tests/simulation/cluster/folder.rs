//! A server's data folder on the simulated disk: a checkpoint, and of which epoch it is.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::{Arc, Mutex};

use portolan_store::backup::Backup;
use portolan_store::jetstream::{Epoch, Fetch, Folder};
use portolan_store::{Store, StoreError};

use crate::disk::Disk;
use crate::log_store::{Held, LogStore};

/// Moments of a beginning at which a process may be killed.
pub(super) const MOMENTS: u64 = 3;

#[derive(Default)]
pub(super) struct SimulatedFolder {
    epoch: Cell<Option<u64>>,
    /// `None` where there is no store, or one that is half made.
    disk: RefCell<Option<Arc<Mutex<Disk>>>>,
    opened: RefCell<Option<LogStore>>,
    /// At which moment of the next beginning the process is killed.
    pub(super) killed_at: Cell<Option<u64>>,
    /// Beginnings: empty ones, and those of a base.
    pub(super) empty: Cell<u64>,
    pub(super) of_base: Cell<u64>,
    /// Bytes of torn batches that were cut off.
    pub(super) torn: Cell<usize>,
}

impl SimulatedFolder {
    /// The disk, if there is a whole store on it.
    pub(super) fn disk(&self) -> Option<Arc<Mutex<Disk>>> {
        self.disk.borrow().clone()
    }

    /// The store that was opened last.
    pub(super) fn opened(&self) -> LogStore {
        self.opened.borrow().clone().unwrap()
    }

    /// Somebody empties it.
    pub(super) fn empty_it(&self) {
        self.epoch.set(None);
        *self.disk.borrow_mut() = None;
    }

    fn passes(&self, moment: u64) -> Result<(), StoreError> {
        if self.killed_at.get() != Some(moment) {
            return Ok(());
        }
        self.killed_at.set(None);
        Err(StoreError::Write {
            what: format!("killed at moment {moment} of a beginning"),
        })
    }
}

impl Folder for SimulatedFolder {
    fn kept(&self) -> Result<Option<u64>, StoreError> {
        let is_whole = self.disk.borrow().is_some();
        Ok(self.epoch.get().filter(|_| is_whole))
    }

    fn begin(&self, epoch: Epoch, base: Option<Fetch<'_>>) -> Result<(), StoreError> {
        *self.disk.borrow_mut() = None;
        self.passes(0)?;
        self.epoch.set(Some(epoch.id));
        self.passes(1)?;
        let mut disk = Disk::default();
        if let Some(fetch) = base {
            disk.base = fetched(fetch)?;
            self.of_base.set(self.of_base.get() + 1);
        } else {
            self.empty.set(self.empty.get() + 1);
        }
        self.passes(2)?;
        *self.disk.borrow_mut() = Some(Arc::new(Mutex::new(disk)));
        Ok(())
    }

    fn open(&self, _: Epoch) -> Result<(Box<dyn Store>, u64), StoreError> {
        let disk = self.disk().unwrap();
        let (store, torn) = LogStore::open(disk);
        self.torn.set(self.torn.get() + torn);
        *self.opened.borrow_mut() = Some(store.clone());
        let commit = store.last_commit();
        Ok((Box::new(store), commit))
    }
}

/// A backup is read from a file: the one thing of the machine that is used, and nothing of it is seen.
fn fetched(fetch: Fetch<'_>) -> Result<Held, StoreError> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.unwrap();
    let file = folder.path().join("base");
    fetch(&file)?;
    let backup = Backup::open(&file).unwrap();
    Ok(Held::of_backup(backup).unwrap())
}
