//! A store with known records on disk, and ways to find and damage them there.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use portolan_store::Store;

use crate::model::{Model, key, start, token};

/// Where the records are when the damage is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Records {
    /// In the journal: the server was killed.
    InJournal,
    /// In tables: the server was stopped.
    InTables,
}

pub(crate) const BOTH: [Records; 2] = [Records::InJournal, Records::InTables];

/// The value of host `host`; its text is found on disk by searching, since journals keep values
/// below 4,096 bytes as they are, and so do the first levels of tables.
pub(crate) fn value(host: u32) -> Vec<u8> {
    format!("<value of host {host:03}>")
        .repeat(100)
        .into_bytes()
}

/// A store of 30 hosts in 30 commits, and a token beside the first of them.
pub(crate) fn store(records: Records) -> (tempfile::TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut model) = start(folder.path()).unwrap();
    let first = [(key("h000"), Some(value(0)))];
    let beside = [(token("t"), Some(b"<value of the token>".to_vec()))];
    store.commit(&model.batch_of(&first, &beside)).unwrap();
    for host in 1..30 {
        model.put(&store, &format!("h{host:03}"), &value(host));
    }
    if records == Records::InTables {
        store.close().unwrap();
    }
    (folder, model)
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path))
        } else {
            files.push(path)
        }
    }
    files.sort();
    files
}

pub(crate) fn journal(folder: &Path) -> PathBuf {
    folder.join("fjall/0.jnl")
}

/// The file with the records and the place in it of the value of host `host`.
pub(crate) fn place_of(folder: &Path, records: Records, host: u32) -> (PathBuf, u64) {
    let searched = match records {
        Records::InJournal => vec![journal(folder)],
        Records::InTables => files_below(&folder.join("fjall/keyspaces")),
    };
    let value = value(host);
    for path in searched {
        let bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes
            .windows(value.len())
            .position(|window| window == value)
        {
            return (path, at as u64);
        }
    }
    panic!("the value of host {host} is nowhere");
}

pub(crate) fn flip(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

pub(crate) fn zero(path: &Path, at: u64, len: usize) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&vec![0; len], at).unwrap();
}

/// What is on disk, but for the copies of journals and for manifests that nothing names.
pub(crate) fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let counts = |path: &PathBuf| {
        !path.starts_with(folder.join("journal-copies"))
            && (!is_manifest(path)
                || current_manifest(path.parent().unwrap()).as_ref() == Some(path))
    };
    let files = files_below(folder).into_iter().filter(counts);
    files
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

pub(crate) fn is_manifest(path: &Path) -> bool {
    path.file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .strip_prefix('v')
        .is_some_and(|number| number.parse::<u64>().is_ok())
}

/// The manifest that `current` of a keyspace names.
pub(crate) fn current_manifest(keyspace: &Path) -> Option<PathBuf> {
    let current = fs::read(keyspace.join("current")).ok()?;
    let number = u64::from_le_bytes(*current.first_chunk()?);
    Some(keyspace.join(format!("v{number}")))
}

/// The end of the last record in a journal: after it come only the zeros of a sparse file.
pub(crate) fn written_end(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}

/// Copies a store, to damage the copy.
pub(crate) fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let mut cp = std::process::Command::new("cp");
    let copied = cp
        .args(["-r", "--sparse=always"])
        .arg(folder.join("."))
        .arg(copy.path())
        .status();
    assert!(copied.unwrap().success());
    copy
}
