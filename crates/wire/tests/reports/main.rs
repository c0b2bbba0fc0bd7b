//! The bodies of `POST …/reports` and `POST …/heartbeats`, as the server reads them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod envelope;
mod forms;
mod heartbeats;
mod properties;
mod rules;
mod support;
mod table;
