//! Hosts a page at a time, by ascending id: all of a selection, the fresh or stale ones, or those that
//! are retired.
//!
//! Few hosts are picked from their group; more are met soon by following the order of ids.

use std::ops::Bound;
use std::sync::Arc;

use portolan_wire::ids::HostId;

use crate::group::Group;
use crate::host::Host;
use crate::liveness::Freshness;
use crate::project::{Project, Selection};

/// So many hosts are few: looking at all of them costs less than looking for the next of more.
const FEW: u64 = 4_096;

/// One page of hosts.
#[derive(Clone, Debug, Default)]
pub struct HostPage {
    /// Hosts that match, before paging.
    pub total: u64,
    /// The hosts of the page.
    pub hosts: Vec<Arc<Host>>,
    /// Whether hosts follow.
    pub more: bool,
}

impl HostPage {
    /// Of hosts in order.
    fn of<'a>(total: u64, hosts: impl Iterator<Item = &'a Arc<Host>>, limit: usize) -> Self {
        let mut hosts = hosts.peekable();
        let page = hosts.by_ref().take(limit).cloned().collect();
        Self {
            total,
            hosts: page,
            more: hosts.peek().is_some(),
        }
    }
}

impl Project {
    /// `limit` hosts of a selection that are not retired, those after `after` only, whether or not it
    /// is there.
    pub fn host_page(
        &self,
        selection: &Selection,
        freshness: Option<Freshness>,
        after: Option<&str>,
        limit: usize,
    ) -> HostPage {
        let groups: Vec<&Group> = self.groups(selection).collect();
        let total = groups.iter().map(|group| group.count(freshness)).sum();
        let matches = |host: &&Arc<Host>| {
            selection.holds(&host.facts.enterprise_project)
                && freshness.is_none_or(|only| (only == Freshness::Fresh) == host.is_fresh())
        };
        if total > FEW {
            return HostPage::of(total, self.hosts_after(after).filter(matches), limit);
        }
        let slots = groups.iter().flat_map(|group| group.slots(freshness));
        let hosts = slots.filter_map(|slot| self.by_slot(slot));
        let mut hosts: Vec<&Arc<Host>> = hosts
            .filter(|host| after.is_none_or(|after| host.facts.id.as_str() > after))
            .collect();
        hosts.sort_unstable_by(|a, b| a.facts.id.cmp(&b.facts.id));
        HostPage::of(total, hosts.into_iter(), limit)
    }

    /// The same of hosts that are retired.
    pub fn retired_page(
        &self,
        selection: &Selection,
        after: Option<&str>,
        limit: usize,
    ) -> HostPage {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(HostId::from(id)));
        let matches = |host: &&Arc<Host>| selection.holds(&host.facts.enterprise_project);
        let hosts = self.retired_from(from).filter(matches);
        HostPage::of(self.retired_in(selection), hosts, limit)
    }

    /// How many hosts of a selection are retired.
    pub fn retired_in(&self, selection: &Selection) -> u64 {
        let matches = |host: &&Arc<Host>| selection.holds(&host.facts.enterprise_project);
        self.all_retired().filter(matches).count() as u64
    }
}
