//! What an entry tells beside the counts: the rows that are shown of it, and the way back to the
//! version before.

use std::net::IpAddr;

use portolan_wire::open_port::{Identity, OpenPort, Transport};
use portolan_wire::report::Transient;
use serde::{Deserialize, Serialize};

use super::record::Kind;
use crate::snapshot::form::{StoredAgent, StoredCoverage, StoredHost, StoredPort};

/// The detail of an entry. Of an entry of [`Kind::Ignored`] there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Detail<'a> {
    /// When the agent looked; `None` of what no agent told.
    pub(crate) observed_at: Option<i64>,
    /// The host's name from then on.
    #[serde(borrow)]
    pub(crate) host_name: Option<&'a str>,
    /// How many open ports it has from then on.
    pub(crate) open_ports: u32,
    /// The version before, where there was one.
    pub(crate) before: Option<Before<'a>>,
    /// What became of its open ports, in the order of a set.
    pub(crate) ports: Vec<PortDelta<'a>>,
    /// What came and went.
    pub(crate) transients: Vec<StoredTransient<'a>>,
}

/// What a version was, where it differs from the one after it; order and moments always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before<'a> {
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) observed_at: i64,
    /// When it was retired; always told, since none is the rule.
    pub(crate) retired_at: Option<i64>,
    pub(crate) heartbeat_interval_s: Option<u32>,
    #[serde(borrow)]
    pub(crate) enterprise_project: Option<&'a str>,
    pub(crate) agent: Option<Option<StoredAgent<'a>>>,
    pub(crate) coverage: Option<StoredCoverage>,
    pub(crate) host: Option<StoredHost<'a>>,
}

/// What became of one open port. The order stands on disk: add at the end only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PortDelta<'a> {
    /// It is there and was not.
    Opened(#[serde(borrow)] StoredPort<'a>),
    /// It was there, since that moment, and is not.
    Closed(StoredPort<'a>, i64),
    /// It is there still, with other attributes. What they are now is told where the path is another.
    Changed {
        before: StoredPort<'a>,
        after: Option<StoredPort<'a>>,
    },
    /// A container was replaced by its twin: the same port of the same service, in another namespace.
    Twin {
        before: StoredPort<'a>,
        after: StoredPort<'a>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredTransient<'a> {
    udp: bool,
    laddr: IpAddr,
    port: u16,
    #[serde(borrow)]
    netns: Option<&'a str>,
    pid: Option<u32>,
    path: Option<&'a str>,
    container_id: Option<&'a str>,
    container_name: Option<&'a str>,
    pub(crate) opened_at: Option<i64>,
    pub(crate) closed_at: Option<i64>,
}

impl Detail<'_> {
    /// How many rows are shown of an entry.
    pub(crate) fn rows(&self, kind: Kind) -> u32 {
        let rows = usize::from(is_told(kind)) + self.told_ports(kind).count();
        u32::try_from(rows + self.transients.len()).unwrap_or(u32::MAX)
    }

    /// The ports of which a row is shown. Of a host that is new none is: its baseline is all that
    /// there is to tell, and what was before is not its own.
    pub(crate) fn told_ports(&self, kind: Kind) -> impl Iterator<Item = &PortDelta<'_>> {
        let ports = self.ports.iter().filter(move |_| kind != Kind::Baseline);
        ports.filter(|delta| delta.is_told())
    }
}

/// Whether a row is shown of the host itself.
pub(crate) fn is_told(kind: Kind) -> bool {
    match kind {
        Kind::Baseline | Kind::Moved | Kind::Returned | Kind::Retired => true,
        Kind::Reported | Kind::Ignored => false,
    }
}

impl<'a> PortDelta<'a> {
    /// Whether it is more than another process of the same program.
    fn is_told(&self) -> bool {
        match self {
            Self::Opened(_) | Self::Closed(..) => true,
            Self::Changed { after, .. } => after.is_some(),
            Self::Twin { before, after } => before.path != after.path,
        }
    }

    /// By what it stands in the order of the deltas.
    pub(crate) fn identity(&self) -> Identity<'a> {
        match self {
            Self::Opened(port) | Self::Closed(port, _) => port.identity(),
            Self::Changed { before, .. } => before.identity(),
            Self::Twin { after, .. } => after.identity(),
        }
    }
}

impl<'a> From<&'a Transient> for StoredTransient<'a> {
    fn from(transient: &'a Transient) -> Self {
        Self {
            udp: transient.transport == Transport::Udp,
            laddr: transient.laddr,
            port: transient.port,
            netns: transient.netns.as_deref(),
            pid: transient.pid,
            path: transient.path.as_deref(),
            container_id: transient.container_id.as_deref(),
            container_name: transient.container_name.as_deref(),
            opened_at: transient.opened_at.map(|at| at.0),
            closed_at: transient.closed_at.map(|at| at.0),
        }
    }
}

impl StoredTransient<'_> {
    /// The open port that it was.
    pub(crate) fn port(&self) -> OpenPort {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let transport = if self.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        OpenPort {
            netns: owned(self.netns),
            pid: self.pid,
            path: owned(self.path),
            container_id: owned(self.container_id),
            container_name: owned(self.container_name),
            ..OpenPort::new(transport, self.laddr, self.port)
        }
    }
}
