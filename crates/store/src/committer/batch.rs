//! What one commit writes: at most one value a host, however many of its reports are in the batch.

use std::collections::HashMap;

use portolan_census::{Agents, HostFacts};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::committer::Prepared;
use crate::store::{Batch, HostWrite};
use crate::{StoreError, record_hash, snapshot};

/// The writes of the reports decided so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    at: UnixMicros,
    writes: Vec<HostWrite>,
    by_host: HashMap<HostKey, usize>,
}

impl Gathered {
    pub(super) fn add(&mut self, mut write: HostWrite, at: UnixMicros) {
        self.at = self.at.max(at);
        match self
            .by_host
            .get(&write.key)
            .and_then(|&place| self.writes.get_mut(place))
        {
            // What is on disk is still the value from before the batch.
            Some(earlier) => {
                write.replaces = earlier.replaces;
                *earlier = write;
            }
            None => {
                self.by_host.insert(write.key.clone(), self.writes.len());
                self.writes.push(write);
            }
        }
    }

    /// The batch, or `None` where nothing changes.
    pub(super) fn into_batch(self, commit: u64) -> Option<Batch> {
        let changes = !self.writes.is_empty();
        changes.then_some(Batch {
            commit,
            at: self.at,
            hosts: self.writes,
        })
    }
}

/// The next version of a host: what the census takes, and what the store writes.
pub(super) fn version(
    report: Prepared,
    held: Option<&HostFacts>,
    replaces: Option<u128>,
    now: UnixMicros,
) -> Result<(HostFacts, HostWrite), StoreError> {
    let at = held.map_or(now, |held| now.max(held.at.plus_micros(1)));
    let mut facts = HostFacts {
        id: report.key.host.clone(),
        enterprise_project: report.enterprise_project,
        pair: report.pair,
        at,
        digest: report.digest,
        record_hash: 0,
        agents: agents(held, report.agent, at),
        heartbeat_interval_s: report.heartbeat_interval_s,
        open_ports: report.open_ports,
        cells: report.cells,
    };
    let value = snapshot::encode(&facts, &report.body).map_err(|error| StoreError::Read {
        what: format!("a head does not encode: {error}"),
    })?;
    facts.record_hash = record_hash(&report.key, &value);
    let write = HostWrite {
        key: report.key,
        value: Some(value),
        hash: facts.record_hash,
        replaces,
    };
    Ok((facts, write))
}

fn agents(held: Option<&HostFacts>, agent: u64, at: UnixMicros) -> Agents {
    match held.map(|held| held.agents) {
        Some(agents) if agents.current == agent => agents,
        Some(agents) => Agents {
            current: agent,
            previous: agents.current,
            switched_at: at,
        },
        None => Agents {
            current: agent,
            previous: 0,
            switched_at: at,
        },
    }
}
