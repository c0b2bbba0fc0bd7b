//! What stands where in the data folder, and how its small files are written.
//!
//! A file that must be whole or absent is written beside its place and renamed; folders are synced,
//! since a rename or a new name is durable only then. Other files of the folder (an admin token, a
//! secret key) belong to others: nothing here lists, changes or removes a name it does not know.
//!
//! Holds: everything made here is readable by its owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The data folder and the names in it.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Held by the one server that uses the folder.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Says what the store is and which parts must exist. Written last: with it a store exists.
    pub(crate) fn identity(&self) -> PathBuf {
        self.0.join("store.json")
    }

    /// Stands while a new store is being made.
    pub(crate) fn creating(&self) -> PathBuf {
        self.0.join("creating")
    }

    /// The number of the last acknowledged commit.
    pub(crate) fn mark(&self) -> PathBuf {
        self.0.join(MARK)
    }

    /// The database.
    pub(crate) fn engine(&self) -> PathBuf {
        self.0.join(ENGINE)
    }

    /// The database that a repair is filling.
    pub(crate) fn repaired(&self) -> PathBuf {
        self.0.join("fjall.repaired")
    }

    /// Journals as they were before a start touched them.
    pub(crate) fn journal_copies(&self) -> PathBuf {
        self.0.join("journal-copies")
    }

    /// The first unused `damaged-<n>`: where a repair leaves the database that it replaces.
    pub(crate) fn unused_damaged(&self) -> PathBuf {
        (1_u32..)
            .map(|n| self.0.join(format!("damaged-{n}")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| self.0.join("damaged"))
    }

    /// A refusal of this folder.
    pub(crate) fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged {
            path: self.0.clone(),
            what: what.into(),
        }
    }
}

/// The database's folder, as `store.json` names it.
pub(crate) const ENGINE: &str = "fjall";
/// The mark's file, as `store.json` names it.
pub(crate) const MARK: &str = "commit.mark";

/// Turns a failure to write `path` into an error that names it.
pub(crate) fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |cause| StoreError::Write {
        what: format!("{path}: {cause}"),
    }
}

/// As [`cannot_write`], where the first file is made in a data folder, or the folder itself: that
/// nothing can be written there is a mistake of the set-up, and told as one.
pub(crate) fn cannot_enter(data_dir: &Path, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let (data_dir, path) = (data_dir.to_path_buf(), path.to_path_buf());
    move |cause| match cause.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            StoreError::NotWritable {
                path: data_dir,
                cause: cause.to_string(),
            }
        }
        _ => cannot_write(&path)(cause),
    }
}

/// Turns a failure to read `path` into an error that names it.
pub(crate) fn cannot_read(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |cause| StoreError::Read {
        what: format!("{path}: {cause}"),
    }
}

/// Makes names in a folder durable: new ones, renamed ones, removed ones.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the names of a folder and of all folders below it durable.
pub(crate) fn sync_folders_below(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders_below(&entry.path())?;
        }
    }
    sync_folder(path)
}

/// Makes a folder, and those above it, for the owner alone. One that exists stays as it is.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Options for a file of the owner alone.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Writes a file whole: after a crash it has the old content, or the new, and never a part.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = private_file().create(true).truncate(true).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Removes a folder with all it holds; one that is not there is fine.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    ignore_absent(std::fs::remove_dir_all(path))
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    ignore_absent(std::fs::remove_file(path))
}

fn ignore_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
