//! What can go wrong with a store, and whether the process may go on.

use std::path::PathBuf;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another server holds the data folder.
    #[error("the data folder {} is in use by another server: give --data-dir another folder, or stop that server", path.display())]
    Locked {
        /// The data folder.
        path: PathBuf,
    },
    /// What is on disk is not what was acknowledged, or cannot be read.
    #[error(
        "the store in {} is damaged: {what}. Nothing was changed, and nothing of it is served. Put a copy of the folder back, or look with `portolan store verify --data-dir DIR` and accept the loss with `portolan store repair --data-dir DIR`: agents then send again what is missing",
        path.display()
    )]
    Damaged {
        /// The data folder.
        path: PathBuf,
        /// What disagrees with what.
        what: String,
    },
    /// It was written by another version of the program.
    #[error(
        "the store in {} has format {found}; this program reads format {supported}. Use the version of portolan that wrote it, or back it up with that version (`portolan backup FILE`) and restore it with this one (`portolan restore FILE`)",
        path.display()
    )]
    Format {
        /// The data folder.
        path: PathBuf,
        /// The format on disk.
        found: u32,
        /// The format this program reads.
        supported: u32,
    },
    /// A write or a sync failed. The process must end.
    #[error("a durable write failed: {what}")]
    Write {
        /// The cause, with its place.
        what: String,
    },
    /// A read failed.
    #[error("a read failed: {what}")]
    Read {
        /// The cause, with its place.
        what: String,
    },
}

impl StoreError {
    /// Whether the process must end: after a failed write or sync nothing more can be promised.
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Write { .. } | Self::Damaged { .. } => true,
            Self::Locked { .. } | Self::Format { .. } | Self::Read { .. } => false,
        }
    }
}
