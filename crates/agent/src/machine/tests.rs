//! The machine, one rule a test. Time is a number here: nothing waits.

use std::time::Duration;

use portolan_wire::heartbeat::{HeartbeatStatus, Reason};
use portolan_wire::report::Status;

use super::*;
use crate::testing::{CLOCK_S, heartbeat_result, result, snapshot, snapshot_at};
use crate::transport::{Outcome, Refusal};

pub(super) const GENERATION: u64 = CLOCK_S;

/// A machine and its clock.
pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) now: Duration,
    pub(super) ports: Vec<u16>,
    pid: u32,
    /// What the wall clock of the host says.
    pub(super) clock_s: u64,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::of(GENERATION)
    }

    pub(super) fn of(generation: u64) -> Self {
        let machine = Machine::new(generation, ScanInterval::Auto, 7);
        Self {
            machine,
            now: Duration::ZERO,
            ports: vec![22],
            pid: 1,
            clock_s: CLOCK_S,
        }
    }

    /// A rig whose first report was accepted.
    pub(super) fn settled() -> Self {
        let mut rig = Self::new();
        rig.next_report();
        rig.answer(Outcome::Report(result(Status::Accepted)));
        rig
    }

    /// Looks whenever asked to and moves on by what the machine waits for, until it sends
    /// something or `limit` has passed.
    pub(super) fn next_message(&mut self, limit: Duration) -> Option<Message> {
        let end = self.now + limit;
        while self.now <= end {
            match self.machine.next(self.now) {
                Action::Look => self.look(),
                Action::Send(message) => return Some(message),
                Action::Wait(wait) => self.now += wait.max(Duration::from_nanos(1)),
            }
        }
        None
    }

    pub(super) fn look(&mut self) {
        let seen = snapshot_at(self.clock_s, &self.ports, self.pid);
        self.machine
            .looked(self.now, seen, Duration::from_millis(1));
    }

    /// The pair and the ports of the next message, which must be a report.
    pub(super) fn next_report(&mut self) -> (Pair, Vec<u16>) {
        match self.next_message(Duration::from_secs(700)) {
            Some(Message::Report(report)) => {
                let pair = Pair {
                    generation: report.generation,
                    sequence: report.sequence,
                };
                (
                    pair,
                    report.open_ports.iter().map(|port| port.port).collect(),
                )
            }
            other => panic!("a report was due, not {other:?}"),
        }
    }

    fn next_heartbeat(&mut self) -> Heartbeat {
        match self.next_message(Duration::from_secs(700)) {
            Some(Message::Heartbeat(heartbeat)) => heartbeat,
            other => panic!("a heartbeat was due, not {other:?}"),
        }
    }

    /// The host shows these sets, ten seconds apart, while no connection can be made.
    pub(super) fn answer_nothing_while_away(&mut self, sets: &[Vec<u16>]) {
        for set in sets {
            self.ports.clone_from(set);
            self.clock_s += 10;
            self.look();
            if let Action::Send(_) = self.machine.next(self.now) {
                self.answer(Outcome::NotSent("connection refused".to_owned()));
            }
            self.now += Duration::from_secs(10);
        }
    }

    pub(super) fn answer(&mut self, outcome: Outcome) {
        self.machine.answered(self.now, outcome);
    }

    fn refuse(&mut self, status: u16, retry_after: Option<u64>) {
        let retry_after = retry_after.map(Duration::from_secs);
        self.answer(Outcome::Refused(Refusal {
            status,
            text: String::new(),
            retry_after,
        }));
    }
}

pub(super) fn pair(sequence: u64) -> Pair {
    Pair {
        generation: GENERATION,
        sequence,
    }
}

#[test]
fn it_looks_first_then_reports_and_then_waits_for_the_answer() {
    let mut rig = Rig::new();
    assert_eq!(rig.machine.next(rig.now), Action::Look);
    assert_eq!(rig.next_report(), (pair(1), vec![22]));
    rig.ports.push(80);
    assert_eq!(
        rig.next_message(Duration::from_secs(3_600)),
        None,
        "one request at a time"
    );
}

#[test]
fn a_changed_set_is_reported_at_the_look_that_found_it() {
    let mut rig = Rig::settled();
    rig.ports.push(80);
    let before = rig.now;
    assert_eq!(rig.next_report(), (pair(2), vec![22, 80]));
    assert!(rig.now - before <= Duration::from_secs(1));
}

#[test]
fn an_unchanged_set_is_confirmed_by_heartbeats_every_30_s_or_as_the_server_asks() {
    let mut rig = Rig::settled();
    let from = rig.now;
    let heartbeat = rig.next_heartbeat();
    assert_eq!((heartbeat.generation, heartbeat.sequence), (GENERATION, 1));
    assert_eq!(heartbeat.digest, snapshot(&[22], 1).digest());
    let waited = rig.now - from;
    assert!((27..=30).contains(&waited.as_secs()), "{waited:?}");

    let mut ok = heartbeat_result(HeartbeatStatus::Ok, None);
    ok.next_heartbeat_s = Some(100);
    rig.answer(Outcome::Heartbeat(ok));
    let from = rig.now;
    rig.next_heartbeat();
    let waited = rig.now - from;
    assert!((90..=100).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn a_server_that_asks_for_no_pause_at_all_is_not_obeyed() {
    let mut rig = Rig::new();
    rig.next_report();
    let mut accepted = result(Status::Accepted);
    accepted.next_heartbeat_s = Some(0);
    rig.answer(Outcome::Report(accepted));
    let from = rig.now;
    rig.next_heartbeat();
    assert!(rig.now - from >= Duration::from_millis(900));
}

#[test]
fn changed_attributes_are_reported_a_minute_after_the_last_report_and_heartbeats_go_on() {
    let mut rig = Rig::settled();
    let reported_at = rig.now;
    rig.pid = 2;
    let heartbeat = rig.next_heartbeat();
    assert_eq!(
        heartbeat.sequence, 1,
        "the set that the server holds is still the set"
    );
    rig.answer(Outcome::Heartbeat(heartbeat_result(
        HeartbeatStatus::Ok,
        None,
    )));
    loop {
        match rig.next_message(Duration::from_secs(100)) {
            Some(Message::Report(report)) => {
                assert_eq!(report.open_ports[0].pid, Some(2));
                assert_eq!(report.sequence, 2);
                break;
            }
            Some(Message::Heartbeat(_)) => {
                rig.answer(Outcome::Heartbeat(heartbeat_result(
                    HeartbeatStatus::Ok,
                    None,
                )));
            }
            None => panic!("the new pid was never told"),
        }
    }
    let gap = rig.now - reported_at;
    assert!(gap >= ATTRIBUTES_REPORT_GAP && gap <= ATTRIBUTES_REPORT_GAP + Duration::from_secs(2));
}

#[test]
fn the_very_same_report_again_keeps_its_pair_and_anything_else_gets_a_new_one() {
    let mut rig = Rig::new();
    assert_eq!(rig.next_report().0, pair(1));
    rig.answer(Outcome::Unreachable("connection reset".to_owned()));
    assert_eq!(
        rig.next_report().0,
        pair(1),
        "the server may have it already"
    );
    rig.answer(Outcome::Unreachable("connection reset".to_owned()));
    rig.pid = 2;
    rig.look();
    assert_eq!(
        rig.next_report().0,
        pair(2),
        "a pair never carries two contents"
    );
}

#[test]
fn a_set_that_went_back_while_a_report_is_lost_is_told_again() {
    let mut rig = Rig::settled();
    rig.ports.push(80);
    rig.next_report();
    rig.ports.pop();
    rig.answer(Outcome::Unreachable("timeout".to_owned()));
    rig.look();
    assert_eq!(
        rig.next_report(),
        (pair(2), vec![22, 80]),
        "what the server made of it must be known"
    );
    rig.answer(Outcome::Report(result(Status::Accepted)));
    assert_eq!(
        rig.next_report(),
        (pair(3), vec![22]),
        "the server holds the lost report"
    );
}

#[test]
fn only_the_newest_set_is_sent_when_the_server_comes_back() {
    let mut rig = Rig::new();
    for number in 1000..1100 {
        rig.ports = vec![number];
        rig.next_report();
        rig.answer(Outcome::NotSent("connection refused".to_owned()));
    }
    rig.ports = vec![443];
    assert!(
        rig.now > Duration::from_secs(3_000),
        "retries slow down: {:?}",
        rig.now
    );
    rig.look();
    assert_eq!(rig.next_report().1, [443]);
    rig.answer(Outcome::Report(result(Status::Accepted)));
    assert!(matches!(
        rig.next_message(Duration::from_secs(60)),
        Some(Message::Heartbeat(_))
    ));
}

#[test]
fn retry_after_is_honoured() {
    for status in [429, 503] {
        let mut rig = Rig::new();
        rig.next_report();
        rig.refuse(status, Some(120));
        let from = rig.now;
        rig.next_report();
        let waited = rig.now - from;
        assert!(
            (120..=145).contains(&waited.as_secs()),
            "{status}: {waited:?}"
        );
    }
}

#[test]
fn a_refusal_that_stays_is_retried_within_a_minute_and_not_at_once() {
    for status in [302, 400, 401, 403, 404, 413, 415] {
        let mut rig = Rig::new();
        rig.next_report();
        rig.refuse(status, None);
        let from = rig.now;
        rig.next_report();
        let waited = rig.now - from;
        assert!((5..=10).contains(&waited.as_secs()), "{status}: {waited:?}");
    }
}

#[test]
fn a_rejected_report_is_retried_under_a_new_pair_and_not_hammered() {
    let mut rig = Rig::new();
    rig.next_report();
    rig.answer(Outcome::Report(result(Status::Rejected)));
    let from = rig.now;
    rig.ports.push(80);
    assert_eq!(rig.next_report(), (pair(2), vec![22, 80]));
    assert!(
        rig.now - from >= Duration::from_secs(5),
        "even when the set changed"
    );
}

#[test]
fn a_server_that_needs_a_report_gets_one_at_once_under_a_new_pair() {
    for reason in [
        Reason::UnknownHost,
        Reason::Digest,
        Reason::NewerPair,
        Reason::OlderPair,
    ] {
        let mut rig = Rig::settled();
        rig.next_heartbeat();
        let needed = heartbeat_result(HeartbeatStatus::ReportNeeded, Some(reason));
        rig.answer(Outcome::Heartbeat(needed));
        let from = rig.now;
        assert_eq!(rig.next_report(), (pair(2), vec![22]));
        assert_eq!(rig.now, from);
        rig.answer(Outcome::Report(result(Status::Accepted)));
        rig.next_heartbeat();
    }
}

#[test]
fn a_rejected_heartbeat_becomes_a_report_after_a_pause() {
    let mut rig = Rig::settled();
    rig.next_heartbeat();
    rig.answer(Outcome::Heartbeat(heartbeat_result(
        HeartbeatStatus::Rejected,
        None,
    )));
    let from = rig.now;
    rig.next_report();
    assert!(rig.now - from >= Duration::from_secs(5));
}

#[test]
fn a_lost_heartbeat_is_repeated_as_a_heartbeat() {
    let mut rig = Rig::settled();
    rig.next_heartbeat();
    rig.answer(Outcome::Unreachable("timeout".to_owned()));
    let from = rig.now;
    rig.next_heartbeat();
    assert!(rig.now - from <= Duration::from_secs(1));
}

#[test]
fn while_looks_fail_nothing_is_confirmed() {
    let mut rig = Rig::settled();
    let end = rig.now + Duration::from_secs(600);
    while rig.now < end {
        match rig.machine.next(rig.now) {
            Action::Look => rig.machine.look_failed(rig.now),
            Action::Send(message) => panic!("nobody knows what changed, yet {message:?}"),
            Action::Wait(wait) => rig.now += wait,
        }
    }
    rig.look();
    rig.next_heartbeat();
}

#[test]
fn an_answer_to_another_question_confirms_nothing() {
    let mut rig = Rig::new();
    rig.next_report();
    rig.answer(Outcome::Heartbeat(heartbeat_result(
        HeartbeatStatus::Ok,
        None,
    )));
    assert_eq!(rig.next_report().0, pair(1));
}

#[test]
fn an_answer_that_nobody_waits_for_changes_nothing() {
    let mut rig = Rig::settled();
    rig.answer(Outcome::Report(result(Status::Rejected)));
    rig.next_heartbeat();
}

#[test]
fn events_do_not_hurry_a_look_after_one_that_failed() {
    let mut rig = Rig::settled();
    rig.machine.look_failed(rig.now);
    rig.machine.touched(rig.now);
    match rig.machine.next(rig.now) {
        Action::Wait(wait) => assert!(wait > Duration::from_millis(500), "{wait:?}"),
        other => panic!("it goes on at once: {other:?}"),
    }
    rig.look();
    rig.machine.touched(rig.now);
    assert_eq!(rig.machine.next(rig.now), Action::Look);
}
