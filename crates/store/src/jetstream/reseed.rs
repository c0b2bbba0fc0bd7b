//! Makes the cluster anew of one server's store: after the cluster has lost what it acknowledged, or
//! at its first beginning, of the store of a single server.
//!
//! Holds: servers that follow the log of before cannot go on with it, since it is gone; each begins
//! anew with its next start.

use std::path::Path;
use std::sync::Arc;

use portolan_wire::time::UnixMicros;

use super::base::{self, Bases};
use super::joined::{Epoch, NAME};
use super::log::Log;
use super::open::{keep_epoch, random};
use super::place::not_answered;
use crate::embedded::{EmbeddedOptions, EmbeddedStore};
use crate::{Store, StoreError};

/// What a cluster was made anew of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reseeded {
    /// The last commit in it.
    pub commit: u64,
    /// The hosts in it.
    pub hosts: u64,
    /// The new epoch.
    pub epoch: Epoch,
}

/// Puts the store in `data_dir` into the cluster as its new beginning, in place of what it holds.
///
/// # Errors
/// The store cannot be opened or is not whole; the cluster does not answer; it holds a newer commit
/// and `even_if_older` is false; or another reseed was first.
pub fn reseed(
    log: &Arc<dyn Log>,
    data_dir: &Path,
    now: UnixMicros,
    even_if_older: bool,
) -> Result<Reseeded, StoreError> {
    let store = EmbeddedStore::open(data_dir, EmbeddedOptions::default())?;
    let held = store.load(&mut |_| Ok(()))?;
    let former = Epoch::of(&**log)?;
    if let Some((_, epoch)) = &former
        && !even_if_older
    {
        log.enter(epoch.id).map_err(not_answered)?;
        let last = log.ends().map_err(not_answered)?.last;
        if last > held.commit {
            return Err(StoreError::AnotherLog {
                what: format!(
                    "the cluster's log ends at commit {last}, and the store in {} at {}: what lies between would be lost. Reseed from the server that holds most, or say --even-if-older",
                    data_dir.display(),
                    held.commit
                ),
            });
        }
    }
    let epoch = Epoch::new(random()?, now);
    let id = format!("{:x}-reseed", epoch.id);
    log.make(epoch.id, held.commit + 1).map_err(not_answered)?;
    let (revision, _) = Bases::of(&**log)?;
    base::begin_anew(&**log, revision, &store, id)?;
    // The moment that it becomes true.
    let revision = former.map_or(0, |(revision, _)| revision);
    if !log
        .swap(NAME, revision, &epoch.encode()?)
        .map_err(not_answered)?
    {
        log.drop_log(epoch.id).map_err(not_answered)?;
        return Err(StoreError::AnotherLog {
            what: "another reseed was first: look whether it was meant".to_owned(),
        });
    }
    if let Some((_, former)) = former {
        log.drop_log(former.id).map_err(not_answered)?;
    }
    store.close()?;
    keep_epoch(data_dir, epoch.id)?;
    Ok(Reseeded {
        commit: held.commit,
        hosts: held.hosts,
        epoch,
    })
}
