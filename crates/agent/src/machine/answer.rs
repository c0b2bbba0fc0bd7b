//! What the server's answer means for the agent: design of the interface, "Reports in".
//!
//! Everything that went wrong is said in the log once, here, with what a person can do about it.

use std::time::Duration;

use portolan_wire::heartbeat::{HeartbeatResult, HeartbeatStatus, Reason};
use portolan_wire::report::{ReportResult, Status};

use super::backoff::Failure;
use super::{InFlight, Machine, Pair, Told};
use crate::transport::{Outcome, Refusal};

impl Machine {
    /// What became of the message in flight, known at `now`. Without one it changes nothing.
    pub fn answered(&mut self, now: Duration, outcome: Outcome) {
        match (self.in_flight.take(), outcome) {
            (None, _) => {}
            (Some(InFlight::Report(told)), Outcome::Report(result)) => {
                self.report_answered(now, told, result);
            }
            (Some(InFlight::Heartbeat), Outcome::Heartbeat(result)) => {
                self.heartbeat_answered(now, &result);
            }
            (Some(_), Outcome::Refused(refusal)) => self.refused(now, &refusal),
            (Some(_), Outcome::Unreachable(reason)) => {
                let wait = self.backoff.fail(now, Failure::Transient, None);
                tracing::warn!(%reason, retry_in_ms = millis(wait), "the server did not answer");
            }
            (Some(_), Outcome::Report(_) | Outcome::Heartbeat(_)) => {
                let wait = self.backoff.fail(now, Failure::Lasting, None);
                tracing::error!(
                    retry_in_ms = millis(wait),
                    "the server answered another question than the one asked"
                );
            }
        }
    }

    fn report_answered(&mut self, now: Duration, told: Told, result: ReportResult) {
        match result.status {
            Status::Accepted => self.accepted(now, told, &result),
            Status::Stale => self.stale(now, told, &result),
            Status::Rejected => self.rejected(now, &result),
        }
    }

    fn accepted(&mut self, now: Duration, told: Told, result: &ReportResult) {
        if result.digest.is_some_and(|digest| digest != told.digest) {
            tracing::error!(
                "the server reads the set otherwise than the agent (another digest): \
                 one of them has a fault; every heartbeat will become a report"
            );
        }
        let Pair {
            generation,
            sequence,
        } = told.pair;
        if self.confirmed.is_none() || self.backoff.failures() > 0 {
            tracing::info!(
                report.generation = generation,
                report.sequence = sequence,
                "the server took the report"
            );
        } else {
            tracing::debug!(
                report.generation = generation,
                report.sequence = sequence,
                "the server took the report"
            );
        }
        self.confirmed = Some(told);
        self.attempt = None;
        self.report_needed = false;
        (self.silent, self.followed) = (None, None);
        self.backoff.reset();
        self.heard(now, result.next_heartbeat_s);
    }

    fn rejected(&mut self, now: Duration, result: &ReportResult) {
        self.attempt = None;
        self.report_needed = true;
        self.silent = None;
        let wait = self.backoff.fail(now, Failure::Lasting, None);
        tracing::error!(
            error.code = result.error_code.as_deref().unwrap_or(""),
            error.message = result.error_msg.as_deref().unwrap_or(""),
            error.field = result.field.as_deref().unwrap_or(""),
            reason = result.reason.as_deref().unwrap_or(""),
            retry_in_ms = millis(wait),
            "the server rejected the report"
        );
        if result.field.as_deref().is_some_and(is_generation) {
            self.generation_refused();
        }
    }

    fn heartbeat_answered(&mut self, now: Duration, result: &HeartbeatResult) {
        match result.status {
            HeartbeatStatus::Ok => {
                tracing::debug!("the server took the heartbeat");
                self.backoff.reset();
                self.heard(now, result.next_heartbeat_s);
            }
            HeartbeatStatus::ReportNeeded => {
                tracing::info!(
                    reason = result.reason.map_or("", reason_text),
                    "the server needs a report"
                );
                self.report_needed = true;
                self.backoff.reset();
            }
            HeartbeatStatus::Rejected => {
                self.report_needed = true;
                let wait = self.backoff.fail(now, Failure::Lasting, None);
                tracing::error!(
                    error.code = result.error_code.as_deref().unwrap_or(""),
                    error.message = result.error_msg.as_deref().unwrap_or(""),
                    error.field = result.field.as_deref().unwrap_or(""),
                    retry_in_ms = millis(wait),
                    "the server rejected the heartbeat"
                );
            }
        }
    }

    fn refused(&mut self, now: Duration, refusal: &Refusal) {
        let failure = match refusal.status {
            408 | 425 | 429 | 500..=599 => Failure::Transient,
            _ => Failure::Lasting,
        };
        let wait = self.backoff.fail(now, failure, refusal.retry_after);
        let (http_status, retry_in_ms) = (refusal.status, millis(wait));
        let text = &refusal.text;
        match failure {
            Failure::Transient => {
                tracing::warn!(http_status, %text, retry_in_ms, "the server cannot take it now");
            }
            Failure::Lasting => {
                let help = help(refusal.status);
                tracing::error!(http_status, %text, retry_in_ms, "the server refused the request{help}");
            }
        }
    }
}

/// What a person can do about a refusal.
fn help(status: u16) -> &'static str {
    match status {
        300..=399 => ": redirects are not followed; give the final address as --server",
        401 => ": check the token in --token-file",
        403 => ": check --project and the role of the token",
        404 => ": check --server and --project",
        _ => "",
    }
}

/// Whether a fault is in the generation: `reports[0].generation`.
fn is_generation(field: &str) -> bool {
    field.ends_with("].generation")
}

fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::UnknownHost => "unknown_host",
        Reason::NewerPair => "newer_pair",
        Reason::OlderPair => "older_pair",
        Reason::Digest => "digest",
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
