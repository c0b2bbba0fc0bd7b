//! What is wrong with a backup, or in the way of a restore.

use std::path::{Path, PathBuf};

use crate::StoreError;

/// A backup that cannot be used, or a restore that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be read.
    #[error("the backup {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is not a backup made by `portolan backup`", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
    },
    /// Another version of the program made it.
    #[error(
        "the backup {} has format {found} and codec {codec}; this program reads format 1 or 2 with codec 0 or 1. Restore it with the version of portolan that made it, or a newer one",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u16,
        /// How its body is packed.
        codec: u8,
    },
    /// The file was cut or altered.
    #[error("the backup {} is damaged: {what}. Nothing was restored; use another copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What disagrees with what.
        what: String,
    },
    /// The folder to restore into is in use.
    #[error(
        "a restore needs an empty or missing folder, and {} holds {name}: give --data-dir another folder",
        path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        name: String,
    },
    /// The new store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    pub(super) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Read { path, source }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_path_buf(),
            what: what.into(),
        }
    }
}
