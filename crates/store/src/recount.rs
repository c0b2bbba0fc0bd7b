//! Counting again from the stored sets, while the writer goes on.
//!
//! The census of one moment is checked against its hosts' cells, and each host's cells against the
//! stored set and choices of the same version. A host that was reported anew between the two has another
//! record hash, and one whose choices changed has others; it is compared again in the newest
//! published state.

use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use portolan_census::{Cells, Counted, Host, Recount, Selection, State};
use portolan_wire::ids::{HostKey, ProjectId};

use crate::{Snapshot, Store, StoreError, ignoring, record_hash, snapshot};

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
    published: &ArcSwap<State>,
    project_id: &ProjectId,
    selection: &Selection,
) -> Result<Recount, StoreError> {
    let mut found = Recount::default();
    let state = published.load_full();
    let Some(project) = state.project(project_id.as_str()) else {
        return Ok(found);
    };
    found.project(project, selection);
    for host in project.hosts_after(None) {
        if !selection.holds(&host.facts.enterprise_project) {
            continue;
        }
        let key = HostKey {
            project: project_id.clone(),
            host: host.facts.id.clone(),
        };
        if !agrees(store, published, &key)? {
            found.host_differs(key.project, key.host);
        }
        found.counts_checked += 1;
    }
    Ok(found)
}

/// Whether the census holds a host as the store does.
#[expect(
    clippy::disallowed_methods,
    reason = "bounds how long it waits for another thread's publication"
)]
fn agrees(
    store: &dyn Store,
    published: &ArcSwap<State>,
    key: &HostKey,
) -> Result<bool, StoreError> {
    let until = Instant::now() + LAG_MAX;
    loop {
        let stored = store.host(key)?;
        let state = published.load();
        match (state.host(key), stored) {
            (None, None) => return Ok(true),
            (None, Some(value)) if snapshot::is_retired(&value)? => return Ok(true),
            (Some(host), Some(value))
                if host.facts.record_hash == record_hash(key, &value)
                    && host.ignored == ignoring::stored(store, key, &value)? =>
            {
                return same_set(host, key, &value);
            }
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
