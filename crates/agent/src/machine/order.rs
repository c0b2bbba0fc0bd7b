//! What to do where the server holds a newer pair than the agent's, or does not take its generation.
//!
//! A pair of its own is taken up. Another agent's is not outbid while that one speaks: two machines
//! with one id would overwrite each other for ever. But an agent that is gone for good (a state
//! folder that was lost, a clock that was ahead) must not keep this one out: after three intervals
//! in which the server heard nothing of it and holds the same, this one goes on from there.
//! Holds: a generation that is given up was refused by the server, so nothing stands under it.

use std::time::Duration;

use portolan_wire::caps::FRESH_INTERVALS;
use portolan_wire::report::{Current, IDENTITY_CONFLICT, ReportResult};

use super::answer::millis;
use super::backoff::Failure;
use super::{Machine, Pair, Told};

/// The newest report that the server holds, of another agent that it does not hear.
#[derive(Debug)]
pub(super) struct Silent {
    pair: Pair,
    agent_id: String,
    since: Duration,
}

impl Machine {
    /// The server holds a newer report of this host.
    pub(super) fn stale(&mut self, now: Duration, told: Told, result: &ReportResult) {
        self.give_up_attempt();
        self.report_needed = true;
        let own_id = self
            .newest
            .as_ref()
            .map_or("", |newest| newest.snapshot.agent_id());
        let newer = result
            .current
            .as_ref()
            .filter(|held| pair(held) >= told.pair);
        match newer {
            Some(held) if !own_id.is_empty() && held.agent_id.as_deref() == Some(own_id) => {
                self.take_up(now, pair(held));
            }
            Some(held) if result.reason.as_deref() != Some(IDENTITY_CONFLICT) => {
                self.beside_a_silent_one(now, held);
            }
            other => self.beside_a_speaking_one(now, other),
        }
    }

    /// The report is this agent's: a state folder from a backup, a clock that went back.
    fn take_up(&mut self, now: Duration, held: Pair) {
        self.silent = None;
        let wait = self.backoff.fail(now, Failure::Transient, None);
        tracing::warn!(
            report.generation = held.generation,
            report.sequence = held.sequence,
            retry_in_ms = millis(wait),
            "the server holds a newer report of this agent; going on after it"
        );
        self.follow(held);
    }

    fn beside_a_speaking_one(&mut self, now: Duration, held: Option<&Current>) {
        self.silent = None;
        let wait = self.backoff.fail(now, Failure::Lasting, None);
        if self.trouble.is_news("another agent") {
            tracing::error!(
                host.agent_id = held.map_or("unknown", agent_id),
                retry_in_ms = millis(wait),
                "the server holds a newer report of this host by another agent: two machines or \
                 two agents use one host id; give one of them another --host-id"
            );
        }
    }

    fn beside_a_silent_one(&mut self, now: Duration, held: &Current) {
        let (pair, agent_id) = (pair(held), agent_id(held));
        let known = self
            .silent
            .take()
            .filter(|silent| (silent.pair, silent.agent_id.as_str()) == (pair, agent_id));
        let silent = known.unwrap_or_else(|| Silent {
            pair,
            agent_id: agent_id.to_owned(),
            since: now,
        });
        let silence = now.saturating_sub(silent.since);
        if silence >= self.interval * FRESH_INTERVALS {
            self.backoff.reset();
            tracing::warn!(
                host.agent_id = agent_id,
                report.generation = pair.generation,
                silence_s = silence.as_secs(),
                "the server holds a newer report of this host by another agent, which has gone \
                 silent; going on after it"
            );
            self.follow(Pair::start_of(pair.generation.saturating_add(1)));
            return;
        }
        self.silent = Some(silent);
        let wait = self.backoff.fail(now, Failure::Lasting, None);
        if self.trouble.is_news("a silent agent") {
            tracing::warn!(
                host.agent_id = agent_id,
                silence_s = silence.as_secs(),
                retry_in_ms = millis(wait),
                "the server holds a newer report of this host by another agent, which it does not \
                 hear; going on after it when that stays so for three heartbeat intervals"
            );
        }
    }

    /// Goes on from a pair that the server's answer leads to. Pairs do not go back.
    fn follow(&mut self, pair: Pair) {
        self.pair = self.pair.max(pair);
        self.followed = Some(self.pair.generation);
    }

    /// The server does not take this generation. One that came from a clock which was ahead is
    /// given up once the clock of this host is right.
    pub(super) fn generation_refused(&mut self) {
        let refused = self.pair.generation;
        if self.followed == Some(refused) {
            if self
                .trouble
                .is_news("a generation ahead of the server's clock")
            {
                tracing::error!(
                    report.generation = refused,
                    "the newest report of this host that the server holds is ahead of the server's own \
                 clock, and no report can follow it before that moment: set the server's clock \
                 right, or remove the host there (DELETE …/hosts/ID)"
                );
            }
            return;
        }
        let clock_s = self.newest.as_ref().map_or(0, |newest| {
            u64::try_from(newest.snapshot.observed_at().seconds()).unwrap_or(0)
        });
        let after_accepted = self
            .confirmed
            .as_ref()
            .map_or(0, |held| held.told.pair.generation.saturating_add(1));
        let generation = clock_s.max(after_accepted);
        if generation < refused {
            tracing::warn!(
                report.generation = generation,
                report.generation_before = refused,
                "this host's clock was ahead when the agent started; going on from what it says now"
            );
            self.pair = Pair::start_of(generation);
        } else if self.trouble.is_news("a clock ahead") {
            tracing::error!(
                report.generation = refused,
                "the clock of this host is more than a day ahead of the server's: one of them is \
                 wrong; no restart is needed once it is right"
            );
        }
    }
}

fn pair(held: &Current) -> Pair {
    Pair {
        generation: held.generation,
        sequence: held.sequence,
    }
}

fn agent_id(held: &Current) -> &str {
    held.agent_id.as_deref().unwrap_or("")
}
