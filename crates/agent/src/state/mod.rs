//! The state folder: what must outlive the agent's process.
//!
//! Three small JSON files instead of a database: two that must be durable before they are used
//! (`agent.json`: ids and generation; `credential.json`: the token of an enrolled host), one that may be
//! lost (`client-udp.json`). Writing is temporary
//! file, fsync, rename, fsync of the folder, so that a crash leaves the old file or the new one.
//! Holds: one agent a folder (`agent.lock`); the folder that it makes is 0700 and its files 0600.
//! A damaged file is moved aside, never overwritten: it may tell what happened.

mod error;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use error::StateError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::enrolment::KeptCredential;
use crate::identity::Kept;
use crate::withhold::Identity;

/// Most bytes of a file in the folder; a longer one is damaged.
const FILE_BYTES_MAX: u64 = 8 << 20;
const AGENT: &str = "agent.json";
const CLIENT_UDP: &str = "client-udp.json";
const CREDENTIAL: &str = "credential.json";
const LOCK: &str = "agent.lock";

/// A state folder that this process holds the lock of, until it is dropped.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Makes the folder if it is not there, and locks it.
    ///
    /// # Errors
    /// [`StateError::InUse`] while another agent has it; [`StateError::Io`] where it cannot be made.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(StateError::io("make", path))?;
        warn_if_others_may_write(path);
        let lock_path = path.join(LOCK);
        let lock = private(
            &lock_path,
            OpenOptions::new().write(true).create(true).truncate(false),
        )?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(StateError::io("lock", &lock_path)(source)),
        }
    }

    /// The ids and the generation of the last start; `None` on the first one or after damage.
    pub(crate) fn load(&self) -> Result<Option<Kept>, StateError> {
        let kept: Option<Kept> = self.read(AGENT)?;
        match kept {
            Some(kept) if kept.is_sound() => Ok(Some(kept)),
            Some(_) => self.move_aside(AGENT, "an id or the format in it is not one of ours"),
            None => Ok(None),
        }
    }

    /// Keeps the ids and the generation; durable when it returns.
    pub(crate) fn keep(&self, kept: &Kept) -> Result<(), StateError> {
        self.write(AGENT, kept, Durability::Synced)
    }

    /// What is kept of this host's enrolment; `None` before the first one or after damage.
    pub(crate) fn load_credential(&self) -> Result<Option<KeptCredential>, StateError> {
        match self.read::<KeptCredential>(CREDENTIAL)? {
            Some(kept) if kept.is_sound() => Ok(Some(kept)),
            Some(_) => self.move_aside(CREDENTIAL, "its format or its token is not one of ours"),
            None => Ok(None),
        }
    }

    /// Keeps it; durable when it returns.
    pub(crate) fn keep_credential(&self, kept: &KeptCredential) -> Result<(), StateError> {
        self.write(CREDENTIAL, kept, Durability::Synced)
    }

    /// The UDP ports of clients that were told; empty where unknown.
    pub(crate) fn load_client_udp(&self) -> Result<BTreeSet<Identity>, StateError> {
        Ok(self.read(CLIENT_UDP)?.unwrap_or_default())
    }

    /// Keeps the UDP ports of clients that were told. Not synced: a loss costs one wrong change.
    pub(crate) fn keep_client_udp(&self, told: &BTreeSet<Identity>) -> Result<(), StateError> {
        self.write(CLIENT_UDP, told, Durability::Renamed)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let path = self.path.join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::io("read", &path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(StateError::io("read", &path))?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => self.move_aside(name, &error.to_string()),
        }
    }

    fn move_aside<T>(&self, name: &str, reason: &str) -> Result<Option<T>, StateError> {
        let path = self.path.join(name);
        let aside = self.path.join(format!("{name}.damaged"));
        fs::rename(&path, &aside).map_err(StateError::io("move aside", &path))?;
        tracing::error!(
            file.path = %path.display(),
            file.moved_to = %aside.display(),
            error = %reason,
            "a file of the state folder is damaged; going on without it"
        );
        Ok(None)
    }

    fn write(&self, name: &str, value: &impl Serialize, how: Durability) -> Result<(), StateError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.tmp"));
        let failed = StateError::io("write", &path);
        let bytes = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
        let mut file = private(
            &temporary,
            OpenOptions::new().write(true).create(true).truncate(true),
        )?;
        let written = file.write_all(&bytes).and_then(|()| match how {
            Durability::Synced => file.sync_all(),
            Durability::Renamed => Ok(()),
        });
        written.map_err(StateError::io("write", &temporary))?;
        fs::rename(&temporary, &path).map_err(&failed)?;
        if matches!(how, Durability::Synced) {
            // IMPORTANT: without this the rename itself may be undone by a power loss.
            File::open(&self.path)
                .and_then(|folder| folder.sync_all())
                .map_err(&failed)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Durability {
    Synced,
    Renamed,
}

fn private(path: &Path, options: &mut OpenOptions) -> Result<File, StateError> {
    options
        .mode(0o600)
        .open(path)
        .map_err(StateError::io("write", path))
}

/// Whoever may write there can give this host another host's identity.
fn warn_if_others_may_write(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    if metadata.permissions().mode() & 0o022 != 0 {
        tracing::warn!(file.path = %path.display(), "others may write to the state folder; chmod 700 it");
    }
}

#[cfg(test)]
mod tests;
