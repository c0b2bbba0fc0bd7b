//! What can be wrong with the state folder, and how to get another one.

use std::io;
use std::path::{Path, PathBuf};

/// The state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another agent has it.
    #[error(
        "the state folder {} is in use by another agent; stop that one, or give this one a folder \
         of its own by --state-dir and an id of its own by --host-id", path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// It or a file in it cannot be made, read or written.
    #[error(
        "cannot {action} {}: {source}; the agent needs a folder that it may write to (--state-dir)",
        path.display()
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl StateError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path: path.clone(),
            source,
        }
    }
}
