//! Makes a new store, or says that there already is one.
//!
//! Holds: `creating` stands from before the first file until after the last, so an interrupted
//! creation is started over; a missing `store.json` beside data is damage and never a new store.

use super::EmbeddedOptions;
use super::engine::{Change, Durability, Engine, Mode};
use super::history::{self, Filled};
use super::identity::{HistoryKept, Identity, StoreId};
use super::journals;
use super::kinds::CommitRecord;
use super::layout::{
    DataDir, cannot_write, make_folder, remove_file, remove_folder, sync_folder,
    sync_folders_below, write_whole,
};
use super::mark::Mark;
use super::parts;
use crate::StoreError;

/// The identity of the store in a folder, made now if the folder has none.
pub(crate) fn open_or_create(
    dir: &DataDir,
    options: &EmbeddedOptions,
) -> Result<Identity, StoreError> {
    if let Some(identity) = Identity::read(dir)? {
        remove_marker(dir)?;
        return Ok(identity);
    }
    check_no_restore(dir)?;
    check_nothing_is_lost(dir)?;
    create(dir, options)
}

/// What a new store is made of. It stands in the marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Of nothing: an interrupted creation may be started over by anybody.
    Nothing,
    /// Of a backup: only the restore may be started over, else an empty store would take its place.
    Backup,
}

const BACKUP: &[u8] = b"of a backup\n";

/// Whether a restore was interrupted in this folder.
pub(crate) fn is_restoring(dir: &DataDir) -> bool {
    std::fs::read(dir.creating()).is_ok_and(|content| content == BACKUP)
}

/// Refuses what an interrupted restore left.
pub(crate) fn check_no_restore(dir: &DataDir) -> Result<(), StoreError> {
    if is_restoring(dir) {
        let path = dir.path().to_path_buf();
        return Err(StoreError::RestoreInterrupted { path });
    }
    Ok(())
}

/// Without `store.json` there may be nothing at all, or what an interrupted creation left.
pub(crate) fn check_nothing_is_lost(dir: &DataDir) -> Result<(), StoreError> {
    let interrupted = dir.creating().exists();
    // Nobody commits before the creation is complete.
    let in_use = match Mark::read(dir) {
        Ok(mark) => mark.commit > 0,
        Err(error) => matches!(error, StoreError::OtherVersion { .. }),
    };
    let remains = [
        dir.mark(),
        dir.engine(),
        dir.repaired(),
        dir.journal_copies(),
    ];
    match remains.iter().find(|path| path.exists()) {
        Some(path) if !interrupted || in_use => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Err(dir.damaged(format!("store.json is missing beside {name}")))
        }
        _ => Ok(()),
    }
}

fn create(dir: &DataDir, options: &EmbeddedOptions) -> Result<Identity, StoreError> {
    begin(dir, From::Nothing)?;
    let store = StoreId::random()?;
    let engine = new_engine(dir.engine(), options)?;
    let first = CommitRecord {
        store,
        number: 0,
        at: Default::default(),
        totals: Default::default(),
        history: 0,
    };
    let change = Change::Put(CommitRecord::KEY.to_vec(), first.encode());
    engine
        .write(vec![change], Durability::Synced)
        .map_err(|trouble| StoreError::Write {
            what: trouble.into_text(),
        })?;
    let history = Filled {
        history: Some(HistoryKept {
            from: options.made_at.unwrap_or_else(|| history::begin(&first)).0,
            days: Vec::new(),
        }),
        ..Filled::default()
    };
    let identity = set_down(dir, engine, &first, history)?;
    complete(dir, &identity)?;
    Ok(identity)
}

/// Closes a new database and writes its mark: all that a store has but `store.json`.
pub(crate) fn set_down(
    dir: &DataDir,
    engine: Engine,
    head: &CommitRecord,
    filled: Filled,
) -> Result<Identity, StoreError> {
    let mut parts = parts::of_store(engine.records().folder());
    parts.extend(filled.parts);
    drop(engine);
    sync_folders_below(&dir.engine()).map_err(cannot_write(&dir.engine()))?;
    let closed_with = Some(journals::present(dir)?);
    Mark {
        store: head.store,
        commit: head.number,
        closed_with,
    }
    .write(dir)?;
    Ok(Identity {
        store: head.store,
        parts,
        history: filled.history,
    })
}

/// Makes it a store that can be opened.
pub(crate) fn complete(dir: &DataDir, identity: &Identity) -> Result<(), StoreError> {
    identity.write(dir)?;
    remove_marker(dir)
}

/// Leaves the folder with the marker and nothing else of a store.
pub(crate) fn begin(dir: &DataDir, from: From) -> Result<(), StoreError> {
    let marker = dir.creating();
    let content = match from {
        From::Nothing => &[],
        From::Backup => BACKUP,
    };
    let begun = || {
        // Whole or absent: half of a marker would be that of another kind of creation.
        write_whole(&marker, content)?;
        sync_folder(dir.path())?;
        dir.path()
            .canonicalize()?
            .parent()
            .map_or(Ok(()), sync_folder)?;
        remove_folder(&dir.engine())?;
        remove_file(&dir.mark())
    };
    begun().map_err(cannot_write(&marker))
}

pub(crate) fn remove_marker(dir: &DataDir) -> Result<(), StoreError> {
    let marker = dir.creating();
    if !marker.exists() {
        return Ok(());
    }
    remove_file(&marker)
        .and_then(|()| sync_folder(dir.path()))
        .map_err(cannot_write(&marker))
}

/// Makes an empty database in a folder that is not there.
pub(crate) fn new_engine(
    folder: std::path::PathBuf,
    options: &EmbeddedOptions,
) -> Result<Engine, StoreError> {
    make_folder(&folder).map_err(cannot_write(&folder))?;
    Engine::open(&folder, options, Mode::Serving).map_err(|trouble| StoreError::Write {
        what: trouble.into_text(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::layout::private_file;

    fn folder() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        (folder, dir)
    }

    fn open(dir: &DataDir) -> Result<Identity, StoreError> {
        open_or_create(dir, &EmbeddedOptions::default())
    }

    #[test]
    fn a_creation_that_was_interrupted_anywhere_is_started_over() {
        let (_whole, whole) = folder();
        open(&whole).unwrap();
        let (_folder, dir) = folder();
        begin(&dir, From::Nothing).unwrap();
        make_folder(&dir.engine()).unwrap();
        std::fs::write(dir.engine().join("0.jnl"), b"half a database").unwrap();
        let first = open(&dir).unwrap();
        assert!(!dir.creating().exists());
        assert_eq!(
            open(&dir).unwrap(),
            first,
            "a complete store is not made anew"
        );

        // The last step but one: everything is there but store.json.
        private_file().create(true).open(dir.creating()).unwrap();
        std::fs::remove_file(dir.identity()).unwrap();
        assert_ne!(open(&dir).unwrap().store, first.store);

        // The last step: store.json is there, and the marker too.
        private_file().create(true).open(dir.creating()).unwrap();
        let second = open(&dir).unwrap();
        assert!(!dir.creating().exists());
        assert_eq!(open(&dir).unwrap(), second);
    }

    #[test]
    fn a_marker_does_not_excuse_a_missing_store_json_beside_commits() {
        let (_folder, dir) = folder();
        let store = open(&dir).unwrap().store;
        Mark {
            store,
            commit: 1,
            closed_with: None,
        }
        .write(&dir)
        .unwrap();
        std::fs::remove_file(dir.identity()).unwrap();
        private_file().create(true).open(dir.creating()).unwrap();
        let refused = open(&dir).unwrap_err().to_string();
        assert!(
            refused.contains("store.json is missing beside commit.mark"),
            "{refused}"
        );
    }
}
