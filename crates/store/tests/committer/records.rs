//! Records beside the hosts: committed by the same writer, and as durable.

use std::sync::atomic::Ordering;

use portolan_store::{RecordChange, RecordKey, RecordKind, StoreError, rebuild_all};

use crate::bench::{Bench, report};

fn key(kind: RecordKind, id: &str) -> RecordKey {
    RecordKey {
        kind,
        id: id.into(),
    }
}

fn put(id: &str, value: &[u8]) -> RecordChange {
    RecordChange::put(key(RecordKind::Token, id), value.to_vec()).unwrap()
}

fn remove(id: &str) -> RecordChange {
    RecordChange::remove(key(RecordKind::Token, id))
}

/// The tokens that a rebuild hands out.
fn tokens(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let rebuilt = rebuild_all(&*bench.store, |_| {}).unwrap();
    let records = rebuilt.records.into_iter();
    assert_eq!(rebuilt.loaded.records, records.len() as u64);
    records
        .map(|(key, value)| {
            assert_eq!(key.kind, RecordKind::Token);
            (key.id, value)
        })
        .collect()
}

fn changed(bench: &Bench) -> u64 {
    let counters = &bench.published.counters;
    counters.records_changed.load(Ordering::Relaxed)
}

#[test]
fn records_are_put_replaced_and_removed_and_a_rebuild_hands_them_out_in_order() {
    let mut bench = Bench::new();
    bench.change(vec![put("b", b"2"), put("a", b"1")]).unwrap();
    assert_eq!(bench.store.writes(), 1, "one durable write for all of them");
    let expected = [("a".into(), b"1".to_vec()), ("b".into(), b"2".to_vec())];
    assert_eq!(tokens(&bench), expected);
    bench.change(vec![put("a", b"new"), remove("b")]).unwrap();
    assert_eq!(tokens(&bench), [("a".into(), b"new".to_vec())]);
    assert_eq!(changed(&bench), 4);
    bench.assert_store_sums();
}

#[test]
fn of_several_changes_of_one_record_in_a_batch_the_last_counts() {
    let mut bench = Bench::new();
    bench.change(vec![put("a", b"0")]).unwrap();
    let changes = vec![
        put("a", b"1"),
        remove("a"),
        put("a", b"2"),
        put("b", b"3"),
        remove("b"),
    ];
    bench.change(changes).unwrap();
    assert_eq!(tokens(&bench), [("a".into(), b"2".to_vec())]);
    bench.assert_store_sums();
}

#[test]
fn removing_what_is_not_there_writes_nothing() {
    let mut bench = Bench::new();
    bench.change(vec![remove("a")]).unwrap();
    assert_eq!((bench.store.writes(), changed(&bench)), (0, 0));
}

#[test]
fn a_host_and_a_record_of_the_same_name_are_two_things() {
    let mut bench = Bench::new();
    bench.send(report("a", 1, 1, &[22]));
    bench.change(vec![put("a", b"1")]).unwrap();
    bench.change(vec![remove("a")]).unwrap();
    assert_eq!(bench.ports("a"), [22]);
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
}

/// Invariant 1: what was not made durable is not acknowledged.
#[test]
fn changes_that_are_not_durable_change_nothing() {
    let mut bench = Bench::new();
    bench.change(vec![put("a", b"1")]).unwrap();
    bench.store.fail_next_commit();
    let failed = bench.change(vec![put("a", b"2"), put("b", b"3")]);
    assert!(matches!(failed, Err(StoreError::Write { .. })));
    assert_eq!(tokens(&bench), [("a".into(), b"1".to_vec())]);
    assert_eq!(changed(&bench), 1);
}
