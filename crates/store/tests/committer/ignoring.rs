//! Ignoring ports of assets: by one write, kept through reports, and gone with the host.

use std::sync::atomic::Ordering;

use portolan_census::{Choice, Recount, Selection};
use portolan_store::{Decision, Ignoring, IgnoringDone, StoreError, rebuild_all, recount};
use portolan_wire::caps;
use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::Report;

use crate::bench::{Bench, PROJECT, report};

const FRESH: Decision = Decision::Accepted { fresh: true };

fn choice(container_asset: Option<&str>, port: u16) -> Choice {
    Choice {
        container_asset: container_asset.map(Into::into),
        port,
        transport: Transport::Tcp,
    }
}

fn wish(ignore: bool, items: &[(&str, Choice)]) -> Ignoring {
    Ignoring {
        project: PROJECT.into(),
        selection: Selection::Whole,
        ignore,
        items: items
            .iter()
            .map(|(host, choice)| ((*host).into(), choice.clone()))
            .collect(),
    }
}

/// A report of a host with containers on port 6379 beside its own.
fn with_containers(host: &str, sequence: u64, containers: &[&str]) -> Report {
    let mut report = report(host, 1, sequence, &[6379]);
    report.open_ports.extend(containers.iter().map(|container| {
        let mut port = OpenPort::new(Transport::Tcp, "::".parse().unwrap(), 6379);
        port.netns = Some(format!("netns of {container}"));
        port.container_id = Some((*container).to_owned());
        port
    }));
    report
}

/// The status of one asset's port, and the number of choices of its host.
fn told(bench: &Bench, host: &str, asset: Option<&str>, port: u16) -> (PortStatus, usize) {
    let host = bench.host(host);
    let status = host.port_status(asset, port, Transport::Tcp);
    (status, host.ignored.choices().len())
}

fn assert_recount_is_equal(bench: &Bench) {
    let published = &bench.published;
    let found = recount(&*bench.store, published, &PROJECT.into(), &Selection::Whole).unwrap();
    assert_eq!(
        found,
        Recount {
            differences: Vec::new(),
            ..found.clone()
        }
    );
    assert!(found.counts_checked > 0);
}

fn assert_all_agrees(bench: &Bench) {
    bench.assert_store_sums();
    bench.assert_rebuild_equals_live();
    assert_recount_is_equal(bench);
}

fn stored_records(bench: &Bench) -> u64 {
    rebuild_all(&*bench.store, |_| {}).unwrap().loaded.records
}

#[test]
fn what_is_ignored_is_one_write_and_stays_through_closing_reports_and_moves() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[22, 6379]));
    bench.send(report("g", 1, 1, &[6379]));
    let writes = bench.store.writes();
    let both = [
        ("h", choice(None, 6379)),
        ("g", choice(None, 6379)),
        ("h", choice(None, 21)),
    ];
    assert_eq!(bench.ignore(&wish(true, &both)), IgnoringDone::Done);
    assert_eq!(bench.store.writes(), writes + 1);
    assert_eq!(told(&bench, "h", None, 6379), (PortStatus::Normal, 2));
    assert_eq!(bench.statuses("0", 6379), [PortStatus::Normal]);
    assert_all_agrees(&bench);
    // Closed, opened again by another set, and in another enterprise project.
    bench.send(report("h", 1, 2, &[22]));
    assert_all_agrees(&bench);
    let mut moved = report("h", 1, 3, &[6379, 80]);
    moved.host.enterprise_project_id = "x".into();
    assert_eq!(bench.send(moved), FRESH);
    assert_eq!(told(&bench, "h", None, 6379), (PortStatus::Normal, 2));
    for scope in ["0", "x"] {
        assert_eq!(bench.statuses(scope, 6379), [PortStatus::Normal], "{scope}");
    }
    assert_all_agrees(&bench);
    // Undone, for one of them.
    let undo = wish(false, &both[..1]);
    assert_eq!(bench.ignore(&undo), IgnoringDone::Done);
    assert_eq!(told(&bench, "h", None, 6379), (PortStatus::Danger, 1));
    assert_eq!(bench.statuses("x", 6379), [PortStatus::Danger]);
    assert_eq!(bench.statuses("0", 6379), [PortStatus::Normal]);
    assert_all_agrees(&bench);
}

#[test]
fn a_wish_that_changes_nothing_writes_nothing_and_the_last_choice_takes_the_record_with_it() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[6379]));
    let writes = bench.store.writes();
    let items = [("h", choice(None, 6379)), ("h", choice(None, 6379))];
    assert_eq!(bench.ignore(&wish(false, &items)), IgnoringDone::Done);
    assert_eq!(bench.ignore(&wish(true, &[])), IgnoringDone::Done);
    assert_eq!(bench.store.writes(), writes);
    for _ in 0..2 {
        assert_eq!(bench.ignore(&wish(true, &items)), IgnoringDone::Done);
    }
    assert_eq!(
        (bench.store.writes(), stored_records(&bench)),
        (writes + 1, 1)
    );
    assert_eq!(bench.ignore(&wish(false, &items)), IgnoringDone::Done);
    assert_eq!(
        (bench.store.writes(), stored_records(&bench)),
        (writes + 2, 0)
    );
    assert_all_agrees(&bench);
}

#[test]
fn containers_are_named_by_what_counts_and_are_known_by_a_port_or_a_choice() {
    let mut bench = Bench::new();
    bench.send(with_containers("h", 1, &["a", "b"]));
    for unknown in ["c", "netns of a", ""] {
        let items = [
            ("h", choice(Some("a"), 6379)),
            ("h", choice(Some(unknown), 6379)),
        ];
        assert_eq!(
            bench.ignore(&wish(true, &items)),
            IgnoringDone::Unknown(1),
            "{unknown}"
        );
    }
    assert_eq!(told(&bench, "h", Some("a"), 6379), (PortStatus::Danger, 0));
    bench.ignore(&wish(true, &[("h", choice(Some("a"), 6379))]));
    assert_eq!(told(&bench, "h", Some("a"), 6379).0, PortStatus::Normal);
    assert_eq!(told(&bench, "h", Some("b"), 6379).0, PortStatus::Danger);
    assert_eq!(
        told(&bench, "h", None, 6379).0,
        PortStatus::Danger,
        "its host is another asset"
    );
    assert_all_agrees(&bench);
    // `b` goes: all that count are ignored. `a` goes as well, and can still be named, twice.
    bench.send(with_containers("h", 2, &["a"]));
    assert_all_agrees(&bench);
    bench.send(with_containers("h", 3, &[]));
    let twice = [
        ("h", choice(Some("a"), 6379)),
        ("h", choice(Some("a"), 6379)),
    ];
    assert_eq!(bench.ignore(&wish(false, &twice)), IgnoringDone::Done);
    assert_eq!(
        bench.ignore(&wish(false, &twice)),
        IgnoringDone::Unknown(0),
        "gone for good"
    );
    assert_all_agrees(&bench);
}

#[test]
fn one_unknown_host_or_one_of_another_enterprise_project_leaves_all_as_it_was() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[6379]));
    let writes = bench.store.writes();
    let mine = wish(
        true,
        &[("h", choice(None, 6379)), ("nobody", choice(None, 6379))],
    );
    assert_eq!(bench.ignore(&mine), IgnoringDone::Unknown(1));
    let selection = Selection::of([EnterpriseProjectId::from("x")]);
    let not_granted = Ignoring {
        selection,
        ..wish(true, &[("h", choice(None, 6379))])
    };
    assert_eq!(bench.ignore(&not_granted), IgnoringDone::Unknown(0));
    assert_eq!(told(&bench, "h", None, 6379), (PortStatus::Danger, 0));
    assert_eq!(bench.store.writes(), writes);
}

#[test]
fn a_removed_host_loses_what_was_ignored_and_comes_back_without() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[6379]));
    bench.ignore(&wish(true, &[("h", choice(None, 6379))]));
    bench.retire("h", &Selection::Whole);
    assert_eq!(stored_records(&bench), 0);
    assert_eq!(bench.send(report("h", 1, 1, &[6379])), FRESH);
    assert_eq!(told(&bench, "h", None, 6379), (PortStatus::Danger, 0));
    assert_all_agrees(&bench);
}

/// What a repair may leave: a record whose host is lost.
#[test]
fn a_record_without_its_host_is_passed_over_and_goes_when_the_host_is_back() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[6379]));
    bench.ignore(&wish(true, &[("h", choice(None, 6379))]));
    let record = bench.store.records_now();
    bench.retire("h", &Selection::Whole);
    bench.store.put_records(record);
    assert_eq!(stored_records(&bench), 1);
    bench.assert_rebuild_equals_live();
    bench.send(report("h", 1, 1, &[6379]));
    assert_eq!(stored_records(&bench), 0);
    assert_eq!(told(&bench, "h", None, 6379), (PortStatus::Danger, 0));
    assert_all_agrees(&bench);
}

/// Invariant 1: what was not made durable is neither acknowledged nor visible.
#[test]
fn a_wish_that_is_not_durable_changes_nothing() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[6379]));
    bench.store.fail_next_commit();
    let failed = bench.try_ignore(&wish(true, &[("h", choice(None, 6379))]));
    assert!(matches!(failed, Err(StoreError::Write { .. })));
    assert_eq!(told(&bench, "h", None, 6379), (PortStatus::Danger, 0));
    let changed = bench
        .published
        .counters
        .records_changed
        .load(Ordering::Relaxed);
    assert_eq!((stored_records(&bench), changed), (0, 0));
}

#[test]
fn a_host_has_no_more_choices_than_its_cap() {
    let mut bench = Bench::new();
    bench.send(report("h", 1, 1, &[6379]));
    let most = u16::try_from(caps::IGNORED_OF_A_HOST_MAX).unwrap();
    let items = |ports: std::ops::RangeInclusive<u16>| -> Vec<(&str, Choice)> {
        ports.map(|port| ("h", choice(None, port))).collect()
    };
    assert_eq!(
        bench.ignore(&wish(true, &items(1..=most))),
        IgnoringDone::Done
    );
    let repeated_and_one_more = wish(true, &items(most - 1..=most + 1));
    assert_eq!(
        bench.ignore(&repeated_and_one_more),
        IgnoringDone::TooManyOfHost(2)
    );
    assert_eq!(told(&bench, "h", None, 1).1, caps::IGNORED_OF_A_HOST_MAX);
    assert_eq!(
        bench.ignore(&wish(false, &items(1..=1))),
        IgnoringDone::Done
    );
    assert_eq!(
        bench.ignore(&wish(true, &items(most + 1..=most + 1))),
        IgnoringDone::Done
    );
    assert_all_agrees(&bench);
}

#[test]
fn a_project_has_no_more_choices_than_its_cap() {
    let mut bench = Bench::new();
    let hosts = caps::IGNORED_OF_A_PROJECT_MAX / caps::IGNORED_OF_A_HOST_MAX as u64;
    let name = |host: u64| format!("h{host}");
    for host in 0..=hosts {
        bench.send(report(&name(host), 1, 1, &[6379]));
    }
    let of = |host: u64, port: u16| Ignoring {
        items: vec![(name(host).as_str().into(), choice(None, port))],
        ..wish(true, &[])
    };
    let most = u16::try_from(caps::IGNORED_OF_A_HOST_MAX).unwrap();
    for host in 0..hosts {
        let items = (1..=most).map(|port| (name(host).as_str().into(), choice(None, port)));
        let all = Ignoring {
            items: items.collect(),
            ..wish(true, &[])
        };
        assert_eq!(bench.ignore(&all), IgnoringDone::Done);
    }
    assert_eq!(bench.ignore(&of(hosts, 1)), IgnoringDone::TooManyOfProject);
    assert_eq!(
        bench.ignore(&of(0, 1)),
        IgnoringDone::Done,
        "it is ignored already"
    );
    bench.retire(&name(0), &Selection::Whole);
    assert_eq!(bench.ignore(&of(hosts, 1)), IgnoringDone::Done);
}
