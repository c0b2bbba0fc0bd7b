//! Records that are missing or altered are named, at a start or when they are read, and never passed
//! over.

use std::fs;
use std::path::Path;

use portolan_store::embedded::verify;
use portolan_store::{HistoryOrder, Store, StoreError};

use super::damage::{assert_refused, damage};
use super::{BOTH, behind_the_back, opened, read, record_key, three_days, try_open};
use crate::files::{files_below, flip};
use crate::model::history_value;

/// Starts, but does not verify, and serves nothing across the damage.
fn assert_found_when_read(folder: &Path, commit: u64, expected: &str) {
    let told = damage(verify(folder));
    assert!(told.contains(expected), "{told:?} lacks {expected:?}");
    let store = opened(folder);
    for order in BOTH {
        for commits in [0..=u64::MAX, commit..=commit, 1..=commit, commit..=29] {
            let told = damage(read(&store, commits.clone(), order));
            assert!(told.contains(expected), "{commits:?}, {order:?}: {told}");
        }
        // Nothing else is the worse for it.
        assert_eq!(read(&store, 26..=30, order).unwrap().len(), 3);
    }
    let told = damage(store.history_record(commit));
    assert!(told.contains(expected), "{told:?} lacks {expected:?}");
    assert_eq!(store.history_record(28).unwrap(), Some(history_value(28)));
}

/// Removes the record of a commit past the store.
fn without(commit: u64, day: u32) -> tempfile::TempDir {
    let (folder, _) = three_days();
    behind_the_back(folder.path(), day, |_, records| {
        assert!(records.contains_key(record_key(commit)).unwrap());
        records.remove(record_key(commit)).unwrap();
    });
    folder
}

#[test]
fn a_missing_record_in_the_chain_is_named_when_it_is_read() {
    for (commit, day) in [(2, 10), (8, 10), (13, 11), (17, 11), (23, 14)] {
        let folder = without(commit, day);
        let expected = format!("the history record of commit {commit} is missing");
        assert_found_when_read(folder.path(), commit, &expected);
    }
}

#[test]
fn a_missing_record_at_either_end_of_a_day_is_refused() {
    for (commit, day) in [(1, 10), (10, 10), (11, 11), (20, 11), (22, 14)] {
        let folder = without(commit, day);
        let expected =
            format!("day {day} of the history: the history record of commit {commit} is missing");
        // The first names the one before; what is missing is told by the one after it.
        let told = damage(try_open(folder.path()));
        let begins = format!("day {day} of the history: ");
        assert!(
            told.contains(&begins) && told.contains("is missing"),
            "{told}"
        );
        if [10, 20].contains(&commit) {
            assert_refused(folder.path(), &expected);
        }
    }
}

#[test]
fn a_lost_newest_record_is_refused() {
    assert_refused(
        without(29, 14).path(),
        "day 14 of the history: the history record of commit 29 is missing: the day ends with that of commit 28",
    );
    // All of the newest day.
    let (folder, _) = three_days();
    behind_the_back(folder.path(), 14, |_, records| {
        (22..30).for_each(|commit| records.remove(record_key(commit)).unwrap());
    });
    let expected = "the history record of commit 29 is missing: the day is empty";
    assert_refused(folder.path(), expected);
}

/// Changes the stored value of the record of commit 13 past the store.
fn alter(folder: &Path, alter: impl Fn(&mut Vec<u8>)) {
    behind_the_back(folder, 11, |_, records| {
        let mut value = records.get(record_key(13)).unwrap().unwrap().to_vec();
        alter(&mut value);
        records.insert(record_key(13), value).unwrap();
    });
}

#[test]
fn a_flipped_bit_anywhere_in_a_record_is_named_when_it_is_read() {
    let expected = "the history record of commit 13 is altered";
    let (folder, _) = three_days();
    // The version byte is another test's.
    for at in 1..17 + history_value(13).len() {
        let flip = |value: &mut Vec<u8>| value[at] ^= 1 << (at % 8);
        alter(folder.path(), flip);
        match at % 10 {
            0 => assert_found_when_read(folder.path(), 13, expected),
            _ => {
                let told = damage(opened(folder.path()).history_record(13));
                assert!(told.contains(expected), "byte {at}: {told}");
            }
        }
        alter(folder.path(), flip);
    }
    verify(folder.path()).unwrap();
    alter(folder.path(), Vec::clear);
    assert_found_when_read(folder.path(), 13, expected);
}

#[test]
fn the_record_of_another_commit_in_its_place_is_altered() {
    let (folder, _) = three_days();
    behind_the_back(folder.path(), 11, |_, records| {
        let other = records.get(record_key(14)).unwrap().unwrap();
        records.insert(record_key(13), other).unwrap();
    });
    let expected = "the history record of commit 13 is altered";
    assert_found_when_read(folder.path(), 13, expected);
}

#[test]
fn a_record_of_another_version_is_no_damage() {
    let (folder, _) = three_days();
    alter(folder.path(), |value| value[0] = 2);
    let expected = "the history record of commit 13 has version 2";
    let store = opened(folder.path());
    for refused in [
        store.history_record(13).unwrap_err(),
        read(&store, 0..=30, HistoryOrder::Ascending).unwrap_err(),
    ] {
        assert!(
            matches!(refused, StoreError::OtherVersion { .. }),
            "{refused}"
        );
        assert!(refused.to_string().contains(expected), "{refused}");
    }
    drop(store);
    let refused = verify(folder.path()).unwrap_err().to_string();
    assert!(refused.contains(expected), "{refused}");
}

/// A store whose records of one day fill several blocks.
fn large() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = crate::model::start(folder.path()).unwrap();
    for commit in 1..=30 {
        let mut batch = super::batch(commit, 10);
        let value = history_value(commit).repeat(300);
        batch.history.as_mut().unwrap().value = value;
        store.commit(&batch).unwrap();
    }
    store.close().unwrap();
    folder
}

#[test]
fn a_flipped_byte_of_a_table_is_named_by_its_day_when_it_is_read() {
    let folder = large();
    let value = history_value(15).repeat(300);
    let table = &files_below(&folder.path().join("fjall/keyspaces/2/tables"))[0];
    let bytes = fs::read(table).unwrap();
    let at = bytes.windows(value.len()).position(|found| found == value);
    flip(table, at.unwrap() as u64 + 1000);
    let expected =
        "day 10 of the history: reading all records: FjallError: Storage(ChecksumMismatch";
    let told = damage(verify(folder.path()));
    assert!(told.contains(expected), "{told}");
    let store = opened(folder.path());
    let told = damage(read(&store, 1..=30, HistoryOrder::Ascending));
    assert!(told.contains(expected), "{told}");
    let told = damage(store.history_record(15));
    assert!(told.contains("the history record of commit 15: "), "{told}");
    assert_eq!(
        store.history_record(30).unwrap().unwrap().len(),
        value.len()
    );
}
