//! Looks whether a store could be started, without starting it.

use std::path::Path;

use portolan_wire::time::UnixMicros;

use super::EmbeddedOptions;
use super::create;
use super::identity::Identity;
use super::layout::DataDir;
use super::lock::DirLock;
use super::looking::Looking;
use crate::StoreError;

/// A store in which everything agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of the last commit.
    pub commit: u64,
    /// The newest moment in the last commit.
    pub at: UnixMicros,
    /// Hosts in it.
    pub hosts: u64,
    /// Records beside them.
    pub records: u64,
    /// Records of the history.
    pub history: u64,
    /// Whether it was closed, not killed.
    pub closed_cleanly: bool,
}

/// Checks a store as a start does: all parts, journals, records, their number and sum; and the whole
/// history, of which a start looks at the ends of each day alone.
///
/// It leaves the store as it was: what opening the database cuts off a journal is put back. Only
/// tables and manifests that nothing names any more, left by a crash, are removed.
///
/// # Errors
/// Those of [`EmbeddedStore::open`](super::EmbeddedStore::open), and [`StoreError::Read`] where
/// there is no store.
pub fn verify(data_dir: &Path) -> Result<Report, StoreError> {
    let dir = DataDir::new(data_dir);
    let _lock = take_existing(&dir)?;
    let Some(identity) = Identity::read(&dir)? else {
        create::check_no_restore(&dir)?;
        create::check_nothing_is_lost(&dir)?;
        return Err(no_store(&dir));
    };
    look(&dir, &identity)
}

pub(crate) fn look(dir: &DataDir, identity: &Identity) -> Result<Report, StoreError> {
    let mut looking = Looking::open(dir, identity, &EmbeddedOptions::default())?;
    looking.scan(&mut |_| Ok(()))?;
    let history = looking.walk_history()?;
    let head = looking.head();
    Ok(Report {
        commit: head.number,
        at: head.at,
        hosts: head.totals.hosts,
        records: head.totals.records,
        history,
        closed_cleanly: looking.mark().closed_with.is_some(),
    })
}

/// Takes the lock of a folder that must be there.
pub(crate) fn take_existing(dir: &DataDir) -> Result<DirLock, StoreError> {
    if dir.path().is_dir() {
        DirLock::take(dir)
    } else {
        Err(no_store(dir))
    }
}

pub(crate) fn no_store(dir: &DataDir) -> StoreError {
    StoreError::Read {
        what: format!("there is no store in {}", dir.path().display()),
    }
}
