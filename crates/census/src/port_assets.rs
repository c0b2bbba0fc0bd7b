//! The hosts that have one port open, a page at a time, by ascending host id.
//!
//! The total is that of the posting lists. The page of a port that few hosts have is picked from
//! them; that of any other port is met soon by following the order of ids from the cursor on. Either
//! way the cost is bounded by [`FEW`], as long as the hosts that have the port are spread over the
//! ids; where all of them stand far behind the cursor, the ids before them are passed over.
//!
//! Of one exposure there are no posting lists: of each host that has the port the numbers are looked
//! at, so the cost is at most a look at each of those hosts.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use portolan_wire::ids::HostId;
use portolan_wire::open_port::{Category, Transport};

use crate::host::Host;
use crate::listing::sum;
use crate::number::{Cell, Family, ListId, RowKey, Sockets};
use crate::project::{Project, Selection};
use crate::slots::Slots;
use crate::weighted::Weighted;

/// So many rows are few: looking at all of them costs less than looking for the next of more.
const FEW: u64 = 4_096;

/// Which assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetsOf {
    /// Which kind of asset.
    pub category: Category,
    /// Which of their sockets make them have the port.
    pub sockets: Sockets,
    /// The port.
    pub port: u16,
    /// Only this transport.
    pub transport: Option<Transport>,
    /// Only those of fresh hosts.
    pub fresh: bool,
}

/// One page of them.
#[derive(Clone, Debug, Default)]
pub struct AssetPage {
    /// Rows that match, before paging.
    pub total: u64,
    /// The rows of the page, by host id, TCP before UDP.
    pub rows: Vec<AssetRow>,
    /// Whether rows follow.
    pub more: bool,
}

/// A host that has the port open by one transport.
#[derive(Clone, Debug)]
pub struct AssetRow {
    /// The host.
    pub host: Arc<Host>,
    /// The transport.
    pub transport: Transport,
    /// On how many of its assets: 1 in category host, else the number of its containers.
    pub num: u32,
}

/// The hosts that have the port by one transport.
struct Posted<'a> {
    transport: Transport,
    list: ListId,
    key: RowKey,
    /// Those that have it. Of one exposure there is no such list: those of any, of whom each is
    /// looked at.
    hosts: &'a Slots,
}

impl Project {
    /// `limit` rows of a selection, those after the row `after` only, whether or not it is there.
    pub fn port_assets(
        &self,
        selection: &Selection,
        of: AssetsOf,
        after: Option<(&str, Transport)>,
        limit: usize,
    ) -> AssetPage {
        let posted = self.posted(of);
        let within = self.assets_within(selection, of);
        let sets = posted.iter().map(|posted| (1, posted.hosts));
        let weighted = Weighted::new(sets, within.clone());
        let total = match of.sockets {
            Sockets::All | Sockets::V6 => weighted.total(),
            Sockets::Exposed(_) => self.exposed_total(selection, of, &posted),
        };
        // One more than asked for tells whether rows follow.
        let wanted = limit.saturating_add(1);
        let mut rows = if total <= FEW {
            let slots = weighted.into_hosts().map(|(slot, _)| slot);
            self.picked(&posted, slots, after, wanted)
        } else {
            self.met(
                &posted,
                |slot| self.is_within(selection, of, within.as_deref(), slot),
                after,
                wanted,
            )
        };
        let more = rows.len() > limit;
        rows.truncate(limit);
        AssetPage { total, rows, more }
    }

    fn posted(&self, of: AssetsOf) -> Vec<Posted<'_>> {
        let list = ListId {
            category: of.category,
            sockets: of.sockets,
        };
        let family = Family::new(of.category, of.sockets == Sockets::V6);
        let transports = [Transport::Tcp, Transport::Udp].into_iter();
        let asked = transports.filter(|t| of.transport.is_none_or(|only| only == *t));
        let posted = asked.filter_map(|transport| {
            let key = RowKey::new(of.port, transport);
            let hosts = &self.postings.get(Cell::new(family, key))?.hosts;
            Some(Posted {
                transport,
                list,
                key,
                hosts,
            })
        });
        posted.collect()
    }

    /// How many rows there are of one exposure.
    fn exposed_total(&self, selection: &Selection, of: AssetsOf, posted: &[Posted<'_>]) -> u64 {
        let counts = if of.fresh { &self.fresh } else { &self.counts };
        let of_one = |posted: &Posted<'_>| match of.category {
            // Each host is one asset, so that the counts tell.
            Category::Host => {
                let scopes = counts.selected(selection);
                let lists: Vec<_> = scopes.filter_map(|scope| scope.list(posted.list)).collect();
                sum(&lists, posted.key)
            }
            Category::Container => {
                let within = self.assets_within(selection, of);
                let hosts = Weighted::new([(1, posted.hosts)], within);
                let hosts = hosts
                    .into_hosts()
                    .filter_map(|(slot, _)| self.by_slot(slot));
                hosts.filter(|host| posted.num(host) > 0).count() as u64
            }
        };
        posted.iter().map(of_one).sum()
    }

    /// Of all hosts that have the port, the first `limit` rows after `after`.
    fn picked(
        &self,
        posted: &[Posted<'_>],
        slots: impl Iterator<Item = u32>,
        after: Option<(&str, Transport)>,
        limit: usize,
    ) -> Vec<AssetRow> {
        let rows = slots.flat_map(|slot| self.rows_of(posted, slot));
        let mut rows: Vec<AssetRow> = rows.filter(|row| row.comes_after(after)).collect();
        let order = |a: &AssetRow, b: &AssetRow| a.key().cmp(&b.key());
        if rows.len() > limit {
            rows.select_nth_unstable_by(limit, order);
            rows.truncate(limit);
        }
        rows.sort_unstable_by(order);
        rows
    }

    /// The first `limit` rows that are met from `after` on.
    fn met(
        &self,
        posted: &[Posted<'_>],
        within: impl Fn(u32) -> bool,
        after: Option<(&str, Transport)>,
        limit: usize,
    ) -> Vec<AssetRow> {
        // The cursor's own host has perhaps one row more.
        let from = after.map_or(Bound::Unbounded, |(id, _)| {
            Bound::Included(HostId::from(id))
        });
        let slots = self.slots_from(from);
        let has = |slot: &u32| posted.iter().any(|posted| posted.hosts.contains(*slot));
        let rows = slots
            .filter(|slot| has(slot) && within(*slot))
            .flat_map(|slot| self.rows_of(posted, slot));
        rows.filter(|row| row.comes_after(after))
            .take(limit)
            .collect()
    }

    /// The hosts among which those are that have the port; `None`: all.
    fn assets_within<'a>(
        &'a self,
        selection: &'a Selection,
        of: AssetsOf,
    ) -> Option<Vec<&'a Slots>> {
        if of.fresh {
            return Some(self.groups(selection).map(|group| &group.fresh).collect());
        }
        self.within(selection)
    }

    fn is_within(
        &self,
        selection: &Selection,
        of: AssetsOf,
        within: Option<&[&Slots]>,
        slot: u32,
    ) -> bool {
        match within {
            None => true,
            Some([one]) => one.contains(slot),
            Some(_) => self.by_slot(slot).is_some_and(|host| {
                selection.holds(&host.facts.enterprise_project) && (host.fresh || !of.fresh)
            }),
        }
    }

    fn rows_of<'a>(
        &'a self,
        posted: &'a [Posted<'_>],
        slot: u32,
    ) -> impl Iterator<Item = AssetRow> + 'a {
        let host = self.by_slot(slot);
        posted.iter().filter_map(move |posted| {
            let host = host?;
            let num = posted.num(host);
            (num > 0).then(|| AssetRow {
                host: Arc::clone(host),
                transport: posted.transport,
                num,
            })
        })
    }
}

impl Posted<'_> {
    /// On how many of a host's assets the port is open so.
    fn num(&self, host: &Host) -> u32 {
        host.facts.cells.count_in(self.list, self.key)
    }
}

impl AssetRow {
    fn key(&self) -> (&str, Transport) {
        (self.host.facts.id.as_str(), self.transport)
    }

    fn comes_after(&self, after: Option<(&str, Transport)>) -> bool {
        after.is_none_or(|after| self.key().cmp(&after) == Ordering::Greater)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Agents, Cells, Counted, HostFacts, Ignored, Pair};
    use portolan_wire::digest::Digest;
    use portolan_wire::ids::EnterpriseProjectId;
    use portolan_wire::open_port::OpenPort;
    use portolan_wire::time::UnixMicros;

    fn facts(id: &str, enterprise_project: &str, transports: &[Transport]) -> HostFacts {
        let open = |transport: &Transport| OpenPort::new(*transport, [0, 0, 0, 0].into(), 53);
        let ports: Vec<OpenPort> = transports.iter().map(open).collect();
        HostFacts {
            id: id.into(),
            enterprise_project: enterprise_project.into(),
            pair: Pair::default(),
            at: UnixMicros(0),
            digest: Digest::default(),
            record_hash: 0,
            agents: Agents::default(),
            heartbeat_interval_s: 30,
            open_ports: 0,
            cells: Cells::of(ports.iter().map(Counted::from)),
            history_at: 0,
            retired_at: None,
        }
    }

    fn shown(rows: &[AssetRow]) -> Vec<(&str, Transport)> {
        rows.iter().map(AssetRow::key).collect()
    }

    proptest! {
        /// Which way a page is found is a matter of cost alone.
        #[test]
        fn both_ways_to_a_page_give_the_same(hosts in prop::collection::btree_map("[ab]{1,3}", (0u8..4, 0u8..3), 0..12), after in prop::option::of(("[ab]{0,3}", any::<bool>())), limit in 1usize..6, scopes in prop::option::of(prop::collection::btree_set(0u8..4, 0..3)), stale in prop::collection::btree_set("[ab]{1,3}", 0..6), fresh: bool) {
            let both = [Transport::Tcp, Transport::Udp];
            let mut project = Project::default();
            // Slots in another order than ids.
            for (id, (has, enterprise_project)) in hosts.iter().rev() {
                let transports: Vec<_> = both.into_iter().enumerate().filter(|(bit, _)| has >> bit & 1 == 1).map(|(_, t)| t).collect();
                let facts = facts(id, &enterprise_project.to_string(), &transports);
                project.put(facts, Ignored::default(), 1);
            }
            let stale: Vec<HostId> = stale.iter().map(|id| HostId::from(&**id)).collect();
            project.set_fresh(stale.iter().map(|id| (id, false)), 2);
            let selection = scopes.map_or(Selection::Whole, |scopes| Selection::of(scopes.iter().map(|id| EnterpriseProjectId::from(&*id.to_string()))));
            let of = AssetsOf { category: Category::Host, sockets: Sockets::All, port: 53, transport: None, fresh };
            let after = after.as_ref().map(|(id, udp)| (&**id, both[usize::from(*udp)]));
            let posted = project.posted(of);
            let within = project.assets_within(&selection, of);
            let holds = |slot| project.is_within(&selection, of, within.as_deref(), slot);
            let slots = Weighted::new(posted.iter().map(|posted| (1, posted.hosts)), within.clone()).into_hosts().map(|(slot, _)| slot);
            let (picked, met) = (project.picked(&posted, slots, after, limit), project.met(&posted, holds, after, limit));
            prop_assert_eq!(shown(&picked), shown(&met));
            let page = project.port_assets(&selection, of, after, limit);
            prop_assert_eq!(shown(&page.rows), shown(&met));
        }
    }
}
