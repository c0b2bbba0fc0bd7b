//! What one commit adds to the history has a cap: what would pass it waits for the next commit.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};

use portolan_census::Selection;
use portolan_store::{
    Decision, Prepared, RecordChange, RecordKey, RecordKind, Retirement, StoreError, Submission,
};
use portolan_wire::caps;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Report, Transient};

use crate::bench::{Bench, PROJECT, host_key, report};

const ACCEPTED: Decision = Decision::Accepted { fresh: true };

/// As much as one report can change of what a host had: `sequence` tells which half of the port numbers
/// is open.
fn huge(host: &str, sequence: u64) -> Report {
    let mut huge = report(host, 1, sequence, &[]);
    let first = 1 + (sequence % 2) as u16 * 20_000;
    let ports = first..first + caps::OPEN_PORTS_MAX as u16;
    let open = |port| OpenPort::new(Transport::Tcp, "0.0.0.0".parse().unwrap(), port);
    huge.open_ports = ports.map(open).collect();
    let transients = 0..caps::TRANSIENTS_MAX as u16;
    huge.transients = transients.map(transient).collect();
    huge
}

fn transient(n: u16) -> Transient {
    Transient {
        transport: Transport::Tcp,
        laddr: [127, 0, 0, 1].into(),
        port: 50_000 + n,
        netns: None,
        pid: None,
        path: None,
        container_id: None,
        container_name: None,
        opened_at: None,
        closed_at: None,
    }
}

fn prepared(report: &Report) -> Prepared {
    Prepared::new(PROJECT.into(), report, Selection::Whole).unwrap()
}

/// How many changes each commit has.
fn changes_by_commit(bench: &Bench) -> BTreeMap<u64, usize> {
    let mut by_commit = BTreeMap::new();
    for change in bench.changes() {
        *by_commit.entry(change.position.commit).or_default() += 1;
    }
    by_commit
}

fn full(bench: &Bench) -> u64 {
    let counters = &bench.published.counters;
    counters.commits_full.load(Ordering::Relaxed)
}

type Answer<T> = Receiver<Result<T, std::sync::Arc<StoreError>>>;

fn submission(reports: &[Report]) -> (Submission, Answer<Vec<Decision>>) {
    let (sender, answer) = channel();
    let reports = reports.iter().map(prepared).collect();
    let reply = Box::new(move |outcome| sender.send(outcome).unwrap());
    (Submission::new(reports, reply), answer)
}

const ROWS: usize = 2 * caps::OPEN_PORTS_MAX + caps::TRANSIENTS_MAX;

/// Invariant 7.
#[test]
fn two_huge_reports_that_wait_together_make_two_commits_and_both_are_accepted() {
    let mut bench = Bench::new();
    bench.send_all(vec![huge("g", 1), huge("h", 1)]).unwrap();
    assert_eq!(changes_by_commit(&bench)[&1], 2 + 2 * caps::TRANSIENTS_MAX);
    let (first, first_answer) = submission(&[huge("g", 2)]);
    let (second, second_answer) = submission(&[huge("h", 2)]);
    bench.serve(vec![first, second]).unwrap();
    for answer in [first_answer, second_answer] {
        assert_eq!(answer.try_recv().unwrap().unwrap(), [ACCEPTED]);
    }
    let by_commit = changes_by_commit(&bench);
    assert_eq!((by_commit[&2], by_commit[&3]), (ROWS, ROWS));
    assert_eq!(full(&bench), 1);
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
}

/// A request is answered once, when the last of its reports is durable.
#[test]
fn the_reports_of_one_request_are_answered_in_order_when_all_their_commits_are_durable() {
    let mut bench = Bench::new();
    bench.send_all(vec![huge("g", 1), huge("h", 1)]).unwrap();
    let small = report("f", 1, 1, &[22]);
    // The second report of `h` is compared with the version that the commit before made.
    let reports = [
        huge("g", 2),
        huge("h", 2),
        small.clone(),
        huge("h", 3),
        small,
    ];
    let (reports, answer) = submission(&reports);
    bench.serve(vec![reports]).unwrap();
    let repeated = Decision::Accepted { fresh: false };
    let decided = [ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, repeated];
    assert_eq!(answer.try_recv().unwrap().unwrap(), decided);
    let by_commit = changes_by_commit(&bench);
    let made: Vec<_> = by_commit.into_values().skip(1).collect();
    assert_eq!(made, [ROWS, ROWS + 1, ROWS]);
    bench.assert_rebuild_equals_live();
}

/// The batch's own reports, without the queue.
#[test]
fn a_batch_of_huge_reports_is_decided_as_one_by_one() {
    let mut bench = Bench::new();
    let hosts = ["a", "b", "c"];
    let of = |sequence| hosts.iter().map(move |host| huge(host, sequence)).collect();
    bench.send_all(of(1)).unwrap();
    let decided = bench.send_all(of(2)).unwrap();
    assert_eq!(decided, [ACCEPTED; 3]);
    assert_eq!(bench.store.writes(), 4);
    bench.assert_rebuild_equals_live();
}

#[test]
fn long_names_fill_a_commit_by_their_bytes() {
    let mut bench = Bench::new();
    let with_names = |host: &str, sequence| {
        let mut report = huge(host, sequence);
        report.transients.clear();
        for port in &mut report.open_ports {
            port.path = Some("/".repeat(600));
        }
        report.open_ports.truncate(8_000);
        report
    };
    let both = |sequence| vec![with_names("g", sequence), with_names("h", sequence)];
    bench.send_all(both(1)).unwrap();
    assert_eq!(full(&bench), 0, "a baseline tells of no port");
    bench.send_all(both(2)).unwrap();
    assert_eq!(bench.store.writes(), 3);
    for record in bench.published.recent.after(1).unwrap() {
        let bytes = record.record.len();
        assert!(bytes <= caps::COMMIT_HISTORY_BYTES_MAX, "{bytes}");
    }
}

/// A write that fails fails all that would have followed it, and nothing that was answered before.
#[test]
fn a_later_write_that_fails_is_told_to_those_who_wait_for_it() {
    let mut bench = Bench::new();
    bench.send_all(vec![huge("g", 1), huge("h", 1)]).unwrap();
    let (first, first_answer) = submission(&[huge("g", 2)]);
    let (second, second_answer) = submission(&[huge("h", 2)]);
    let key = RecordKey {
        kind: RecordKind::Token,
        id: "t".into(),
    };
    let (sender, third_answer) = channel();
    let change = RecordChange::put(key, vec![1]).unwrap();
    let third = Submission::records(
        vec![change],
        Box::new(move |outcome| sender.send(outcome).unwrap()),
    );
    let (sender, retired) = channel();
    let reply = Box::new(move |outcome| sender.send(outcome).unwrap());
    let fourth = Submission::retire(host_key("g"), Selection::Whole, reply);
    bench.store.fail_commit_after_next();
    let failed = bench.serve(vec![first, second, third, fourth]);
    assert!(matches!(*failed.unwrap_err(), StoreError::Write { .. }));
    assert_eq!(first_answer.try_recv().unwrap().unwrap(), [ACCEPTED]);
    assert!(second_answer.try_recv().unwrap().is_err());
    assert!(third_answer.try_recv().unwrap().is_err());
    let retired: Result<Retirement, _> = retired.try_recv().unwrap();
    assert!(retired.is_err());
    assert_eq!(bench.host("g").facts.pair.sequence, 2);
    assert_eq!(bench.host("h").facts.pair.sequence, 1);
    bench.assert_rebuild_equals_live();
}
