//! Decides when to look, what to send next and what an answer means.
//!
//! A pure state machine: `now` (time since the agent's start, by a clock that never goes back) is
//! an argument and randomness is a seed, so that a simulation can drive it through years of faults.
//! A queue of reports was rejected: a report is the complete set, so only the newest is worth
//! sending, and memory stays the same however long the server is away.
//!
//! Holds: one request at a time; pairs never go back, but from a generation that the server refuses;
//! one pair never carries two sets; each transient reaches an accepted report once (see `fate`); whenever the newest set is not known to be at the server, a
//! report is due; a heartbeat only confirms what the server acknowledged and the last look found
//! unchanged.
//! Limits: an attribute-only report a [`ATTRIBUTES_REPORT_GAP`], one for transients alone a
//! [`TRANSIENTS_REPORT_GAP`]; delays in `backoff` and `pace`.

mod answer;
mod backoff;
mod fate;
mod order;
#[cfg(test)]
mod order_tests;
mod pace;
mod pair;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transient_tests;
mod transients;

use std::time::Duration;

use portolan_wire::caps::{
    HEARTBEAT_INTERVAL_S_DEFAULT, HEARTBEAT_INTERVAL_S_MAX, HEARTBEAT_INTERVAL_S_MIN,
};
use portolan_wire::digest::Digest;
use portolan_wire::heartbeat::Heartbeat;

use crate::snapshot::Snapshot;
use crate::transport::Message;
use crate::trouble::Trouble;
use backoff::Backoff;
use fate::{Attempt, Held};
use order::Silent;
pub(crate) use pace::GATHER;
use pace::Pace;
pub use pace::{ScanInterval, Tempo, WATCHED_LOOK_GAP};
pub use pair::Pair;
use transients::{Carried, Waiting};

/// Shortest time between two reports of an unchanged set whose attributes changed.
pub const ATTRIBUTES_REPORT_GAP: Duration = Duration::from_secs(60);

/// Shortest time between two reports where only transients are new.
pub const TRANSIENTS_REPORT_GAP: Duration = Duration::from_secs(5);
/// The same while there is little place for more of them.
pub const MANY_TRANSIENTS_REPORT_GAP: Duration = Duration::from_millis(200);

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Look at the host, then tell [`Machine::looked`] or [`Machine::look_failed`].
    Look,
    /// Send this, then tell [`Machine::answered`]; other actions go on in the meantime.
    Send(Message),
    /// Nothing to do for that long, unless an answer comes.
    Wait(Duration),
}

/// The state of one agent.
#[derive(Debug)]
pub struct Machine {
    /// The newest pair that a report was sent under, or that the server holds of ours.
    pair: Pair,
    newest: Option<Newest>,
    last_look_failed: bool,
    /// A report that the server is not known to hold.
    attempt: Option<Attempt>,
    confirmed: Option<Held>,
    waiting: Waiting,
    in_flight: Option<InFlight>,
    /// The server asked for a report, or refused the last one.
    report_needed: bool,
    /// Another agent, silent, whose report the server holds.
    silent: Option<Silent>,
    /// The generation in use, where the server's answer led to it.
    followed: Option<u64>,
    /// How often the server wants to hear the host.
    interval: Duration,
    reported_at: Duration,
    heartbeat_at: Duration,
    look_at: Duration,
    backoff: Backoff,
    trouble: Trouble,
    pace: Pace,
}

#[derive(Debug)]
struct Newest {
    snapshot: Snapshot,
    /// Rises whenever a look tells something else than the one before.
    revision: u64,
}

/// A report as the agent remembers it: which pair carried which look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    pair: Pair,
    digest: Digest,
    revision: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InFlight {
    Report(Told),
    Heartbeat,
}

impl Machine {
    /// A machine that has seen and sent nothing. `generation` must be kept durably before the first
    /// [`Action::Send`] is carried out; `seed` decides all jitter.
    pub fn new(generation: u64, interval: ScanInterval, seed: u64) -> Self {
        Self {
            pair: Pair::start_of(generation),
            newest: None,
            last_look_failed: false,
            attempt: None,
            confirmed: None,
            waiting: Waiting::default(),
            in_flight: None,
            report_needed: false,
            silent: None,
            followed: None,
            interval: Duration::from_secs(u64::from(HEARTBEAT_INTERVAL_S_DEFAULT)),
            reported_at: Duration::ZERO,
            heartbeat_at: Duration::ZERO,
            look_at: Duration::ZERO,
            backoff: Backoff::new(seed),
            trouble: Trouble::default(),
            pace: Pace::new(interval),
        }
    }

    /// What to do at `now`. Every look and every message that it hands out must be followed by the
    /// call that tells what came of it.
    pub fn next(&mut self, now: Duration) -> Action {
        if now >= self.look_at {
            return Action::Look;
        }
        let mut wait = self.look_at - now;
        if let Some((kind, at)) = self.due() {
            if now >= at
                && let Some(message) = self.message(kind, now)
            {
                return Action::Send(message);
            }
            wait = wait.min(at.saturating_sub(now));
        }
        Action::Wait(wait)
    }

    /// A look that ended at `now`, after using `cpu`.
    pub fn looked(&mut self, now: Duration, snapshot: Snapshot, cpu: Duration) {
        self.look_at = now + self.pace.after_look(now, cpu);
        self.last_look_failed = false;
        self.compare_looks(&snapshot);
        let snapshot = match &self.newest {
            Some(newest) => snapshot.sharing(&newest.snapshot),
            None => snapshot,
        };
        let revision = match &self.newest {
            Some(newest) if newest.snapshot.tells_the_same_as(&snapshot) => newest.revision,
            Some(newest) => newest.revision + 1,
            None => 0,
        };
        self.newest = Some(Newest { snapshot, revision });
    }

    /// Events say that from `at` on only a look can tell what there is. It comes then, or as soon as
    /// looking is cheap enough. After a look that failed its pause goes first: the next one may well fail,
    /// too, and what events say stays.
    pub fn touched(&mut self, at: Duration) {
        if self.last_look_failed {
            return;
        }
        self.look_at = self.look_at.min(self.pace.after_event().max(at));
    }

    /// How fast to look from now on.
    pub fn set_tempo(&mut self, tempo: Tempo) {
        self.pace.set_tempo(tempo);
    }

    /// A look that failed at `now`. Until one succeeds there are no heartbeats, because nobody
    /// knows whether something changed: the host goes stale, which is the truth.
    pub fn look_failed(&mut self, now: Duration) {
        self.look_at = now + self.pace.after_failure();
        self.last_look_failed = true;
    }

    /// The generation in use. It changes where the server's answers say that it must.
    pub fn generation(&self) -> u64 {
        self.pair.generation
    }

    /// What is due to be sent, and when.
    fn due(&self) -> Option<(Kind, Duration)> {
        let newest = self.newest.as_ref()?;
        if self.in_flight.is_some() {
            return None;
        }
        let (kind, at) = match self.settled(newest) {
            None => (Kind::Report, Duration::ZERO),
            Some(confirmed) => self.due_while_settled(confirmed, newest)?,
        };
        Some((kind, at.max(self.backoff.until())))
    }

    /// The report by which the server is known to hold the newest set, if there is one. An attempt
    /// with an unknown fate may have replaced it.
    fn settled(&self, newest: &Newest) -> Option<Told> {
        let certain = self.attempt.is_none() && !self.report_needed;
        let held = self.confirmed.as_ref().map(|held| held.told);
        held.filter(|held| certain && held.digest == newest.snapshot.digest())
    }

    fn due_while_settled(&self, confirmed: Told, newest: &Newest) -> Option<(Kind, Duration)> {
        let report = (confirmed.revision != newest.revision)
            .then_some((Kind::Report, self.reported_at + ATTRIBUTES_REPORT_GAP));
        let heartbeat =
            (!self.last_look_failed).then_some((Kind::Heartbeat(confirmed), self.heartbeat_at));
        let gap = if self.waiting.is_half_full() {
            MANY_TRANSIENTS_REPORT_GAP
        } else {
            TRANSIENTS_REPORT_GAP
        };
        let transients = (!self.waiting.is_empty()).then(|| (Kind::Report, self.reported_at + gap));
        [report, transients, heartbeat]
            .into_iter()
            .flatten()
            .min_by_key(|(_, at)| *at)
    }

    fn message(&mut self, kind: Kind, now: Duration) -> Option<Message> {
        let newest = self.newest.as_ref()?;
        match kind {
            Kind::Heartbeat(told) => {
                self.in_flight = Some(InFlight::Heartbeat);
                Some(Message::Heartbeat(Heartbeat {
                    host_id: newest.snapshot.host_id().to_owned(),
                    generation: told.pair.generation,
                    sequence: told.pair.sequence,
                    digest: told.digest,
                }))
            }
            Kind::Report => {
                let repeated = self.attempt.take_if(|attempt| attempt.is_to_repeat());
                let attempt = match repeated {
                    Some(attempt) => attempt,
                    None => self.new_attempt()?,
                };
                let told = attempt.told;
                let report = attempt.snapshot.report(
                    told.pair,
                    HEARTBEAT_INTERVAL_S_DEFAULT,
                    attempt.carried.transients.clone(),
                    attempt.carried.lost,
                );
                self.pair = told.pair;
                self.attempt = Some(attempt);
                self.in_flight = Some(InFlight::Report(told));
                self.reported_at = now;
                Some(Message::Report(Box::new(report)))
            }
        }
    }

    /// The newest set as a report. The very same one again may keep its pair, so that a server that
    /// has it already says so and stores nothing twice; everything else needs a pair of its own.
    fn new_attempt(&mut self) -> Option<Attempt> {
        let newest = self.newest.as_ref()?;
        let same = self
            .attempt
            .as_ref()
            .filter(|attempt| attempt.told.revision == newest.revision);
        let told = Told {
            pair: same.map_or_else(|| self.pair.next(), |attempt| attempt.told.pair),
            digest: newest.snapshot.digest(),
            revision: newest.revision,
        };
        // One that the server may hold without transients must not get some under its pair.
        let carried = match same {
            Some(attempt) if attempt.may_be_held() => Carried::default(),
            _ => self.waiting.take(),
        };
        let mut next = Attempt::new(told, newest.snapshot.clone(), carried);
        next.goes_on_after(self.attempt.take());
        Some(next)
    }

    /// The server heard the host; the next heartbeat is due within the interval it asked for, a
    /// little early at random, so that agents started together drift apart.
    fn heard(&mut self, now: Duration, next_heartbeat_s: Option<u32>) {
        let asked = next_heartbeat_s.unwrap_or(HEARTBEAT_INTERVAL_S_DEFAULT);
        let bounded = asked.clamp(HEARTBEAT_INTERVAL_S_MIN, HEARTBEAT_INTERVAL_S_MAX);
        self.interval = Duration::from_secs(u64::from(bounded));
        let earliest = self.interval - self.interval / 10;
        self.heartbeat_at = now + self.backoff.between(earliest, self.interval);
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Report,
    Heartbeat(Told),
}
