//! Removing a host: by one recorded commit it leaves the counts, and nothing of it stays behind.

use portolan_census::{Freshness, Selection};
use portolan_store::{Decision, Retirement, StoreError};
use portolan_wire::ids::EnterpriseProjectId;

use crate::bench::{Bench, report};

const FRESH: Decision = Decision::Accepted { fresh: true };

fn counter(bench: &Bench) -> u64 {
    let counters = &bench.published.counters;
    counters
        .hosts_retired
        .load(std::sync::atomic::Ordering::Relaxed)
}

/// Invariant 5: removed by an operator, a host is retired by one recorded commit, and its ports
/// leave the counts.
#[test]
fn a_retired_host_leaves_store_census_and_freshness_by_one_commit() {
    let mut bench = Bench::new();
    bench
        .send_all(vec![report("h", 1, 1, &[22]), report("g", 1, 1, &[22])])
        .unwrap();
    assert_eq!(bench.fresh_and_stale(&["0"]), (2, 0));
    let writes = bench.store.writes();
    assert_eq!(bench.retire("h", &Selection::Whole), Retirement::Retired);
    assert_eq!(bench.store.writes(), writes + 1);
    assert!(!bench.knows("h") && bench.knows("g"));
    assert_eq!(bench.ports("g"), [22]);
    assert_eq!(bench.fresh_and_stale(&["0"]), (1, 0));
    assert_eq!(counter(&bench), 1);
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
    // Its entry in the wheel of due seconds is still there, and must change no count.
    bench.clock.advance_s(1_000);
    bench.roll();
    assert_eq!(bench.fresh_and_stale(&["0"]), (0, 1));
}

#[test]
fn the_last_host_of_a_project_takes_the_project_with_it() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    bench.retire("h", &Selection::Whole);
    assert_eq!(bench.published.state.load().projects().count(), 0);
    bench.assert_rebuild_equals_live();
}

#[test]
fn a_host_that_is_unknown_or_not_granted_is_not_retired_and_nothing_is_written() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    let writes = bench.store.writes();
    let other = Selection::of([EnterpriseProjectId::from("x")]);
    for (id, granted) in [("g", Selection::Whole), ("h", other)] {
        assert_eq!(bench.retire(id, &granted), Retirement::Unknown, "{id}");
    }
    assert!(bench.knows("h"));
    assert_eq!((bench.store.writes(), counter(&bench)), (writes, 0));
    let its_own = Selection::of([EnterpriseProjectId::from("0")]);
    assert_eq!(bench.retire("h", &its_own), Retirement::Retired);
    assert_eq!(bench.retire("h", &its_own), Retirement::Unknown, "once");
}

#[test]
fn a_later_report_makes_a_new_host_whatever_its_pair() {
    let mut bench = Bench::new();
    bench.send(report("h", 7, 9, &[22]));
    bench.retire("h", &Selection::Whole);
    assert_eq!(bench.send(report("h", 1, 1, &[80])), FRESH);
    assert_eq!(bench.ports("h"), [80]);
    assert_eq!(bench.host("h").freshness().0, Freshness::Fresh);
    assert_eq!(bench.fresh_and_stale(&["0"]), (1, 0));
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
}

/// Invariant 1: what was not made durable is neither acknowledged nor visible.
#[test]
fn a_retirement_that_is_not_durable_leaves_the_host() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    bench.store.fail_next_commit();
    let failed = bench.try_retire("h", &Selection::Whole);
    assert!(matches!(failed, Err(StoreError::Write { .. })));
    assert_eq!(bench.ports("h"), [22]);
    assert_eq!(bench.fresh_and_stale(&["0"]), (1, 0));
    assert_eq!(counter(&bench), 0);
    assert_eq!(bench.retire("h", &Selection::Whole), Retirement::Retired);
}
