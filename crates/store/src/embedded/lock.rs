//! One server at a time uses a data folder.
//!
//! A lock of the kernel (`flock`) on a file that stays: it ends with the process however that ends,
//! so no stale lock is ever left to clear by hand. The database has a lock of its own, but the files
//! beside it are read and written before the database is opened.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::layout::{DataDir, cannot_enter, cannot_write, private_file};
use crate::StoreError;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct DirLock {
    file: File,
}

impl DirLock {
    /// Takes the folder, or says that another server has it. Never waits.
    pub(crate) fn take(dir: &DataDir) -> Result<Self, StoreError> {
        let path = dir.lock();
        let file = private_file()
            .create(true)
            .open(&path)
            .map_err(cannot_enter(dir.path(), &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { file }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::Locked {
                path: dir.path().to_path_buf(),
            }),
            Err(cause) => Err(cannot_write(&path)(cause.into())),
        }
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing would be enough, were it not that a child process just being started elsewhere in
        // this one still has the file, and with it the lock, until it runs its own program.
        if let Err(cause) = flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(error = %cause, "the lock of the data folder could not be given back");
        }
    }
}
