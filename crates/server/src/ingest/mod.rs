//! What agents send: `POST …/reports` and `POST …/heartbeats`.
//!
//! A body is read and unpacked under its caps, then item by item, so that a fault in one report
//! rejects that report alone. Holds: 200 means every accepted report is durable and visible.

pub(crate) mod body;
mod heartbeats;
mod reports;
mod room;
mod unpack;

use portolan_wire::error::ErrorCode;
use portolan_wire::report::Fault;

pub(crate) use body::{Incoming, receive_signed};
pub(crate) use heartbeats::heartbeats;
pub(crate) use reports::{reports, submit};
pub(crate) use room::Room;

/// What one host's credential is told that speaks of another: nothing of that one.
fn of_another_host(field: String, host_id: String) -> Fault {
    Fault {
        code: ErrorCode::HostNotOfCredential,
        message: format!("{field} must be the host of the credential, got {host_id:?}"),
        field,
        host_id: Some(host_id),
    }
}
