//! The history: what each commit did to hosts, in the same write, and what is no change.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use portolan_census::{Choice, Selection};
use portolan_store::history::{Change, ChangeKind, HostAt, changes_of, changes_of_host, host_at};
use portolan_store::{
    Decision, HistoryOrder, Ignoring, Retirement, Snapshot, Store, StoreError, confirm, snapshot_of,
};
use portolan_wire::caps;
use portolan_wire::heartbeat::{Heartbeat, HeartbeatStatus, Reason};
use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Report, Transient};
use portolan_wire::time::UnixMicros;

use crate::bench::{Bench, PROJECT, host_key, report};

/// The kinds of all changes, with the port of those about one.
pub(crate) fn told(changes: &[Change]) -> Vec<(ChangeKind, Option<u16>)> {
    let told = changes.iter();
    told.map(|change| (change.kind, change.port.as_ref().map(|port| port.port)))
        .collect()
}

pub(crate) fn stored(bench: &Bench, id: &str) -> Snapshot {
    snapshot_of(&*bench.store, &host_key(id)).unwrap().unwrap()
}

pub(crate) fn records(bench: &Bench) -> usize {
    let mut records = 0;
    let mut count = |_: u64, _: &[u8]| {
        records += 1;
        Ok(ControlFlow::Continue(()))
    };
    bench
        .store
        .history(0..=u64::MAX, HistoryOrder::Ascending, &mut count)
        .unwrap();
    records
}

fn present(bench: &Bench, id: &str, at: UnixMicros) -> Snapshot {
    match host_at(&*bench.store, &host_key(id), at).unwrap() {
        HostAt::Present(snapshot) => *snapshot,
        other => panic!("{id} at {at} is {other:?}"),
    }
}

/// A report of a port of a container of that namespace.
fn of_container(sequence: u64, netns: &str, laddr: &str, path: &str) -> Report {
    let mut report = report("h", 1, sequence, &[]);
    let mut port = OpenPort::new(Transport::Tcp, laddr.parse().unwrap(), 6379);
    port.netns = Some(netns.into());
    port.container_id = Some(netns.into());
    port.container_name = Some("cache".into());
    port.path = Some(path.into());
    report.open_ports.push(port);
    report
}

#[test]
fn a_first_report_is_one_baseline_and_the_next_ones_tell_what_differs() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22, 80]));
    bench.send(report("h", 1, 2, &[22, 443]));
    let changes = bench.changes();
    let kinds = [
        (ChangeKind::Baseline, None),
        (ChangeKind::Closed, Some(80)),
        (ChangeKind::Opened, Some(443)),
    ];
    assert_eq!(told(&changes), kinds);
    assert_eq!(changes[0].open_ports, Some(2));
    let (first, second) = (changes[0].at, changes[1].at);
    assert!(first < second);
    assert_eq!(stored(&bench, "h").first_seen, [first, second]);
    assert_eq!(present(&bench, "h", first).open_ports.len(), 2);
    let before = UnixMicros(first.0 - 1);
    let absent = host_at(&*bench.store, &host_key("h"), before).unwrap();
    assert_eq!(absent, HostAt::Absent);
}

/// Invariant 3.
#[test]
fn a_report_that_is_applied_twice_or_refused_adds_nothing_to_the_history() {
    let mut bench = Bench::new();
    bench.send(report("h", 2, 1, &[22]));
    let repeated = Decision::Accepted { fresh: false };
    assert_eq!(bench.send(report("h", 2, 1, &[22])), repeated);
    assert_eq!(bench.send(report("h", 2, 1, &[80])), Decision::Conflict);
    let stale = Decision::Stale { beside: false };
    assert_eq!(bench.send(report("h", 1, 9, &[80])), stale);
    let both = vec![report("h", 2, 2, &[23]), report("h", 2, 2, &[23])];
    bench.send_all(both).unwrap();
    assert_eq!(records(&bench), 2);
    assert_eq!(
        bench.changes().len(),
        3,
        "a baseline, one opened, one closed"
    );
}

/// A restarted agent, another process of the same program, and a container that is replaced by its
/// twin make no noise; what the history keeps of them is enough to show each moment exactly.
#[test]
fn an_agents_restart_a_new_pid_and_a_containers_twin_make_no_change() {
    let mut bench = Bench::new();
    let mut again = of_container(2, "n1", "10.88.0.2", "/redis");
    again.open_ports[0].pid = Some(7);
    again.host.agent_id = Some("a2".into());
    let mut restarted = of_container(0, "n1", "10.88.0.2", "/redis");
    restarted.generation = 2;
    let mut replaced = of_container(1, "n2", "10.88.0.3", "/redis");
    replaced.generation = 2;
    let reports = [
        of_container(1, "n1", "10.88.0.2", "/redis"),
        again,
        restarted,
        replaced,
    ];
    let mut versions = Vec::new();
    for report in reports {
        bench.clock.advance_s(1_000);
        assert_eq!(bench.send(report), Decision::Accepted { fresh: true });
        versions.push(stored(&bench, "h"));
    }
    assert_eq!(told(&bench.changes()), [(ChangeKind::Baseline, None)]);
    for version in &versions {
        assert_eq!(version.first_seen, [versions[0].at]);
        assert_eq!(present(&bench, "h", version.at), *version);
    }
}

#[test]
fn another_program_is_another_owner_also_in_a_containers_twin() {
    let mut bench = Bench::new();
    bench.send(of_container(1, "n1", "0.0.0.0", "/redis"));
    bench.send(of_container(2, "n1", "0.0.0.0", "/valkey"));
    bench.send(of_container(3, "n2", "0.0.0.0", "/mine"));
    let changes = bench.changes();
    let owner_changed = (ChangeKind::OwnerChanged, Some(6379));
    assert_eq!(told(&changes[1..]), [owner_changed, owner_changed]);
    for (change, before, after) in [(1, "/redis", "/valkey"), (2, "/valkey", "/mine")] {
        let change = &changes[change];
        assert_eq!(change.before_path, Some(Some(before.into())));
        assert_eq!(change.port.as_ref().unwrap().path.as_deref(), Some(after));
    }
}

/// Only another container, and only one, is a twin.
#[test]
fn what_is_no_twin_of_a_container_opens_and_closes() {
    let from = || of_container(1, "n1", "10.88.0.2", "/redis");
    let mut to = Vec::new();
    to.push((
        "the same container, another address",
        of_container(2, "n1", "10.88.0.3", "/redis"),
    ));
    to.push(("loopback", of_container(2, "n2", "127.0.0.1", "/redis")));
    to.push(("another family", of_container(2, "n2", "fd00::2", "/redis")));
    for (what, change) in [
        (
            "another name",
            (|port| port.container_name = Some("store".into())) as fn(&mut OpenPort),
        ),
        ("no name", |port| port.container_name = None),
        ("another namespace of pods", |port| {
            port.pod_namespace = Some("x".into())
        }),
        ("another port", |port| port.port = 6380),
        ("the host's own", |port| port.netns = None),
    ] {
        let mut report = of_container(2, "n2", "10.88.0.3", "/redis");
        change(&mut report.open_ports[0]);
        to.push((what, report));
    }
    for (what, report) in to {
        let mut bench = Bench::new();
        bench.send(from());
        bench.send(report);
        let mut kinds: Vec<_> = bench.changes()[1..]
            .iter()
            .map(|change| change.kind)
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [ChangeKind::Opened, ChangeKind::Closed], "{what}");
    }
    let mut bench = Bench::new();
    bench.send(from());
    let mut two = of_container(2, "n2", "10.88.0.3", "/redis");
    two.open_ports
        .extend(of_container(2, "n3", "10.88.0.4", "/redis").open_ports);
    bench.send(two);
    assert_eq!(
        told(&bench.changes()[1..]),
        [(ChangeKind::Opened, Some(6379))]
    );
}

/// Invariant 1: the changes are in the batch of the report that shows them.
#[test]
fn a_commit_that_fails_leaves_no_change() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    let called = follow(&bench);
    bench.store.fail_next_commit();
    let failed = bench.send_all(vec![report("h", 1, 2, &[80])]);
    assert!(matches!(failed, Err(StoreError::Write { .. })));
    assert_eq!(bench.changes().len(), 1);
    assert_eq!(bench.published.recent.newest(), Some(1));
    assert_eq!(*called.lock().unwrap(), [0_u64; 0]);
    bench.send(report("h", 1, 2, &[80]));
    assert_eq!(bench.changes().len(), 3);
    assert_eq!(*called.lock().unwrap(), [2]);
}

fn follow(bench: &Bench) -> Arc<Mutex<Vec<u64>>> {
    let called = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&called);
    let set = bench.published.on_history.set(Box::new(move |commit| {
        calls.lock().unwrap().push(commit);
    }));
    assert!(set.is_ok());
    called
}

/// Who follows gets each record once it is visible, as the store has it.
#[test]
fn the_newest_records_are_in_memory_as_they_are_in_the_store() {
    let mut bench = Bench::new();
    let called = follow(&bench);
    bench.send(report("h", 1, 1, &[22]));
    bench.change(vec![]).unwrap();
    bench.send(report("h", 1, 2, &[80]));
    assert_eq!(*called.lock().unwrap(), [1, 2]);
    let recent = bench.published.recent.after(0).unwrap();
    let mut all = Vec::new();
    for record in recent {
        let stored = bench.store.history_record(record.commit).unwrap().unwrap();
        assert_eq!(record.record, stored);
        all.extend(changes_of(record.commit, &record.record).unwrap());
        assert_eq!(all.last().unwrap().at, record.at);
    }
    assert_eq!(all, bench.changes());
}

/// Design 6: moments rise along the history, whatever the clock does and over a restart.
#[test]
fn moments_never_decrease_when_the_clock_steps_back_or_the_server_restarts() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    bench.clock.step_back_s(3_600);
    bench.send(report("g", 1, 1, &[22]));
    bench.retire("h", &Selection::Whole);
    bench.clock.step_back_s(3_600);
    let mut bench = bench.restart();
    bench.send(report("f", 1, 1, &[22]));
    bench.send(report("h", 1, 2, &[22]));
    bench.ignore(&ignoring("f", 6379));
    let both = vec![
        report("f", 1, 2, &[23]),
        report("f", 1, 3, &[24]),
        report("g", 1, 2, &[5]),
    ];
    bench.send_all(both).unwrap();
    let changes = bench.changes();
    assert_eq!(changes.len(), 11);
    for pair in changes.windows(2) {
        assert!(
            pair[0].at <= pair[1].at && pair[0].position < pair[1].position,
            "{pair:?}"
        );
    }
    let opened = changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Opened);
    let of_f: Vec<_> = opened
        .filter(|change| change.key == host_key("f"))
        .collect();
    assert!(of_f[0].at < of_f[1].at, "two versions of one batch");
}

pub(crate) fn ignoring(host: &str, port: u16) -> Ignoring {
    Ignoring {
        project: PROJECT.into(),
        selection: Selection::Whole,
        ignore: true,
        items: vec![(
            host.into(),
            Choice {
                container_asset: None,
                port,
                transport: Transport::Tcp,
            },
        )],
    }
}

/// Invariant 5: neither a retirement nor a return closes a port, and a return is no first report.
#[test]
fn a_host_that_is_retired_and_returns_tells_so_and_what_differs() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22, 80]));
    let opened_at = stored(&bench, "h").at;
    assert_eq!(bench.retire("h", &Selection::Whole), Retirement::Retired);
    let retired = bench.changes()[1].clone();
    assert_eq!(
        (retired.kind, retired.observed_at),
        (ChangeKind::Retired, None)
    );
    match host_at(&*bench.store, &host_key("h"), retired.at).unwrap() {
        HostAt::Retired(kept) => assert_eq!(kept.open_ports.len(), 2),
        other => panic!("{other:?}"),
    }
    bench.clock.advance_s(86_400);
    bench.send(report("h", 1, 2, &[22, 443]));
    let changes = bench.changes();
    let kinds = [
        (ChangeKind::Baseline, None),
        (ChangeKind::Retired, None),
        (ChangeKind::Returned, None),
        (ChangeKind::Closed, Some(80)),
        (ChangeKind::Opened, Some(443)),
    ];
    assert_eq!(told(&changes), kinds);
    assert_eq!(changes[2].open_ports, Some(2));
    assert_eq!(stored(&bench, "h").first_seen, [opened_at, changes[2].at]);
    let between = UnixMicros(retired.at.0 - 1);
    assert_eq!(present(&bench, "h", between).open_ports.len(), 2);
    bench.assert_rebuild_equals_live();
}

/// The agent's answer to `unknown_host` is a report, which may have the pair that is kept.
#[test]
fn a_retired_host_returns_under_the_pair_that_is_kept() {
    let mut bench = Bench::new();
    bench.send(report("h", 3, 4, &[22]));
    bench.retire("h", &Selection::Whole);
    let fresh = Decision::Accepted { fresh: true };
    assert_eq!(bench.send(report("h", 3, 4, &[22])), fresh);
    assert_eq!(
        told(&bench.changes()).pop(),
        Some((ChangeKind::Returned, None))
    );
}

/// To its agent a retired host is unknown, so that it reports.
#[test]
fn a_heartbeat_of_a_retired_host_asks_for_a_report() {
    let mut bench = Bench::new();
    let first = report("h", 3, 4, &[22]);
    let heartbeat = || Heartbeat {
        host_id: "h".into(),
        generation: 3,
        sequence: 4,
        digest: first.digest(),
    };
    bench.send(first.clone());
    let confirm = |bench: &Bench| {
        let state = bench.published.state.load();
        let project = state.project(PROJECT).map(|project| &**project);
        let (liveness, now_s) = (&bench.published.liveness, bench.clock.now_s());
        let told = confirm(liveness, project, &Selection::Whole, 0, heartbeat(), now_s);
        (told.status, told.reason)
    };
    assert_eq!(confirm(&bench), (HeartbeatStatus::Ok, None));
    bench.retire("h", &Selection::Whole);
    let asked = (HeartbeatStatus::ReportNeeded, Some(Reason::UnknownHost));
    assert_eq!(confirm(&bench), asked);
    bench.send(first.clone());
    assert_eq!(confirm(&bench), (HeartbeatStatus::Ok, None));
}

#[test]
fn a_move_is_told_with_where_it_came_from_and_what_differs() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    let mut moved = report("h", 2, 1, &[22, 80]);
    moved.host.enterprise_project_id = "x".into();
    bench.send(moved);
    let changes = bench.changes();
    let kinds = [(ChangeKind::Moved, None), (ChangeKind::Opened, Some(80))];
    assert_eq!(told(&changes[1..]), kinds);
    assert_eq!(
        changes[0].enterprise_project,
        EnterpriseProjectId::from("0")
    );
    assert_eq!(changes[1].moved_from, Some("0".into()));
    for change in &changes[1..] {
        assert_eq!(change.enterprise_project, EnterpriseProjectId::from("x"));
    }
    let before = present(&bench, "h", changes[0].at);
    assert_eq!(before.host.enterprise_project_id, "0");
}

#[test]
fn transients_are_told_once_and_are_in_no_set() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22]));
    let mut with = report("h", 1, 2, &[22]);
    let moment = UnixMicros(5);
    with.transients.push(Transient {
        transport: Transport::Tcp,
        laddr: [127, 0, 0, 1].into(),
        port: 4444,
        netns: None,
        pid: Some(9),
        path: Some("/dev/shm/x".into()),
        container_id: None,
        container_name: None,
        opened_at: Some(moment),
        closed_at: None,
    });
    bench.send(with.clone());
    bench.send(with);
    let changes = bench.changes();
    assert_eq!(told(&changes[1..]), [(ChangeKind::Transient, Some(4444))]);
    assert_eq!(
        (changes[1].opened_at, changes[1].closed_at),
        (Some(moment), None)
    );
    let port = changes[1].port.as_ref().unwrap();
    assert_eq!(
        (port.pid, port.path.as_deref()),
        (Some(9), Some("/dev/shm/x"))
    );
    assert_eq!(stored(&bench, "h").open_ports.len(), 1);
}

/// Large batches are compared by several threads before they are decided; what changes within the
/// batch is compared anew.
#[test]
fn a_large_batch_tells_the_same_as_its_reports_one_by_one() {
    let hosts = caps::COMPARED_ALONE_MAX + 10;
    let reports = |sequence: u64, port: u16| {
        let of = move |host: usize| report(&format!("h{host}"), 1, sequence, &[22, port]);
        (0..hosts).map(of)
    };
    let (mut together, mut alone) = (Bench::new(), Bench::new());
    together.send_all(reports(1, 80).collect()).unwrap();
    for report in reports(1, 80) {
        alone.send(report);
    }
    // Each host twice, so that the second is compared with a version of the same batch.
    let twice: Vec<_> = reports(2, 443).chain(reports(3, 444)).collect();
    together.send_all(twice.clone()).unwrap();
    for report in twice {
        alone.send(report);
    }
    let what = |bench: &Bench| {
        let changes = bench.changes();
        let of = |change: &Change| (change.key.clone(), change.kind, change.port.clone());
        let mut all: Vec<_> = changes.iter().map(of).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    assert_eq!(what(&together), what(&alone));
    assert_eq!(together.changes().len(), hosts * 5);
    for host in 0..hosts {
        let id = format!("h{host}");
        let between = stored(&together, &id).first_seen[0];
        assert_eq!(present(&together, &id, between).open_ports[1].port, 80);
        let mut of_host = 0;
        let mut count = |_| {
            of_host += 1;
            ControlFlow::Continue(())
        };
        let descending = HistoryOrder::Descending;
        changes_of_host(&*together.store, &host_key(&id), .., descending, &mut count).unwrap();
        assert_eq!(of_host, 5);
    }
}
