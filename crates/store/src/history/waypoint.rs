//! Waypoints: entries of a host that hold the whole version before them, and name the waypoint before.
//!
//! A host's chain leads back version by version, which takes long where there are very many. Of each
//! [`EVERY`] versions one entry is a waypoint, so a walk goes from waypoint to waypoint until it is
//! near, and along the chain from there. A copy of a host for each so many versions is small beside
//! them; a copy for each day would not be, since most hosts do not change in one.
//! Limits: a walk back over `n` versions reads `n / EVERY` waypoints and [`EVERY`] entries; what was
//! stored by a version without waypoints is walked through.

use std::ops::ControlFlow;

use portolan_wire::ids::HostKey;
use serde::{Deserialize, Serialize};

use super::HistoryError;
use super::record::{Entry, Record};
use crate::{Store, StoreError};

/// Versions of a host from one waypoint to the next.
pub(crate) const EVERY: u32 = 512;

/// Where the waypoints of a host begin, as its stored value tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// The commit of the newest one; 0 where there is none.
    pub(crate) newest: u64,
    /// How many versions there are since.
    pub(crate) since: u32,
}

impl Way {
    /// Whether the next version has a waypoint.
    pub(crate) fn is_long(self) -> bool {
        self.since.saturating_add(1) >= EVERY
    }

    /// That of the next version, which has none.
    pub(crate) fn further(self) -> Self {
        Self {
            since: self.since.saturating_add(1),
            ..self
        }
    }
}

/// What follows the detail of an entry that is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waypoint<'a> {
    /// The commit of the waypoint before; 0 where there is none.
    pub(crate) previous: u64,
    /// The stored value of the version before.
    pub(crate) before: &'a [u8],
}

/// Takes the commit and the waypoint of each; `Break` ends the walk.
pub(super) type EachWaypoint<'a> =
    &'a mut dyn FnMut(u64, &Waypoint<'_>) -> Result<ControlFlow<()>, HistoryError>;

/// Goes from waypoint to waypoint of a host, the newest first, and hands out the commit and the entry of
/// each, until one is no longer kept.
pub(super) fn each(
    store: &dyn Store,
    key: &HostKey,
    way: Way,
    each: EachWaypoint<'_>,
) -> Result<(), StoreError> {
    let mut next = way.newest;
    while next > 0 {
        let Some(record) = store.history_record(next)? else {
            break;
        };
        let commit = next;
        let mut found = false;
        // One commit may hold very many versions of a host.
        for entry in of_host(key, &record)?.iter().rev() {
            let Some(waypoint) = entry.waypoint()? else {
                continue;
            };
            (found, next) = (true, waypoint.previous);
            if each(commit, &waypoint)?.is_break() {
                return Ok(());
            }
        }
        if !found || next >= commit {
            return Err(HistoryError::Parts("a host's waypoints are broken").into());
        }
    }
    Ok(())
}

fn of_host<'a>(key: &HostKey, record: &'a [u8]) -> Result<Vec<Entry<'a>>, HistoryError> {
    let mut entries = Vec::new();
    for entry in Record::read(record)?.entries() {
        let entry = entry?;
        if entry.is_version_of(key) {
            entries.push(entry);
        }
    }
    Ok(entries)
}
