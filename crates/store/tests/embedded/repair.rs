//! Verifying a store, and accepting a loss.

use std::fs;
use std::path::Path;

use portolan_store::embedded::{RepairReport, Report, repair, verify};
use portolan_store::{SeenAt, Store, StoreError};
use portolan_wire::time::UnixMicros;

use crate::files::{BOTH, Records, content, flip, journal, place_of, store, value};
use crate::model::{Model, key, names, open, start};

const SEEN: SeenAt = SeenAt { host: 7, second: 9 };

/// The hosts up to `last`, as [`store`] made them.
fn first_hosts(last: u32) -> Vec<(String, Vec<u8>)> {
    (0..last)
        .map(|host| (format!("h{host:03}"), value(host)))
        .collect()
}

fn repaired(folder: &Path) -> (RepairReport, Model) {
    let before = verify(folder).unwrap_err();
    let StoreError::Damaged { what, .. } = &before else {
        panic!("{before}")
    };
    let report = repair(folder).unwrap();
    let told = report.damage.as_ref().unwrap();
    assert!(
        told == what || told.contains("store.json"),
        "{told:?} is not {what:?}"
    );
    assert_eq!(report.commit, 31, "above all that were acknowledged");
    let (store, model) = start(folder).unwrap();
    assert_eq!((model.commit, model.hosts.len() as u64), (31, report.hosts));
    // It is a store like any other from here on.
    let mut next = model.clone();
    next.put(&store, "after", b"the repair");
    store.close().unwrap();
    drop(store);
    assert_eq!(start(folder).unwrap().1, next);
    (report, model)
}

fn assert_hosts(model: &Model, expected: Vec<(String, Vec<u8>)>) {
    let found: Vec<_> = model
        .hosts
        .iter()
        .map(|(key, value)| (key.host.to_string(), value.clone()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn verifying_tells_where_a_sound_store_stands_and_changes_nothing() {
    for records in BOTH {
        let (folder, _) = store(records);
        let before = content(folder.path());
        let expected = Report {
            commit: 30,
            at: UnixMicros(30),
            hosts: 30,
            records: 1,
            history: 30,
            closed_cleanly: records == Records::InTables,
        };
        assert_eq!(verify(folder.path()).unwrap(), expected);
        let untouched = RepairReport {
            damage: None,
            hosts: 30,
            records: 1,
            commit: 30,
            history: 30,
            history_lost: None,
            set_aside: None,
        };
        assert_eq!(repair(folder.path()).unwrap(), untouched);
        assert!(content(folder.path()) == before, "{records:?}");
        assert_eq!(verify(folder.path()).unwrap(), expected);
    }
}

#[test]
fn there_is_nothing_to_verify_or_repair_without_a_store_and_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("absent")] {
        for error in [verify(&path).unwrap_err(), repair(&path).unwrap_err()] {
            assert!(
                error.to_string().contains("there is no store in"),
                "{error}"
            );
        }
    }
    assert_eq!(names(folder.path()), ["lock"]);
}

#[test]
fn a_store_in_use_is_neither_verified_nor_repaired() {
    let (folder, _) = store(Records::InTables);
    let _in_use = open(folder.path()).unwrap();
    for error in [
        verify(folder.path()).unwrap_err(),
        repair(folder.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    }
}

#[test]
fn a_damaged_journal_is_repaired_up_to_the_damage() {
    for host in [0, 15, 29] {
        let (folder, _) = store(Records::InJournal);
        let (path, at) = place_of(folder.path(), Records::InJournal, host);
        flip(&path, at + 1000);
        let damaged = fs::read(&path).unwrap();
        let (report, model) = repaired(folder.path());
        assert_hosts(&model, first_hosts(host));
        let aside = report.set_aside.unwrap();
        assert_eq!(aside, folder.path().join("damaged-1"));
        assert!(
            fs::read(aside.join("0.jnl")).unwrap() == damaged,
            "kept as it was found"
        );
    }
}

#[test]
fn a_damaged_block_of_a_table_costs_only_the_hosts_in_it() {
    for host in [0, 15, 29] {
        let (folder, _) = store(Records::InTables);
        let (path, at) = place_of(folder.path(), Records::InTables, host);
        flip(&path, at + 1000);
        let (_, model) = repaired(folder.path());
        assert!(!model.hosts.contains_key(&key(&format!("h{host:03}"))));
        // A block of 16 KiB has up to nine of these hosts; at each end one or two more go with it.
        let hosts = model.hosts.len();
        assert!((17..30).contains(&hosts), "{hosts} hosts");
        for (key, found) in &model.hosts {
            let host: u32 = key.host.as_str()[1..].parse().unwrap();
            assert_eq!(*found, value(host));
        }
    }
}

#[test]
fn missing_files_beside_the_database_cost_nothing() {
    for name in ["store.json", "commit.mark"] {
        let (folder, _) = store(Records::InTables);
        fs::remove_file(folder.path().join(name)).unwrap();
        let (_, model) = repaired(folder.path());
        assert_hosts(&model, first_hosts(30));
    }
}

#[test]
fn a_missing_journal_costs_what_was_only_in_it() {
    for (records, hosts) in [(Records::InTables, 30), (Records::InJournal, 0)] {
        let (folder, _) = store(records);
        fs::remove_file(journal(folder.path())).unwrap();
        let (_, model) = repaired(folder.path());
        assert_hosts(&model, first_hosts(hosts));
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_set_aside_whole_for_an_empty_one() {
    for part in [
        "fjall/keyspaces/0/current",
        "fjall/keyspaces/1/current",
        "fjall/version",
    ] {
        let (folder, _) = store(Records::InTables);
        fs::remove_file(folder.path().join(part)).unwrap();
        let (report, model) = repaired(folder.path());
        assert_hosts(&model, Vec::new());
        let aside = report.set_aside.unwrap();
        assert!(
            aside.join("keyspaces/1/tables").exists(),
            "nothing of the old one is removed"
        );
    }
    let (folder, _) = store(Records::InTables);
    fs::remove_dir_all(folder.path().join("fjall")).unwrap();
    let (report, model) = repaired(folder.path());
    assert_eq!(report.set_aside, None);
    assert_hosts(&model, Vec::new());
}

#[test]
fn when_hosts_were_heard_outlives_a_repair_that_can_read_it() {
    let (folder, _) = store(Records::InJournal);
    let (sound, _) = start(folder.path()).unwrap();
    sound.save_seen(&[SEEN]).unwrap();
    sound.close().unwrap();
    drop(sound);
    fs::remove_file(folder.path().join("commit.mark")).unwrap();
    repair(folder.path()).unwrap();
    assert_eq!(open(folder.path()).unwrap().load_seen().unwrap(), [SEEN]);
}

#[test]
fn a_repair_that_was_interrupted_is_ended_by_the_next() {
    let (folder, _) = store(Records::InTables);
    fs::remove_file(folder.path().join("commit.mark")).unwrap();
    let mark_is_missing = folder.path().join("commit.mark");
    repair(folder.path()).unwrap();
    // As after the first rename: the old database is aside, the new one not yet in its place.
    fs::rename(
        folder.path().join("fjall"),
        folder.path().join("fjall.repaired"),
    )
    .unwrap();
    fs::remove_file(mark_is_missing).unwrap();
    let report = repair(folder.path()).unwrap();
    assert_eq!(report.hosts, 30);
    assert_eq!(start(folder.path()).unwrap().1.hosts.len(), 30);

    // As before it: half of a new database beside the old one.
    let (folder, model) = store(Records::InTables);
    fs::create_dir(folder.path().join("fjall.repaired")).unwrap();
    fs::write(folder.path().join("fjall.repaired/0.jnl"), b"half").unwrap();
    assert_eq!(start(folder.path()).unwrap().1, model);
    fs::remove_file(folder.path().join("commit.mark")).unwrap();
    assert_eq!(repair(folder.path()).unwrap().hosts, 30);
    assert!(!folder.path().join("fjall.repaired").exists());
}

#[test]
fn a_second_repair_sets_aside_beside_the_first() {
    let (folder, _) = store(Records::InTables);
    for n in 1..=2 {
        fs::remove_file(folder.path().join("commit.mark")).unwrap();
        let aside = repair(folder.path()).unwrap().set_aside.unwrap();
        assert_eq!(aside, folder.path().join(format!("damaged-{n}")));
    }
    assert_eq!(start(folder.path()).unwrap().1.hosts.len(), 30);
}
