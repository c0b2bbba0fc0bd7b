//! The hosts of one enterprise project, or of the whole project.

use crate::liveness::Freshness;
use crate::slots::Slots;

/// A group of hosts. None is empty but the whole of a project without hosts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) hosts: Slots,
    /// Those of them that are fresh.
    pub(crate) fresh: Slots,
}

impl Group {
    /// Takes a host in.
    pub(crate) fn enter(&mut self, slot: u32, fresh: bool) {
        self.hosts.insert(slot);
        self.set_fresh(slot, fresh);
    }

    /// Lets a host go.
    pub(crate) fn leave(&mut self, slot: u32) {
        self.hosts.remove(slot);
        self.fresh.remove(slot);
    }

    /// Whether one of its hosts is fresh.
    pub(crate) fn set_fresh(&mut self, slot: u32, fresh: bool) {
        if fresh {
            self.fresh.insert(slot);
        } else {
            self.fresh.remove(slot);
        }
    }

    /// How many hosts it has, or has of that freshness.
    pub(crate) fn count(&self, freshness: Option<Freshness>) -> u64 {
        let (fresh, stale) = self.fresh_and_stale();
        match freshness {
            None => fresh + stale,
            Some(Freshness::Fresh) => fresh,
            Some(Freshness::Stale) => stale,
        }
    }

    /// Those hosts.
    pub(crate) fn slots(&self, freshness: Option<Freshness>) -> impl Iterator<Item = u32> + '_ {
        let hosts = match freshness {
            Some(Freshness::Fresh) => &self.fresh,
            None | Some(Freshness::Stale) => &self.hosts,
        };
        let stale_only = freshness == Some(Freshness::Stale);
        let matches = move |slot: &u32| !stale_only || !self.fresh.contains(*slot);
        hosts.iter().filter(matches)
    }

    /// Whether all its hosts are fresh.
    pub(crate) fn is_all_fresh(&self) -> bool {
        self.fresh.len() == self.hosts.len()
    }

    /// How many of its hosts are fresh and stale.
    pub(crate) fn fresh_and_stale(&self) -> (u64, u64) {
        let fresh = self.fresh.len();
        (fresh, self.hosts.len().saturating_sub(fresh))
    }
}
