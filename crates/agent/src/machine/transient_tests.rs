//! Transients, one rule a test.

use std::net::{IpAddr, Ipv4Addr};

use portolan_wire::open_port::Transport;
use portolan_wire::report::{Report, ReportResult, Status, Transient};
use portolan_wire::time::UnixMicros;

use super::fate::REPEATS_MAX;
use super::tests::Rig;
use super::*;
use crate::testing::result;
use crate::transport::{Outcome, Refusal};

fn transient(port: u16) -> Transient {
    Transient {
        transport: Transport::Tcp,
        laddr: IpAddr::from(Ipv4Addr::LOCALHOST),
        port,
        netns: None,
        pid: None,
        path: None,
        container_id: None,
        container_name: None,
        opened_at: None,
        closed_at: Some(UnixMicros(1)),
    }
}

fn report(rig: &mut Rig) -> Report {
    match rig.next_message(Duration::from_secs(700)) {
        Some(Message::Report(report)) => *report,
        other => panic!("a report was due, not {other:?}"),
    }
}

fn carried(report: &Report) -> Vec<u16> {
    report.transients.iter().map(|held| held.port).collect()
}

fn refused(status: u16) -> Outcome {
    Outcome::Refused(Refusal {
        status,
        text: String::new(),
        retry_after: None,
    })
}

fn lost() -> Outcome {
    Outcome::Unreachable("timeout".to_owned())
}

#[test]
fn a_transient_alone_is_reported_soon_and_once() {
    let mut rig = Rig::settled();
    let from = rig.now;
    rig.machine.came_and_went([transient(4444)], 2);
    let told = report(&mut rig);
    assert!(rig.now - from <= TRANSIENTS_REPORT_GAP);
    assert_eq!((carried(&told), told.transients_lost), (vec![4444], 2));
    rig.answer(Outcome::Report(result(Status::Accepted)));
    rig.ports.push(80);
    let next = report(&mut rig);
    assert_eq!((carried(&next), next.transients_lost), (vec![], 0));
}

#[test]
fn what_was_refused_goes_with_the_newest_report() {
    for outcome in [
        Outcome::NotSent("connection refused".to_owned()),
        refused(429),
        refused(401),
        Outcome::Report(result(Status::Rejected)),
        Outcome::Report(result(Status::Stale)),
    ] {
        let mut rig = Rig::settled();
        rig.machine.came_and_went([transient(4444)], 0);
        report(&mut rig);
        rig.ports.push(80);
        rig.machine.came_and_went([transient(4445)], 0);
        rig.answer(outcome.clone());
        rig.look();
        let told = report(&mut rig);
        assert_eq!(carried(&told), [4444, 4445], "{outcome:?}");
        assert_eq!(told.transients_lost, 0, "{outcome:?}");
        assert_eq!(told.open_ports.len(), 2, "{outcome:?}");
    }
}

#[test]
fn a_lost_answer_repeats_the_very_report_before_anything_else() {
    for outcome in [lost(), refused(502), refused(503), refused(408)] {
        let mut rig = Rig::settled();
        rig.machine.came_and_went([transient(4444)], 0);
        let first = report(&mut rig);
        rig.answer(outcome);
        rig.machine.came_and_went([transient(4445)], 0);
        rig.ports.push(80);
        rig.look();
        assert_eq!(report(&mut rig), first);
        rig.answer(refused(429));
        assert_eq!(
            report(&mut rig),
            first,
            "the first try may be applied still"
        );
        rig.answer(Outcome::Report(result(Status::Accepted)));
        let next = report(&mut rig);
        assert_eq!((next.sequence, carried(&next)), (3, vec![4445]));
        assert_eq!(next.open_ports.len(), 2);
    }
}

#[test]
fn what_came_after_a_lost_report_without_transients_gets_a_pair_of_its_own() {
    let mut rig = Rig::new();
    let first = report(&mut rig);
    rig.answer(lost());
    rig.machine.came_and_went([transient(4444)], 0);
    assert_eq!(
        report(&mut rig),
        first,
        "its pair must not carry something new"
    );
    rig.answer(Outcome::Report(result(Status::Accepted)));
    let next = report(&mut rig);
    assert_eq!((next.sequence, carried(&next)), (2, vec![4444]));
}

#[test]
fn a_report_on_which_everything_chokes_is_given_up_and_counted() {
    let mut rig = Rig::settled();
    rig.machine.came_and_went([transient(4444)], 0);
    let first = report(&mut rig);
    rig.ports.push(80);
    for _lost in 0..REPEATS_MAX {
        rig.answer(refused(502));
        assert_eq!(report(&mut rig), first);
        rig.answer(refused(429));
        assert_eq!(
            report(&mut rig),
            first,
            "a refusal says nothing of the tries before"
        );
    }
    rig.answer(refused(502));
    let next = report(&mut rig);
    assert_eq!((next.sequence, next.open_ports.len()), (3, 2));
    assert_eq!((carried(&next), next.transients_lost), (vec![], 1));
}

#[test]
fn a_fate_that_nobody_can_know_counts_as_lost() {
    for status in [Status::Stale, Status::Rejected] {
        let mut rig = Rig::settled();
        rig.machine.came_and_went([transient(4444)], 3);
        report(&mut rig);
        rig.answer(lost());
        report(&mut rig);
        rig.answer(Outcome::Report(result(status)));
        let next = report(&mut rig);
        assert_eq!(
            (carried(&next), next.transients_lost),
            (vec![], 4),
            "{status:?}"
        );
    }
}

#[test]
fn a_transient_that_the_server_cannot_take_keeps_no_set_from_it() {
    let faulty = ReportResult {
        field: Some("reports[0].transients[0].path".to_owned()),
        ..result(Status::Rejected)
    };
    for answer in [Outcome::Report(faulty), refused(413)] {
        let mut rig = Rig::settled();
        rig.machine.came_and_went([transient(4444)], 0);
        report(&mut rig);
        rig.answer(answer);
        let next = report(&mut rig);
        assert_eq!((carried(&next), next.transients_lost), (vec![], 1));
    }
}

#[test]
fn a_port_that_only_looks_held_is_a_transient_of_the_time_without_a_server() {
    let mut rig = Rig::settled();
    rig.answer_nothing_while_away(&[vec![22, 80], vec![22]]);
    let told = report(&mut rig);
    assert_eq!(carried(&told), [80]);
    let micros = |clock_s: u64| Some(UnixMicros::from_seconds(i64::try_from(clock_s).unwrap()));
    let seen = told.transients.first().unwrap();
    assert_eq!(seen.opened_at, micros(rig.clock_s - 10));
    assert_eq!(seen.closed_at, micros(rig.clock_s));
}

#[test]
fn a_port_that_a_report_told_closes_and_is_no_transient() {
    let mut rig = Rig::settled();
    rig.ports.push(80);
    report(&mut rig);
    rig.ports.pop();
    rig.look();
    rig.answer(Outcome::Report(result(Status::Accepted)));
    assert_eq!(carried(&report(&mut rig)), [] as [u16; 0]);
}

#[test]
fn a_port_of_a_lost_report_that_is_gone_makes_its_fate_matter() {
    let mut rig = Rig::settled();
    rig.ports.push(80);
    let first = report(&mut rig);
    rig.answer(lost());
    rig.ports.pop();
    rig.look();
    assert_eq!(report(&mut rig), first);
    let mut asked = Rig::settled();
    asked.ports.push(80);
    report(&mut asked);
    asked.ports.pop();
    asked.look();
    asked.answer(refused(429));
    assert_eq!(
        carried(&report(&mut asked)),
        [80],
        "that report told nothing"
    );
}

#[test]
fn a_port_that_closed_and_was_open_again_is_a_transient_if_its_closing_was_told() {
    let again_and_gone = |rig: &mut Rig| {
        rig.ports = vec![22, 80];
        report(rig);
        rig.answer(Outcome::Report(result(Status::Accepted)));
        rig.ports.pop();
        let closing = report(rig);
        for ports in [vec![22, 80], vec![22]] {
            rig.ports = ports;
            rig.look();
        }
        closing
    };
    let mut told = Rig::settled();
    again_and_gone(&mut told);
    told.answer(Outcome::Report(result(Status::Accepted)));
    assert_eq!(carried(&report(&mut told)), [80]);

    let mut unknown = Rig::settled();
    let closing = again_and_gone(&mut unknown);
    unknown.answer(lost());
    assert_eq!(report(&mut unknown), closing, "its fate matters");
    unknown.answer(Outcome::Report(result(Status::Accepted)));
    assert_eq!(carried(&report(&mut unknown)), [80]);

    let mut refused_one = Rig::settled();
    again_and_gone(&mut refused_one);
    refused_one.answer(refused(429));
    assert_eq!(
        carried(&report(&mut refused_one)),
        [] as [u16; 0],
        "the server has it open all the time"
    );
}
