//! What the census keeps of one host: enough to order its reports, confirm its heartbeats and
//! undo what it added to the counts. Names, owners and addresses stay in the store.

use std::sync::Arc;

use portolan_wire::digest::Digest;
use portolan_wire::exposure::Exposure;
use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::ids::{EnterpriseProjectId, HostId};
use portolan_wire::open_port::{Category, Transport};
use portolan_wire::time::UnixMicros;

use crate::cells::Cells;
use crate::ignored::Ignored;
use crate::knowledge;
use crate::liveness::{Freshness, Live};
use crate::number::{ListId, RowKey, Sockets};

/// The order of a host's reports, and nothing else orders them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Rises at each start of the agent.
    pub generation: u64,
    /// Rises with each report within a generation.
    pub sequence: u64,
}

/// Which agents have spoken for a host. Agents are named by a 64-bit hash of their ids; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// The agent of the newest report.
    pub current: u64,
    /// The agent before it, if another one.
    pub previous: u64,
    /// When the current one took over from the previous one.
    pub switched_at: UnixMicros,
}

/// What a commit says of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// The host.
    pub id: HostId,
    /// The enterprise project it belongs to.
    pub enterprise_project: EnterpriseProjectId,
    /// The pair of its newest report.
    pub pair: Pair,
    /// When that report was committed: never the same or earlier than a commit before it.
    pub at: UnixMicros,
    /// The digest of its set.
    pub digest: Digest,
    /// The hash of its stored record, for the store's sum.
    pub record_hash: u128,
    /// Which agents have spoken for it.
    pub agents: Agents,
    /// How often it will be heard, in seconds.
    pub heartbeat_interval_s: u32,
    /// Open ports in its set.
    pub open_ports: u32,
    /// What it adds to the counts; nothing once it is retired.
    pub cells: Cells,
    /// The commit of its newest entry in the history; 0 where it has none.
    pub history_at: u64,
    /// When it was retired; `None` while it is not.
    pub retired_at: Option<UnixMicros>,
}

/// One host of the census.
#[derive(Clone, Debug)]
pub struct Host {
    /// What its newest commit says.
    pub facts: HostFacts,
    /// What an operator chose to ignore of it: no report changes that.
    pub ignored: Ignored,
    /// Whether it counts as fresh.
    pub(crate) fresh: bool,
    /// When it was heard; shared by all versions of the host, since hearing is no commit.
    pub(crate) live: Arc<Live>,
}

impl Host {
    /// One that counts nothing and is not heard.
    pub(crate) fn retired(facts: HostFacts, live: Arc<Live>) -> Self {
        Self {
            facts,
            ignored: Ignored::default(),
            fresh: false,
            live,
        }
    }

    /// Whether the host is fresh, as it is counted.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether the host is fresh, as it is counted, and when it was last heard (seconds since 1970).
    pub fn freshness(&self) -> (Freshness, u32) {
        let freshness = if self.fresh {
            Freshness::Fresh
        } else {
            Freshness::Stale
        };
        (freshness, self.live.heard_s())
    }

    /// How many rows (port, transport) of a category the host is counted in.
    pub fn rows_in(&self, category: Category) -> u64 {
        let rows = self.facts.cells.rows();
        rows.filter(|row| row.category == category).count() as u64
    }

    /// The exposures of the sockets that a row of a category stands for, of all assets of the host
    /// together, from the narrowest on.
    pub fn exposures(
        &self,
        category: Category,
        port: u16,
        transport: Transport,
    ) -> impl Iterator<Item = Exposure> {
        let key = RowKey::new(port, transport);
        Exposure::ALL.into_iter().filter(move |exposure| {
            let sockets = Sockets::Exposed(*exposure);
            self.facts.cells.count_in(ListId { category, sockets }, key) > 0
        })
    }

    /// The status of one asset's (port, transport) of this host: what the port table says, but
    /// normal where danger is ignored. `container_asset` is `None` in category host.
    pub fn port_status(
        &self,
        container_asset: Option<&str>,
        port: u16,
        transport: Transport,
    ) -> PortStatus {
        match knowledge::status(port, transport) {
            PortStatus::Danger if self.ignored.holds(container_asset, port, transport) => {
                PortStatus::Normal
            }
            status => status,
        }
    }

    /// Whether two agents speak for the host at `now_s`.
    pub fn in_conflict(&self, now_s: u32) -> bool {
        self.live.conflict_until_s() > now_s
    }
}
