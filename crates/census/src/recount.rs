//! Counting again, from what each host is known to have: every count must be equal.
//!
//! Two steps make it exact without stopping the writer. This module takes one published state and
//! sums its hosts' cells; whoever holds the store compares each host's cells with the stored set
//! ([`Recount::host_differs`]), which is of the same version by its record hash.

use std::collections::BTreeMap;

use portolan_wire::ids::{EnterpriseProjectId, HostId, ProjectId};
use portolan_wire::open_port::Category;

use crate::number::{ListId, RowKey, Sockets};
use crate::project::{Project, Selection};
use crate::scope::Scope;

/// What a recount found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recount {
    /// Counts that were compared.
    pub counts_checked: u64,
    /// Counts that differ.
    pub differences: Vec<Difference>,
}

/// A count that is not what the sets say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A row's count, or how many of its assets ignore it.
    Row {
        /// Whether it is about the assets that ignore it.
        ignored: bool,
        /// Whether of the counts of fresh hosts only.
        fresh: bool,
        /// The enterprise project, or `None` for the whole project.
        enterprise_project: Option<EnterpriseProjectId>,
        /// The category.
        category: Category,
        /// Which sockets make an asset count.
        sockets: Sockets,
        /// The port.
        port: u16,
        /// `TCP` or `UDP`.
        transport: &'static str,
        /// What the census counts.
        counted: u64,
        /// What the hosts have.
        recounted: u64,
    },
    /// A host whose stored set gives other cells than the census holds.
    Host {
        /// The project.
        project: ProjectId,
        /// The host.
        host: HostId,
    },
    /// The list of hosts that have a port is not that of the hosts that have it.
    Posting {
        /// The category.
        category: Category,
        /// Whether of those that have it by IPv6 sockets.
        v6: bool,
        /// The port.
        port: u16,
        /// `TCP` or `UDP`.
        transport: &'static str,
    },
    /// A number of listeners is not that of the hosts.
    Listeners {
        /// The category.
        category: Category,
        /// Whether of IPv6 ones only.
        v6: bool,
        /// The port, or `None` for those of all ports.
        port: Option<u16>,
        /// `TCP` or `UDP`.
        transport: &'static str,
    },
}

/// A count: whether it is about what is ignored, the list, and the row.
type CountOf = (bool, ListId, RowKey);

/// What hosts have together.
type Sums = BTreeMap<CountOf, u64>;

impl Recount {
    /// Recounts one project, or the selected part of it.
    pub fn project(&mut self, project: &Project, selection: &Selection) {
        self.counts(project, selection, false);
        self.counts(project, selection, true);
        if *selection == Selection::Whole {
            self.postings(project);
        }
    }

    /// The counts of all hosts, or those of the fresh ones.
    fn counts(&mut self, project: &Project, selection: &Selection, fresh: bool) {
        let counts = if fresh {
            &project.fresh
        } else {
            &project.counts
        };
        let mut whole = Sums::new();
        let mut by_scope = BTreeMap::<&EnterpriseProjectId, Sums>::new();
        let hosts = project.hosts_after(None);
        for host in hosts.filter(|host| host.fresh || !fresh) {
            let scope = by_scope.entry(&host.facts.enterprise_project).or_default();
            for (ignored, cells) in [(false, &host.facts.cells), (true, &host.ignored.cells())] {
                for number in cells.iter() {
                    for list in number.lists() {
                        let counted = (ignored, list, number.key());
                        *scope.entry(counted).or_insert(0) += 1;
                        *whole.entry(counted).or_insert(0) += 1;
                    }
                }
            }
        }
        if *selection == Selection::Whole {
            let scopes = counts.selected(selection);
            scopes.for_each(|scope| self.scope(None, fresh, scope, &whole));
        }
        for id in project
            .enterprise_projects()
            .filter(|id| selection.holds(id))
        {
            let recounted = by_scope.remove(id).unwrap_or_default();
            let only = Selection::of([id.clone()]);
            let none = Scope::default();
            let scope = counts.selected(&only).next().unwrap_or(&none);
            self.scope(Some(id), fresh, scope, &recounted);
        }
    }

    /// Notes that a host's stored set gives other cells than the census holds.
    pub fn host_differs(&mut self, project: ProjectId, host: HostId) {
        self.differences.push(Difference::Host { project, host });
    }

    fn scope(
        &mut self,
        id: Option<&EnterpriseProjectId>,
        fresh: bool,
        scope: &Scope,
        recount: &Sums,
    ) {
        let mut sums = recount.clone();
        for (id_of_list, list) in ListId::all().filter_map(|id| Some((id, scope.list(id)?))) {
            let rows = list.rows.iter().map(|row| (false, row.key, row.num));
            let ignored = list.ignored.iter().map(|(key, num)| (true, *key, *num));
            for (ignored, key, num) in rows.chain(ignored) {
                let counted = (ignored, id_of_list, key);
                let recounted = sums.remove(&counted).unwrap_or(0);
                self.compare(id, fresh, counted, u64::from(num), recounted);
            }
        }
        for (counted, recounted) in sums {
            self.compare(id, fresh, counted, 0, recounted);
        }
    }

    fn compare(
        &mut self,
        id: Option<&EnterpriseProjectId>,
        fresh: bool,
        (ignored, list, key): CountOf,
        counted: u64,
        recounted: u64,
    ) {
        self.counts_checked += 1;
        if counted != recounted {
            self.differences.push(Difference::Row {
                ignored,
                fresh,
                enterprise_project: id.cloned(),
                category: list.category,
                sockets: list.sockets,
                port: key.port(),
                transport: key.transport().as_str(),
                counted,
                recounted,
            });
        }
    }
}
