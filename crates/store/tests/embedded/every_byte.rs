//! Every byte of a small store flipped in turn, and every file deleted, emptied or cut in turn:
//! refused and named, or served with exactly the right content.
//!
//! The short form takes every byte of the files below [`SMALL_BYTES`] and every 37th of the others;
//! `PORTOLAN_LONG=1` takes every byte, twice, and starts each refused store twice.

use std::fs;
use std::path::{Path, PathBuf};

use portolan_store::embedded::repair;
use portolan_store::{Store, StoreError};

use crate::files::{Records, files_below, written_end};
use crate::model::{Model, key, long, start, token};

/// Files of which every byte is flipped in the short form, too.
const SMALL_BYTES: usize = 300;
/// Of the others each this-many-eth.
const STEP: usize = 37;

/// A store in memory, to be laid down again and again.
struct Small {
    files: Vec<(PathBuf, Vec<u8>)>,
    folders: Vec<PathBuf>,
    model: Model,
}

/// A few hosts and records that were put, replaced and removed.
fn small(records: Records) -> Small {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut model) = start(folder.path()).unwrap();
    for commit in 0..6_u8 {
        let value = |byte: u8| Some(vec![byte; 60]);
        let hosts = [
            (key("every"), value(commit)),
            (key(&format!("h{commit}")), value(commit)),
            (key(&format!("h{}", commit.wrapping_sub(3))), None),
        ];
        let records = [
            (token("every"), value(commit)),
            (token(&format!("t{}", commit.wrapping_sub(2))), None),
            (token(&format!("t{commit}")), value(commit)),
        ];
        store.commit(&model.batch_of(&hosts, &records)).unwrap();
    }
    if records == Records::InTables {
        store.close().unwrap();
    }
    drop(store);
    let relative = |path: &Path| path.strip_prefix(folder.path()).unwrap().to_path_buf();
    let mut files = Vec::new();
    for path in files_below(folder.path()) {
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            // The rest is 64 MiB of zeros.
            bytes.truncate(written_end(&path) as usize + 50);
        }
        files.push((relative(&path), bytes));
    }
    let folders = folders_below(folder.path());
    Small {
        files,
        folders: folders.iter().map(|path| relative(path)).collect(),
        model,
    }
}

fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let below = folders_below(&path);
            folders.push(path);
            folders.extend(below);
        }
    }
    folders
}

/// How often a start served, and how often it refused.
#[derive(Debug, Default)]
struct Outcomes {
    served: usize,
    refused: usize,
}

impl Small {
    fn lay_down(&self, folder: &Path) {
        let _absent = fs::remove_dir_all(folder);
        fs::create_dir(folder).unwrap();
        for path in &self.folders {
            fs::create_dir(folder.join(path)).unwrap();
        }
        for (path, bytes) in &self.files {
            fs::write(folder.join(path), bytes).unwrap();
        }
    }

    /// Starts a damaged store: it refuses and names what is wrong, or serves what it must.
    fn assert_refused_or_right(&self, folder: &Path, damage: &str, outcomes: &mut Outcomes) {
        match start(folder) {
            Err(error) => {
                assert_named(&error, damage);
                outcomes.refused += 1;
                if long() {
                    let again = start(folder).err();
                    let again =
                        again.unwrap_or_else(|| panic!("{damage}: served at the second start"));
                    assert_named(&again, damage);
                }
            }
            Ok((store, found)) => {
                assert!(found == self.model, "{damage}: wrong content is served");
                outcomes.served += 1;
                self.assert_goes_on(folder, store, damage);
            }
        }
    }

    /// What is written over the damage must win over it, also after a restart.
    fn assert_goes_on(&self, folder: &Path, store: impl Store, damage: &str) {
        let mut model = self.model.clone();
        let hosts = [(key("every"), Some(vec![200])), (key("h5"), None)];
        let records = [(token("every"), Some(vec![201])), (token("t5"), None)];
        store.commit(&model.batch_of(&hosts, &records)).unwrap();
        for (key, _) in &hosts {
            assert_eq!(store.host(key).unwrap().as_ref(), model.hosts.get(key));
        }
        drop(store);
        match start(folder) {
            Ok((_, found)) => assert!(found == model, "{damage}: wrong content after a commit"),
            Err(error) => assert_named(&error, damage),
        }
    }
}

fn assert_named(error: &StoreError, damage: &str) {
    let told = error.to_string();
    match error {
        StoreError::Damaged { what, .. } => assert!(what.len() > 10, "{damage}: {told}"),
        // The digit of the format itself.
        StoreError::Format { .. } => assert!(damage.starts_with("store.json"), "{damage}: {told}"),
        _ => panic!("{damage}: {told}"),
    }
    assert!(!told.contains("panicked"), "{damage}: {told}");
}

/// A folder in memory where there is one: thousands of starts need no disk.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(folder) => folder,
        Err(_) => tempfile::tempdir().unwrap(),
    }
}

fn flip_each(records: Records) {
    let small = small(records);
    let scratch = scratch();
    let folder = scratch.path().join("store");
    let mut outcomes = Outcomes::default();
    let masks: &[u8] = if long() { &[0x01, 0x80] } else { &[0x20] };
    for (path, bytes) in &small.files {
        let every = long() || bytes.len() < SMALL_BYTES;
        for at in (0..bytes.len()).step_by(if every { 1 } else { STEP }) {
            for mask in masks {
                small.lay_down(&folder);
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                fs::write(folder.join(path), damaged).unwrap();
                let damage = format!("{} byte {at} ^ {mask:#x}", path.display());
                small.assert_refused_or_right(&folder, &damage, &mut outcomes);
            }
        }
    }
    // Some bytes are covered by no sum and needed by nobody, such as `lock` and table statistics.
    let Outcomes { served, refused } = outcomes;
    println!("{records:?}: {refused} flips refused, {served} served with the right content");
    assert!(refused > served * 5, "{refused} refused, {served} served");
}

#[test]
fn every_byte_of_a_store_that_was_killed_is_refused_or_harmless_when_flipped() {
    flip_each(Records::InJournal);
}

#[test]
fn every_byte_of_a_store_that_was_closed_is_refused_or_harmless_when_flipped() {
    flip_each(Records::InTables);
}

#[test]
fn every_file_is_refused_or_harmless_when_deleted_emptied_cut_or_grown() {
    let scratch = scratch();
    let folder = scratch.path().join("store");
    for records in [Records::InJournal, Records::InTables] {
        let small = small(records);
        let mut outcomes = Outcomes::default();
        for (path, bytes) in &small.files {
            let half = &bytes[..bytes.len() / 2];
            let grown = [bytes.as_slice(), b"more"].concat();
            let replacements = [None, Some(&[] as &[u8]), Some(half), Some(&grown)];
            for (place, replacement) in replacements.into_iter().enumerate() {
                small.lay_down(&folder);
                match replacement {
                    None => fs::remove_file(folder.join(path)).unwrap(),
                    Some(bytes) => fs::write(folder.join(path), bytes).unwrap(),
                }
                let did = ["deleted", "emptied", "cut", "grown"][place];
                let damage = format!("{} {did}", path.display());
                small.assert_refused_or_right(&folder, &damage, &mut outcomes);
            }
        }
        println!("{records:?}: {outcomes:?}");
        assert!(outcomes.refused > outcomes.served, "{outcomes:?}");
    }
}

/// What is refused can be repaired: what it says is there afterwards is there, and nothing is made up.
#[test]
fn a_repair_after_any_damage_gives_a_store_with_true_values_only() {
    let scratch = scratch();
    let folder = scratch.path().join("store");
    for records in [Records::InJournal, Records::InTables] {
        let small = small(records);
        for (path, bytes) in &small.files {
            let step = if long() { 29 } else { (bytes.len() / 4).max(1) };
            for at in (0..bytes.len()).step_by(step) {
                small.lay_down(&folder);
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x20;
                fs::write(folder.join(path), damaged).unwrap();
                if start(&folder).is_ok() {
                    continue;
                }
                let damage = format!("{} byte {at}", path.display());
                let report = match repair(&folder) {
                    Ok(report) => report,
                    Err(StoreError::Format { .. }) => continue,
                    Err(error) => panic!("{damage}: {error}"),
                };
                let (_, found) = start(&folder).unwrap();
                let counts = (found.hosts.len() as u64, found.records.len() as u64);
                assert_eq!(counts, (report.hosts, report.records), "{damage}");
                for (key, value) in &found.hosts {
                    assert!(was_ever(key.host.as_str(), value), "{damage}: {key:?}");
                }
                for (key, value) in &found.records {
                    assert!(was_ever(&key.id, value), "{damage}: {key:?}");
                }
            }
        }
    }
}

/// Whether [`small`] ever gave that value to the host or token of that name.
fn was_ever(name: &str, value: &[u8]) -> bool {
    let commit = value.first().copied().unwrap_or(u8::MAX);
    let named = name == "every" || name[1..] == commit.to_string();
    named && commit < 6 && value == [commit; 60]
}
