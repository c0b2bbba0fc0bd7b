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
    /// The data folder can only be read.
    #[error(
        "the data folder {} cannot be written ({cause}): mount its file system read-write (after an error of the disk Linux mounts it read-only: see the kernel's log), give the user that runs the server the folder, or give --data-dir another one",
        path.display()
    )]
    NotWritable {
        /// The data folder.
        path: PathBuf,
        /// What the system says.
        cause: String,
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
    /// A part of it was, whatever the format of the whole is.
    #[error(
        "the store was written by another version of portolan: {what}. Use the version that wrote it, or back it up with that version (`portolan backup FILE`) and restore it with this one (`portolan restore FILE`)"
    )]
    OtherVersion {
        /// The part, its version and the one this program reads.
        what: String,
    },
    /// A restore into the folder did not come to its end.
    #[error(
        "a restore into {} was interrupted: run `portolan restore FILE --data-dir DIR` again, or empty the folder to begin with a new store",
        path.display()
    )]
    RestoreInterrupted {
        /// The data folder.
        path: PathBuf,
    },
    /// Too little space is left to write safely. Nothing was written; it goes on by itself.
    #[error(
        "too little space: the file system of {} has {} MiB left, and the store writes only while it has {}. Nothing was written; make room, and it goes on by itself",
        path.display(), free >> 20, needed >> 20
    )]
    NoSpace {
        /// The data folder.
        path: PathBuf,
        /// Bytes left for the user that runs the server.
        free: u64,
        /// Bytes that must be left.
        needed: u64,
    },
    /// A write or a sync failed. The process must end.
    #[error("a durable write failed: {what}")]
    Write {
        /// The cause, with its place.
        what: String,
    },
    /// Another server's commit came first: nothing was written.
    #[error("another server's commit came first")]
    Overtaken,
    /// The cluster does not say whether a commit is durable. It may become so, and comes from there
    /// then; nothing of it is acknowledged or shown before.
    #[error("the cluster does not answer: {what}")]
    Unavailable {
        /// What it was asked, and what it says.
        what: String,
    },
    /// The log in the cluster is not the one that this server follows.
    #[error("{what}")]
    AnotherLog {
        /// What differs, and what can be done.
        what: String,
    },
    /// A read failed.
    #[error("a read failed: {what}")]
    Read {
        /// The cause, with its place.
        what: String,
    },
    /// Who receives a copy of the store takes no more of it.
    #[error("a copy of the store could not be handed on: {what}")]
    Copy {
        /// The cause.
        what: String,
    },
}

impl StoreError {
    /// Whether the process must end: after a failed write or sync nothing more can be promised.
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::Write { .. } | Self::Damaged { .. } | Self::AnotherLog { .. } => true,
            Self::Locked { .. }
            | Self::NotWritable { .. }
            | Self::Format { .. }
            | Self::OtherVersion { .. }
            | Self::RestoreInterrupted { .. }
            | Self::NoSpace { .. }
            | Self::Overtaken
            | Self::Unavailable { .. }
            | Self::Read { .. }
            | Self::Copy { .. } => false,
        }
    }
}
