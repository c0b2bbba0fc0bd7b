//! What one commit writes: at most one value a host and a record, however often each is in the batch.

use std::collections::HashMap;
use std::hash::Hash;

use portolan_census::{Agents, HostFacts};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::committer::Prepared;
use crate::history::compare::Compared;
use crate::history::record::{NewEntry, Writer};
use crate::history::waypoint::Way;
use crate::record::{RecordChange, RecordKey};
use crate::snapshot::first_seen::Runs;
use crate::snapshot::form::Body;
use crate::store::{Batch, HistoryWrite, HostWrite, RecordWrite, Write};
use crate::{StoreError, record_hash, snapshot};

/// The writes decided so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    at: UnixMicros,
    history: Writer,
    hosts: Writes<HostKey>,
    records: Writes<RecordKey>,
    ticks: bool,
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

    /// There is a batch even if nothing changes.
    pub(super) fn tick(&mut self, at: UnixMicros) {
        self.at = self.at.max(at);
        self.ticks = true;
    }

    /// Adds an entry to the history of the batch.
    pub(super) fn entry(&mut self, entry: NewEntry<'_>) -> Result<(), StoreError> {
        self.at = self.at.max(entry.at);
        Ok(self.history.push(entry)?)
    }

    /// The same, unless that is too much for one commit: then nothing is added.
    pub(super) fn entry_within(&mut self, entry: NewEntry<'_>) -> Result<bool, StoreError> {
        let at = entry.at;
        let is_added = self.history.push_within(entry)?;
        if is_added {
            self.at = self.at.max(at);
        }
        Ok(is_added)
    }

    /// Whether the history of the batch is as long as one commit's may be.
    pub(super) fn is_full(&self) -> bool {
        self.history.is_full()
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
        let history = self.history.finish();
        let changes = history.is_some() || !hosts.is_empty() || !records.is_empty() || self.ticks;
        changes.then_some(Batch {
            commit,
            at: self.at,
            hosts,
            records,
            history: history.map(|value| HistoryWrite {
                day: self.at.day(),
                value,
            }),
        })
    }
}

/// The moments of a batch: they rise from one host's version to its next and never decrease, whatever
/// the clock does.
#[derive(Debug)]
pub(super) struct Moments {
    /// By the clock, which may have gone back: it tells how long ago somebody spoke.
    pub(super) clock: UnixMicros,
    next: UnixMicros,
}

impl Moments {
    /// Those of a batch that begins at `clock`, after a commit of `last_at`. No two
    /// commits share one, so that a moment tells which commits are before it.
    pub(super) fn new(clock: UnixMicros, last_at: UnixMicros) -> Self {
        Self {
            clock,
            next: clock.max(last_at.plus_micros(1)),
        }
    }

    /// The moment of what is no version of a host.
    pub(super) fn now(&self) -> UnixMicros {
        self.next
    }

    /// The moment of the version after `before`.
    pub(super) fn of_version(&mut self, before: Option<&HostFacts>) -> UnixMicros {
        if let Some(before) = before {
            self.next = self.next.max(before.at.plus_micros(1));
        }
        self.next
    }
}

/// The next version of a host: what the census takes, and what the store writes. `before` is the
/// version before it, and `held` that version unless it is a retired one.
pub(super) fn version(
    report: Prepared,
    compared: &Compared,
    before: Option<&HostFacts>,
    held: Option<&HostFacts>,
    (at, commit): (UnixMicros, u64),
) -> Result<(HostFacts, HostWrite), StoreError> {
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
        history_at: commit,
        retired_at: None,
    };
    let back = (compared.first_seen(at.0), compared.way(commit));
    let body = Body(&report.body);
    let write = write(report.key, &mut facts, back, body, before)?;
    Ok((facts, write))
}

/// The write of a host's value, whose hash the facts get.
pub(super) fn write(
    key: HostKey,
    facts: &mut HostFacts,
    (first_seen, way): (Runs, Way),
    body: Body<'_>,
    before: Option<&HostFacts>,
) -> Result<HostWrite, StoreError> {
    let value =
        snapshot::encode(facts, first_seen, way, body).map_err(|error| StoreError::Read {
            what: format!("a head does not encode: {error}"),
        })?;
    facts.record_hash = record_hash(&key, &value);
    Ok(HostWrite {
        key,
        value: Some(value),
        hash: facts.record_hash,
        replaces: before.map(|before| before.record_hash),
    })
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
    let RecordChange { key, value, .. } = change;
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
