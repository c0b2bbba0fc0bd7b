//! What the agent saw of its host in one look: the set, and all that is told beside it.
//!
//! Built once, canonical from then on, so that two looks can be compared and digested without
//! thinking about order or twins. Holds: `digest` is that of `open_ports`.
//! Limit: one host's set, [`OPEN_PORTS_MAX`](portolan_wire::caps::OPEN_PORTS_MAX) by the server.

use std::sync::Arc;

use portolan_wire::digest::Digest;
use portolan_wire::open_port::{Identity, OpenPort, canonicalise};
use portolan_wire::report::{Agent, Coverage, Host, Report, Transient};
use portolan_wire::time::UnixMicros;

use crate::machine::Pair;

/// One look at the host.
#[derive(Clone, Debug)]
pub struct Snapshot {
    host: Host,
    observed_at: UnixMicros,
    agent: Agent,
    coverage: Coverage,
    /// Shared: the look before, an attempt and what the server holds are mostly the same set.
    open_ports: Arc<Vec<OpenPort>>,
    digest: Digest,
}

impl Snapshot {
    /// Brings `open_ports` into canonical form and digests them.
    pub fn new(
        host: Host,
        observed_at: UnixMicros,
        agent: Agent,
        coverage: Coverage,
        mut open_ports: Vec<OpenPort>,
    ) -> Self {
        canonicalise(&mut open_ports);
        let digest = Digest::of(&open_ports);
        Self {
            host,
            observed_at,
            agent,
            coverage,
            open_ports: Arc::new(open_ports),
            digest,
        }
    }

    /// The digest of the set.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// When the look was taken, by the clock of the host.
    pub(crate) fn observed_at(&self) -> UnixMicros {
        self.observed_at
    }

    /// The set, in canonical form.
    pub fn open_ports(&self) -> &[OpenPort] {
        &self.open_ports
    }

    /// Whether the set holds a port of that identity.
    pub(crate) fn holds(&self, identity: Identity<'_>) -> bool {
        holds(&self.open_ports, identity)
    }

    /// The same set, to be kept.
    pub(crate) fn shared_ports(&self) -> Arc<Vec<OpenPort>> {
        Arc::clone(&self.open_ports)
    }

    /// The same look, with the memory of an equal set.
    pub(crate) fn sharing(self, other: &Self) -> Self {
        if self.open_ports == other.open_ports {
            let open_ports = Arc::clone(&other.open_ports);
            Self { open_ports, ..self }
        } else {
            self
        }
    }

    /// Whether `other` tells the same: set, attributes, host and coverage. When the agent looked
    /// and what it cost are not part of it, else every look would be news.
    pub(crate) fn tells_the_same_as(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.open_ports == other.open_ports
            && self.coverage == other.coverage
            && self.host == other.host
    }

    /// The report that tells this look under `pair`, with transients beside it.
    pub(crate) fn report(
        &self,
        pair: Pair,
        heartbeat_interval_s: u32,
        transients: Vec<Transient>,
        transients_lost: u64,
    ) -> Report {
        Report {
            host: self.host.clone(),
            generation: pair.generation,
            sequence: pair.sequence,
            observed_at: self.observed_at,
            heartbeat_interval_s: Some(heartbeat_interval_s),
            agent: Some(self.agent.clone()),
            coverage: self.coverage.clone(),
            open_ports: self.open_ports.to_vec(),
            transients,
            transients_lost,
        }
    }

    /// The id of the host.
    pub(crate) fn host_id(&self) -> &str {
        &self.host.host_id
    }

    /// The id of the agent, empty when it has none.
    pub(crate) fn agent_id(&self) -> &str {
        self.host.agent_id.as_deref().unwrap_or("")
    }
}

/// Whether a canonical set holds a port of that identity.
pub(crate) fn holds(ports: &[OpenPort], identity: Identity<'_>) -> bool {
    ports
        .binary_search_by(|held| held.identity().cmp(&identity))
        .is_ok()
}
