//! What can be wrong with a record of the history.

use portolan_wire::time::UnixMicros;

use crate::snapshot::SnapshotError;
use crate::{StoreError, history};

/// A record that cannot be read, or does not fit the host that it is about.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Its first byte names no version that this program reads.
    #[error("a record of the history has version {0}, and this program reads version {version}", version = history::record::VERSION)]
    Version(u8),
    /// It does not decode.
    #[error("a record of the history does not decode: {0}")]
    Form(#[from] postcard::Error),
    /// Its parts are not where it says.
    #[error("a record of the history does not decode: {0}")]
    Parts(&'static str),
    /// It holds more than a record can.
    #[error("a record of the history would be too long: {0} bytes")]
    TooLong(usize),
    /// It does not lead to the version of the host that is held.
    #[error("the history of a host does not fit its version of {at}: {what}")]
    Disagrees {
        /// When that version was committed.
        at: UnixMicros,
        /// What differs.
        what: &'static str,
    },
    /// A host's value that it is compared with does not decode.
    #[error(transparent)]
    Value(#[from] SnapshotError),
}

impl From<HistoryError> for StoreError {
    fn from(error: HistoryError) -> Self {
        let what = error.to_string();
        match error {
            HistoryError::Version(_) => Self::OtherVersion { what },
            HistoryError::Value(error) => error.into(),
            HistoryError::Form(_)
            | HistoryError::Parts(_)
            | HistoryError::TooLong(_)
            | HistoryError::Disagrees { .. } => Self::Read { what },
        }
    }
}
