//! The start of a server: its checkpoint, or a new one of the newest base.

use std::path::Path;
use std::sync::Arc;

use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};

use super::base::{self, Bases};
use super::joined::{Epoch, joined};
use super::log::Log;
use super::place::not_answered;
use super::serving::JetStreamStore;
use crate::backup::BackupError;
use crate::embedded::{self, EmbeddedOptions, EmbeddedStore};
use crate::{Store, StoreError};

/// Beside an embedded store: which log it is a checkpoint of.
const FILE: &str = "cluster.json";
/// Which server the folder is of: it stays when the checkpoint is begun anew.
const SERVER_FILE: &str = "server-id";
/// A base that is being fetched.
const FETCHED: &str = "base.fetched";

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    epoch: u64,
}

/// What a server keeps its checkpoint in.
pub trait Folder {
    /// The epoch of the log that the checkpoint in it follows; `None` where there is none, or one that
    /// is half made.
    ///
    /// # Errors
    /// It cannot be read, or holds a store that is no checkpoint.
    fn kept(&self) -> Result<Option<u64>, StoreError>;

    /// Makes a checkpoint of a base, or an empty one, in place of what may be there.
    ///
    /// # Errors
    /// It cannot be written, or the base cannot be fetched or used.
    fn begin(&self, epoch: Epoch, base: Option<Fetch<'_>>) -> Result<(), StoreError>;

    /// Opens the checkpoint; also says which is the last commit that it holds.
    ///
    /// # Errors
    /// Those of the store.
    fn open(&self, epoch: Epoch) -> Result<(Box<dyn Store>, u64), StoreError>;
}

/// Puts a base into a file.
pub type Fetch<'a> = &'a dyn Fn(&Path) -> Result<(), StoreError>;

/// Joins the cluster, and opens the checkpoint in `data_dir`: one that the log goes on from, or a new
/// one. `now` is the moment of the first start of the first server.
///
/// # Errors
/// The cluster does not answer; the folder holds a store that is no checkpoint; or what
/// [`EmbeddedStore::open`] says.
pub fn open(
    log: Arc<dyn Log>,
    data_dir: &Path,
    options: EmbeddedOptions,
    now: UnixMicros,
) -> Result<JetStreamStore, StoreError> {
    let folder = DataDir { data_dir, options };
    let store = open_in(log, &folder, Epoch::new(random()?, now), random()?)?;
    Ok(store.of_server(server_id(data_dir)?))
}

/// The same with any checkpoint: `new` becomes the epoch where there is none, and `writer` tells this
/// start of this server from all others.
///
/// # Errors
/// The cluster does not answer, or what the folder says.
pub fn open_in(
    log: Arc<dyn Log>,
    folder: &dyn Folder,
    new: Epoch,
    writer: u64,
) -> Result<JetStreamStore, StoreError> {
    let epoch = joined(&*log, new)?;
    if folder.kept()? != Some(epoch.id) {
        begin(&*log, folder, epoch)?;
    }
    let (mut local, commit) = folder.open(epoch)?;
    if is_trimmed(&*log, commit)? {
        drop(local);
        begin(&*log, folder, epoch)?;
        (local, _) = folder.open(epoch)?;
    }
    Ok(JetStreamStore::new(log, local, epoch, writer))
}

/// Makes a checkpoint of the newest base, or an empty one.
fn begin(log: &dyn Log, folder: &dyn Folder, epoch: Epoch) -> Result<(), StoreError> {
    let (_, bases) = Bases::of(log)?;
    match bases.newest {
        Some(base) => folder.begin(epoch, Some(&|file| base::fetch(log, &base, file))),
        None => folder.begin(epoch, None),
    }
}

/// Whether the log begins behind what the checkpoint holds.
fn is_trimmed(log: &dyn Log, commit: u64) -> Result<bool, StoreError> {
    let ends = log.ends().map_err(not_answered)?;
    Ok(commit + 1 < ends.first)
}

/// A data folder with an embedded store.
struct DataDir<'a> {
    data_dir: &'a Path,
    options: EmbeddedOptions,
}

impl DataDir<'_> {
    fn of(&self, epoch: Epoch) -> EmbeddedOptions {
        EmbeddedOptions {
            made_at: Some(epoch.made_at),
            ..self.options
        }
    }
}

impl Folder for DataDir<'_> {
    fn kept(&self) -> Result<Option<u64>, StoreError> {
        let kept = kept_epoch(self.data_dir)?;
        if !self.data_dir.join("store.json").exists() {
            return Ok(None);
        }
        if kept.is_none() {
            return Err(StoreError::AnotherLog {
                what: format!(
                    "{} holds the store of a single server: give --data-dir another folder, or make the cluster of it with `portolan reseed`",
                    self.data_dir.display()
                ),
            });
        }
        Ok(kept)
    }

    fn begin(&self, epoch: Epoch, base: Option<Fetch<'_>>) -> Result<(), StoreError> {
        embedded::clear(self.data_dir)?;
        // First: a store without it is taken for that of a single server, and what is half made is
        // begun anew.
        keep_epoch(self.data_dir, epoch.id)?;
        let Some(fetch) = base else {
            return EmbeddedStore::open(self.data_dir, self.of(epoch))?.close();
        };
        let fetched = self.data_dir.join(FETCHED);
        fetch(&fetched)?;
        embedded::replace(&fetched, self.data_dir).map_err(not_restored)?;
        remove(&fetched)
    }

    fn open(&self, epoch: Epoch) -> Result<(Box<dyn Store>, u64), StoreError> {
        let store = EmbeddedStore::open(self.data_dir, self.of(epoch))?;
        let commit = store.last_commit()?;
        Ok((Box::new(store), commit))
    }
}

fn kept_epoch(data_dir: &Path) -> Result<Option<u64>, StoreError> {
    let path = data_dir.join(FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(unreadable(&path, &cause)),
    };
    let kept: Checkpoint =
        serde_json::from_slice(&text).map_err(|cause| unreadable(&path, &cause))?;
    Ok(Some(kept.epoch))
}

/// Refuses a folder whose store is a checkpoint to who would go on with it alone.
///
/// # Errors
/// It is one, or it cannot be looked at.
pub fn check_alone(data_dir: &Path) -> Result<(), StoreError> {
    if kept_epoch(data_dir)?.is_none() {
        return Ok(());
    }
    Err(StoreError::AnotherLog {
        what: format!(
            "{} holds the checkpoint of a cluster's log: give --store, or --data-dir another folder. To leave the cluster take a backup, and restore it into another folder",
            data_dir.display()
        ),
    })
}

/// Notes that the store in `data_dir` is a checkpoint of that log.
pub(super) fn keep_epoch(data_dir: &Path, epoch: u64) -> Result<(), StoreError> {
    let path = data_dir.join(FILE);
    let text = serde_json::to_vec(&Checkpoint { epoch });
    let text = text.map_err(|cause| unreadable(&path, &cause))?;
    embedded::write_whole(&path, &text).map_err(|cause| StoreError::Write {
        what: format!("{}: {cause}", path.display()),
    })
}

/// The number of the server that the folder is of; made with it.
fn server_id(data_dir: &Path) -> Result<u64, StoreError> {
    let path = data_dir.join(SERVER_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => u64::from_str_radix(text.trim(), 16).map_err(|cause| unreadable(&path, &cause)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let id = random()?;
            embedded::write_whole(&path, format!("{id:016x}\n").as_bytes()).map_err(|cause| {
                StoreError::Write {
                    what: format!("{}: {cause}", path.display()),
                }
            })?;
            Ok(id)
        }
        Err(cause) => Err(unreadable(&path, &cause)),
    }
}

fn unreadable(path: &Path, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Read {
        what: format!("{}: {cause}", path.display()),
    }
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Write {
            what: format!("{}: {cause}", path.display()),
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn not_restored(error: BackupError) -> StoreError {
    match error {
        BackupError::Store(error) => error,
        error => StoreError::AnotherLog {
            what: format!("the cluster's base cannot be used: {error}"),
        },
    }
}

pub(super) fn random() -> Result<u64, StoreError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|cause| StoreError::Write {
        what: format!("no randomness: {cause}"),
    })?;
    Ok(u64::from_be_bytes(bytes))
}
