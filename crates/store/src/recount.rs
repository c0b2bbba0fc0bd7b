//! Counting again from the stored sets, while the writer goes on.
//!
//! The census of one moment is checked against its hosts' cells, and each host's cells against the
//! stored set and choices of the same version. A host that was reported anew between the two has another
//! record hash, and one whose choices changed has others; it is compared again in the newest
//! published state, until both are of one version or no commit can have come between them.

use std::time::{Duration, Instant};

use portolan_census::{Cells, Counted, Host, Recount, Selection};
use portolan_wire::ids::{HostId, HostKey, ProjectId};

use crate::{Published, Snapshot, Store, StoreError, ignoring, record_hash, snapshot};

/// How long the census may lag behind the store: between a batch's sync and its publication there
/// is the rest of that sync only, but a disk can stall.
const LAG_MAX: Duration = Duration::from_secs(30);
/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Recounts the selected part of a project.
///
/// # Errors
/// The store cannot be read, or a value does not decode.
pub fn recount(
    store: &dyn Store,
    published: &Published,
    project_id: &ProjectId,
    selection: &Selection,
) -> Result<Recount, StoreError> {
    let mut found = Recount::default();
    if let Some(project) = published.state.load_full().project(project_id.as_str()) {
        found.project(project, selection);
    }
    let all = usize::MAX;
    let hosts = recount_hosts(store, published, project_id, selection, None, all)?;
    found.counts_checked += hosts.checked;
    for host in hosts.differing {
        found.host_differs(project_id.clone(), host);
    }
    Ok(found)
}

/// Hosts whose counts were compared with the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecountedHosts {
    /// How many there are.
    pub checked: u64,
    /// Those of which the census does not hold what the store does.
    pub differing: Vec<HostId>,
    /// The last of them, where more may follow it.
    pub last: Option<HostId>,
}

/// Compares what the census holds of the selected hosts after `after`, by ascending id and at most
/// `limit` of them, with their stored sets.
///
/// # Errors
/// The store cannot be read, or a value does not decode.
pub fn recount_hosts(
    store: &dyn Store,
    published: &Published,
    project_id: &ProjectId,
    selection: &Selection,
    after: Option<&HostId>,
    limit: usize,
) -> Result<RecountedHosts, StoreError> {
    let mut found = RecountedHosts::default();
    let state = published.state.load_full();
    let Some(project) = state.project(project_id.as_str()) else {
        return Ok(found);
    };
    let hosts = project.hosts_after(after.map(HostId::as_str));
    let hosts = hosts.filter(|host| selection.holds(&host.facts.enterprise_project));
    for host in hosts.take(limit) {
        let key = HostKey {
            project: project_id.clone(),
            host: host.facts.id.clone(),
        };
        let agrees = agrees(store, published, &key)?;
        found.checked += 1;
        found.last = Some(key.host.clone());
        if !agrees {
            found.differing.push(key.host);
        }
    }
    if found.checked < limit as u64 {
        found.last = None;
    }
    Ok(found)
}

/// Whether the census holds a host as the store does.
#[expect(
    clippy::disallowed_methods,
    reason = "bounds how long it waits for another thread's publication"
)]
fn agrees(store: &dyn Store, published: &Published, key: &HostKey) -> Result<bool, StoreError> {
    let until = Instant::now() + LAG_MAX;
    loop {
        let at_rest = published.at_rest();
        let stored = store.host(key)?;
        let state = published.state.load();
        match (state.host(key), stored) {
            (None, None) => return Ok(true),
            (None, Some(value)) if snapshot::is_retired(&value)? => return Ok(true),
            (Some(host), Some(value))
                if host.facts.record_hash == record_hash(key, &value)
                    && host.ignored == ignoring::stored(store, key, &value)? =>
            {
                return same_set(host, key, &value);
            }
            _ if at_rest.is_some() && at_rest == published.at_rest() => return Ok(false),
            _ if Instant::now() > until => return Ok(false),
            // A commit is between its write and its publication.
            _ => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

fn same_set(host: &Host, key: &HostKey, value: &[u8]) -> Result<bool, StoreError> {
    let snapshot = Snapshot::decode(key.host.as_str(), value)?;
    let cells = Cells::of(snapshot.open_ports.iter().map(Counted::from));
    Ok(cells == host.facts.cells
        && snapshot.host.enterprise_project_id == host.facts.enterprise_project.as_str())
}
