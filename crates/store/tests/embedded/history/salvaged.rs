//! A repair keeps the newest records that follow one another, and tells what it dropped.

use std::fs;
use std::path::Path;

use portolan_store::embedded::{RepairReport, repair, verify};
use portolan_store::{Checkpoint, CheckpointAt, HistoryOrder, HistorySpan, MemoryHistory, Store};
use portolan_wire::time::UnixMicros;

use super::{FROM, add, assert_equals, behind_the_back, opened, read, record_key, three_days};
use crate::files::{Records, files_below, flip, place_of, store};
use crate::model::start;

/// Repairs, and compares what is left: the commit of the first record, and from when on it is complete.
fn assert_keeps(folder: &Path, first: u64, from: UnixMicros) -> RepairReport {
    let report = repair(folder).unwrap();
    assert!(report.damage.is_some());
    assert_eq!(report.commit, 31);
    assert_eq!(verify(folder).unwrap().history, report.history);
    let store = opened(folder);
    let span = store.history_span().unwrap();
    assert_eq!((span.from, span.last), (from, 29));
    let kept = read(&store, 0..=u64::MAX, HistoryOrder::Ascending).unwrap();
    assert_eq!(kept.len() as u64, report.history);
    assert_eq!((kept[0].0, kept[kept.len() - 1].0), (first, 29));
    assert_eq!(store.history_record(first - 1).unwrap(), None);
    // It goes on like any other.
    add(&store, &mut MemoryHistory::default(), 32, 15);
    drop(store);
    assert_eq!(verify(folder).unwrap().history, report.history + 1);
    report
}

/// Repairs a store of which no history can be kept. Returns what was told, and the span.
fn assert_keeps_none(folder: &Path) -> (String, HistorySpan) {
    let report = repair(folder).unwrap();
    assert_eq!(report.history, 0);
    let (store, _) = start(folder).unwrap();
    let span = store.history_span().unwrap();
    assert_eq!((span.last, span.days.len()), (0, 0));
    add(&store, &mut MemoryHistory::default(), report.commit + 1, 20);
    drop(store);
    assert_eq!(verify(folder).unwrap().history, 1);
    (report.history_lost.unwrap(), span)
}

fn told(report: &RepairReport) -> &str {
    report.history_lost.as_deref().unwrap()
}

fn without(commit: u64, day: u32) -> tempfile::TempDir {
    let (folder, _) = three_days();
    behind_the_back(folder.path(), day, |_, records| {
        records.remove(record_key(commit)).unwrap();
    });
    folder
}

#[test]
fn what_is_before_a_missing_record_is_dropped_and_told() {
    for (commit, day, first, kept, from_day) in [
        (13, 11, 14, 11, 12),
        (8, 10, 10, 14, 11),
        (10, 10, 11, 13, 12),
    ] {
        let folder = without(commit, day);
        let report = assert_keeps(folder.path(), first, UnixMicros::midnight(from_day));
        assert_eq!(report.history, kept);
        let expected = format!("a record before that of commit {first} cannot be read");
        assert!(told(&report).contains(&expected), "{report:?}");
    }
}

#[test]
fn of_the_newest_day_it_is_complete_from_the_last_commit_on() {
    let (folder, _) = three_days();
    behind_the_back(folder.path(), 14, |_, records| {
        let mut value = records.get(record_key(25)).unwrap().unwrap().to_vec();
        value[20] ^= 1;
        records.insert(record_key(25), value).unwrap();
    });
    let last_commit = UnixMicros::midnight(14).plus_micros(30);
    let report = assert_keeps(folder.path(), 26, last_commit);
    assert!(told(&report).starts_with("what was before "), "{report:?}");
}

#[test]
fn without_the_newest_record_none_leads_back_from_now() {
    let folder = without(29, 14);
    let (told, span) = assert_keeps_none(folder.path());
    let expected = "all of it: its newest record, of commit 29, cannot be read";
    assert_eq!(told, expected);
    assert_eq!(span.from, UnixMicros::midnight(14).plus_micros(30));
}

#[test]
fn a_damaged_day_costs_itself_and_those_before_it_and_stays_as_it_was_found() {
    for damage in ["current", "v", "tables"] {
        let (folder, _) = three_days();
        let day = folder.path().join("fjall/keyspaces/3");
        for path in files_below(&day) {
            let name = path.strip_prefix(&day).unwrap().to_str().unwrap();
            if name.starts_with(damage) {
                fs::remove_file(path).unwrap();
            }
        }
        let left = files_below(&day).len();
        let report = assert_keeps(folder.path(), 22, UnixMicros::midnight(14).plus_micros(30));
        assert!(
            told(&report).contains("before that of commit 22"),
            "{report:?}"
        );
        let aside = report.set_aside.unwrap();
        assert_eq!(files_below(&aside.join("keyspaces/3")).len(), left);
        assert!(!aside.join("days-aside").exists());
    }
}

#[test]
fn a_repair_that_was_killed_while_days_were_aside_is_ended_by_the_next() {
    let (folder, _) = three_days();
    fs::remove_file(folder.path().join("fjall/keyspaces/2/current")).unwrap();
    let aside = folder.path().join("fjall/days-aside");
    fs::create_dir(&aside).unwrap();
    fs::rename(folder.path().join("fjall/keyspaces/2"), aside.join("2")).unwrap();
    assert_keeps(folder.path(), 11, UnixMicros::midnight(12));
}

#[test]
fn damage_beside_the_history_costs_none_of_it() {
    let (folder, mut model) = three_days();
    let kept = opened(folder.path());
    for (day, parts) in [(10, vec![]), (14, vec![(vec![1], vec![2; 10])])] {
        let at = CheckpointAt {
            day,
            commit: u64::from(day) + 10,
            at: UnixMicros(7),
        };
        let checkpoint = Checkpoint { at, parts };
        kept.save_checkpoint(&checkpoint).unwrap();
        model.save_checkpoint(&checkpoint);
    }
    kept.close().unwrap();
    drop(kept);
    fs::remove_file(folder.path().join("commit.mark")).unwrap();
    let report = repair(folder.path()).unwrap();
    assert_eq!((report.history, &report.history_lost), (20, &None));
    let store = opened(folder.path());
    assert_equals(&store, &model, 31);
    let mut parts = 0;
    let mut each = |name: &[u8], bytes: &[u8]| {
        parts += 1;
        assert_eq!((name, bytes), ([1].as_slice(), [2; 10].as_slice()));
        Ok(())
    };
    store.checkpoint_parts(14, b"", &mut each).unwrap();
    assert_eq!(parts, 1);
}

#[test]
fn without_store_json_all_is_kept_but_the_first_day_may_not_be_complete() {
    let (folder, _) = three_days();
    fs::remove_file(folder.path().join("store.json")).unwrap();
    let report = assert_keeps(folder.path(), 1, UnixMicros::midnight(11));
    assert_eq!(report.history, 20);
    assert!(FROM < UnixMicros::midnight(11));
}

/// From hosts that are lost or older no history leads back.
#[test]
fn a_lost_host_costs_the_whole_history() {
    let (folder, _) = store(Records::InTables);
    let (path, at) = place_of(folder.path(), Records::InTables, 15);
    flip(&path, at + 1000);
    let (told, span) = assert_keeps_none(folder.path());
    assert!(
        told.contains("does not fit what is left of the hosts"),
        "{told}"
    );
    assert!(span.from > UnixMicros::from_seconds(1_700_000_000));

    // Nor where the database cannot be opened.
    let (folder, _) = store(Records::InTables);
    fs::remove_file(folder.path().join("fjall/keyspaces/0/current")).unwrap();
    assert_keeps_none(folder.path());
}

#[test]
fn lost_commits_at_the_end_of_a_journal_leave_the_history_before_them() {
    let (folder, _) = store(Records::InJournal);
    let (path, at) = place_of(folder.path(), Records::InJournal, 15);
    flip(&path, at + 1000);
    let report = repair(folder.path()).unwrap();
    assert_eq!(
        (report.hosts, report.history, &report.history_lost),
        (15, 15, &None)
    );
    let (_, found) = start(folder.path()).unwrap();
    assert_eq!(found.history.len(), 15);
}
