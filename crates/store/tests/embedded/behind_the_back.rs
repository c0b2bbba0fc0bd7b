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
const UNKNOWN_KIND: &[u8] = b"\x04\x7ft";

#[test]
fn an_entry_lost_altered_or_revived_behind_the_stores_back_is_refused_and_repaired() {
    let altered = "at least one is altered";
    for (key, value, expected) in [
        (HOST, None, "left 30 hosts, and 29 are there"),
        (HOST, Some(b"\x01other".as_slice()), altered),
        (
            HOST,
            Some(b"\x02other"),
            "the value of host h007 of project p is altered",
        ),
        (NEW_HOST, Some(b"\x01"), "left 30 hosts, and 31 are there"),
        (TOKEN, None, "left 1 records beside them, and 0 are there"),
        (TOKEN, Some(b"\x01other"), altered),
        (TOKEN, Some(b"\x02other"), "the token record t is altered"),
        (
            NEW_TOKEN,
            Some(b"\x01"),
            "left 1 records beside them, and 2 are there",
        ),
        (
            UNKNOWN_KIND,
            Some(b"\x01"),
            "the key of a record is altered",
        ),
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
