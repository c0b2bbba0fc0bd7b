//! Counting the posting lists again: which hosts have each cell, and how many listeners each has.

use std::collections::BTreeMap;

use portolan_wire::open_port::Transport;

use crate::number::{Cell, Family};
use crate::posting::Posting;
use crate::project::Project;
use crate::recount::{Difference, Recount};
use crate::slots::Slots;
use crate::surplus::total_index;
use crate::weighted::Weighted;

/// Hosts that have a cell, and their listeners behind it.
#[derive(Clone, Copy, Default)]
struct Recounted {
    hosts: u64,
    listeners: u64,
}

impl Recount {
    /// Compares all posting lists of a project with its hosts' cells.
    pub(crate) fn postings(&mut self, project: &Project) {
        let mut cells = BTreeMap::<Cell, Recounted>::new();
        for host in project.hosts_after(None) {
            for cell in host.facts.cells.cells() {
                let recounted = cells.entry(cell).or_default();
                recounted.hosts += 1;
                recounted.listeners += u64::from(host.facts.cells.listeners(cell));
            }
        }
        for (cell, posting) in project.postings.iter() {
            let recounted = cells.remove(&cell).unwrap_or_default();
            self.posting(project, cell, posting, recounted);
        }
        for cell in cells.into_keys() {
            self.posting(project, cell, &Posting::default(), Recounted::default());
        }
        self.totals(project);
    }

    fn posting(&mut self, project: &Project, cell: Cell, posting: &Posting, recounted: Recounted) {
        let (family, key) = (cell.family(), cell.key());
        self.counts_checked += 2;
        let has = |slot| {
            let host = project.by_slot(slot);
            host.is_some_and(|host| host.facts.cells.count(cell) > 0)
        };
        let hosts = posting.hosts.len();
        if hosts == 0 || hosts != recounted.hosts || !posting.hosts.iter().all(has) {
            self.differences.push(Difference::Posting {
                category: family.category,
                v6: family.v6,
                port: key.port(),
                transport: key.transport().as_str(),
            });
        }
        let sets = project.postings.listeners(cell);
        let of_host = |slot| {
            let host = project.by_slot(slot);
            host.map(|host| u64::from(host.facts.cells.listeners(cell)))
        };
        if !add_up(sets, recounted.listeners, of_host) {
            self.listeners_differ(family, Some(key.port()), key.transport());
        }
    }

    fn totals(&mut self, project: &Project) {
        for family in Family::ALL {
            for transport in [Transport::Tcp, Transport::Udp] {
                let total = |cells: &crate::cells::Cells| {
                    let totals = cells.listener_totals();
                    let total = totals.get(total_index(family, transport)).copied();
                    total.and_then(|total| u64::try_from(total).ok())
                };
                let hosts = project.hosts_after(None);
                let all = hosts.filter_map(|host| total(&host.facts.cells)).sum();
                let sets = project.postings.all_listeners(family, transport);
                let of_host = |slot| total(&project.by_slot(slot)?.facts.cells);
                self.counts_checked += 1;
                if !add_up(sets, all, of_host) {
                    self.listeners_differ(family, None, transport);
                }
            }
        }
    }

    fn listeners_differ(&mut self, family: Family, port: Option<u16>, transport: Transport) {
        self.differences.push(Difference::Listeners {
            category: family.category,
            v6: family.v6,
            port,
            transport: transport.as_str(),
        });
    }
}

/// Whether the sets add up to `all`, and for each host to what it has.
fn add_up<'a>(
    sets: impl Iterator<Item = (i64, &'a Slots)>,
    all: u64,
    of_host: impl Fn(u32) -> Option<u64>,
) -> bool {
    let mut sum = 0;
    let equal = Weighted::new(sets, None).into_hosts().all(|(slot, adds)| {
        sum += adds;
        of_host(slot) == Some(adds)
    });
    equal && sum == all
}
