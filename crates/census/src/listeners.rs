//! Listeners: the open ports themselves, where the statistics count assets.
//!
//! Their order is that of the hosts' slots: it stays while hosts report, a host that joins comes
//! last, or in the place of one that was removed. Which listeners a host has is told by the store;
//! the census says how many, so that any page is found without counting up to it.

use std::sync::Arc;

use portolan_wire::open_port::{Category, Transport};

use crate::host::Host;
use crate::number::{Cell, Family, RowKey};
use crate::project::{Project, Selection};
use crate::slots::Slots;
use crate::weighted::Weighted;

/// Which listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerFilter {
    /// Those of the hosts themselves, or of their containers.
    pub category: Category,
    /// Only IPv6 ones.
    pub v6: bool,
    /// Only this transport.
    pub transport: Option<Transport>,
    /// Only this port.
    pub port: Option<u16>,
}

/// One page of listeners.
#[derive(Clone, Debug, Default)]
pub struct ListenerPage {
    /// Listeners that match, before paging.
    pub total: u64,
    /// Whose listeners are on the page, in order.
    pub shares: Vec<ListenerShare>,
}

/// A host's share of a page: of its listeners that match, those from the `skip`th on, `take` of
/// them.
#[derive(Clone, Debug)]
pub struct ListenerShare {
    /// The host.
    pub host: Arc<Host>,
    /// Listeners before the page.
    pub skip: usize,
    /// Listeners on the page, 1 or more.
    pub take: usize,
}

impl ListenerFilter {
    fn transports(&self) -> impl Iterator<Item = Transport> + use<> {
        let only = self.transport;
        let both = [Transport::Tcp, Transport::Udp].into_iter();
        both.filter(move |transport| only.is_none_or(|only| only == *transport))
    }
}

impl Project {
    /// `limit` listeners of a selection from the `offset`th on.
    pub fn listeners(
        &self,
        selection: &Selection,
        filter: &ListenerFilter,
        offset: usize,
        limit: usize,
    ) -> ListenerPage {
        let (total, shares) = self.weighted(selection, filter).range(offset, limit);
        let shares = shares.into_iter().filter_map(|share| {
            Some(ListenerShare {
                host: Arc::clone(self.by_slot(share.slot)?),
                skip: share.skip,
                take: share.take,
            })
        });
        ListenerPage {
            total,
            shares: shares.collect(),
        }
    }

    /// The hosts of a selection that have such listeners, in the same order, and how many each has.
    pub fn hosts_listening<'a>(
        &'a self,
        selection: &'a Selection,
        filter: &ListenerFilter,
    ) -> impl Iterator<Item = (&'a Arc<Host>, u64)> {
        let hosts = self.weighted(selection, filter).into_hosts();
        hosts.filter_map(|(slot, listeners)| Some((self.by_slot(slot)?, listeners)))
    }

    fn weighted<'a>(&'a self, selection: &'a Selection, filter: &ListenerFilter) -> Weighted<'a> {
        let family = Family::new(filter.category, filter.v6);
        let mut sets: Vec<(i64, &Slots)> = Vec::new();
        for transport in filter.transports() {
            match filter.port {
                Some(port) => {
                    let cell = Cell::new(family, RowKey::new(port, transport));
                    sets.extend(self.postings.listeners(cell));
                }
                None => sets.extend(self.postings.all_listeners(family, transport)),
            }
        }
        Weighted::new(sets, self.within(selection))
    }

    /// The hosts of a selection, for [`Weighted`].
    pub(crate) fn within<'a>(&'a self, selection: &'a Selection) -> Option<Vec<&'a Slots>> {
        match selection {
            Selection::Whole => None,
            Selection::Of(_) => Some(self.groups(selection).map(|group| &group.hosts).collect()),
        }
    }
}
