//! The stored form of a host: a head and a body.
//!
//! The body is what the report says; it is encoded where the report is read, on many threads. The
//! head is what the commit says (when, which pair, which agents, since when ports are open); only the
//! committer knows it, so it is put in front of the finished body. A retired host keeps its value,
//! with the moment of its retirement in the head.
//! Holds: decoding gives what was encoded; unknown versions and cut bytes are errors.

mod convert;
pub(crate) mod first_seen;
pub(crate) mod form;
#[cfg(test)]
mod version_1;
#[cfg(test)]
mod version_2;

use std::collections::BTreeSet;

use portolan_census::{Agents, Cells, Choice, Counted, HostFacts, Ignored, Pair};
use portolan_wire::digest::Digest;
use portolan_wire::ids::{EnterpriseProjectId, HostId};
use portolan_wire::open_port::OpenPort;
use portolan_wire::report::{Agent, Coverage, Host, Report};
use portolan_wire::time::UnixMicros;
use xxhash_rust::xxh3::xxh3_64;

use crate::StoreError;
use crate::history::waypoint::Way;
use first_seen::Runs;
use form::{Body, Head, StoredAgent, StoredCoverage, StoredHost, StoredPort, Told, VERSION, split};

/// A stored value that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Its first byte names no version that this program reads.
    #[error("a host's value has version {0}, and this program reads versions 1 to {VERSION}")]
    Version(u8),
    /// It does not decode.
    #[error("a host's value does not decode: {0}")]
    Form(#[from] postcard::Error),
    /// Not each of its open ports has a moment since when it is open.
    #[error("a host's value does not decode: moments of {told} open ports, and it has {ports}")]
    FirstSeen {
        /// How many moments there are.
        told: u64,
        /// How many open ports there are.
        ports: usize,
    },
}

impl From<SnapshotError> for StoreError {
    fn from(error: SnapshotError) -> Self {
        let what = error.to_string();
        match error {
            SnapshotError::Version(_) => Self::OtherVersion { what },
            SnapshotError::Form(_) | SnapshotError::FirstSeen { .. } => Self::Read { what },
        }
    }
}

/// A host as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The host, as its newest report describes it.
    pub host: Host,
    /// The pair of that report.
    pub pair: Pair,
    /// When it was committed; of a retired host, when it was retired.
    pub at: UnixMicros,
    /// When the agent looked, by the host's clock.
    pub observed_at: UnixMicros,
    /// The digest of the set.
    pub digest: Digest,
    /// The agent, and what it costs.
    pub agent: Option<Agent>,
    /// What it could not see.
    pub coverage: Coverage,
    /// How often it will be heard, in seconds.
    pub heartbeat_interval_s: u32,
    /// The set.
    pub open_ports: Vec<OpenPort>,
    /// Since when each of them is open, in their order: the moment of the commit that first had it.
    pub first_seen: Vec<UnixMicros>,
    /// When the host was retired; `None` while it is not.
    pub retired_at: Option<UnixMicros>,
    /// The commit of its newest entry in the history; 0 where it has none.
    pub history_at: u64,
}

/// The body of a report, ready to be stored.
pub(crate) fn encode_body(report: &Report) -> Result<Vec<u8>, postcard::Error> {
    let told = Told {
        observed_at: report.observed_at.0,
        host: StoredHost::from(&report.host),
        agent: report.agent.as_ref().map(StoredAgent::from),
        coverage: StoredCoverage::from(&report.coverage),
    };
    let ports: Vec<_> = report.open_ports.iter().map(StoredPort::from).collect();
    postcard::to_extend(&ports, postcard::to_stdvec(&told)?)
}

/// The value of a host: its facts, since when its ports are open, and where its waypoints begin, in
/// front of a body.
pub(crate) fn encode(
    facts: &HostFacts,
    first_seen: Runs,
    way: Way,
    body: Body<'_>,
) -> Result<Vec<u8>, postcard::Error> {
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
        history_at: facts.history_at,
        retired_at: facts.retired_at.map(|at| at.0),
        first_seen,
        way,
    };
    let mut value = Vec::with_capacity(160 + body.0.len());
    value.push(VERSION);
    let value = postcard::to_extend(&head, value)?;
    let mut value = postcard::to_extend(&head.way, value)?;
    value.extend_from_slice(body.0);
    Ok(value)
}

/// What the census needs of a stored value.
pub(crate) fn facts(id: HostId, value: &[u8], hash: u128) -> Result<HostFacts, SnapshotError> {
    let (head, body) = split(value)?;
    let open_ports = body.open_ports()?;
    head.first_seen.moments(open_ports.len())?;
    let retired_at = head.retired_at.map(UnixMicros);
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
        open_ports: u32::try_from(open_ports.len()).unwrap_or(u32::MAX),
        cells: match retired_at {
            None => Cells::of(open_ports.iter().map(Counted::from)),
            Some(_) => Cells::default(),
        },
        history_at: head.history_at,
        retired_at,
    })
}

/// Whether a stored value is that of a retired host.
pub(crate) fn is_retired(value: &[u8]) -> Result<bool, SnapshotError> {
    split(value).map(|(head, _)| head.retired_at.is_some())
}

/// What is ignored of a host with these choices and this stored value.
pub(crate) fn ignored(
    choices: impl IntoIterator<Item = Choice>,
    value: &[u8],
) -> Result<Ignored, SnapshotError> {
    let (_, body) = split(value)?;
    ignored_in_body(choices, body)
}

/// The same, for a body that has no head yet.
pub(crate) fn ignored_in_body(
    choices: impl IntoIterator<Item = Choice>,
    body: Body<'_>,
) -> Result<Ignored, SnapshotError> {
    let open_ports = body.open_ports()?;
    Ok(Ignored::of(choices, open_ports.iter().map(Counted::from)))
}

/// The containers of a stored value that count as assets.
pub(crate) fn containers(value: &[u8]) -> Result<BTreeSet<String>, SnapshotError> {
    let (_, body) = split(value)?;
    let open_ports = body.open_ports()?;
    let assets = open_ports
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
        let (head, body) = split(value)?;
        let (told, set) = body.told()?;
        let open_ports = set.open_ports()?;
        Ok(Self {
            host: told.host.named(host_id, head.enterprise_project),
            pair: Pair {
                generation: head.generation,
                sequence: head.sequence,
            },
            at: UnixMicros(head.at),
            observed_at: UnixMicros(told.observed_at),
            digest: Digest(head.digest),
            agent: told.agent.map(Agent::from),
            coverage: told.coverage.into(),
            heartbeat_interval_s: head.heartbeat_interval_s,
            first_seen: head.first_seen.moments(open_ports.len())?,
            open_ports: open_ports.into_iter().map(OpenPort::from).collect(),
            retired_at: head.retired_at.map(UnixMicros),
            history_at: head.history_at,
        })
    }
}

/// The name of an agent in [`Agents`]: a hash of its id; 0 only where there is none.
pub(crate) fn agent_hash(agent_id: Option<&str>) -> u64 {
    agent_id
        .filter(|id| !id.is_empty())
        .map_or(0, |id| xxh3_64(id.as_bytes()).max(1))
}
