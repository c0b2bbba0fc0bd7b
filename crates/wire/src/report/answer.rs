//! What the server says of each report, in the order they were sent.

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::digest::Digest;

/// The reason of a result: another agent speaks for the host at the same time.
pub const IDENTITY_CONFLICT: &str = "identity_conflict";

/// The body of the answer to `POST …/reports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportsAnswer {
    /// One result a report, in the order sent.
    pub results: Vec<ReportResult>,
}

/// What became of one report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportResult {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its host, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host_id: Option<String>,
    /// What became of it.
    pub status: Status,
    /// The digest of the set as the server reads it, of an accepted report.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<Digest>,
    /// When the server wants to hear the host next, in seconds, of an accepted report.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_heartbeat_s: Option<u32>,
    /// What the server holds, where a report is stale or in conflict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current: Option<Current>,
    /// The code of a rejection, as text: an agent may be older than the server.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<String>,
    /// What was wrong and what is allowed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_msg: Option<String>,
    /// The field at fault, such as `reports[2].open_ports[3].port`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// A word for programs: [`IDENTITY_CONFLICT`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl ReportResult {
    /// A result of which nothing more is known.
    pub fn new(index: usize, host_id: Option<String>, status: Status) -> Self {
        Self {
            index,
            host_id,
            status,
            digest: None,
            next_heartbeat_s: None,
            current: None,
            error_code: None,
            error_msg: None,
            field: None,
            reason: None,
        }
    }

    /// The result of a report with a fault.
    pub fn rejected(index: usize, fault: Fault) -> Self {
        Self {
            error_code: Some(fault.code.as_str().into()),
            error_msg: Some(fault.message),
            field: Some(fault.field),
            ..Self::new(index, fault.host_id, Status::Rejected)
        }
    }
}

/// The three things that can become of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Durable and visible.
    Accepted,
    /// Older than what the server holds; nothing was changed.
    Stale,
    /// Faulty or in conflict; nothing was changed.
    Rejected,
}

/// The newest report that the server holds of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Current {
    /// Its generation.
    pub generation: u64,
    /// Its sequence.
    pub sequence: u64,
    /// The agent that sent it.
    #[serde(default)]
    pub agent_id: Option<String>,
    /// The digest of its set.
    pub digest: Digest,
}
