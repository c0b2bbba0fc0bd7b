//! What the store keeps beside the census: who was heard when, and each host's newest set.

use std::collections::HashMap;

use portolan_census::{Liveness, State};
use portolan_wire::ids::{HostId, HostKey, ProjectId};
use xxhash_rust::xxh3::xxh3_64;

use crate::store::{SeenAt, Store};
use crate::{Snapshot, StoreError};

/// Enters every host of a rebuilt census into `liveness`, as last heard when the store says, and notes
/// that of retired ones.
///
/// # Errors
/// What the store kept cannot be read.
pub fn restore_liveness(
    store: &dyn Store,
    state: &State,
    liveness: &Liveness,
    now_s: u32,
) -> Result<(), StoreError> {
    let mut heard = HashMap::<u64, u32>::new();
    for seen in store.load_seen()? {
        let second = heard.entry(seen.host).or_default();
        *second = seen.second.max(*second);
    }
    for (project_id, project) in state.projects() {
        let kept_s = |id: &HostId| heard.get(&seen_hash(project_id, id)).copied();
        for host in project.all_retired() {
            liveness.was_heard(host, kept_s(&host.facts.id).unwrap_or(0));
        }
        for host in project.hosts_after(None) {
            let committed_s = u32::try_from(host.facts.at.seconds()).unwrap_or(0);
            let kept_s = kept_s(&host.facts.id).unwrap_or(0);
            liveness.heard(project_id, host, kept_s.max(committed_s), now_s);
        }
    }
    Ok(())
}

/// Enters when hosts were heard elsewhere, by [`SeenAt::host`], where that is later than what is known
/// here. Says of how many hosts it was.
pub fn take_in_seen(
    state: &State,
    liveness: &Liveness,
    heard: &HashMap<u64, u32>,
    now_s: u32,
) -> u64 {
    let mut hosts = 0;
    if heard.is_empty() {
        return hosts;
    }
    for (project_id, project) in state.projects() {
        for host in project.hosts_after(None) {
            let told = heard.get(&seen_hash(project_id, &host.facts.id)).copied();
            // A clock elsewhere may be ahead.
            let later = told.map(|second| second.min(now_s));
            if let Some(second) = later.filter(|second| *second > host.freshness().1) {
                liveness.heard(project_id, host, second, now_s);
                hosts += 1;
            }
        }
    }
    hosts
}

/// Of all that is known, what others need to be told: who was heard since `since_s`, later than they
/// say themselves.
pub fn seen_here(state: &State, elsewhere: &HashMap<u64, u32>, since_s: u32) -> Vec<SeenAt> {
    let mut seen = seen(state);
    seen.retain(|one| {
        one.second >= since_s
            && elsewhere
                .get(&one.host)
                .is_none_or(|told| one.second > *told)
    });
    seen
}

/// When each host was last heard, for [`Store::save_seen`].
pub fn seen(state: &State) -> Vec<SeenAt> {
    let hosts = state.projects().flat_map(|(project_id, project)| {
        let hosts = project.hosts_after(None).chain(project.all_retired());
        hosts.map(move |host| (project_id, host))
    });
    hosts
        .map(|(project_id, host)| SeenAt {
            host: seen_hash(project_id, &host.facts.id),
            second: host.freshness().1,
        })
        .collect()
}

/// The newest stored snapshot of a host that is not retired.
///
/// # Errors
/// The store cannot be read, or the value does not decode.
pub fn snapshot_of(store: &dyn Store, key: &HostKey) -> Result<Option<Snapshot>, StoreError> {
    let stored = stored_snapshot_of(store, key)?;
    Ok(stored.filter(|snapshot| snapshot.retired_at.is_none()))
}

/// The newest stored snapshot of a host, retired or not.
///
/// # Errors
/// Those of [`snapshot_of`].
pub fn stored_snapshot_of(
    store: &dyn Store,
    key: &HostKey,
) -> Result<Option<Snapshot>, StoreError> {
    let Some(value) = store.host(key)? else {
        return Ok(None);
    };
    Snapshot::decode(key.host.as_str(), &value)
        .map(Some)
        .map_err(Into::into)
}

fn seen_hash(project: &ProjectId, host: &HostId) -> u64 {
    let mut key = Vec::with_capacity(96);
    key.extend_from_slice(&(project.as_str().len() as u64).to_be_bytes());
    key.extend_from_slice(project.as_str().as_bytes());
    key.extend_from_slice(host.as_str().as_bytes());
    xxh3_64(&key)
}
