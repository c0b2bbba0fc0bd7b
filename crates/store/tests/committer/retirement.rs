//! Retiring a host: by one recorded commit it leaves the counts, and what was known of it is kept until
//! it comes back or is forgotten.

use std::sync::atomic::Ordering;

use portolan_census::{Freshness, Selection};
use portolan_store::history::ChangeKind;
use portolan_store::{Decision, Retirement, Store, StoreError, snapshot_of};
use portolan_wire::ids::EnterpriseProjectId;

use crate::bench::{Bench, PROJECT, host_key, report};

const FRESH: Decision = Decision::Accepted { fresh: true };
const STALE: Decision = Decision::Stale { beside: false };

fn counter(bench: &Bench) -> u64 {
    let counters = &bench.published.counters;
    counters.hosts_retired.load(Ordering::Relaxed)
}

/// Invariant 5: removed by an operator, a host is retired by one recorded commit, and its ports
/// leave the counts.
#[test]
fn a_retired_host_leaves_census_and_freshness_by_one_commit() {
    let mut bench = Bench::new();
    bench
        .send_all(vec![report("h", 1, 1, &[22]), report("g", 1, 1, &[22])])
        .unwrap();
    assert_eq!(bench.fresh_and_stale(&["0"]), (2, 0));
    let writes = bench.store.writes();
    assert_eq!(bench.retire("h", &Selection::Whole), Retirement::Retired);
    assert_eq!(bench.store.writes(), writes + 1);
    assert!(!bench.knows("h") && bench.knows("g"));
    assert!(
        snapshot_of(&*bench.store, &host_key("h"))
            .unwrap()
            .is_none()
    );
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
fn a_project_is_kept_for_its_retired_hosts_and_goes_when_they_are_forgotten() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    bench.retire("h", &Selection::Whole);
    let state = bench.published.state.load_full();
    let project = state.project(PROJECT).unwrap();
    assert_eq!(
        (project.host_count(), project.all_retired().count()),
        (0, 1)
    );
    assert_eq!(
        project.retired("h").unwrap().facts.open_ports,
        1,
        "as it was"
    );
    bench.assert_rebuild_equals_live();
    let retired_at = project.retired("h").unwrap().facts.retired_at.unwrap();
    assert_eq!(bench.forget_retired(retired_at), 0, "not before it");
    assert_eq!(bench.forget_retired(retired_at.plus_micros(1)), 1);
    assert_eq!(bench.published.state.load().projects().count(), 0);
    assert!(bench.store.host(&host_key("h")).unwrap().is_none());
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
}

#[test]
fn a_host_is_retired_for_its_silence_only_if_it_is_still_silent() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    let heard_s = bench.clock.now_s();
    bench.clock.advance_s(1_000);
    assert!(!bench.retire_silent("h", heard_s - 1), "heard since");
    bench.send(report("h", 1, 2, &[22]));
    assert!(!bench.retire_silent("h", heard_s), "heard meanwhile");
    let heard_s = bench.clock.now_s();
    assert!(!bench.retire_silent("g", heard_s), "nobody");
    assert!(bench.retire_silent("h", heard_s));
    assert!(!bench.retire_silent("h", heard_s), "once");
    assert!(!bench.knows("h"));
    let counters = &bench.published.counters;
    assert_eq!(counters.hosts_retired_silent.load(Ordering::Relaxed), 1);
    assert_eq!(counter(&bench), 0, "not by an operator");
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

/// Invariant 3: an older report never wins, against what is kept of a retired host neither; but the
/// same again brings it back, since an agent whose host is unknown may say it under the same pair.
#[test]
fn a_later_report_brings_a_host_back_and_an_older_one_is_stale() {
    let mut bench = Bench::new();
    bench.send(report("h", 7, 9, &[22]));
    bench.retire("h", &Selection::Whole);
    assert_eq!(bench.send(report("h", 7, 8, &[80])), STALE);
    assert!(!bench.knows("h"));
    assert_eq!(
        bench.send(report("h", 7, 9, &[80])),
        FRESH,
        "another set under the same pair"
    );
    assert_eq!(bench.ports("h"), [80]);
    assert_eq!(bench.host("h").freshness().0, Freshness::Fresh);
    assert_eq!(bench.fresh_and_stale(&["0"]), (1, 0));
    let repeated = Decision::Accepted { fresh: false };
    assert_eq!(bench.send(report("h", 7, 9, &[80])), repeated);
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
}

/// Who may not see whose a host was is not kept from making it anew, and is told nothing of it.
#[test]
fn a_retired_host_of_another_enterprise_project_begins_anew_whatever_its_pair() {
    let mut bench = Bench::new();
    bench.send(report("h", 7, 9, &[22]));
    bench.retire("h", &Selection::Whole);
    let mut other = report("h", 1, 1, &[80]);
    other.host.enterprise_project_id = "x".into();
    let granted = Selection::of([EnterpriseProjectId::from("x")]);
    assert_eq!(bench.send_as(other, granted), FRESH);
    let kinds: Vec<_> = bench.changes().iter().map(|change| change.kind).collect();
    assert_eq!(
        kinds,
        [
            ChangeKind::Baseline,
            ChangeKind::Retired,
            ChangeKind::Baseline
        ]
    );
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
