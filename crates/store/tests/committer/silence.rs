//! Freshness in the counts, and hosts that are retired for their silence.

use std::sync::atomic::Ordering;

use portolan_census::{Freshness, Selection, Silent};
use portolan_store::{Prepared, Submission};
use portolan_wire::report::Report;

use crate::bench::{Bench, PROJECT, all_rows, every_tcp, report};

const DAY_S: i64 = 86_400;
const RETIRE_AFTER_S: u32 = 30 * 86_400;

fn retired(bench: &Bench) -> [u64; 2] {
    let counters = &bench.published.counters;
    [&counters.hosts_retired, &counters.hosts_retired_silent]
        .map(|count| count.load(Ordering::Relaxed))
}

/// The ports that fresh hosts have open.
fn fresh_ports(bench: &Bench) -> Vec<u16> {
    let state = bench.published.state.load();
    let Some(project) = state.project(PROJECT) else {
        return Vec::new();
    };
    let page = project
        .fresh_counts()
        .page(&Selection::Whole, &every_tcp(), &all_rows());
    page.rows.iter().map(|row| row.port).collect()
}

fn submission(report: &Report) -> Submission {
    let prepared = Prepared::new(PROJECT.into(), report, Selection::Whole).unwrap();
    Submission::new(vec![prepared], Box::new(|_| {}))
}

fn retirement(silent: &[Silent]) -> Submission {
    let [Silent { key, heard_s }] = silent else {
        panic!("{silent:?} is not one host");
    };
    Submission::retire_silent(key.clone(), *heard_s, Box::new(|_| {}))
}

/// A bench with the hosts `quiet` and `loud`, whose clock then goes on by days, with a heartbeat of `loud` and a roll at
/// the end of each.
fn after_days(days: i64) -> Bench {
    let mut bench = Bench::retiring_after(RETIRE_AFTER_S);
    bench.send(report("quiet", 5, 1, &[22]));
    bench.send(report("loud", 5, 1, &[80]));
    for _ in 0..days {
        bench.clock.advance_s(DAY_S);
        bench.touch("loud");
        bench.roll();
    }
    bench
}

/// Second by second, until somebody is to be retired.
fn found_silent(bench: &Bench) -> Vec<Silent> {
    let mut seconds = (0..100).map(|_| {
        bench.clock.advance_s(1);
        bench.published.liveness.roll(bench.clock.now_s())
    });
    seconds.find(|silent| !silent.is_empty()).unwrap()
}

#[test]
fn the_counts_of_fresh_hosts_follow_silence_heartbeats_and_reports() {
    let mut bench = after_days(1);
    assert_eq!(fresh_ports(&bench), [80]);
    assert_eq!(bench.ports("quiet"), [22], "silence closes no port");
    assert_eq!(bench.fresh_and_stale(&["0"]), (1, 1));
    bench.touch("quiet");
    assert_eq!(
        bench.host("quiet").freshness().0,
        Freshness::Stale,
        "until the next second"
    );
    bench.roll();
    assert_eq!(fresh_ports(&bench), [22, 80]);
    bench.clock.advance_s(DAY_S);
    bench.roll();
    assert_eq!(fresh_ports(&bench), [0u16; 0]);
    // A report counts in the same published state, whether or not it is a repetition.
    bench.send(report("loud", 5, 1, &[80]));
    assert_eq!(fresh_ports(&bench), [80]);
    bench.send(report("quiet", 5, 2, &[23]));
    assert_eq!(fresh_ports(&bench), [23, 80]);
    bench.assert_rebuild_equals_live();
}

#[test]
fn a_failed_write_loses_nothing_of_who_is_fresh() {
    let mut bench = after_days(1);
    bench.touch("quiet");
    bench.store.fail_next_commit();
    let report = report("loud", 5, 2, &[81]);
    let failed = bench.serve(vec![Submission::freshness(), submission(&report)]);
    assert!(failed.is_err());
    assert_eq!(fresh_ports(&bench), [22, 80]);
    assert_eq!(bench.ports("loud"), [80]);
}

/// Invariant 5: one silent for `retire_after` is retired by one recorded commit, and its ports leave
/// the counts.
#[test]
fn a_host_that_was_silent_for_long_enough_is_retired_by_one_commit() {
    let mut bench = after_days(30);
    assert!(bench.knows("quiet"), "to the second: not yet");
    let writes = bench.store.writes();
    for _ in 0..92 {
        bench.clock.advance_s(1);
        bench.roll();
    }
    assert!(!bench.knows("quiet") && bench.knows("loud"));
    assert_eq!(bench.ports("loud"), [80]);
    assert_eq!(bench.store.writes(), writes + 1);
    assert_eq!(retired(&bench), [0, 1]);
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
}

#[test]
fn a_host_that_is_heard_after_it_was_found_silent_is_not_retired() {
    for same_batch in [false, true] {
        let mut bench = after_days(30);
        let silent = found_silent(&bench);
        let ids: Vec<_> = silent.iter().map(|s| s.key.host.as_str()).collect();
        assert_eq!(ids, ["quiet"]);
        let retirement = retirement(&silent);
        if same_batch {
            let report = report("quiet", 5, 2, &[23]);
            bench.serve(vec![submission(&report), retirement]).unwrap();
            assert_eq!(bench.ports("quiet"), [23]);
        } else {
            bench.touch("quiet");
            bench.serve(vec![retirement]).unwrap();
            assert_eq!(bench.ports("quiet"), [22]);
        }
        assert_eq!(retired(&bench), [0, 0]);
    }
}

#[test]
fn a_retirement_that_is_not_durable_is_tried_again() {
    let mut bench = after_days(30);
    let silent = found_silent(&bench);
    bench.store.fail_next_commit();
    bench.serve(vec![retirement(&silent)]).unwrap_err();
    assert!(bench.knows("quiet"));
    assert_eq!(retired(&bench), [0, 0]);
    bench.clock.advance_s(60);
    bench.roll();
    assert!(!bench.knows("quiet"));
    assert_eq!(retired(&bench), [0, 1]);
}
