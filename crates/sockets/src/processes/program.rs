//! The executable of a process.

use std::fs::{metadata, read_link};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use portolan_wire::caps::PATH_CHARS_MAX;

/// What the kernel appends to the link of a file that has been removed.
const DELETED: &[u8] = b" (deleted)";

/// The program that a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Program {
    /// Its path as its own mount namespace names it; bytes that are no UTF-8 become U+FFFD.
    pub(crate) path: Option<String>,
    /// Whether the file has been removed, or replaced by an upgrade.
    pub(crate) deleted: Option<bool>,
}

impl Program {
    /// Reads the link `exe` in the process's folder. A kernel thread and a process that may not be
    /// looked into have none.
    pub(crate) fn read(folder: &Path) -> Self {
        let exe = folder.join("exe");
        let Ok(link) = read_link(&exe) else {
            return Self::default();
        };
        let bytes = link.into_os_string().into_vec();
        let (path, deleted) = match bytes.strip_suffix(DELETED) {
            Some(path) if !has_that_name(folder, &exe, &bytes) => (path, true),
            _ => (bytes.as_slice(), false),
        };
        let path = String::from_utf8_lossy(path).into_owned();
        let fits = !path.is_empty() && path.chars().count() <= PATH_CHARS_MAX;
        Self {
            path: fits.then_some(path),
            deleted: Some(deleted),
        }
    }
}

/// Whether the running file really is called `… (deleted)`.
fn has_that_name(folder: &Path, exe: &Path, link: &[u8]) -> bool {
    let mut named = PathBuf::from(folder).join("root").into_os_string();
    named.push(std::ffi::OsStr::from_bytes(link));
    match (metadata(exe), metadata(named)) {
        (Ok(running), Ok(named)) => (running.dev(), running.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}
