//! Walking back: the version of a host at a moment, from the one that is stored.

use std::collections::HashMap;
use std::ops::ControlFlow;

use portolan_census::Pair;
use portolan_wire::digest::Digest;
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::{Identity, OpenPort};
use portolan_wire::time::UnixMicros;

use super::HistoryError;
use super::detail::{Before, PortDelta};
use super::record::{Entry, Kind, Record};
use super::waypoint;
use crate::snapshot::form::{StoredPort, split};
use crate::{Snapshot, Store, StoreError};

/// A host at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAt {
    /// It had that version.
    Present(Box<Snapshot>),
    /// It was retired, and had that version before.
    Retired(Box<Snapshot>),
    /// It had never reported, or is forgotten since.
    Absent,
    /// The history does not reach back to that moment, or no longer.
    NotKept,
}

/// The host as it was at `at`: its last version that was committed no later. Exact from
/// [`HistorySpan::from`](crate::HistorySpan::from) on.
///
/// # Errors
/// The store cannot be read, or the history does not fit the stored version.
pub fn host_at(store: &dyn Store, key: &HostKey, at: UnixMicros) -> Result<HostAt, StoreError> {
    let Some(value) = store.host(key)? else {
        return Ok(HostAt::Absent);
    };
    let value = near(store, key, at, value)?;
    let mut snapshot = Snapshot::decode(key.host.as_str(), &value)?;
    while snapshot.at > at {
        if snapshot.history_at == 0 {
            return Ok(HostAt::NotKept);
        }
        let Some(record) = store.history_record(snapshot.history_at)? else {
            return Ok(HostAt::NotKept);
        };
        match before(snapshot, key, at, &record)? {
            Some(before) => snapshot = before,
            None => return Ok(HostAt::Absent),
        }
    }
    let snapshot = Box::new(snapshot);
    Ok(match snapshot.retired_at {
        Some(_) => HostAt::Retired(snapshot),
        None => HostAt::Present(snapshot),
    })
}

/// Of the stored version and those that waypoints hold, the one before which `at` is nearest.
fn near(
    store: &dyn Store,
    key: &HostKey,
    at: UnixMicros,
    mut value: Vec<u8>,
) -> Result<Vec<u8>, StoreError> {
    let head = split(&value)?.0;
    if head.at <= at.0 {
        return Ok(value);
    }
    let way = head.way;
    waypoint::each(store, key, way, &mut |commit, waypoint| {
        let before = split(waypoint.before)?.0;
        if before.at <= at.0 {
            return Ok(ControlFlow::Break(()));
        }
        // A record is walked through from its end.
        if before.history_at < commit {
            value = waypoint.before.to_vec();
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(value)
}

/// Undoes the host's entries of one record until `at`; there is at least one.
fn before(
    mut snapshot: Snapshot,
    key: &HostKey,
    at: UnixMicros,
    record: &[u8],
) -> Result<Option<Snapshot>, HistoryError> {
    let newest = snapshot.at;
    for entry in Record::read(record)?.entries().rev() {
        let entry = entry?;
        if !entry.is_version_of(key) {
            continue;
        }
        if snapshot.at <= at {
            break;
        }
        match undo(snapshot, &entry)? {
            Some(before) => snapshot = before,
            None => return Ok(None),
        }
    }
    if snapshot.at == newest {
        return Err(disagrees(newest, "its record does not name it"));
    }
    Ok(Some(snapshot))
}

fn disagrees(at: UnixMicros, what: &'static str) -> HistoryError {
    HistoryError::Disagrees { at, what }
}

/// The version before the one that an entry made; `None` where there was none.
pub(crate) fn undo(
    snapshot: Snapshot,
    entry: &Entry<'_>,
) -> Result<Option<Snapshot>, HistoryError> {
    if entry.at != snapshot.at {
        return Err(disagrees(snapshot.at, "the entry is of another moment"));
    }
    let detail = entry.detail()?;
    let (Some(before), Some(before_at)) = (detail.before, entry.before_at()) else {
        return Ok(None);
    };
    if before_at >= snapshot.at {
        return Err(disagrees(snapshot.at, "the version before is no older"));
    }
    let (open_ports, first_seen) = (snapshot.open_ports, snapshot.first_seen);
    // Nothing of what was before stayed open in a host that is new.
    let (open_ports, first_seen) = match entry.head.kind {
        Kind::Baseline => ports_before(Vec::new(), detail.ports),
        _ if detail.ports.is_empty() => Some((open_ports, first_seen)),
        _ => ports_before(
            open_ports.into_iter().zip(first_seen).collect(),
            detail.ports,
        ),
    }
    .ok_or(disagrees(snapshot.at, "the entry is of another set"))?;
    let undone = Snapshot {
        at: before_at,
        digest: Digest::of(&open_ports),
        open_ports,
        first_seen,
        history_at: entry.head.previous,
        ..snapshot
    };
    Ok(Some(with(undone, before)))
}

fn with(mut snapshot: Snapshot, before: Before<'_>) -> Snapshot {
    snapshot.pair = Pair {
        generation: before.generation,
        sequence: before.sequence,
    };
    snapshot.observed_at = UnixMicros(before.observed_at);
    snapshot.retired_at = before.retired_at.map(UnixMicros);
    let enterprise_project = before.enterprise_project.map(str::to_owned);
    let enterprise_project = enterprise_project.unwrap_or(snapshot.host.enterprise_project_id);
    snapshot.host.enterprise_project_id = enterprise_project;
    if let Some(host) = before.host {
        let of = &snapshot.host;
        snapshot.host = host.named(&of.host_id, &of.enterprise_project_id);
    }
    if let Some(interval_s) = before.heartbeat_interval_s {
        snapshot.heartbeat_interval_s = interval_s;
    }
    if let Some(agent) = before.agent {
        snapshot.agent = agent.map(Into::into);
    }
    if let Some(coverage) = before.coverage {
        snapshot.coverage = coverage.into();
    }
    snapshot
}

/// What an open port of the newer set was in the older one.
enum Was<'a> {
    /// Not open.
    Nothing,
    /// Open, with these attributes.
    Otherwise(StoredPort<'a>),
    /// Open as this one, of the container before.
    Twin(StoredPort<'a>),
}

/// The older set, in its order, and since when its ports were open; `None` where the deltas are not
/// those of the newer one.
fn ports_before(
    newer: Vec<(OpenPort, UnixMicros)>,
    deltas: Vec<PortDelta<'_>>,
) -> Option<(Vec<OpenPort>, Vec<UnixMicros>)> {
    let mut changed = HashMap::<Identity<'_>, Was<'_>>::with_capacity(deltas.len());
    let mut back = Vec::new();
    let newer_ones: Vec<_> = newer.iter().map(|(port, _)| port.clone()).collect();
    for delta in deltas {
        let identity = delta.identity();
        let was = match delta {
            PortDelta::Closed(port, since) => {
                back.push((OpenPort::from(port), UnixMicros(since)));
                continue;
            }
            PortDelta::Opened(_) => Was::Nothing,
            PortDelta::Changed { before, .. } => Was::Otherwise(before),
            PortDelta::Twin { before, .. } => Was::Twin(before),
        };
        changed.insert(identity, was);
    }
    let mut older = Vec::with_capacity(newer.len());
    for ((port, since), newer) in newer.into_iter().zip(&newer_ones) {
        match changed.remove(&newer.identity()) {
            None => older.push((port, since)),
            Some(Was::Nothing) => {}
            Some(Was::Otherwise(was)) => older.push((was.into(), since)),
            Some(Was::Twin(was)) => back.push((was.into(), since)),
        }
    }
    if !changed.is_empty() {
        return None;
    }
    older.append(&mut back);
    older.sort_by(|(a, _), (b, _)| a.identity().cmp(&b.identity()));
    Some(older.into_iter().unzip())
}
