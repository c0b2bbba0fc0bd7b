//! Entries that were lost, altered or revived inside a database that is sound in itself: only count
//! and sum in the commit record tell.

use std::path::Path;

use fjall::{Database, KeyspaceCreateOptions};
use portolan_store::embedded::{repair, verify};
use portolan_store::{Store, StoreError};

use crate::files::{Records, store};
use crate::model::start;

/// Changes one key of the database past the store.
fn change(folder: &Path, key: &[u8], value: Option<&[u8]>) {
    let db = Database::builder(folder.join("fjall")).open().unwrap();
    let records = db
        .keyspace("records", KeyspaceCreateOptions::default)
        .unwrap();
    match value {
        Some(value) => records.insert(key, value).unwrap(),
        None => records.remove(key).unwrap(),
    }
    db.persist(fjall::PersistMode::SyncAll).unwrap();
}

/// The keys as `kinds.rs` lays them out.
const HOST: &[u8] = b"\x01\x00\x01ph007";
const NEW_HOST: &[u8] = b"\x01\x00\x01pnew";
const TOKEN: &[u8] = b"\x04\x01t";
const NEW_TOKEN: &[u8] = b"\x04\x01new";
const NOT_TEXT: &[u8] = b"\x04\x01\xff";
const UNKNOWN_KIND: &[u8] = b"\x04\x7ft";
const COMMIT: &[u8] = b"\x02";
const SEEN: &[u8] = b"\x03\0\0\0\0";

#[test]
fn an_entry_lost_altered_or_revived_behind_the_stores_back_is_refused_and_repaired() {
    let altered = "at least one is altered";
    for (key, value, expected) in [
        (HOST, None, "left 30 hosts, and 29 are there"),
        (HOST, Some(b"\x01other".as_slice()), altered),
        (NEW_HOST, Some(b"\x01"), "left 30 hosts, and 31 are there"),
        (TOKEN, None, "left 1 records beside them, and 0 are there"),
        (TOKEN, Some(b"\x01other"), altered),
        (
            NEW_TOKEN,
            Some(b"\x01"),
            "left 1 records beside them, and 2 are there",
        ),
        (NOT_TEXT, Some(b"\x01"), "the key of a record is altered"),
    ] {
        let (folder, _) = store(Records::InJournal);
        change(folder.path(), key, value);
        for attempt in 1..=2 {
            let refused = start(folder.path()).map(|_| ()).unwrap_err();
            let StoreError::Damaged { what, .. } = &refused else {
                panic!("{refused}")
            };
            assert!(what.contains(expected), "attempt {attempt}: {what}");
        }
        let what = verify(folder.path()).unwrap_err().to_string();
        assert!(what.contains(expected), "{what}");
        let report = repair(folder.path()).unwrap();
        let (store, found) = start(folder.path()).unwrap();
        let counts = (found.hosts.len() as u64, found.records.len() as u64);
        assert_eq!(counts, (report.hosts, report.records), "{expected}");
        store.close().unwrap();
    }
}

/// The text of a refusal, which must tell the way out and must be no damage.
fn refused<T>(result: Result<T, StoreError>) -> String {
    let Err(error) = result else {
        panic!("it was not refused")
    };
    assert!(matches!(error, StoreError::OtherVersion { .. }), "{error}");
    assert!(!error.is_fatal());
    let told = error.to_string();
    for advice in [
        "written by another version of portolan",
        "Use the version that wrote it",
        "`portolan backup FILE`",
        "`portolan restore FILE`",
    ] {
        assert!(told.contains(advice), "{told}");
    }
    told
}

/// A record of another version is whole, and a repair would leave it out for good.
#[test]
fn every_record_of_another_version_is_refused_with_the_way_to_bring_it_over_and_never_repaired() {
    for (key, value, expected) in [
        (
            HOST,
            b"\x02other".as_slice(),
            "the value of host h007 of project p has version 2, and this program reads version 1",
        ),
        (TOKEN, b"\0other", "the token record t has version 0"),
        (
            COMMIT,
            b"\x03other",
            "the commit record has version 3, and this program reads version 2",
        ),
        (
            UNKNOWN_KIND,
            b"\x01",
            "the key of a record has kind 127, which this program does not know",
        ),
    ] {
        let (folder, _) = store(Records::InJournal);
        change(folder.path(), key, Some(value));
        for _attempt in 1..=2 {
            let told = refused(start(folder.path()).map(|_| ()));
            assert!(told.contains(expected), "{told}");
        }
        for told in [
            refused(verify(folder.path())),
            refused(repair(folder.path())),
        ] {
            assert!(told.contains(expected), "{told}");
        }
        // Not even beside damage that a repair would accept.
        std::fs::remove_file(folder.path().join("store.json")).unwrap();
        assert!(refused(repair(folder.path())).contains(expected));
    }
}

#[test]
fn moments_of_another_version_are_refused_when_they_are_read() {
    let (folder, _) = store(Records::InJournal);
    change(folder.path(), SEEN, Some(b"\x02other"));
    let (store, _) = start(folder.path()).unwrap();
    let told = refused(store.load_seen().map(|_| ()));
    assert!(
        told.contains("when hosts were heard has version 2"),
        "{told}"
    );
}

#[test]
fn a_mark_of_another_version_is_refused_and_one_whose_sum_is_wrong_is_damage() {
    let (folder, _) = store(Records::InJournal);
    let path = folder.path().join("commit.mark");
    let kept = std::fs::read(&path).unwrap();
    let mut other = kept.clone();
    other[0] = 2;
    std::fs::write(&path, &other).unwrap();
    let damaged = verify(folder.path()).unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
    // A longer one, as a later version may have it.
    let length = other.len() - 4;
    other.truncate(length);
    other.extend(b"more");
    other.extend(crc32fast::hash(&other).to_be_bytes());
    std::fs::write(&path, &other).unwrap();
    for told in [
        refused(start(folder.path()).map(|_| ())),
        refused(verify(folder.path())),
        refused(repair(folder.path())),
    ] {
        assert!(told.contains("commit.mark has version 2"), "{told}");
    }
    std::fs::write(&path, &kept).unwrap();
    verify(folder.path()).unwrap();
}
