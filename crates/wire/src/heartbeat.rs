//! Heartbeats: "nothing changed since report (generation, sequence), and my set has digest D".

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::report::{
    DigestText, Fault, Form, HostIdText, Item, Object, Pair, Read as _, RequestFault, Row, shapes,
};
use crate::{caps, json};

/// The body of `POST …/heartbeats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatsRequest {
    /// 1 to 1,000 heartbeats.
    pub heartbeats: Vec<Heartbeat>,
}

/// "Nothing changed since that report."
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeat {
    /// The host.
    pub host_id: String,
    /// The generation of the report it confirms.
    pub generation: u64,
    /// The sequence of the report it confirms.
    pub sequence: u64,
    /// The digest of the set it confirms.
    pub digest: Digest,
}

/// The heartbeats of a request in the order sent, or their faults.
///
/// # Errors
/// A fault of the whole request: [`NotJson`](crate::error::ErrorCode::NotJson) or
/// [`BatchSize`](crate::error::ErrorCode::BatchSize).
pub fn parse(body: &[u8]) -> Result<Vec<Result<Heartbeat, Fault>>, RequestFault> {
    let items = json::items(body, HEARTBEAT.list, 1..=caps::BATCH_MAX)?;
    let heartbeats = items.iter().enumerate().map(|(index, raw)| {
        Item {
            form: &HEARTBEAT,
            index: Some(index),
            text: raw.get(),
        }
        .read::<HeartbeatShape>()
    });
    Ok(heartbeats.collect())
}

/// Every field of a heartbeat.
const HEARTBEAT: Form = Form {
    list: "heartbeats",
    host_id: &["host_id"],
    rows: &[
        Row::required::<Object<HeartbeatShape>>(""),
        Row::required::<HostIdText>("host_id"),
        Row::required::<Pair>("generation"),
        Row::required::<Pair>("sequence"),
        Row::required::<DigestText>("digest"),
    ],
};

#[derive(Deserialize)]
#[serde(remote = "Heartbeat")]
struct HeartbeatShape {
    #[serde(deserialize_with = "HostIdText::read")]
    host_id: String,
    #[serde(deserialize_with = "Pair::read")]
    generation: u64,
    #[serde(deserialize_with = "Pair::read")]
    sequence: u64,
    #[serde(deserialize_with = "DigestText::read")]
    digest: Digest,
}

shapes! { HeartbeatShape => Heartbeat }

/// The body of the answer to `POST …/heartbeats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatsAnswer {
    /// One result a heartbeat, in the order sent.
    pub results: Vec<HeartbeatResult>,
}

/// What the server says to one heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatResult {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its host, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host_id: Option<String>,
    /// What became of it.
    pub status: HeartbeatStatus,
    /// Why a report is needed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// When the server wants to hear the host next, in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_heartbeat_s: Option<u32>,
    /// The code of a rejection, as text: an agent may be older than the server.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_code: Option<String>,
    /// What was wrong and what is allowed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error_msg: Option<String>,
    /// The field at fault, such as `heartbeats[2].digest`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
}

impl HeartbeatResult {
    /// A result of which nothing more is known.
    pub fn new(index: usize, host_id: Option<String>, status: HeartbeatStatus) -> Self {
        Self {
            index,
            host_id,
            status,
            reason: None,
            next_heartbeat_s: None,
            error_code: None,
            error_msg: None,
            field: None,
        }
    }

    /// The result of a heartbeat with a fault.
    pub fn rejected(index: usize, fault: Fault) -> Self {
        Self {
            error_code: Some(fault.code.as_str().into()),
            error_msg: Some(fault.message),
            field: Some(fault.field),
            ..Self::new(index, fault.host_id, HeartbeatStatus::Rejected)
        }
    }
}

/// The three things that can become of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatStatus {
    /// Host, pair and digest are what the server holds; the host was heard.
    Ok,
    /// The server needs a report.
    ReportNeeded,
    /// The heartbeat is faulty.
    Rejected,
}

/// Why a report is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The server holds no report of that host.
    UnknownHost,
    /// The heartbeat confirms a newer report than the server holds.
    NewerPair,
    /// The heartbeat confirms an older report than the server holds.
    OlderPair,
    /// The pair is the same and the set is not.
    Digest,
}
