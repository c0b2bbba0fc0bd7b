//! What agents send: `POST …/reports` and `POST …/heartbeats`.
//!
//! A body is read and unpacked under its caps, then item by item, so that a fault in one report
//! rejects that report alone. Holds: 200 means every accepted report is durable and visible.

pub(crate) mod body;
mod heartbeats;
mod reports;
mod room;
mod unpack;

pub(crate) use body::{Incoming, receive_signed};
pub(crate) use heartbeats::heartbeats;
pub(crate) use reports::{reports, submit};
pub(crate) use room::Room;
