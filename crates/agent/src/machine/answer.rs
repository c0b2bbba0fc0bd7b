//! What the server's answer means for the agent: design of the interface, "Reports in".
//!
//! What went wrong is said in the log here and nowhere else, with what a person can do about it: once
//! when it begins and once when it is over, as [`Trouble`](crate::trouble::Trouble) has it.

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
            (Some(_), Outcome::NotSent(reason)) => {
                self.not_applied();
                let wait = self.backoff.fail(now, Failure::Transient, None);
                if self.trouble.is_news(&reason) {
                    tracing::warn!(
                        error = %reason,
                        retry_in_ms = millis(wait),
                        "the server cannot be reached; trying again until it can"
                    );
                }
            }
            (Some(_), Outcome::Unreachable(reason)) => {
                self.answer_lost();
                let wait = self.backoff.fail(now, Failure::Transient, None);
                if self.trouble.is_news(&reason) {
                    tracing::warn!(
                        error = %reason,
                        retry_in_ms = millis(wait),
                        "the server did not answer; trying again until it does"
                    );
                }
            }
            (Some(_), Outcome::Report(_) | Outcome::Heartbeat(_)) => {
                self.answer_lost();
                let wait = self.backoff.fail(now, Failure::Lasting, None);
                if self.trouble.is_news("another question") {
                    tracing::error!(
                        retry_in_ms = millis(wait),
                        "the server answered another question than the one asked"
                    );
                }
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
        let read_otherwise = result.digest.is_some_and(|digest| digest != told.digest);
        if read_otherwise && self.trouble.is_news("another digest") {
            tracing::error!(
                "the server reads the set otherwise than the agent (another digest): \
                 one of them has a fault; every heartbeat will become a report"
            );
        }
        let Pair {
            generation,
            sequence,
        } = told.pair;
        if self.confirmed.is_none() {
            tracing::info!(
                report.generation = generation,
                report.sequence = sequence,
                "the server took the first report"
            );
        } else {
            tracing::debug!(
                report.generation = generation,
                report.sequence = sequence,
                "the server took the report"
            );
        }
        if !read_otherwise {
            self.tell_trouble_over();
        }
        self.held(told);
        self.report_needed = false;
        (self.silent, self.followed) = (None, None);
        self.backoff.reset();
        self.heard(now, result.next_heartbeat_s);
    }

    fn rejected(&mut self, now: Duration, result: &ReportResult) {
        if result.field.as_deref().is_some_and(is_of_a_transient) {
            self.shed_carried();
        }
        self.give_up_attempt();
        self.report_needed = true;
        self.silent = None;
        let wait = self.backoff.fail(now, Failure::Lasting, None);
        let code = result.error_code.as_deref().unwrap_or("");
        if result.field.as_deref().is_some_and(is_generation) {
            self.generation_refused();
        } else if self.trouble.is_news(code) {
            tracing::error!(
                error.code = code,
                error = result.error_msg.as_deref().unwrap_or(""),
                retry_in_ms = millis(wait),
                "the server rejected the report"
            );
        }
    }

    fn heartbeat_answered(&mut self, now: Duration, result: &HeartbeatResult) {
        match result.status {
            HeartbeatStatus::Ok => {
                tracing::debug!("the server took the heartbeat");
                self.tell_trouble_over();
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
                let code = result.error_code.as_deref().unwrap_or("");
                if self.trouble.is_news(code) {
                    tracing::error!(
                        error.code = code,
                        error = result.error_msg.as_deref().unwrap_or(""),
                        retry_in_ms = millis(wait),
                        "the server rejected the heartbeat"
                    );
                }
            }
        }
    }

    fn refused(&mut self, now: Duration, refusal: &Refusal) {
        match refusal.status {
            // Said by whatever is before the server, or by one that fails: it may be applied.
            408 | 500..=599 => self.answer_lost(),
            413 => {
                self.shed_carried();
                self.not_applied();
            }
            _ => self.not_applied(),
        }
        let failure = match refusal.status {
            408 | 425 | 429 | 500..=599 => Failure::Transient,
            _ => Failure::Lasting,
        };
        let wait = self.backoff.fail(now, failure, refusal.retry_after);
        // The text holds the id of the request, so it differs each time.
        if !self.trouble.is_news(&refusal.status.to_string()) {
            return;
        }
        let (status, retry_in_ms) = (refusal.status, millis(wait));
        let error = &refusal.text;
        match failure {
            Failure::Transient => tracing::warn!(
                http.status = status,
                %error,
                retry_in_ms,
                "the server cannot take it now; trying again until it does"
            ),
            Failure::Lasting => tracing::error!(
                http.status = status,
                %error,
                retry_in_ms,
                to_check = what_to_check(status),
                "the server refused the request"
            ),
        }
    }

    fn tell_trouble_over(&mut self) {
        if let Some(failures) = self.trouble.over() {
            tracing::info!(failures, "the server takes what it is sent again");
        }
    }
}

/// What a person can look at after a refusal.
fn what_to_check(status: u16) -> &'static str {
    match status {
        300..=399 => "--server: redirects are not followed, give the final address",
        401 => "the token in --token-file, or the enrol key in --enrol-key-file",
        409 => "the enrolled hosts of the server: portolan enrol-key hosts, and release",
        403 => "--project and the role of the token",
        404 => "--server and --project",
        _ => "the version of the server",
    }
}

/// Whether a fault is in the generation: `reports[0].generation`.
fn is_generation(field: &str) -> bool {
    field.ends_with("].generation")
}

/// Whether a fault is in what goes beside the set: `reports[0].transients[3].path`.
fn is_of_a_transient(field: &str) -> bool {
    field.contains("].transients")
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
