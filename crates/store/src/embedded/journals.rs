//! The journals of the database: which there are, and copies of them that undo what opening does.
//!
//! Opening cuts a journal at the first record that it cannot read, even where acknowledged records
//! follow, and says nothing. So the journals are copied aside before, and put back if the start is
//! refused: looking at a damaged store does not damage it further, and the next look sees the same.
//!
//! Holds: the copy of the first refused start is never overwritten; a start that succeeds removes
//! all copies. Limit: two copies, of all journals each (64 to 200 MB).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::layout::{
    DataDir, cannot_read, cannot_write, make_folder, private_file, remove_folder, sync_folder,
};
use crate::StoreError;

/// Zeros are skipped in steps of this: an unfilled journal is a sparse file of 64 MiB.
const STEP_BYTES: usize = 64 * 1024;

/// The numbers of the journals that there are, lowest and highest.
///
/// Journals are made in ascending order and removed from the lowest up, so a missing one shows as a
/// gap. With none at all the database would start to count its writes from 0 again, and older
/// values would win over new ones.
pub(crate) fn present(dir: &DataDir) -> Result<(u64, u64), StoreError> {
    let numbers: Vec<u64> = list(&dir.engine())?
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    let (Some(&lowest), Some(&highest)) = (numbers.first(), numbers.last()) else {
        return Err(dir.damaged("the journal is missing: fjall/ holds no file <number>.jnl"));
    };
    for (expected, found) in (lowest..).zip(&numbers) {
        if expected != *found {
            let what = format!("the journal fjall/{expected}.jnl is missing: {found}.jnl is there");
            return Err(dir.damaged(what));
        }
    }
    Ok((lowest, highest))
}

/// The journals in a folder by ascending number.
pub(crate) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let read = || -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let is_journal = path.extension().is_some_and(|extension| extension == "jnl");
            let number = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            if let (true, Some(number)) = (is_journal, number) {
                found.push((number, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    };
    read().map_err(cannot_read(folder))
}

/// The journals as they were before a start.
#[derive(Debug)]
pub(crate) struct JournalCopy {
    folder: PathBuf,
    engine: PathBuf,
    /// Whether no earlier start left a copy, so that this one is to be kept.
    is_first: bool,
}

impl JournalCopy {
    /// Copies the journals aside, into `journal-copies/<commit>-<n>`. `durable` makes the copy
    /// survive a power loss during the start.
    pub(crate) fn take(dir: &DataDir, commit: u64, durable: bool) -> Result<Self, StoreError> {
        let all = dir.journal_copies();
        let copied = || -> io::Result<Self> {
            make_folder(&all)?;
            let earlier = std::fs::read_dir(&all)?.collect::<io::Result<Vec<_>>>()?;
            let is_first = earlier.is_empty();
            // The second place is for a start that was killed while looking; it is used again.
            let folder = all.join(format!("{commit}-{}", if is_first { 1 } else { 2 }));
            for entry in earlier {
                if entry.file_name().to_string_lossy().ends_with("-2") {
                    remove_folder(&entry.path())?;
                }
            }
            make_folder(&folder)?;
            Ok(Self {
                folder,
                engine: dir.engine(),
                is_first,
            })
        };
        let copy = copied().map_err(cannot_write(&all))?;
        copy_journals(&copy.engine, &copy.folder, durable)?;
        if durable {
            sync_folder(&all).map_err(cannot_write(&all))?;
        }
        Ok(copy)
    }

    /// Puts back what opening cut off. No database may be open.
    pub(crate) fn put_back(&self) -> Result<(), StoreError> {
        for (_, copy) in list(&self.folder)? {
            let Some(name) = copy.file_name() else {
                continue;
            };
            let journal = self.engine.join(name);
            let restored = || -> io::Result<()> {
                if !journal.exists() || journal.metadata()?.len() != copy.metadata()?.len() {
                    copy_file(&copy, &journal, true)?;
                }
                Ok(())
            };
            restored().map_err(cannot_write(&journal))?;
        }
        Ok(())
    }

    /// Ends a refused start: the journals are back, so of several copies the first is enough.
    pub(crate) fn keep_if_first(self) -> Result<(), StoreError> {
        if self.is_first {
            Ok(())
        } else {
            self.discard()
        }
    }

    /// Removes the copy.
    pub(crate) fn discard(self) -> Result<(), StoreError> {
        let removed = || -> io::Result<()> {
            remove_folder(&self.folder)?;
            if let Some(all) = self.folder.parent()
                && std::fs::read_dir(all)?.next().is_none()
            {
                std::fs::remove_dir(all)?;
            }
            Ok(())
        };
        removed().map_err(cannot_write(&self.folder))
    }
}

/// The end of what is intact in a journal, behind which it is to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The number of the journal.
    pub(crate) journal: u64,
    /// How many bytes stay.
    pub(crate) len: u64,
}

/// Syncs every journal. After a crash the last batch may be written and not synced: it is served
/// from now on and a repetition of it is acknowledged without a write, so it has to be durable
/// before the mark says that it is there.
pub(crate) fn make_durable(dir: &DataDir) -> Result<(), StoreError> {
    let folder = dir.engine();
    for (_, path) in list(&folder)? {
        File::open(&path)
            .and_then(|journal| journal.sync_all())
            .map_err(cannot_write(&path))?;
    }
    sync_folder(&folder).map_err(cannot_write(&folder))
}

/// Cuts a journal.
pub(crate) fn cut(dir: &DataDir, cut: Cut) -> Result<(), StoreError> {
    let path = dir.engine().join(format!("{}.jnl", cut.journal));
    let done = || -> io::Result<()> {
        let journal = File::options().write(true).open(&path)?;
        journal.set_len(cut.len)?;
        journal.sync_all()
    };
    done().map_err(cannot_write(&path))
}

/// Removes the copies of all starts.
pub(crate) fn discard_all_copies(dir: &DataDir) -> Result<(), StoreError> {
    let all = dir.journal_copies();
    remove_folder(&all).map_err(cannot_write(&all))
}

fn copy_journals(from: &Path, to: &Path, durable: bool) -> Result<(), StoreError> {
    for (_, journal) in list(from)? {
        let Some(name) = journal.file_name() else {
            continue;
        };
        copy_file(&journal, &to.join(name), durable).map_err(cannot_write(&to.join(name)))?;
    }
    if durable {
        sync_folder(to).map_err(cannot_write(to))?;
    }
    Ok(())
}

/// Copies a file; where it holds only zeros, the copy holds nothing, which reads the same.
fn copy_file(from: &Path, to: &Path, durable: bool) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut to = private_file().create(true).truncate(true).open(to)?;
    let mut step = vec![0; STEP_BYTES];
    let mut len = 0;
    loop {
        let read = from.read(&mut step)?;
        let Some(bytes) = step.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        if bytes.iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(len))?;
            to.write_all(bytes)?;
        }
        len += bytes.len() as u64;
    }
    to.set_len(len)?;
    if durable { to.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(journals: &[(&str, &[u8])]) -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        std::fs::create_dir(dir.engine()).unwrap();
        for (name, content) in journals {
            std::fs::write(dir.engine().join(name), content).unwrap();
        }
        (folder, dir)
    }

    fn copies(dir: &DataDir) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(dir.journal_copies()) else {
            return Vec::new();
        };
        let name = |entry: io::Result<std::fs::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn journals_are_counted_by_number_and_a_gap_or_none_is_damage() {
        let (_folder, dir) = folder_with(&[("9.jnl", b""), ("10.jnl", b""), ("version", b"")]);
        assert_eq!(present(&dir).unwrap(), (9, 10));
        std::fs::write(dir.engine().join("12.jnl"), b"").unwrap();
        assert!(
            present(&dir)
                .unwrap_err()
                .to_string()
                .contains("fjall/11.jnl is missing")
        );
        let (_folder, dir) = folder_with(&[("version", b"")]);
        assert!(
            present(&dir)
                .unwrap_err()
                .to_string()
                .contains("the journal is missing")
        );
    }

    #[test]
    fn a_copy_puts_back_what_was_cut_zeros_included() {
        let mut content = vec![7; 100];
        content.resize(3 * STEP_BYTES, 0);
        content.push(8);
        content.resize(5 * STEP_BYTES + 1, 0);
        let (_folder, dir) = folder_with(&[("0.jnl", &content), ("1.jnl", b"short")]);
        let copy = JournalCopy::take(&dir, 3, true).unwrap();
        assert_eq!(copies(&dir), ["3-1"]);
        let journal = |name| dir.engine().join(name);
        File::options()
            .write(true)
            .open(journal("0.jnl"))
            .unwrap()
            .set_len(50)
            .unwrap();
        std::fs::remove_file(journal("1.jnl")).unwrap();
        copy.put_back().unwrap();
        assert_eq!(std::fs::read(journal("0.jnl")).unwrap(), content);
        assert_eq!(std::fs::read(journal("1.jnl")).unwrap(), b"short");
        copy.discard().unwrap();
        assert!(!dir.journal_copies().exists());
    }

    #[test]
    fn the_first_copy_of_refused_starts_is_never_overwritten() {
        let (_folder, dir) = folder_with(&[("0.jnl", b"first")]);
        JournalCopy::take(&dir, 3, true)
            .unwrap()
            .keep_if_first()
            .unwrap();
        std::fs::write(dir.engine().join("0.jnl"), b"later").unwrap();
        let second = JournalCopy::take(&dir, 4, true).unwrap();
        assert_eq!(copies(&dir), ["3-1", "4-2"]);
        drop(second); // as if killed while looking
        let third = JournalCopy::take(&dir, 5, true).unwrap();
        assert_eq!(copies(&dir), ["3-1", "5-2"]);
        third.keep_if_first().unwrap();
        assert_eq!(copies(&dir), ["3-1"]);
        let first = dir.journal_copies().join("3-1/0.jnl");
        assert_eq!(std::fs::read(first).unwrap(), b"first");
    }
}
