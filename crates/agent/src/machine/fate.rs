//! What became of a report, where that decides what became of the transients in it.
//!
//! A report that the server has told all that it carried; one that it certainly does not have told
//! nothing. Between the two is the lost answer: sending its transients again under another pair would
//! show them twice where it was applied, not sending them would lose them where it was not. So such a
//! report is repeated as it was, under its pair, which the server applies once. The same goes for one
//! whose set held a port that is gone since, or lacked one that was open again. A heartbeat that asks for the pair was rejected: it would
//! confirm a set that the host no longer has.
//! Holds: a transient of an accepted report is never sent again, one of a lost report never forgotten;
//! where the fate can no longer be known it is counted as lost.
//! Limit: after [`REPEATS_MAX`] lost answers something before the server may well choke on this very
//! report; then it is given up.

use std::sync::Arc;

use portolan_wire::caps::TRANSIENTS_MAX;
use portolan_wire::open_port::OpenPort;
use portolan_wire::report::Transient;

use super::transients::Carried;
use super::{Machine, Told};
use crate::snapshot::{Snapshot, holds};

/// Most answers to one report that may get lost: more than an hour, at the slowest pace.
pub(super) const REPEATS_MAX: u32 = 100;

/// A report of which no accepting answer is known.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) told: Told,
    pub(super) snapshot: Snapshot,
    pub(super) carried: Carried,
    /// Ports of its set that are gone since, and that no earlier report told: transients, if it never
    /// arrived.
    passed: Vec<Transient>,
    /// Ports that the report before told and its set lacks, which were open again and are gone since:
    /// transients, if it arrived. Else they were open all the time, as far as was told.
    again: Vec<Transient>,
    /// How many answers were lost: with one, the server may hold it.
    answers_lost: u32,
    /// It is known that the server does not.
    is_refused: bool,
}

impl Attempt {
    pub(super) fn new(told: Told, snapshot: Snapshot, carried: Carried) -> Self {
        Self {
            told,
            snapshot,
            carried,
            passed: Vec::new(),
            again: Vec::new(),
            answers_lost: 0,
            is_refused: false,
        }
    }

    /// Whether the server may hold it.
    pub(super) fn may_be_held(&self) -> bool {
        self.answers_lost > 0
    }

    /// The same report under the same pair again knows what its first try knew.
    pub(super) fn goes_on_after(&mut self, before: Option<Self>) {
        if let Some(before) = before.filter(|before| before.told == self.told) {
            self.answers_lost = before.answers_lost;
        }
    }

    /// Whether it is to be sent again as it was: nothing else may be before its fate is known.
    pub(super) fn is_to_repeat(&self) -> bool {
        let is_bare = self.carried.is_empty() && self.passed.is_empty() && self.again.is_empty();
        self.may_be_held() && !is_bare
    }
}

/// What the server is known to hold.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) told: Told,
    pub(super) ports: Arc<Vec<OpenPort>>,
}

impl Machine {
    /// Ports that came and went and that no look held, and how many more there were.
    pub fn came_and_went(&mut self, transients: impl IntoIterator<Item = Transient>, lost: u64) {
        for transient in transients {
            self.waiting.add(transient);
        }
        self.waiting.lose(lost);
    }

    /// A new look follows the newest one: what is gone and was told to nobody is a transient.
    pub(super) fn compare_looks(&mut self, next: &Snapshot) {
        let Some(newest) = &self.newest else { return };
        if newest.snapshot.digest() == next.digest() {
            return;
        }
        let (before, after) = (newest.snapshot.open_ports(), next.open_ports());
        for (port, transient) in self.waiting.gone(before, after, next.observed_at()) {
            let is_confirmed = self.is_confirmed(&port);
            let attempt = self.attempt.as_mut().filter(|it| !it.is_refused);
            let depends_on_fate = match attempt {
                Some(attempt) => match (is_confirmed, attempt.snapshot.holds(port.identity())) {
                    (false, true) => Some(&mut attempt.passed),
                    (true, false) => Some(&mut attempt.again),
                    (true, true) | (false, false) => None,
                },
                None => None,
            };
            match depends_on_fate {
                Some(transients) if transients.len() < TRANSIENTS_MAX => transients.push(transient),
                Some(_) => self.waiting.lose(1),
                None if is_confirmed => {}
                None => self.waiting.add(transient),
            }
        }
    }

    fn is_confirmed(&self, port: &OpenPort) -> bool {
        let held = self.confirmed.as_ref();
        held.is_some_and(|held| holds(&held.ports, port.identity()))
    }

    /// The server holds the report.
    pub(super) fn held(&mut self, told: Told) {
        if let Some(attempt) = self.attempt.take() {
            let ports = attempt.snapshot.shared_ports();
            self.waiting.told(&ports);
            self.confirmed = Some(Held { told, ports });
            self.came_and_went(attempt.again, 0);
        }
    }

    /// The last try did not reach the server, or was refused before it was applied.
    pub(super) fn not_applied(&mut self) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if attempt.may_be_held() {
            return;
        }
        attempt.is_refused = true;
        let carried = std::mem::take(&mut attempt.carried);
        let passed = std::mem::take(&mut attempt.passed);
        attempt.again.clear();
        self.waiting.give_back(carried);
        self.came_and_went(passed, 0);
    }

    /// Whether the last try was applied is not known.
    pub(super) fn answer_lost(&mut self) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        attempt.answers_lost = attempt.answers_lost.saturating_add(1);
        if attempt.is_to_repeat() && attempt.answers_lost > REPEATS_MAX {
            self.give_up_attempt();
            self.report_needed = true;
        }
    }

    /// The report will not be sent under its pair again.
    pub(super) fn give_up_attempt(&mut self) {
        self.not_applied();
        if let Some(attempt) = self.attempt.take() {
            self.waiting.lose(attempt.count());
        }
    }

    /// It cannot be taken because of what it carries beside the set.
    pub(super) fn shed_carried(&mut self) {
        if let Some(attempt) = &mut self.attempt {
            let shed = std::mem::take(&mut attempt.carried);
            self.waiting.lose(shed.count());
        }
    }
}

impl Attempt {
    fn count(&self) -> u64 {
        let seen = self.passed.len() + self.again.len();
        self.carried.count().saturating_add(seen as u64)
    }
}

impl Carried {
    fn count(&self) -> u64 {
        self.lost.saturating_add(self.transients.len() as u64)
    }
}
