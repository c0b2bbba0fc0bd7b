//! Reports: the complete set of open ports of one host at one moment, and what the server says.
//!
//! Never a delta, so a lost report can corrupt nothing and applying one twice changes nothing.
//! [`parse()`] reads a request so that a fault in one report rejects that report alone.

mod answer;
mod explain;
mod fault;
mod form;
mod parse;
mod read;
mod rule;
mod shape;
mod text;

use serde::{Deserialize, Serialize};

pub use answer::{Current, IDENTITY_CONFLICT, ReportResult, ReportsAnswer, Status};
pub(crate) use explain::Item;
pub use fault::{Fault, RequestFault};
pub use parse::parse;
pub(crate) use read::{Filled, Flag, Int, List, Maybe, Object, OrDefault, Read, Shape};
pub(crate) use rule::{Form, Row};
pub(crate) use shape::{Pair, enterprise_project, enterprise_project_default, shapes};
pub(crate) use text::{
    DigestText, EnterpriseProjectText, HostIdText, Moment, RoleText, SecretText, Text,
    TransportText,
};

use crate::digest::Digest;
use crate::open_port::{OpenPort, Transport};
use crate::time::UnixMicros;

/// The header of a request that was refused with Retry-After and comes again after that: it goes
/// before those that come for the first time.
pub const COMES_AGAIN: &str = "x-portolan-comes-again";

/// The body of `POST …/reports`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportsRequest {
    /// 1 to 1,000 reports.
    pub reports: Vec<Report>,
}

/// The complete set of open ports of one host at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Report {
    /// Whose set it is.
    pub host: Host,
    /// Rises at each start of the agent; with `sequence` the only order of a host's reports.
    pub generation: u64,
    /// Rises with each report within a generation.
    pub sequence: u64,
    /// When the agent looked, by the host's clock; told, never an order.
    pub observed_at: UnixMicros,
    /// How often the host will be heard, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_interval_s: Option<u32>,
    /// The agent, and what it costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// What the agent could not see.
    pub coverage: Coverage,
    /// The set.
    pub open_ports: Vec<OpenPort>,
    /// Ports that came and went since the last report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transients: Vec<Transient>,
    /// How many transients there were beyond those carried.
    #[serde(skip_serializing_if = "is_zero")]
    pub transients_lost: u64,
}

impl Report {
    /// The digest of its set.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.open_ports)
    }
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Host {
    /// Its id within the project: 1 to 64 of `[A-Za-z0-9._:-]`.
    pub host_id: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// The address people know it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    /// All its addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_ips: Vec<String>,
    /// The agent's own id, kept in its state folder; two of them on one host are a clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The enterprise project it belongs to; `0` when none is given.
    pub enterprise_project_id: String,
    /// `Linux`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    /// The distribution and its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_name: Option<String>,
    /// The kernel's release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<String>,
}

/// The agent that made a report, and what it costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agent {
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How it looks: `events` (the kernel tells it when), `poll`, or `slow` (it has cost too much).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// CPU (user and system) it has used since its start, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Its resident memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// UDP ports of an ephemeral range that were opened since its start: each question to a name
    /// server makes one, so they are counted and not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_udp: Option<u64>,
}

/// What an agent could not see. Incompleteness is data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Coverage {
    /// Whether it could look at every process and every network namespace.
    pub privileged: bool,
    /// Network namespaces that it looked into, the host's own included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<u64>,
    /// Network namespaces that it knows of and could not look into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces_skipped: Option<u64>,
    /// Sockets whose owner it could not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets_unattributed: Option<u64>,
    /// Kernel events that were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_lost: Option<u64>,
}

/// An open port that came and went between two reports; never in sets, digests or counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Transient {
    /// The transport, `type` on the wire.
    #[serde(rename = "type")]
    pub transport: Transport,
    /// The local address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub laddr: std::net::IpAddr,
    /// The port number, 1 to 65535.
    pub port: u16,
    /// The network namespace, when it is not the host's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// The process that held it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The program's executable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The container it belonged to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// That container's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// When it was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<UnixMicros>,
    /// When it was closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<UnixMicros>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
