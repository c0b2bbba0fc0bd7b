//! A host with very many versions: its past is as exact as that of any other, and is reached from
//! waypoint to waypoint.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::Ordering;

use portolan_census::Selection;
use portolan_store::history::{Change, HostAt, Position, changes_of_host, host_at};
use portolan_store::{HistoryOrder, Snapshot, Store};
use portolan_wire::time::UnixMicros;

use crate::bench::{Bench, host_key, report};

const VERSIONS: u64 = 2_600;

/// The host as it is stored, retired or not.
fn newest(bench: &Bench) -> Snapshot {
    let value = bench.store.host(&host_key("h")).unwrap().unwrap();
    Snapshot::decode("h", &value).unwrap()
}

/// The host `h` in all its versions, one of them a retirement, some of them by one commit.
fn versions(bench: &mut Bench) -> Vec<Snapshot> {
    let mut versions = Vec::new();
    let mut sequence = 0;
    while sequence < VERSIONS {
        bench.clock.advance_s(1);
        // Another host between, which is not in its chain.
        if sequence.is_multiple_of(7) {
            bench.send(report("g", 1, sequence, &[22]));
        }
        if sequence == 1_000 {
            bench.retire("h", &Selection::Whole);
            versions.push(newest(bench));
        }
        let of = |sequence: u64| report("h", 1, sequence, &[22, 1_000 + (sequence % 5_000) as u16]);
        let together = if sequence == 1_500 { 1_200 } else { 1 };
        let reports: Vec<_> = (1..=together).map(|next| of(sequence + next)).collect();
        bench.send_all(reports).unwrap();
        sequence += together;
        versions.push(newest(bench));
    }
    versions
}

fn changes(
    bench: &Bench,
    span: (Bound<Position>, Bound<Position>),
    order: HistoryOrder,
    most: usize,
) -> Vec<Change> {
    let mut found = Vec::new();
    changes_of_host(&*bench.store, &host_key("h"), span, order, &mut |change| {
        found.push(change);
        if found.len() == most {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .unwrap();
    found
}

fn reads(bench: &Bench, what: impl FnOnce(&Bench)) -> u64 {
    let before = bench.store.record_reads.load(Ordering::SeqCst);
    what(bench);
    bench.store.record_reads.load(Ordering::SeqCst) - before
}

/// Each waypoint of so many versions, and the chain between two of them.
const FEW: u64 = VERSIONS / 512 + 2 * 512;

#[test]
fn every_moment_of_a_host_with_many_versions_is_exact_and_few_records_are_read_for_it() {
    let mut bench = Bench::new();
    let versions = versions(&mut bench);
    for (place, version) in versions.iter().enumerate() {
        let later = versions.get(place + 1).map_or(i64::MAX, |next| next.at.0);
        for at in [version.at.0, version.at.0 + 1] {
            let at = UnixMicros(at.min(later - 1));
            let read = reads(&bench, |bench| {
                let (HostAt::Present(shown) | HostAt::Retired(shown)) =
                    host_at(&*bench.store, &host_key("h"), at).unwrap()
                else {
                    panic!("it is there at {at}");
                };
                assert_eq!(*shown, *version);
            });
            assert!(read <= FEW, "{read} records for {at}");
        }
    }
    let before = UnixMicros(versions[0].at.0 - 1);
    let absent = host_at(&*bench.store, &host_key("h"), before).unwrap();
    assert_eq!(absent, HostAt::Absent);
}

#[test]
fn pages_of_a_host_with_many_versions_follow_one_another_and_each_reads_few_records() {
    let mut bench = Bench::new();
    versions(&mut bench);
    let all = bench.changes().into_iter();
    let expected: Vec<_> = all.filter(|change| change.key == host_key("h")).collect();
    for order in [HistoryOrder::Ascending, HistoryOrder::Descending] {
        let mut found: Vec<Change> = Vec::new();
        loop {
            let after = found.last().map(|last| Bound::Excluded(last.position));
            let span = match order {
                HistoryOrder::Ascending => (after.unwrap_or(Bound::Unbounded), Bound::Unbounded),
                HistoryOrder::Descending => (Bound::Unbounded, after.unwrap_or(Bound::Unbounded)),
            };
            let mut page = Vec::new();
            let read = reads(&bench, |bench| page = changes(bench, span, order, 100));
            assert!(read <= FEW, "{read} records for a page");
            if page.is_empty() {
                break;
            }
            found.append(&mut page);
        }
        if order == HistoryOrder::Descending {
            found.reverse();
        }
        assert_eq!(found, expected, "{order:?}");
    }
    let some = &expected[700..3_000];
    let (first, last) = (some[0].position, some[some.len() - 1].position);
    let span = (Bound::Included(first), Bound::Included(last));
    assert_eq!(
        changes(&bench, span, HistoryOrder::Ascending, usize::MAX),
        some
    );
    let mut back = changes(&bench, span, HistoryOrder::Descending, usize::MAX);
    back.reverse();
    assert_eq!(back, some);
}
