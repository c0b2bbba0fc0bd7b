//! The committer: what becomes of reports, in what order, and what a failed write leaves behind.

use portolan_census::{Freshness, Selection};
use portolan_store::{Decision, StoreError};
use portolan_wire::ids::EnterpriseProjectId;

use crate::bench::{Bench, report};

const FRESH: Decision = Decision::Accepted { fresh: true };
const REPEATED: Decision = Decision::Accepted { fresh: false };
const STALE: Decision = Decision::Stale { beside: false };
const STALE_BESIDE: Decision = Decision::Stale { beside: true };

#[test]
fn only_the_pair_orders_the_reports_of_a_host() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(report("h", 5, 1, &[22])), FRESH);
    assert_eq!(bench.send(report("h", 4, 9, &[23])), STALE);
    assert_eq!(bench.send(report("h", 5, 0, &[23])), STALE);
    assert_eq!(bench.send(report("h", 5, 2, &[80])), FRESH);
    assert_eq!(bench.send(report("h", 6, 0, &[443])), FRESH);
    assert_eq!(bench.ports("h"), [443]);
}

/// Invariant 3: applying the same report twice changes nothing.
#[test]
fn a_repetition_is_accepted_and_changes_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.send(report("h", 1, 1, &[22])), FRESH);
    let (writes, at) = (bench.store.writes(), bench.host("h").facts.at);
    bench.clock.advance_s(10);
    assert_eq!(bench.send(report("h", 1, 1, &[22])), REPEATED);
    assert_eq!(
        (bench.store.writes(), bench.host("h").facts.at),
        (writes, at)
    );
    assert_eq!(bench.send(report("h", 1, 1, &[23])), Decision::Conflict);
    assert_eq!(bench.ports("h"), [22]);
}

#[test]
fn reports_of_one_host_in_a_batch_are_decided_one_after_the_other() {
    let mut bench = Bench::new();
    let batch = vec![
        report("h", 1, 1, &[22]),
        report("h", 1, 3, &[80]),
        report("h", 1, 2, &[23]),
        report("h", 1, 3, &[80]),
        report("g", 1, 1, &[53]),
    ];
    let decisions = bench.send_all(batch).unwrap();
    assert_eq!(decisions, [FRESH, FRESH, STALE, REPEATED, FRESH]);
    assert_eq!(bench.store.writes(), 1, "one durable write for all of them");
    assert_eq!(bench.ports("h"), [80]);
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
}

#[test]
fn the_moment_of_a_commit_rises_even_when_the_clock_steps_back() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    let first = bench.host("h").facts.at;
    bench.clock.step_back_s(3_600);
    bench.send(report("h", 1, 2, &[22]));
    assert_eq!(bench.host("h").facts.at, first.plus_micros(1));
}

#[test]
fn two_agents_that_alternate_within_three_intervals_are_a_conflict() {
    let mut bench = Bench::new();
    let by = |agent: &str, sequence| {
        let mut report = report("h", 1, sequence, &[22]);
        report.host.agent_id = Some(agent.into());
        report.heartbeat_interval_s = Some(10);
        report
    };
    assert_eq!(bench.send(by("a", 1)), FRESH);
    assert_eq!(
        bench.send(by("b", 2)),
        FRESH,
        "an agent may take over from another"
    );
    bench.clock.advance_s(30);
    assert_eq!(bench.send(by("a", 3)), Decision::Conflict);
    assert!(
        bench.host("h").in_conflict(bench.clock.now_s()),
        "the host is shown as a clone"
    );
    assert_eq!(bench.send(by("b", 4)), FRESH);
    bench.clock.advance_s(30);
    assert_eq!(
        bench.send(by("a", 5)),
        Decision::Conflict,
        "b was heard 30 s ago"
    );
    bench.clock.advance_s(1);
    assert_eq!(
        bench.send(by("a", 5)),
        FRESH,
        "b has been silent for more than three intervals"
    );
    assert!(!bench.host("h").in_conflict(bench.clock.now_s() + 31));
}

/// Both were silent for long; that one of them speaks in the same batch is not heard yet.
/// Its older pair makes it stale; that two agents speak is shown all the same.
#[test]
fn an_older_report_of_another_agent_shows_a_clone_while_the_newer_one_speaks() {
    let mut bench = Bench::new();
    let by = |agent: &str, generation| {
        let mut report = report("h", generation, 1, &[22]);
        report.host.agent_id = Some(agent.into());
        report.heartbeat_interval_s = Some(10);
        report
    };
    bench.send(by("a", 100));
    bench.send(by("b", 200));
    assert!(!bench.host("h").in_conflict(bench.clock.now_s()));
    bench.clock.advance_s(31);
    assert_eq!(bench.send(by("a", 100)), STALE);
    assert!(
        !bench.host("h").in_conflict(bench.clock.now_s()),
        "b has gone silent"
    );
    bench.send(by("b", 201));
    assert_eq!(bench.send(by("a", 100)), STALE_BESIDE);
    assert!(bench.host("h").in_conflict(bench.clock.now_s()));
    assert_eq!(
        bench.send(by("b", 200)),
        STALE,
        "its own older report is no clone's"
    );
    let counters = &bench.published.counters;
    assert_eq!(
        counters
            .identity_conflicts
            .load(std::sync::atomic::Ordering::SeqCst),
        1
    );
}

/// A commit has its moment before its write and is visible after it: what is told in between must
/// not promise it.
#[test]
fn an_answer_is_never_complete_up_to_a_commit_that_it_lacks() {
    let mut bench = Bench::new();
    let (published, clock) = (
        std::sync::Arc::clone(&bench.published),
        std::sync::Arc::clone(&bench.clock),
    );
    let during = std::sync::Arc::new(std::sync::Mutex::new(None));
    let told = std::sync::Arc::clone(&during);
    bench.store.during_next_commit(move || {
        clock.advance_s(5);
        let as_of = published.as_of(portolan_store::Clock::now(&*clock));
        *told.lock().unwrap() = Some((as_of, published.state.load().project("p").is_none()));
    });
    bench.send(report("h", 1, 1, &[22]));
    let (as_of, lacks_it) = during.lock().unwrap().take().unwrap();
    assert!(lacks_it);
    assert!(as_of < bench.host("h").facts.at);
    bench.clock.advance_s(1);
    let now = portolan_store::Clock::now(&*bench.clock);
    assert_eq!(bench.published.as_of(now), now.plus_micros(-1));
}

#[test]
fn two_agents_that_alternate_within_one_batch_are_a_conflict() {
    let mut bench = Bench::new();
    let by = |agent: &str, sequence| {
        let mut report = report("h", 1, sequence, &[22]);
        report.host.agent_id = Some(agent.into());
        report
    };
    bench.send(by("a", 1));
    bench.send(by("b", 2));
    bench.clock.advance_s(3_600);
    let decisions = bench.send_all(vec![by("b", 3), by("a", 4)]).unwrap();
    assert_eq!(decisions, [FRESH, Decision::Conflict]);
}

/// A retry is the same report again. Two that differ in what the digest leaves out have two senders.
#[test]
fn a_repetition_that_only_a_second_agent_can_send_moves_nothing_and_shows_a_clone() {
    let mut bench = Bench::new();
    let by = |agent: &str, enterprise_project: &str| {
        let mut report = report("h", 1, 1, &[22]);
        report.host.agent_id = Some(agent.into());
        report.host.enterprise_project_id = enterprise_project.into();
        report
    };
    bench.send(by("a", "x"));
    assert_eq!(bench.send(by("a", "x")), REPEATED);
    assert!(!bench.host("h").in_conflict(bench.clock.now_s()), "a retry");
    for other in [by("a", "y"), by("b", "x")] {
        bench.clock.advance_s(90);
        assert!(!bench.host("h").in_conflict(bench.clock.now_s()));
        assert_eq!(bench.send(other), REPEATED);
        assert!(bench.host("h").in_conflict(bench.clock.now_s()));
        assert_eq!(bench.fresh_and_stale(&["x"]), (1, 0));
        assert_eq!(bench.fresh_and_stale(&["y"]), (0, 0));
    }
    bench.clock.advance_s(91);
    assert_eq!(bench.send(by("b", "x")), REPEATED);
    let flagged = bench.host("h").in_conflict(bench.clock.now_s());
    assert!(
        !flagged,
        "the first has gone silent: this one has lost its state folder"
    );
}

#[test]
fn a_host_moves_only_between_enterprise_projects_that_are_granted() {
    let mut bench = Bench::new();
    let in_project = |id: &str, sequence| {
        let mut report = report("h", 1, sequence, &[22]);
        report.host.enterprise_project_id = id.into();
        report
    };
    let granted = |ids: &[&str]| Selection::of(ids.iter().map(|id| EnterpriseProjectId::from(*id)));
    assert_eq!(
        bench.send_as(in_project("x", 1), granted(&["y"])),
        Decision::NotGranted
    );
    assert_eq!(bench.send_as(in_project("x", 1), granted(&["x"])), FRESH);
    assert_eq!(
        bench.send_as(in_project("y", 2), granted(&["y"])),
        Decision::NotGranted,
        "it is in x"
    );
    assert_eq!(
        bench.send_as(in_project("y", 2), granted(&["x", "y"])),
        FRESH
    );
    assert_eq!(bench.fresh_and_stale(&["x"]), (0, 0));
    assert_eq!(bench.fresh_and_stale(&["y"]), (1, 0));
}

/// Invariant 1: what was not made durable is neither acknowledged nor visible.
#[test]
fn a_failed_write_leaves_the_published_view_as_it_was() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    bench.store.fail_next_commit();
    let failed = bench.send_all(vec![report("h", 1, 2, &[23]), report("new", 1, 1, &[80])]);
    assert!(matches!(failed, Err(StoreError::Write { .. })));
    assert_eq!(bench.ports("h"), [22]);
    assert_eq!(
        bench.fresh_and_stale(&["0"]),
        (1, 0),
        "the new host was not heard"
    );
    assert_eq!(
        bench.send(report("h", 1, 2, &[24])),
        FRESH,
        "the pair is still free"
    );
    assert_eq!(bench.ports("h"), [24]);
    bench.assert_store_sums();
}

#[test]
fn a_host_that_moves_is_fresh_in_its_new_enterprise_project_only() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    bench.clock.advance_s(91);
    bench.roll();
    assert_eq!(bench.fresh_and_stale(&["0"]), (0, 1));
    let mut moved = report("h", 1, 2, &[22]);
    moved.host.enterprise_project_id = "x".into();
    bench.send(moved);
    assert_eq!(
        (bench.fresh_and_stale(&["0"]), bench.fresh_and_stale(&["x"])),
        ((0, 0), (1, 0))
    );
    assert_eq!(bench.host("h").freshness().0, Freshness::Fresh);
}
