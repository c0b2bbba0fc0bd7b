//! Makes a store of a backup.
//!
//! The new store is filled, synced, closed and then read back and compared, all before `store.json`
//! makes it one: until then a start refuses the folder. It gets an id of its own, since from here on
//! its commits are others than those of the store that the backup was made of.
//!
//! Holds: a restore that fails leaves nothing behind; one that was killed is begun anew by the next
//! one, and by nothing else.
//! Limit: what was changed after the backup is as it was at its moment; a credential that was
//! revoked since is valid again.

use std::io;
use std::path::Path;

use super::EmbeddedOptions;
use super::create::{self, From, complete, is_restoring, new_engine, set_down};
use super::fill::Filling;
use super::history::{HistoryFilling, begin};
use super::identity::{HistoryKept, StoreId};
use super::kinds::CommitRecord;
use super::layout::{
    DataDir, cannot_enter, cannot_read, cannot_write, make_folder, remove_file, remove_folder,
};
use super::lock::DirLock;
use super::verify::{Report, look};
use crate::backup::{Backup, BackupError, Summary};
use crate::totals::Totals;
use crate::{Loaded, StoreError};

/// Makes a store in `data_dir`, which must be empty or missing, of the backup in the file `backup`.
///
/// # Errors
/// The backup is damaged or of another format, the folder holds something, or it cannot be written:
/// nothing is left behind.
pub fn restore(backup: &Path, data_dir: &Path) -> Result<Report, BackupError> {
    let backup = Backup::open(backup)?;
    let dir = DataDir::new(data_dir);
    let was_there = data_dir.exists();
    make_folder(data_dir).map_err(cannot_enter(data_dir, data_dir))?;
    // Before a lock is left in a folder of somebody else's, and again when nobody else is at it.
    check_empty(&dir)?;
    let lock = DirLock::take(&dir)?;
    check_empty(&dir)?;
    let made = make(&dir, backup);
    if made.is_err() {
        leave_nothing(&dir, was_there);
    }
    drop(lock);
    made
}

/// Makes a store in `data_dir` of the backup in the file `backup`, in place of the one that may be
/// there: for a checkpoint of a truth that is elsewhere. What others keep in the folder stays.
///
/// # Errors
/// Those of [`restore`], but that the folder may hold something. What was there is gone either way.
pub(crate) fn replace(backup: &Path, data_dir: &Path) -> Result<Report, BackupError> {
    let backup = Backup::open(backup)?;
    clear(data_dir)?;
    let dir = DataDir::new(data_dir);
    let lock = DirLock::take(&dir)?;
    let made = make(&dir, backup);
    drop(lock);
    made
}

/// Removes the store from `data_dir`, and nothing that others keep there.
pub(crate) fn clear(data_dir: &Path) -> Result<(), StoreError> {
    let dir = DataDir::new(data_dir);
    make_folder(data_dir).map_err(cannot_enter(data_dir, data_dir))?;
    let lock = DirLock::take(&dir)?;
    // First what makes it one: what is left of a store without it is refused by a start.
    remove_ours(&dir, &["store.json"])
        .and_then(|()| remove_ours(&dir, &OURS))
        .map_err(cannot_write(data_dir))?;
    drop(lock);
    Ok(())
}

fn remove_ours(dir: &DataDir, names: &[&str]) -> io::Result<()> {
    for name in names {
        let path = dir.path().join(name);
        if path.is_dir() {
            remove_folder(&path)?;
        } else {
            remove_file(&path)?;
        }
    }
    Ok(())
}

/// Names that an interrupted restore may have left.
const OURS: [&str; 9] = [
    "lock",
    "creating",
    "creating.tmp",
    "commit.mark",
    "commit.tmp",
    "store.json",
    "store.tmp",
    "fjall",
    "journal-copies",
];

fn check_empty(dir: &DataDir) -> Result<(), BackupError> {
    // A marker beside `store.json` is the last moment of a creation that succeeded.
    let began = is_restoring(dir) && !dir.identity().exists();
    let allowed = if began { OURS.as_slice() } else { &["lock"] };
    let entries = || std::fs::read_dir(dir.path())?.collect::<io::Result<Vec<_>>>();
    for entry in entries().map_err(cannot_read(dir.path()))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !allowed.contains(&name.as_str()) {
            let path = dir.path().to_path_buf();
            return Err(BackupError::NotEmpty { path, name });
        }
    }
    Ok(())
}

fn make(dir: &DataDir, backup: Backup) -> Result<Report, BackupError> {
    create::begin(dir, From::Backup)?;
    let Summary { at, .. } = backup.summary();
    let store = StoreId::random()?;
    let engine = new_engine(dir.engine(), &EmbeddedOptions::default())?;
    let mut filling = Filling::new(&engine);
    let mut history = HistoryFilling::new(&engine);
    let seen = backup.read(&mut |entry| filling.add(&entry), &mut |part| {
        history.add(&part)
    })?;
    let totals = filling.totals();
    let mut filled = history.finish()?;
    let mut head = CommitRecord {
        store,
        number: at.commit,
        at: at.at,
        totals,
        history: filled.last,
    };
    // A backup of format 1 has none: what it holds stays as it was at its moment.
    filled.history.get_or_insert_with(|| HistoryKept {
        from: begin(&head).0,
        days: Vec::new(),
    });
    filling.finish(&seen, &mut head)?;
    let identity = set_down(dir, engine, &head, filled)?;
    let report = look(dir, &identity)?;
    compare(&at, &totals, &report)?;
    complete(dir, &identity)?;
    Ok(report)
}

/// What was read back against what the backup promised.
fn compare(at: &Loaded, totals: &Totals, report: &Report) -> Result<(), StoreError> {
    let promised = (at.commit, at.hosts, at.records);
    let filled = (at.commit, totals.hosts, totals.records);
    let found = (report.commit, report.hosts, report.records);
    if promised == filled && promised == found {
        return Ok(());
    }
    Err(StoreError::Write {
        what: format!(
            "the backup has commit, hosts and records {promised:?}, and the new store {found:?}"
        ),
    })
}

/// The cause is already on its way to the caller; what cannot be removed is only told.
fn leave_nothing(dir: &DataDir, was_there: bool) {
    let removed = || {
        remove_ours(dir, &OURS)?;
        if was_there {
            return Ok(());
        }
        std::fs::remove_dir(dir.path())
    };
    if let Err(error) = removed() {
        let folder = dir.path().display();
        tracing::warn!(file.path = %folder, %error, "cannot remove what the failed restore left");
    }
}
