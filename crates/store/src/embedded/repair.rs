//! Accepts a loss: makes a store of what can still be read of a damaged one.
//!
//! What is readable is written into a new database beside the old one, and then takes its place. The
//! old one moves to `damaged-<n>` as it was found. Repairing in place would have to trust the
//! files that were found to be damaged, and a damaged block in a table can only be got rid of by
//! writing the others anew.
//!
//! Holds: an interrupted repair has changed nothing or is ended by the next one; the new commit number is
//! higher than any that the old store told. A store in which all agrees is left alone.
//! Limit: needs room for both databases.

use std::fs;
use std::path::{Path, PathBuf};

use super::EmbeddedOptions;
use super::create::{check_no_restore, new_engine, remove_marker};
use super::engine::Engine;
use super::fill::Filling;
use super::history::salvage::{self, Kept};
use super::history::{Filled, HistoryFilling};
use super::identity::{HistoryKept, Identity, StoreId};
use super::journals;
use super::kinds::CommitRecord;
use super::layout::{DataDir, cannot_write, remove_folder, sync_folder, sync_folders_below};
use super::mark::Mark;
use super::parts;
use super::salvage::Salvage;
use super::verify::{look, no_store, take_existing};
use crate::StoreError;
use crate::totals::Totals;

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// What was damaged; `None` if nothing was, and nothing was changed.
    pub damage: Option<String>,
    /// Hosts in the store now. The agents of the others send their reports again.
    pub hosts: u64,
    /// Records beside them: what cannot be read is gone, and one that was removed may be back.
    pub records: u64,
    /// The number of the last commit now.
    pub commit: u64,
    /// Records of the history now.
    pub history: u64,
    /// What of the history is gone; `None` if nothing is.
    pub history_lost: Option<String>,
    /// Where the damaged database is; it can be removed when nobody wants to look at it.
    pub set_aside: Option<PathBuf>,
}

/// Makes a store of what can still be read of a damaged one; see the module for how.
///
/// # Errors
/// [`StoreError::Locked`], [`StoreError::Format`], [`StoreError::OtherVersion`], [`StoreError::RestoreInterrupted`];
/// [`StoreError::Read`] where there is no store or the disk fails; [`StoreError::Write`].
pub fn repair(data_dir: &Path) -> Result<RepairReport, StoreError> {
    let dir = DataDir::new(data_dir);
    let _lock = take_existing(&dir)?;
    end_interrupted(&dir)?;
    let identity = match Identity::read(&dir) {
        Err(StoreError::Damaged { .. }) => None,
        other => other?,
    };
    if identity.is_none() {
        check_no_restore(&dir)?;
    }
    if identity.is_none() && ![dir.engine(), dir.mark()].iter().any(|path| path.exists()) {
        return Err(no_store(&dir));
    }
    let damage = match identity.as_ref().map(|identity| look(&dir, identity)) {
        None => "store.json is missing or not readable".to_owned(),
        Some(Err(StoreError::Damaged { what, .. })) => what,
        Some(found) => {
            let found = found?;
            return Ok(RepairReport {
                damage: None,
                hosts: found.hosts,
                records: found.records,
                commit: found.commit,
                history: found.history,
                history_lost: None,
                set_aside: None,
            });
        }
    };
    replace(&dir, identity, damage)
}

/// A repair that ended between its two renames leaves a whole new database and no other.
fn end_interrupted(dir: &DataDir) -> Result<(), StoreError> {
    if dir.engine().exists() || !dir.repaired().exists() {
        return Ok(());
    }
    fs::rename(dir.repaired(), dir.engine())
        .and_then(|()| sync_folder(dir.path()))
        .map_err(cannot_write(&dir.engine()))
}

fn replace(
    dir: &DataDir,
    identity: Option<Identity>,
    damage: String,
) -> Result<RepairReport, StoreError> {
    let mark = match Mark::read(dir) {
        Ok(mark) => Some(mark),
        Err(error @ StoreError::OtherVersion { .. }) => return Err(error),
        Err(_) => None,
    };
    let marked = mark.map_or(0, |mark| mark.commit);
    let salvage = match Salvage::open(dir, marked) {
        Err(StoreError::Damaged { .. }) => None,
        other => Some(other?),
    };
    let before = salvage.as_ref().map(Salvage::head).transpose()?.flatten();
    // What was lost had numbers too, so that these are the commits of another log.
    let store = StoreId::random()?;
    let number = marked
        .max(before.map_or(0, |head| head.number))
        .saturating_add(1);
    let at = before.map(|head| head.at).unwrap_or_default();
    let mut head = CommitRecord {
        store,
        number,
        at,
        totals: Totals::default(),
        history: 0,
    };
    let kept = identity.and_then(|identity| identity.history);
    let source = salvage.as_ref().map(|salvage| Source {
        salvage,
        head: before,
        history: kept.as_ref(),
    });
    let (made, kept) = fill(dir, source, &mut head)?;
    // Closes the old database and puts its journals back.
    drop(salvage);
    let set_aside = swap(dir)?;
    let closed_with = Some(journals::present(dir)?);
    Mark {
        store,
        commit: number,
        closed_with,
    }
    .write(dir)?;
    let identity = Identity {
        store,
        parts: made.parts,
        history: made.history,
    };
    identity.write(dir)?;
    remove_marker(dir)?;
    let found = look(dir, &identity)?;
    Ok(RepairReport {
        damage: Some(damage),
        hosts: found.hosts,
        records: found.records,
        commit: found.commit,
        history: kept.records,
        history_lost: kept.lost,
        set_aside,
    })
}

/// What a repair reads.
#[derive(Clone, Copy)]
struct Source<'a> {
    salvage: &'a Salvage,
    head: Option<CommitRecord>,
    /// What `store.json` says, if it can be read.
    history: Option<&'a HistoryKept>,
}

/// Makes the new database, durable. Returns the parts of a store with it, and what is kept of the
/// history.
fn fill(
    dir: &DataDir,
    source: Option<Source<'_>>,
    head: &mut CommitRecord,
) -> Result<(Filled, Kept), StoreError> {
    let folder = dir.repaired();
    remove_folder(&folder).map_err(cannot_write(&folder))?;
    let engine = new_engine(folder.clone(), &EmbeddedOptions::default())?;
    let mut filling = Filling::new(&engine);
    let mut seen = Vec::new();
    if let Some(Source { salvage, .. }) = source {
        salvage.entries(&mut |entry| filling.add(&entry))?;
        seen = salvage.seen()?;
    }
    let (mut made, kept) = fill_history(&engine, source, &filling.totals())?;
    head.history = made.last;
    filling.finish(&seen, head)?;
    made.parts
        .extend(parts::of_store(engine.records().folder()));
    drop(engine);
    sync_folders_below(&folder)
        .and_then(|()| sync_folder(dir.path()))
        .map_err(cannot_write(&folder))?;
    Ok((made, kept))
}

/// Copies the history, if the hosts and records are those that the last commit left.
fn fill_history(
    engine: &Engine,
    source: Option<Source<'_>>,
    found: &Totals,
) -> Result<(Filled, Kept), StoreError> {
    let mut filling = HistoryFilling::new(engine);
    let sound = source.and_then(|source| {
        let head = source.head.filter(|head| head.totals == *found)?;
        Some((source.salvage.engine()?, source.history, head))
    });
    let kept = match sound {
        Some((damaged, history, head)) => salvage::copy(damaged, history, &head, &mut filling)?,
        None => salvage::copy_nothing(&mut filling)?,
    };
    Ok((filling.finish()?, kept))
}

/// Puts the new database in the place of the old one. Returns where the old one is, if there was one,
/// with the copies of its journals.
fn swap(dir: &DataDir) -> Result<Option<PathBuf>, StoreError> {
    let aside = dir.engine().exists().then(|| dir.unused_damaged());
    let swapped = || {
        if let Some(aside) = &aside {
            fs::rename(dir.engine(), aside)?;
        }
        fs::rename(dir.repaired(), dir.engine())?;
        if let (Some(aside), true) = (&aside, dir.journal_copies().exists()) {
            fs::rename(dir.journal_copies(), aside.join("journal-copies"))?;
        }
        sync_folder(dir.path())
    };
    swapped().map_err(cannot_write(&dir.engine()))?;
    Ok(aside)
}
