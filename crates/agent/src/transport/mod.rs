//! What goes to the server and what comes back, free of HTTP: the seam for tests and simulations.
//!
//! Holds: an [`Outcome`] says only what is known. Anything but a readable answer to the message may
//! have been applied all the same, and whoever reads it must reckon with that.

mod body;
mod enrolled;
mod http;
mod roots;

use std::time::Duration;

use portolan_wire::heartbeat::{Heartbeat, HeartbeatResult};
use portolan_wire::report::{Report, ReportResult};

pub use http::{HttpTransport, TransportError};
pub use roots::{RootsError, read_ca_file};

/// One request to the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// The set.
    Report(Box<Report>),
    /// Nothing changed.
    Heartbeat(Heartbeat),
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The server's word on the report.
    Report(ReportResult),
    /// The server's word on the heartbeat.
    Heartbeat(HeartbeatResult),
    /// The server, or something before it, refused the request as a whole.
    Refused(Refusal),
    /// No connection, so the server certainly does not have it; why, for people.
    NotSent(String),
    /// No answer, or none that could be read: the server may have it; why, for people.
    Unreachable(String),
}

/// An answer other than 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error's code and text, or the beginning of a body that is no error of ours.
    pub text: String,
    /// `Retry-After`, where it was given in seconds.
    pub retry_after: Option<Duration>,
}

/// Carries one message to the server and waits for what becomes of it, within bounded time.
pub trait Transport: Send {
    /// Sends `message`; every failure is an outcome, too.
    fn send(&mut self, message: Message) -> Outcome;
}
