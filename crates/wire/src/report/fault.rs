//! What is wrong with a request, or with one of its items.

use crate::error::ErrorCode;

/// A fault of one report or heartbeat, which rejects that one alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// [`ErrorCode::FieldInvalid`] or [`ErrorCode::TooManyPorts`].
    pub code: ErrorCode,
    /// The field at fault, from the outside in: `reports[2].open_ports[3].port`.
    pub field: String,
    /// The field, what is allowed and what was given:
    /// `reports[2].open_ports[3].port must be 1 to 65535, got 70000`.
    pub message: String,
    /// The host id, where the item has a valid one.
    pub host_id: Option<String>,
}

/// A fault of a whole request, of which nothing is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestFault {
    /// [`ErrorCode::NotJson`] or [`ErrorCode::BatchSize`]; [`ErrorCode::FieldInvalid`] of a body that
    /// is one item; of a call of the HSS API [`ErrorCode::RequestNotParsed`] or
    /// [`ErrorCode::InvalidParameter`].
    pub code: ErrorCode,
    /// What is wrong; of a body that is not JSON with line and column.
    pub message: String,
}

impl From<Fault> for RequestFault {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code,
            message: fault.message,
        }
    }
}
