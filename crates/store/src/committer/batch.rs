//! What one commit writes: at most one value a host and a record, however often each is in the batch.

use std::collections::HashMap;
use std::hash::Hash;

use portolan_census::{Agents, HostFacts};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::committer::Prepared;
use crate::record::{RecordChange, RecordKey};
use crate::store::{Batch, HostWrite, RecordWrite, Write};
use crate::{StoreError, record_hash, snapshot};

/// The writes decided so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    at: UnixMicros,
    hosts: Writes<HostKey>,
    records: Writes<RecordKey>,
}

#[derive(Debug)]
struct Writes<K> {
    writes: Vec<Write<K>>,
    places: HashMap<K, usize>,
}

impl<K> Default for Writes<K> {
    fn default() -> Self {
        Self {
            writes: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Writes<K> {
    fn add(&mut self, mut write: Write<K>) {
        match self
            .places
            .get(&write.key)
            .and_then(|&place| self.writes.get_mut(place))
        {
            // What is on disk is still the value from before the batch.
            Some(earlier) => {
                write.replaces = earlier.replaces;
                *earlier = write;
            }
            None => {
                self.places.insert(write.key.clone(), self.writes.len());
                self.writes.push(write);
            }
        }
    }
}

impl Gathered {
    pub(super) fn host(&mut self, write: HostWrite, at: UnixMicros) {
        self.at = self.at.max(at);
        self.hosts.add(write);
    }

    pub(super) fn record(&mut self, write: RecordWrite, at: UnixMicros) {
        self.at = self.at.max(at);
        self.records.add(write);
    }

    /// The value that the batch gives a host, or that it removes it; `None` where it leaves it.
    pub(super) fn host_value(&self, host: &HostKey) -> Option<Option<&[u8]>> {
        let place = self.hosts.places.get(host)?;
        self.hosts
            .writes
            .get(*place)
            .map(|write| write.value.as_deref())
    }

    /// Whether the batch already changes the record.
    pub(super) fn has(&self, record: &RecordKey) -> bool {
        self.records.places.contains_key(record)
    }

    /// The batch, or `None` where nothing changes.
    pub(super) fn into_batch(self, commit: u64) -> Option<Batch> {
        let (hosts, records) = (self.hosts.writes, self.records.writes);
        let changes = !hosts.is_empty() || !records.is_empty();
        changes.then_some(Batch {
            commit,
            at: self.at,
            hosts,
            records,
            history: None,
        })
    }
}

/// When the next version of a host is: moments of a host rise, whatever the clock does.
pub(super) fn next_at(held: Option<&HostFacts>, now: UnixMicros) -> UnixMicros {
    held.map_or(now, |held| now.max(held.at.plus_micros(1)))
}

/// The next version of a host: what the census takes, and what the store writes.
pub(super) fn version(
    report: Prepared,
    held: Option<&HostFacts>,
    now: UnixMicros,
) -> Result<(HostFacts, HostWrite), StoreError> {
    let at = next_at(held, now);
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
        replaces: held.map(|held| held.record_hash),
    };
    Ok((facts, write))
}

/// The end of a host.
pub(super) fn removal(key: HostKey, held: &HostFacts) -> HostWrite {
    HostWrite {
        key,
        value: None,
        hash: 0,
        replaces: Some(held.record_hash),
    }
}

/// The write of one record.
pub(super) fn record(change: RecordChange, replaces: Option<u128>) -> RecordWrite {
    let RecordChange { key, value } = change;
    let hash = value.as_ref().map_or(0, |value| key.hash_with(value));
    RecordWrite {
        key,
        value,
        hash,
        replaces,
    }
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
