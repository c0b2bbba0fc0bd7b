//! The fields of a report: how each is read.
//!
//! The shapes build the public types themselves (serde's remote derive), without a draft between.
//! Holds: a field of a public type that no shape names does not compile. Unknown fields are passed
//! over at every level; a known one that is given twice is a fault.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};

use super::read::{Filled, Flag, Int, List, Maybe, Object, OrDefault, Read};
use super::text::{
    Address, AddressAsText, EnterpriseProjectText, HostIdText, Moment, Text, TransportText,
};
use super::{Agent, Coverage, Host, Report, Transient};
use crate::caps;
use crate::ids::EnterpriseProjectId;
use crate::open_port::{OpenPort, Published, Transport};
use crate::time::UnixMicros;

pub(super) type Name = Text<0, { caps::STRING_CHARS_MAX }>;
pub(super) type AgentId = Text<0, { caps::AGENT_ID_CHARS_MAX }>;
pub(super) type LongName = Text<0, { caps::PATH_CHARS_MAX }>;
pub(super) type Namespace = Text<1, { caps::NETNS_CHARS_MAX }>;
pub(super) type Port = Int<u16, 1, 65_535>;
pub(super) type Pid = Int<u32, 1, { caps::PID_MAX as u64 }>;
pub(super) type Interval =
    Int<u32, { caps::HEARTBEAT_INTERVAL_S_MIN as u64 }, { caps::HEARTBEAT_INTERVAL_S_MAX as u64 }>;
pub(super) type Count = Int<u64, 0, { caps::PAIR_MAX }>;
pub(super) type Addresses = List<AddressAsText, { caps::ADDRESSES_MAX }>;
pub(super) type PublishedList = List<Object<PublishedShape>, { caps::ADDRESSES_MAX }>;
pub(super) type OpenPorts = List<Object<OpenPortShape>, { caps::OPEN_PORTS_MAX }>;
pub(super) type Transients = List<Object<TransientShape>, { caps::TRANSIENTS_MAX }>;

/// A generation or a sequence.
pub(crate) type Pair = Count;

#[derive(Deserialize)]
#[serde(remote = "Report")]
pub(super) struct ReportShape {
    #[serde(deserialize_with = "Object::<HostShape>::read")]
    host: Host,
    #[serde(deserialize_with = "Pair::read")]
    generation: u64,
    #[serde(deserialize_with = "Pair::read")]
    sequence: u64,
    #[serde(deserialize_with = "Moment::read")]
    observed_at: UnixMicros,
    #[serde(default, deserialize_with = "Maybe::<Interval>::read")]
    heartbeat_interval_s: Option<u32>,
    #[serde(default, deserialize_with = "Maybe::<Object<AgentShape>>::read")]
    agent: Option<Agent>,
    #[serde(deserialize_with = "Object::<CoverageShape>::read")]
    coverage: Coverage,
    #[serde(deserialize_with = "OpenPorts::read")]
    open_ports: Vec<OpenPort>,
    #[serde(default, deserialize_with = "OrDefault::<Transients>::read")]
    transients: Vec<Transient>,
    #[serde(default, deserialize_with = "OrDefault::<Count>::read")]
    transients_lost: u64,
}

#[derive(Deserialize)]
#[serde(remote = "Host")]
pub(super) struct HostShape {
    #[serde(deserialize_with = "HostIdText::read")]
    host_id: String,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    host_name: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    host_ip: Option<String>,
    #[serde(default, deserialize_with = "OrDefault::<Addresses>::read")]
    host_ips: Vec<String>,
    #[serde(default, deserialize_with = "Maybe::<AgentId>::read")]
    agent_id: Option<String>,
    #[serde(
        default = "enterprise_project_default",
        deserialize_with = "enterprise_project"
    )]
    enterprise_project_id: String,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    os_type: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    os_name: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    kernel_version: Option<String>,
}

pub(crate) fn enterprise_project_default() -> String {
    EnterpriseProjectId::DEFAULT.to_owned()
}

pub(crate) fn enterprise_project<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    let given = Maybe::<EnterpriseProjectText>::read(json)?;
    Ok(given.unwrap_or_else(enterprise_project_default))
}

#[derive(Deserialize)]
#[serde(remote = "Agent")]
pub(super) struct AgentShape {
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    version: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    mode: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Count>::read")]
    cpu_ms: Option<u64>,
    #[serde(default, deserialize_with = "Maybe::<Count>::read")]
    rss_bytes: Option<u64>,
    #[serde(default, deserialize_with = "Maybe::<Count>::read")]
    ephemeral_udp: Option<u64>,
}

#[derive(Deserialize)]
#[serde(remote = "Coverage")]
pub(super) struct CoverageShape {
    #[serde(deserialize_with = "Flag::read")]
    privileged: bool,
    #[serde(default, deserialize_with = "Maybe::<Count>::read")]
    namespaces: Option<u64>,
    #[serde(default, deserialize_with = "Maybe::<Count>::read")]
    namespaces_skipped: Option<u64>,
    #[serde(default, deserialize_with = "Maybe::<Count>::read")]
    sockets_unattributed: Option<u64>,
    #[serde(default, deserialize_with = "Maybe::<Count>::read")]
    events_lost: Option<u64>,
}

#[derive(Deserialize)]
#[serde(remote = "OpenPort")]
pub(super) struct OpenPortShape {
    #[serde(rename = "type", deserialize_with = "TransportText::read")]
    transport: Transport,
    #[serde(deserialize_with = "Address::read")]
    laddr: IpAddr,
    #[serde(deserialize_with = "Port::read")]
    port: u16,
    #[serde(default, deserialize_with = "Maybe::<Namespace>::read")]
    netns: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Flag>::read")]
    v6only: Option<bool>,
    #[serde(default, deserialize_with = "Maybe::<Pid>::read")]
    pid: Option<u32>,
    #[serde(default, deserialize_with = "Filled::<LongName>::read")]
    path: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    user: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    unit: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    ifname: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    cmdline: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Moment>::read")]
    started_at: Option<UnixMicros>,
    #[serde(default, deserialize_with = "Maybe::<Flag>::read")]
    deleted: Option<bool>,
    #[serde(default, deserialize_with = "Maybe::<Namespace>::read")]
    container_id: Option<String>,
    #[serde(default, deserialize_with = "Filled::<LongName>::read")]
    container_name: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    container_image: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    pod_name: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Name>::read")]
    pod_namespace: Option<String>,
    #[serde(default, deserialize_with = "OrDefault::<PublishedList>::read")]
    published: Vec<Published>,
}

#[derive(Deserialize)]
#[serde(remote = "Published")]
pub(super) struct PublishedShape {
    #[serde(deserialize_with = "Address::read")]
    addr: IpAddr,
    #[serde(deserialize_with = "Port::read")]
    port: u16,
}

#[derive(Deserialize)]
#[serde(remote = "Transient")]
pub(super) struct TransientShape {
    #[serde(rename = "type", deserialize_with = "TransportText::read")]
    transport: Transport,
    #[serde(deserialize_with = "Address::read")]
    laddr: IpAddr,
    #[serde(deserialize_with = "Port::read")]
    port: u16,
    #[serde(default, deserialize_with = "Maybe::<Namespace>::read")]
    netns: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Pid>::read")]
    pid: Option<u32>,
    #[serde(default, deserialize_with = "Filled::<LongName>::read")]
    path: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Namespace>::read")]
    container_id: Option<String>,
    #[serde(default, deserialize_with = "Filled::<LongName>::read")]
    container_name: Option<String>,
    #[serde(default, deserialize_with = "Maybe::<Moment>::read")]
    opened_at: Option<UnixMicros>,
    #[serde(default, deserialize_with = "Maybe::<Moment>::read")]
    closed_at: Option<UnixMicros>,
}

/// The derived readers are functions of their own; this makes each a `Shape`.
macro_rules! shapes {
    ($($shape:ident => $value:ty),* $(,)?) => {
        $(impl $crate::report::Shape for $shape {
            type Value = $value;

            fn fields<'de, D: serde::Deserializer<'de>>(object: D) -> Result<$value, D::Error> {
                Self::deserialize(object)
            }
        })*
    };
}
pub(crate) use shapes;

shapes! {
    ReportShape => Report,
    HostShape => Host,
    AgentShape => Agent,
    CoverageShape => Coverage,
    OpenPortShape => OpenPort,
    PublishedShape => Published,
    TransientShape => Transient,
}
