//! What fails in the database, and whose fault it is: the files' or the machine's.
//!
//! fjall is built for speed on sound files. On damaged ones it may return an error, cut a journal,
//! or panic; here each call's failure becomes [`Trouble`], panics included, so that a damaged file
//! is a refusal that names it and never the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fjall::LsmError;
use rustix::io::Errno;

use super::layout::DataDir;
use crate::StoreError;

/// Why a call of the engine failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// What is on disk is not what was written.
    Damaged(String),
    /// It was written by another version of the program.
    OtherVersion(String),
    /// The machine failed: I/O, memory, an earlier failed write.
    Failed(String),
}

impl Trouble {
    /// What happened, whichever kind it is.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Damaged(text) | Self::OtherVersion(text) | Self::Failed(text) => text,
        }
    }

    /// The same, told of what it happened to.
    pub(crate) fn of(self, what: &str) -> Self {
        let told = |text: String| format!("{what}: {text}");
        match self {
            Self::Damaged(text) => Self::Damaged(told(text)),
            Self::OtherVersion(text) => Self::OtherVersion(told(text)),
            Self::Failed(text) => Self::Failed(told(text)),
        }
    }

    /// The error of a store that cannot be read for it.
    pub(crate) fn not_read(self, dir: &DataDir) -> StoreError {
        match self {
            Self::Damaged(what) => dir.damaged(what),
            Self::OtherVersion(what) => StoreError::OtherVersion { what },
            Self::Failed(what) => StoreError::Read { what },
        }
    }
}

/// Runs one call of fjall. What the call has in hand is dropped after a panic and not used again,
/// so an unwind leaves nothing half-changed behind.
pub(crate) fn guarded<T>(
    doing: &str,
    call: impl FnOnce() -> fjall::Result<T>,
) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(classify(doing, &error)),
        Err(panic) => {
            let why = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("for no reason that it told");
            Err(Trouble::Damaged(format!(
                "{doing}: the database gave up: {why}"
            )))
        }
    }
}

fn classify(doing: &str, error: &fjall::Error) -> Trouble {
    use std::io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
    let text = format!("{doing}: {error}");
    match error {
        fjall::Error::Io(cause) | fjall::Error::Storage(LsmError::Io(cause)) => {
            match cause.kind() {
                NotFound | UnexpectedEof | InvalidData | InvalidInput => Trouble::Damaged(text),
                // The medium has lost a sector: what was written there is gone.
                _ if cause.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    Trouble::Damaged(text)
                }
                _ => Trouble::Failed(text),
            }
        }
        fjall::Error::Poisoned | fjall::Error::Locked | fjall::Error::KeyspaceDeleted => {
            Trouble::Failed(text)
        }
        _ => Trouble::Damaged(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_database_becomes_a_refusal() {
        let text = |panic: fn()| {
            guarded("testing", || {
                panic();
                Ok(())
            })
        };
        let damaged = |why: &str| {
            Err(Trouble::Damaged(format!(
                "testing: the database gave up: {why}"
            )))
        };
        assert_eq!(text(|| panic!("a plain text")), damaged("a plain text"));
        assert_eq!(text(|| panic!("made of {}", 2)), damaged("made of 2"));
        assert_eq!(text(|| {}), Ok(()));
    }

    #[test]
    fn a_failing_disk_is_told_from_damaged_files() {
        let io = |kind: std::io::ErrorKind| classify("x", &fjall::Error::Io(kind.into()));
        assert!(matches!(
            io(std::io::ErrorKind::UnexpectedEof),
            Trouble::Damaged(_)
        ));
        let sector = std::io::Error::from(Errno::IO);
        let lost = classify("x", &fjall::Error::Io(sector));
        assert!(matches!(lost, Trouble::Damaged(_)));
        assert!(matches!(
            io(std::io::ErrorKind::StorageFull),
            Trouble::Failed(_)
        ));
        assert!(matches!(
            classify("x", &fjall::Error::Poisoned),
            Trouble::Failed(_)
        ));
        assert!(matches!(
            classify("x", &fjall::Error::Unrecoverable),
            Trouble::Damaged(_)
        ));
    }
}
