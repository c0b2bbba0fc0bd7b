//! What a crash leaves between the steps of a new day and of a dropped one.

use std::fs;
use std::path::Path;

use portolan_store::Store;
use portolan_store::embedded::verify;

use super::{DAYS, DayJson, StoreJson, add, assert_equals, behind_the_back, opened, three_days};
use crate::files::copy_of;
use crate::model::names;

fn keyspaces(folder: &Path) -> Vec<String> {
    names(&folder.join("fjall/keyspaces"))
}

#[test]
fn a_day_that_was_made_and_not_named_is_removed_and_made_again() {
    let (folder, mut model) = three_days();
    behind_the_back(folder.path(), 15, |_, day| {
        day.insert(b"never acknowledged", b"").unwrap();
    });
    assert_eq!(keyspaces(folder.path()), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(verify(folder.path()).unwrap().history, 20);
    let store = opened(folder.path());
    assert_eq!(keyspaces(folder.path()), ["0", "1", "2", "3", "4"]);
    assert_equals(&store, &model, 30);
    add(&store, &mut model, 31, 15);
    drop(store);
    assert_equals(&opened(folder.path()), &model, 31);
}

#[test]
fn a_day_that_was_named_and_not_written_to_is_used_or_stays_empty() {
    for day in [15, 16] {
        let (folder, mut model) = three_days();
        behind_the_back(folder.path(), 15, |_, _| ());
        let mut json = StoreJson::read(folder.path());
        json.parts.push("fjall/keyspaces/5/current".to_owned());
        json.history.days.push(DayJson { day: 15, after: 29 });
        json.write(folder.path());
        verify(folder.path()).unwrap();
        let store = opened(folder.path());
        assert_equals(&store, &model, 30);
        add(&store, &mut model, 31, day);
        assert_equals(&store, &model, 31);
        drop(store);
        assert_equals(&opened(folder.path()), &model, 31);
        verify(folder.path()).unwrap();
        // An empty day is dropped like any other.
        let store = opened(folder.path());
        store.drop_history_before(day).unwrap();
        model.drop_before(day);
        assert_equals(&store, &model, 31);
    }
}

#[test]
fn a_day_that_was_forgotten_and_not_removed_is_removed_by_the_next_start() {
    let (folder, mut model) = three_days();
    let killed = copy_of(folder.path());
    let store = opened(folder.path());
    store.drop_history_before(DAYS[2]).unwrap();
    model.drop_before(DAYS[2]);
    drop(store);
    let json = "store.json";
    fs::copy(folder.path().join(json), killed.path().join(json)).unwrap();
    assert_eq!(keyspaces(killed.path()), ["0", "1", "2", "3", "4"]);
    assert_eq!(verify(killed.path()).unwrap().history, 6);
    let store = opened(killed.path());
    assert_eq!(keyspaces(killed.path()), ["0", "1", "4"]);
    assert_equals(&store, &model, 30);
}

#[test]
fn files_of_a_day_that_the_database_knows_no_more_are_removed_by_the_next_start() {
    let (folder, model) = three_days();
    let left = folder.path().join("fjall/keyspaces/77/tables");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("4"), b"half a table").unwrap();
    assert_equals(&opened(folder.path()), &model, 30);
    assert_eq!(keyspaces(folder.path()), ["0", "1", "2", "3", "4"]);
}

/// The database numbers its writes anew behind the highest that any keyspace has; a journal in which
/// lower ones follow higher ones is damage.
#[test]
fn a_day_whose_last_write_was_the_newest_of_all_is_dropped_without_a_trace() {
    let (folder, mut model) = three_days();
    let store = opened(folder.path());
    for commit in 4..9 {
        let checkpoint = portolan_store::Checkpoint {
            at: portolan_store::CheckpointAt {
                day: DAYS[0],
                commit,
                ..Default::default()
            },
            parts: vec![(vec![1], vec![2; 100])],
        };
        store.save_checkpoint(&checkpoint).unwrap();
    }
    store.drop_history_before(DAYS[1]).unwrap();
    model.drop_before(DAYS[1]);
    drop(store);
    for commit in 31..33 {
        let store = opened(folder.path());
        add(&store, &mut model, commit, DAYS[2]);
        drop(store);
    }
    assert_equals(&opened(folder.path()), &model, 32);
    assert_eq!(verify(folder.path()).unwrap().history, 15);
}
