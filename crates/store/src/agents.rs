//! Which host an agent speaks for, by the agent's id.
//!
//! The census names agents by a hash only, which leads to candidates; their stored snapshots tell.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{Project, Selection};
use portolan_wire::ids::{HostId, HostKey, ProjectId};

use crate::snapshot::agent_hash;
use crate::{Store, StoreError, snapshot_of};

/// The host of each of these agents among the selected ones of a project. An agent that none of them
/// has, or several, is left out.
///
/// # Errors
/// The store cannot be read, or a value does not decode.
pub fn hosts_of_agents(
    store: &dyn Store,
    project_id: &ProjectId,
    project: &Project,
    selection: &Selection,
    agent_ids: &BTreeSet<&str>,
) -> Result<BTreeMap<String, HostId>, StoreError> {
    let hashes: BTreeSet<u64> = agent_ids.iter().map(|id| agent_hash(Some(id))).collect();
    let mut found = BTreeMap::<String, Vec<HostId>>::new();
    let candidates = project.hosts_after(None).filter(|host| {
        hashes.contains(&host.facts.agents.current)
            && selection.holds(&host.facts.enterprise_project)
    });
    for host in candidates {
        let key = HostKey {
            project: project_id.clone(),
            host: host.facts.id.clone(),
        };
        let snapshot = snapshot_of(store, &key)?;
        let agent_id = snapshot.and_then(|snapshot| snapshot.host.agent_id);
        if let Some(agent_id) = agent_id.filter(|id| agent_ids.contains(id.as_str())) {
            found.entry(agent_id).or_default().push(key.host);
        }
    }
    let only = |hosts: Vec<HostId>| <[HostId; 1]>::try_from(hosts).ok();
    let hosts = found.into_iter();
    Ok(hosts
        .filter_map(|(agent, hosts)| only(hosts).map(|[host]| (agent, host)))
        .collect())
}
