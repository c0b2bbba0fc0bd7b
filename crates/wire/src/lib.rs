//! Every type that crosses a process border: HSS requests and answers, reports, heartbeats, errors.
//!
//! One crate, so that agent and server cannot disagree about a form, a limit or a digest.
//! Holds: no I/O, no clock, no randomness; `now` is an argument. Limits: all of them in [`caps`].
#![forbid(unsafe_code)]

pub mod caps;
pub mod changes;
pub mod credential;
pub mod digest;
pub mod enrolment;
pub mod error;
pub mod exposure;
pub mod heartbeat;
pub mod hss;
pub mod ids;
mod json;
pub mod open_port;
pub mod query;
pub mod report;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
pub mod time;
pub mod visible;
