//! Counting again, from what each host is known to have: every count must be equal.
//!
//! Two steps make it exact without stopping the writer. This module takes one published state and
//! sums its hosts' cells; whoever holds the store compares each host's cells with the stored set
//! ([`Recount::host_differs`]), which is of the same version by its record hash.

use std::collections::BTreeMap;

use portolan_wire::ids::{EnterpriseProjectId, HostId, ProjectId};
use portolan_wire::open_port::Category;

use crate::cells::{Cell, ListId};
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
    /// A row's count.
    Row {
        /// The enterprise project, or `None` for the whole project.
        enterprise_project: Option<EnterpriseProjectId>,
        /// The category.
        category: Category,
        /// Whether of the list of IPv6 sockets.
        v6: bool,
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

impl Recount {
    /// Recounts one project, or the selected part of it.
    pub fn project(&mut self, project: &Project, selection: &Selection) {
        let mut whole = BTreeMap::new();
        let mut by_scope = BTreeMap::<&EnterpriseProjectId, BTreeMap<Cell, u64>>::new();
        for host in project.hosts_after(None) {
            let scope = by_scope.entry(&host.facts.enterprise_project).or_default();
            for cell in host.facts.cells.iter() {
                *scope.entry(cell).or_insert(0) += 1;
                *whole.entry(cell).or_insert(0) += 1;
            }
        }
        if *selection == Selection::Whole {
            project
                .selected(selection)
                .for_each(|scope| self.scope(None, scope, &whole));
            self.postings(project);
        }
        for id in project
            .enterprise_projects()
            .filter(|id| selection.holds(id))
        {
            let counted = by_scope.remove(id).unwrap_or_default();
            let only = Selection::of([id.clone()]);
            project
                .selected(&only)
                .for_each(|scope| self.scope(Some(id), scope, &counted));
        }
    }

    /// Notes that a host's stored set gives other cells than the census holds.
    pub fn host_differs(&mut self, project: ProjectId, host: HostId) {
        self.differences.push(Difference::Host { project, host });
    }

    fn scope(
        &mut self,
        id: Option<&EnterpriseProjectId>,
        scope: &Scope,
        recount: &BTreeMap<Cell, u64>,
    ) {
        let mut cells = recount.clone();
        for list in ListId::ALL {
            for row in scope
                .list(list)
                .into_iter()
                .flat_map(|list| list.rows.iter())
            {
                let cell = Cell::new(list, row.key);
                let recounted = cells.remove(&cell).unwrap_or(0);
                self.compare(id, cell, u64::from(row.num), recounted);
            }
        }
        for (cell, recounted) in cells {
            self.compare(id, cell, 0, recounted);
        }
    }

    fn compare(
        &mut self,
        id: Option<&EnterpriseProjectId>,
        cell: Cell,
        counted: u64,
        recounted: u64,
    ) {
        self.counts_checked += 1;
        if counted != recounted {
            self.differences.push(Difference::Row {
                enterprise_project: id.cloned(),
                category: cell.list().category,
                v6: cell.list().v6,
                port: cell.key().port(),
                transport: cell.key().transport().as_str(),
                counted,
                recounted,
            });
        }
    }
}
