//! Days that are missing or altered are refused by name.

use std::fs;
use std::path::Path;

use portolan_store::embedded::{EmbeddedStore, verify};
use portolan_store::{MemoryHistory, Store, StoreError};

use super::{DAYS, add, behind_the_back, opened, three_days, try_open};
use crate::files::{copy_of, current_manifest, files_below, flip};
use crate::model::history_value;

/// The text of a refusal, which must be that of damage.
pub(super) fn damage<T>(result: Result<T, StoreError>) -> String {
    match result {
        Ok(_) => panic!("it was served"),
        Err(StoreError::Damaged { what, .. }) => what,
        Err(other) => panic!("{other}"),
    }
}

/// Neither starts nor verifies, twice.
pub(super) fn assert_refused(folder: &Path, expected: &str) {
    for _attempt in 1..=2 {
        for told in [damage(try_open(folder)), damage(verify(folder))] {
            assert!(told.contains(expected), "{told:?} lacks {expected:?}");
        }
    }
}

#[test]
fn a_deleted_day_or_its_manifest_or_table_is_refused() {
    let remove = |path: &Path| match path.is_dir() {
        true => fs::remove_dir_all(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    };
    for keyspace in ["2", "3", "4"] {
        let below = format!("fjall/keyspaces/{keyspace}");
        let (folder, _) = three_days();
        remove(&folder.path().join(&below));
        assert_refused(folder.path(), &format!("{below}/current is missing"));
        let (folder, _) = three_days();
        remove(&folder.path().join(format!("{below}/current")));
        assert_refused(folder.path(), &format!("{below}/current is missing"));
        let (folder, _) = three_days();
        remove(&current_manifest(&folder.path().join(&below)).unwrap());
        assert_refused(folder.path(), "the manifest v");
        let (folder, _) = three_days();
        remove(&files_below(&folder.path().join(format!("{below}/tables")))[0]);
        assert_refused(folder.path(), &format!("the table {below}/tables/"));
    }
}

#[test]
fn an_altered_manifest_of_a_day_is_refused() {
    let (folder, _) = three_days();
    let keyspace = folder.path().join("fjall/keyspaces/3");
    for path in [
        keyspace.join("current"),
        current_manifest(&keyspace).unwrap(),
    ] {
        for at in (0..fs::metadata(&path).unwrap().len()).step_by(31) {
            flip(&path, at);
            let told = damage(try_open(folder.path()));
            assert!(told.contains("manifest"), "{at}: {told}");
            flip(&path, at);
        }
    }
    opened(folder.path());
}

#[test]
fn a_day_that_the_database_does_not_know_is_refused() {
    let (folder, _) = three_days();
    // Its name is gone from the list of keyspaces, its files are there.
    let kept = copy_of(&folder.path().join("fjall/keyspaces/3"));
    behind_the_back(folder.path(), DAYS[1], |db, day| {
        db.delete_keyspace(day.clone()).unwrap();
    });
    let put_back = folder.path().join("fjall/keyspaces/3");
    fs::create_dir(&put_back).unwrap();
    for path in files_below(kept.path()) {
        let to = put_back.join(path.strip_prefix(kept.path()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
    let told = damage(try_open(folder.path()));
    assert!(
        told.contains("the database has no day 11 of the history"),
        "{told}"
    );
}

#[test]
fn a_flipped_byte_in_a_batch_over_two_keyspaces_is_damage_of_the_journal() {
    let (folder, mut model) = three_days();
    let store = opened(folder.path());
    for commit in 31..34 {
        add(&store, &mut model, commit, 14);
    }
    drop(store);
    let journal = folder.path().join("fjall/0.jnl");
    let value = history_value(32);
    let bytes = fs::read(&journal).unwrap();
    let at = bytes.windows(value.len()).position(|found| found == value);
    flip(&journal, at.unwrap() as u64);
    let expected = "the journal fjall/0.jnl is damaged at byte";
    assert_refused(folder.path(), expected);
}

/// Puts an older `store.json` back.
#[test]
fn an_older_list_of_the_days_is_refused() {
    let (folder, mut model) = three_days();
    let older = copy_of(folder.path());
    let store: EmbeddedStore = opened(folder.path());
    let model: &mut MemoryHistory = &mut model;
    add(&store, model, 31, 15);
    store.close().unwrap();
    drop(store);
    let json = "store.json";
    fs::copy(older.path().join(json), folder.path().join(json)).unwrap();
    assert_refused(
        folder.path(),
        "the history record of commit 31 is missing: the day ends with that of commit 29",
    );
}
