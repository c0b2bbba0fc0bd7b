//! The stored form of a host: a version byte, a head, a body, all in postcard.
//!
//! The body is what the report says; it is encoded where the report is read, on many threads. The
//! head is what the commit says (when, which pair, which agents); only the committer knows it, so it
//! is put in front of the finished body. Postcard names no fields: a new field is a new version,
//! and the reader of each old version is kept.
//! Holds: decoding gives what was encoded; unknown versions and cut bytes are errors.

use std::collections::BTreeSet;
use std::net::IpAddr;

use portolan_census::{Agents, Cells, Choice, Counted, HostFacts, Ignored, Pair};
use portolan_wire::digest::Digest;
use portolan_wire::exposure::Exposure;
use portolan_wire::ids::{EnterpriseProjectId, HostId};
use portolan_wire::open_port::{OpenPort, Published, Transport};
use portolan_wire::report::{Agent, Coverage, Host, Report};
use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::StoreError;

/// The version that this program writes: the first byte of a value.
const VERSION: u8 = 1;

/// A stored value that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Its first byte names no version that this program reads.
    #[error("a host's value has version {0}, and this program reads version {VERSION}")]
    Version(u8),
    /// It does not decode.
    #[error("a host's value does not decode: {0}")]
    Form(#[from] postcard::Error),
}

impl From<SnapshotError> for StoreError {
    fn from(error: SnapshotError) -> Self {
        let what = error.to_string();
        match error {
            SnapshotError::Version(_) => Self::OtherVersion { what },
            SnapshotError::Form(_) => Self::Read { what },
        }
    }
}

/// What the commit says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head<'a> {
    enterprise_project: &'a str,
    generation: u64,
    sequence: u64,
    at: i64,
    digest: [u8; 16],
    agent_current: u64,
    agent_previous: u64,
    agent_switched_at: i64,
    heartbeat_interval_s: u32,
}

/// What the report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Body<'a> {
    observed_at: i64,
    #[serde(borrow)]
    host_name: Option<&'a str>,
    host_ip: Option<&'a str>,
    host_ips: Vec<&'a str>,
    agent_id: Option<&'a str>,
    os_type: Option<&'a str>,
    os_name: Option<&'a str>,
    kernel_version: Option<&'a str>,
    agent: Option<StoredAgent<'a>>,
    privileged: bool,
    namespaces: Option<u64>,
    namespaces_skipped: Option<u64>,
    sockets_unattributed: Option<u64>,
    events_lost: Option<u64>,
    open_ports: Vec<StoredPort<'a>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredAgent<'a> {
    #[serde(borrow)]
    version: Option<&'a str>,
    mode: Option<&'a str>,
    cpu_ms: Option<u64>,
    rss_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPort<'a> {
    udp: bool,
    laddr: IpAddr,
    port: u16,
    #[serde(borrow)]
    netns: Option<&'a str>,
    v6only: Option<bool>,
    pid: Option<u32>,
    path: Option<&'a str>,
    user: Option<&'a str>,
    unit: Option<&'a str>,
    ifname: Option<&'a str>,
    cmdline: Option<&'a str>,
    started_at: Option<i64>,
    deleted: Option<bool>,
    container_id: Option<&'a str>,
    container_name: Option<&'a str>,
    container_image: Option<&'a str>,
    pod_name: Option<&'a str>,
    pod_namespace: Option<&'a str>,
    published: Vec<(IpAddr, u16)>,
}

/// A host as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The host, as its newest report describes it.
    pub host: Host,
    /// The pair of that report.
    pub pair: Pair,
    /// When it was committed.
    pub at: UnixMicros,
    /// When the agent looked, by the host's clock.
    pub observed_at: UnixMicros,
    /// The digest of the set.
    pub digest: Digest,
    /// The agent, and what it costs.
    pub agent: Option<Agent>,
    /// What it could not see.
    pub coverage: Coverage,
    /// The set.
    pub open_ports: Vec<OpenPort>,
}

/// The body of a report, ready to be stored.
pub(crate) fn encode_body(report: &Report) -> Result<Vec<u8>, postcard::Error> {
    let host = &report.host;
    let coverage = &report.coverage;
    postcard::to_stdvec(&Body {
        observed_at: report.observed_at.0,
        host_name: host.host_name.as_deref(),
        host_ip: host.host_ip.as_deref(),
        host_ips: host.host_ips.iter().map(String::as_str).collect(),
        agent_id: host.agent_id.as_deref(),
        os_type: host.os_type.as_deref(),
        os_name: host.os_name.as_deref(),
        kernel_version: host.kernel_version.as_deref(),
        agent: report.agent.as_ref().map(|agent| StoredAgent {
            version: agent.version.as_deref(),
            mode: agent.mode.as_deref(),
            cpu_ms: agent.cpu_ms,
            rss_bytes: agent.rss_bytes,
        }),
        privileged: coverage.privileged,
        namespaces: coverage.namespaces,
        namespaces_skipped: coverage.namespaces_skipped,
        sockets_unattributed: coverage.sockets_unattributed,
        events_lost: coverage.events_lost,
        open_ports: report.open_ports.iter().map(StoredPort::from).collect(),
    })
}

/// The value of a host: its facts in front of a body.
pub(crate) fn encode(facts: &HostFacts, body: &[u8]) -> Result<Vec<u8>, postcard::Error> {
    let head = Head {
        enterprise_project: facts.enterprise_project.as_str(),
        generation: facts.pair.generation,
        sequence: facts.pair.sequence,
        at: facts.at.0,
        digest: facts.digest.0,
        agent_current: facts.agents.current,
        agent_previous: facts.agents.previous,
        agent_switched_at: facts.agents.switched_at.0,
        heartbeat_interval_s: facts.heartbeat_interval_s,
    };
    let mut value = Vec::with_capacity(128 + body.len());
    value.push(VERSION);
    let mut value = postcard::to_extend(&head, value)?;
    value.extend_from_slice(body);
    Ok(value)
}

fn decode(value: &[u8]) -> Result<(Head<'_>, Body<'_>), SnapshotError> {
    match value.split_first() {
        Some((&VERSION, rest)) => {
            let (head, rest) = postcard::take_from_bytes(rest)?;
            Ok((head, postcard::from_bytes(rest)?))
        }
        Some((&other, _)) => Err(SnapshotError::Version(other)),
        None => Err(postcard::Error::DeserializeUnexpectedEnd.into()),
    }
}

/// What the census needs of a stored value.
pub(crate) fn facts(id: HostId, value: &[u8], hash: u128) -> Result<HostFacts, SnapshotError> {
    let (head, body) = decode(value)?;
    Ok(HostFacts {
        id,
        enterprise_project: EnterpriseProjectId::from(head.enterprise_project),
        pair: Pair {
            generation: head.generation,
            sequence: head.sequence,
        },
        at: UnixMicros(head.at),
        digest: Digest(head.digest),
        record_hash: hash,
        agents: Agents {
            current: head.agent_current,
            previous: head.agent_previous,
            switched_at: UnixMicros(head.agent_switched_at),
        },
        heartbeat_interval_s: head.heartbeat_interval_s,
        open_ports: u32::try_from(body.open_ports.len()).unwrap_or(u32::MAX),
        cells: Cells::of(body.open_ports.iter().map(Counted::from)),
    })
}

/// What is ignored of a host with these choices and this stored value.
pub(crate) fn ignored(
    choices: impl IntoIterator<Item = Choice>,
    value: &[u8],
) -> Result<Ignored, SnapshotError> {
    let (_, body) = decode(value)?;
    Ok(Ignored::of(
        choices,
        body.open_ports.iter().map(Counted::from),
    ))
}

/// The same, for a body that has no head yet.
pub(crate) fn ignored_in_body(
    choices: impl IntoIterator<Item = Choice>,
    body: &[u8],
) -> Result<Ignored, SnapshotError> {
    let body: Body<'_> = postcard::from_bytes(body)?;
    Ok(Ignored::of(
        choices,
        body.open_ports.iter().map(Counted::from),
    ))
}

/// The containers of a stored value that count as assets.
pub(crate) fn containers(value: &[u8]) -> Result<BTreeSet<String>, SnapshotError> {
    let (_, body) = decode(value)?;
    let assets = body
        .open_ports
        .iter()
        .filter_map(|port| Counted::from(port).container_asset);
    Ok(assets.map(str::to_owned).collect())
}

impl Snapshot {
    /// Reads a stored value of the host `host_id`.
    ///
    /// # Errors
    /// Another version, or bytes that do not decode.
    pub fn decode(host_id: &str, value: &[u8]) -> Result<Self, SnapshotError> {
        let (head, body) = decode(value)?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            host: Host {
                host_id: host_id.to_owned(),
                host_name: owned(body.host_name),
                host_ip: owned(body.host_ip),
                host_ips: body.host_ips.into_iter().map(str::to_owned).collect(),
                agent_id: owned(body.agent_id),
                enterprise_project_id: head.enterprise_project.to_owned(),
                os_type: owned(body.os_type),
                os_name: owned(body.os_name),
                kernel_version: owned(body.kernel_version),
            },
            pair: Pair {
                generation: head.generation,
                sequence: head.sequence,
            },
            at: UnixMicros(head.at),
            observed_at: UnixMicros(body.observed_at),
            digest: Digest(head.digest),
            agent: body.agent.map(|agent| Agent {
                version: owned(agent.version),
                mode: owned(agent.mode),
                cpu_ms: agent.cpu_ms,
                rss_bytes: agent.rss_bytes,
            }),
            coverage: Coverage {
                privileged: body.privileged,
                namespaces: body.namespaces,
                namespaces_skipped: body.namespaces_skipped,
                sockets_unattributed: body.sockets_unattributed,
                events_lost: body.events_lost,
            },
            open_ports: body.open_ports.into_iter().map(OpenPort::from).collect(),
        })
    }
}

/// The name of an agent in [`Agents`]: a hash of its id; 0 only where there is none.
pub(crate) fn agent_hash(agent_id: Option<&str>) -> u64 {
    agent_id
        .filter(|id| !id.is_empty())
        .map_or(0, |id| xxh3_64(id.as_bytes()).max(1))
}

impl<'a> From<&'a OpenPort> for StoredPort<'a> {
    fn from(port: &'a OpenPort) -> Self {
        Self {
            udp: port.transport == Transport::Udp,
            laddr: port.laddr,
            port: port.port,
            netns: port.netns.as_deref(),
            v6only: port.v6only,
            pid: port.pid,
            path: port.path.as_deref(),
            user: port.user.as_deref(),
            unit: port.unit.as_deref(),
            ifname: port.ifname.as_deref(),
            cmdline: port.cmdline.as_deref(),
            started_at: port.started_at.map(|at| at.0),
            deleted: port.deleted,
            container_id: port.container_id.as_deref(),
            container_name: port.container_name.as_deref(),
            container_image: port.container_image.as_deref(),
            pod_name: port.pod_name.as_deref(),
            pod_namespace: port.pod_namespace.as_deref(),
            published: port.published.iter().map(|p| (p.addr, p.port)).collect(),
        }
    }
}

impl From<StoredPort<'_>> for OpenPort {
    fn from(port: StoredPort<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            transport: port.transport(),
            laddr: port.laddr,
            port: port.port,
            netns: owned(port.netns),
            v6only: port.v6only,
            pid: port.pid,
            path: owned(port.path),
            user: owned(port.user),
            unit: owned(port.unit),
            ifname: owned(port.ifname),
            cmdline: owned(port.cmdline),
            started_at: port.started_at.map(UnixMicros),
            deleted: port.deleted,
            container_id: owned(port.container_id),
            container_name: owned(port.container_name),
            container_image: owned(port.container_image),
            pod_name: owned(port.pod_name),
            pod_namespace: owned(port.pod_namespace),
            published: port
                .published
                .into_iter()
                .map(|(addr, port)| Published { addr, port })
                .collect(),
        }
    }
}

impl StoredPort<'_> {
    fn transport(&self) -> Transport {
        if self.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        }
    }
}

impl<'a> From<&'a StoredPort<'a>> for Counted<'a> {
    fn from(port: &'a StoredPort<'a>) -> Self {
        let published = port.published.iter().map(|(addr, _)| *addr);
        Self {
            container_asset: port.netns.map(|netns| port.container_id.unwrap_or(netns)),
            v6: port.laddr.is_ipv6(),
            exposure: Exposure::of_socket(port.laddr, port.netns.is_some(), published),
            port: port.port,
            transport: port.transport(),
        }
    }
}
