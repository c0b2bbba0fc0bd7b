//! What stands on disk of a host, in postcard: a version byte, a head, what the report says of the
//! host, and its open ports.
//!
//! Borrowed from the bytes, so that two versions of a host are compared without copying either.
//! Postcard names no fields and nests without a trace, so a nested struct reads what its fields in a
//! row were written as; a new field is a new version, and the reader of each old version is kept.

use std::net::IpAddr;

use portolan_wire::open_port::{Identity, Transport};
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use super::first_seen::Runs;
use crate::history::waypoint::Way;

/// The version that this program writes: the first byte of a value.
pub(super) const VERSION: u8 = 3;
/// The one before it, which had no waypoints.
const VERSION_2: u8 = 2;
/// The one before that, which had no history.
const VERSION_1: u8 = 1;

/// What the commit says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head<'a> {
    pub(crate) enterprise_project: &'a str,
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) at: i64,
    pub(crate) digest: [u8; 16],
    pub(crate) agent_current: u64,
    pub(crate) agent_previous: u64,
    pub(crate) agent_switched_at: i64,
    pub(crate) heartbeat_interval_s: u32,
    /// The commit of its newest entry in the history; 0 where it has none.
    pub(crate) history_at: u64,
    /// When it was retired, if it is.
    pub(crate) retired_at: Option<i64>,
    /// Since when its ports are open, in their order.
    pub(crate) first_seen: Runs,
    /// Where its waypoints begin. It follows the head, so that a version 2 is one without.
    #[serde(skip)]
    pub(crate) way: Way,
}

/// The same in version 1.
#[derive(Serialize, Deserialize)]
struct Head1<'a> {
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

/// What the report says beside the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told<'a> {
    pub(crate) observed_at: i64,
    #[serde(borrow)]
    pub(crate) host: StoredHost<'a>,
    pub(crate) agent: Option<StoredAgent<'a>>,
    pub(crate) coverage: StoredCoverage,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredHost<'a> {
    #[serde(borrow)]
    pub(crate) host_name: Option<&'a str>,
    pub(crate) host_ip: Option<&'a str>,
    pub(crate) host_ips: Vec<&'a str>,
    pub(crate) agent_id: Option<&'a str>,
    pub(crate) os_type: Option<&'a str>,
    pub(crate) os_name: Option<&'a str>,
    pub(crate) kernel_version: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAgent<'a> {
    #[serde(borrow)]
    pub(crate) version: Option<&'a str>,
    pub(crate) mode: Option<&'a str>,
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) rss_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCoverage {
    pub(crate) privileged: bool,
    pub(crate) namespaces: Option<u64>,
    pub(crate) namespaces_skipped: Option<u64>,
    pub(crate) sockets_unattributed: Option<u64>,
    pub(crate) events_lost: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredPort<'a> {
    pub(crate) udp: bool,
    pub(crate) laddr: IpAddr,
    pub(crate) port: u16,
    #[serde(borrow)]
    pub(crate) netns: Option<&'a str>,
    pub(crate) v6only: Option<bool>,
    pub(crate) pid: Option<u32>,
    pub(crate) path: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) unit: Option<&'a str>,
    pub(crate) ifname: Option<&'a str>,
    pub(crate) cmdline: Option<&'a str>,
    pub(crate) started_at: Option<i64>,
    pub(crate) deleted: Option<bool>,
    pub(crate) container_id: Option<&'a str>,
    pub(crate) container_name: Option<&'a str>,
    pub(crate) container_image: Option<&'a str>,
    pub(crate) pod_name: Option<&'a str>,
    pub(crate) pod_namespace: Option<&'a str>,
    pub(crate) published: Vec<(IpAddr, u16)>,
}

impl<'a> StoredPort<'a> {
    pub(crate) fn transport(&self) -> Transport {
        if self.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        }
    }

    pub(crate) fn identity(&self) -> Identity<'a> {
        Identity {
            netns: self.netns,
            transport: self.transport(),
            laddr: self.laddr,
            port: self.port,
        }
    }
}

/// A body: all that the report says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a>(pub(crate) &'a [u8]);

impl<'a> Body<'a> {
    /// What it says beside the set, and the set as it is encoded.
    pub(crate) fn told(self) -> Result<(Told<'a>, Set<'a>), SnapshotError> {
        let (told, set) = postcard::take_from_bytes(self.0)?;
        Ok((told, Set(set)))
    }

    /// The set alone.
    pub(crate) fn open_ports(self) -> Result<Vec<StoredPort<'a>>, SnapshotError> {
        self.told()?.1.open_ports()
    }
}

/// An encoded set: equal bytes are equal sets with equal attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Set<'a>(&'a [u8]);

impl<'a> Set<'a> {
    pub(crate) fn open_ports(self) -> Result<Vec<StoredPort<'a>>, SnapshotError> {
        Ok(postcard::from_bytes(self.0)?)
    }

    /// How many open ports it has.
    pub(crate) fn len(self) -> Result<u32, SnapshotError> {
        let (len, _) = postcard::take_from_bytes::<u32>(self.0)?;
        Ok(len)
    }
}

/// The head and the body of a stored value.
pub(crate) fn split(value: &[u8]) -> Result<(Head<'_>, Body<'_>), SnapshotError> {
    match value.split_first() {
        Some((&VERSION, rest)) => {
            let (head, rest) = postcard::take_from_bytes::<Head<'_>>(rest)?;
            let (way, body) = postcard::take_from_bytes(rest)?;
            Ok((Head { way, ..head }, Body(body)))
        }
        Some((&VERSION_2, rest)) => {
            let (head, body) = postcard::take_from_bytes(rest)?;
            Ok((head, Body(body)))
        }
        Some((&VERSION_1, rest)) => {
            let (head, body) = postcard::take_from_bytes::<Head1<'_>>(rest)?;
            let body = Body(body);
            let len = body.told()?.1.len()?;
            Ok((head.upgraded(len), body))
        }
        Some((&other, _)) => Err(SnapshotError::Version(other)),
        None => Err(postcard::Error::DeserializeUnexpectedEnd.into()),
    }
}

impl<'a> Head1<'a> {
    /// Of the ports of a version 1 no more is known than that they were open when it was committed.
    fn upgraded(self, len: u32) -> Head<'a> {
        Head {
            enterprise_project: self.enterprise_project,
            generation: self.generation,
            sequence: self.sequence,
            at: self.at,
            digest: self.digest,
            agent_current: self.agent_current,
            agent_previous: self.agent_previous,
            agent_switched_at: self.agent_switched_at,
            heartbeat_interval_s: self.heartbeat_interval_s,
            history_at: 0,
            retired_at: None,
            first_seen: Runs::all_at(self.at, len),
            way: Way::default(),
        }
    }
}
