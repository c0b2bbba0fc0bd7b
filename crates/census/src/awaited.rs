//! Hosts that are enrolled and have not reported yet, of one project: freshness `never`.
//!
//! They stand beside the hosts, not among them: they have no set, count in no `num`, and are no asset.
//! Holds: none of them is a host that is held or retired; a host's first report takes it out in the
//! commit that makes it one, so a view never has it twice and never misses it.

use std::ops::Bound;

use imbl::{OrdMap, OrdSet};
use portolan_wire::ids::{EnterpriseProjectId, HostId};

use crate::project::Selection;

/// The awaited hosts of a project. None is empty.
#[derive(Clone, Debug, Default)]
pub struct Awaited {
    hosts: OrdMap<HostId, EnterpriseProjectId>,
    /// The same by enterprise project, as they are counted. None is empty.
    groups: OrdMap<EnterpriseProjectId, OrdSet<HostId>>,
}

impl Awaited {
    /// The enterprise project in which a host is enrolled, if it is awaited.
    pub fn enterprise_project(&self, host: &str) -> Option<&EnterpriseProjectId> {
        self.hosts.get(host)
    }

    /// How many of a selection there are.
    pub fn count(&self, selection: &Selection) -> u64 {
        let count = match selection {
            Selection::Whole => self.hosts.len(),
            Selection::Of(list) => {
                let groups = list.iter().filter_map(|id| self.groups.get(id));
                groups.map(OrdSet::len).sum()
            }
        };
        count as u64
    }

    /// The first `limit` of a selection by ascending id, those after `after` only.
    pub fn page(
        &self,
        selection: &Selection,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<(HostId, EnterpriseProjectId)> {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(HostId::from(id)));
        let range = (from, Bound::<HostId>::Unbounded);
        let list = match selection {
            Selection::Whole => {
                let hosts = self.hosts.range(range).take(limit);
                return hosts.map(|(id, of)| (id.clone(), of.clone())).collect();
            }
            Selection::Of(list) => list,
        };
        // The first of all are among the first of each.
        let first_of = |id: &EnterpriseProjectId| {
            let group = self.groups.get(id).into_iter();
            let hosts = group.flat_map(|group| group.range(range.clone()).take(limit));
            hosts
                .map(|host| (host.clone(), id.clone()))
                .collect::<Vec<_>>()
        };
        let mut hosts: Vec<_> = list.iter().flat_map(first_of).collect();
        hosts.sort_unstable();
        hosts.truncate(limit);
        hosts
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Takes a host in, in place of where it was enrolled before.
    pub(crate) fn insert(&mut self, host: HostId, enterprise_project: EnterpriseProjectId) {
        self.remove(&host);
        let group = self.groups.entry(enterprise_project.clone()).or_default();
        group.insert(host.clone());
        self.hosts.insert(host, enterprise_project);
    }

    pub(crate) fn remove(&mut self, host: &HostId) {
        let Some(enterprise_project) = self.hosts.remove(host) else {
            return;
        };
        if let Some(group) = self.groups.get_mut(&enterprise_project) {
            group.remove(host);
            if group.is_empty() {
                self.groups.remove(&enterprise_project);
            }
        }
    }
}
