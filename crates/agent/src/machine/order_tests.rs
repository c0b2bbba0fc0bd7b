//! Pairs of others, and generations that the server does not take. Time is a number here.

use std::time::Duration;

use portolan_wire::report::{IDENTITY_CONFLICT, ReportResult, Status};

use super::Pair;
use super::tests::{GENERATION, Rig, pair};
use crate::testing::{AGENT_ID, CLOCK_S, result, snapshot, stale};
use crate::transport::Outcome;

const DAY_S: u64 = 86_400;
/// Three heartbeat intervals of an agent that no server has told another one.
const PATIENCE: Duration = Duration::from_secs(90);

fn ahead(by: u64) -> Pair {
    Pair {
        generation: GENERATION + by,
        sequence: 41,
    }
}

/// The word that the server holds `held` of `agent_id`, which is silent.
fn silent(held: Pair, agent_id: &str) -> Outcome {
    Outcome::Report(stale(held, agent_id, snapshot(&[1], 1).digest()))
}

/// The same of one that speaks.
fn speaking(held: Pair, agent_id: &str) -> Outcome {
    Outcome::Report(ReportResult {
        reason: Some(IDENTITY_CONFLICT.to_owned()),
        ..stale(held, agent_id, snapshot(&[1], 1).digest())
    })
}

/// The word that the generation lies too far ahead.
fn generation_refused() -> Outcome {
    Outcome::Report(ReportResult {
        error_code: Some("PORTOLAN.0010".to_owned()),
        field: Some("reports[0].generation".to_owned()),
        ..result(Status::Rejected)
    })
}

impl Rig {
    /// Lets the machine report for that long, each report answered by `answer`; then the pair of
    /// one more, which waits for its answer.
    fn reports_for(&mut self, span: Duration, mut answer: impl FnMut() -> Outcome) -> Pair {
        let end = self.now + span;
        loop {
            let (pair, _) = self.next_report();
            if self.now > end {
                return pair;
            }
            self.answer(answer());
        }
    }
}

#[test]
fn a_stale_report_with_our_own_agent_id_goes_on_after_the_servers_pair() {
    let mut rig = Rig::new();
    rig.next_report();
    let held = Pair {
        generation: GENERATION + 5,
        sequence: 41,
    };
    let digest = snapshot(&[1], 1).digest();
    rig.answer(Outcome::Report(stale(held, AGENT_ID, digest)));
    assert_eq!(
        rig.machine.generation(),
        GENERATION + 5,
        "to be kept in the state folder"
    );
    let from = rig.now;
    let expected = Pair {
        generation: GENERATION + 5,
        sequence: 42,
    };
    assert_eq!(rig.next_report(), (expected, vec![22]));
    assert!(rig.now - from < Duration::from_secs(1));
}

#[test]
fn a_stale_answer_that_tells_an_older_pair_never_takes_the_agent_back() {
    let mut rig = Rig::new();
    rig.next_report();
    let held = Pair {
        generation: GENERATION - 1,
        sequence: 41,
    };
    let digest = snapshot(&[1], 1).digest();
    rig.answer(Outcome::Report(stale(held, AGENT_ID, digest)));
    assert_eq!(rig.next_report().0, pair(2));
}

#[test]
fn a_stale_report_by_another_agent_is_retried_slowly_and_its_pair_is_not_taken_up() {
    let mut rig = Rig::new();
    for attempt in 1..=8 {
        let from = rig.now;
        assert_eq!(rig.next_report().0, pair(attempt));
        if attempt > 1 {
            assert!(rig.now - from >= Duration::from_secs(5));
        }
        rig.answer(speaking(ahead(5), "another"));
    }
    assert_eq!(rig.machine.generation(), GENERATION);
}

#[test]
fn an_agent_beside_a_silent_one_takes_its_place_after_three_intervals_and_not_before() {
    let mut rig = Rig::new();
    let first = rig.next_report().0;
    assert_eq!(first, pair(1));
    let from = rig.now;
    rig.answer(silent(ahead(5), "gone"));
    while rig.machine.generation() == GENERATION {
        assert!(rig.now - from < 2 * PATIENCE, "its place is never taken");
        assert_eq!(rig.next_report().0.generation, GENERATION);
        let before = rig.now;
        rig.answer(silent(ahead(5), "gone"));
        let taken = rig.machine.generation() != GENERATION;
        assert_eq!(
            taken,
            before - from >= PATIENCE,
            "after {:?}",
            before - from
        );
    }
    let at = rig.now;
    let next = Pair {
        generation: GENERATION + 6,
        sequence: 1,
    };
    assert_eq!(rig.next_report(), (next, vec![22]));
    assert_eq!(rig.now, at, "and at once");
    rig.answer(Outcome::Report(result(Status::Accepted)));
    rig.ports.push(80);
    assert_eq!(rig.next_report().0, next.next());
}

#[test]
fn the_silence_of_another_agent_is_counted_in_intervals_that_the_server_asked_for() {
    let mut rig = Rig::new();
    rig.next_report();
    rig.answer(Outcome::Report(ReportResult {
        next_heartbeat_s: Some(300),
        ..result(Status::Accepted)
    }));
    rig.ports.push(80);
    let taken = rig.reports_for(Duration::from_secs(899), || silent(ahead(5), "gone"));
    assert_eq!(taken.generation, GENERATION);
    rig.answer(silent(ahead(5), "gone"));
    assert_eq!(rig.machine.generation(), GENERATION + 6);
}

#[test]
fn an_agent_that_speaks_is_not_outbid_however_long_its_pair_stays() {
    let mut rig = Rig::new();
    let hour = Duration::from_secs(3_600);
    let still = rig.reports_for(hour, || speaking(ahead(5), "idle"));
    assert_eq!(still.generation, GENERATION);
    // One word of it begins the silence anew.
    for _ in 0..20 {
        rig.answer(silent(ahead(5), "idle"));
        let still = rig.reports_for(PATIENCE / 3, || silent(ahead(5), "idle"));
        assert_eq!(still.generation, GENERATION);
        rig.answer(speaking(ahead(5), "idle"));
        rig.next_report();
    }
}

#[test]
fn a_pair_that_moves_or_changes_hands_begins_the_silence_anew() {
    let mut rig = Rig::new();
    let mut moved = 0;
    let hour = Duration::from_secs(3_600);
    let moving = rig.reports_for(hour, || {
        moved += 1;
        silent(ahead(moved), "other")
    });
    assert_eq!(moving.generation, GENERATION);
    rig.answer(silent(ahead(5), "other"));
    let mut hands = 0;
    let changing = rig.reports_for(hour, || {
        hands += 1;
        silent(ahead(5), &format!("other-{hands}"))
    });
    assert_eq!(changing.generation, GENERATION);
    rig.answer(Outcome::Report(result(Status::Rejected)));
    let mut rejected = false;
    let between = rig.reports_for(hour, || {
        rejected = !rejected;
        if rejected {
            Outcome::Report(result(Status::Rejected))
        } else {
            silent(ahead(5), "other")
        }
    });
    assert_eq!(between.generation, GENERATION);
}

#[test]
fn answers_that_say_nothing_of_the_other_agent_do_not_lengthen_its_silence() {
    let mut rig = Rig::new();
    rig.next_report();
    rig.answer(silent(ahead(5), "gone"));
    rig.reports_for(PATIENCE, || Outcome::Unreachable("timeout".to_owned()));
    rig.answer(silent(ahead(5), "gone"));
    assert_eq!(rig.machine.generation(), GENERATION + 6);
}

/// The clock of a host was two days ahead when its agent started, and is mended while it runs.
#[test]
fn a_refused_generation_is_given_up_once_the_clock_is_right() {
    let wrong = CLOCK_S + 2 * DAY_S;
    let mut rig = Rig::of(wrong);
    rig.clock_s = wrong + 10;
    let still = rig.reports_for(Duration::from_secs(600), generation_refused);
    assert_eq!(still.generation, wrong, "the clock says nothing better yet");
    rig.clock_s = CLOCK_S;
    rig.look();
    rig.answer(generation_refused());
    assert_eq!(rig.machine.generation(), CLOCK_S, "to be kept");
    let (next, ports) = rig.next_report();
    let expected = Pair {
        generation: CLOCK_S,
        sequence: 1,
    };
    assert_eq!((next, ports), (expected, vec![22]));
    rig.answer(Outcome::Report(result(Status::Accepted)));
    rig.ports.push(80);
    assert_eq!(rig.next_report().0, expected.next());
}

/// The clock of the server went back by more than a day, or that of the host twice.
#[test]
fn a_refused_generation_is_never_given_up_for_one_that_was_accepted() {
    let mut rig = Rig::settled();
    rig.clock_s = CLOCK_S - 10 * DAY_S;
    rig.ports.push(80);
    let still = rig.reports_for(Duration::from_secs(600), generation_refused);
    assert_eq!(still.generation, GENERATION);
}

#[test]
fn only_a_refusal_of_the_generation_gives_it_up() {
    let mut rig = Rig::new();
    rig.clock_s = CLOCK_S - DAY_S;
    let other = || {
        Outcome::Report(ReportResult {
            field: Some("reports[0].host.enterprise_project_id".to_owned()),
            ..result(Status::Rejected)
        })
    };
    let still = rig.reports_for(Duration::from_secs(600), other);
    assert_eq!(still.generation, GENERATION);
}

/// What the server holds lies ahead of the server's own clock: nothing can follow it for now.
#[test]
fn a_generation_that_follows_what_the_server_holds_is_kept_when_it_is_refused() {
    for (agent_id, generation) in [("gone", GENERATION + 6), (AGENT_ID, GENERATION + 5)] {
        let mut rig = Rig::new();
        rig.reports_for(2 * PATIENCE, || silent(ahead(5), agent_id));
        assert_eq!(rig.machine.generation(), generation, "{agent_id}");
        rig.clock_s = CLOCK_S - DAY_S;
        rig.look();
        rig.answer(generation_refused());
        let still = rig.reports_for(Duration::from_secs(600), generation_refused);
        assert_eq!(still.generation, generation, "{agent_id}");
        rig.answer(Outcome::Report(result(Status::Accepted)));
    }
}
