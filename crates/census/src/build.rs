//! A census made at once from many hosts, at start.
//!
//! Applying one commit after the other finds its place in every structure anew; a start knows all
//! hosts and nobody reads yet, so counts and posting lists are gathered in hash maps and made into
//! the persistent structures once: several times less CPU a host.
//! Holds: the same hosts give the same answers as applying them one by one, in any order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portolan_wire::ids::{EnterpriseProjectId, ProjectId};

use crate::cells::{Cell, Cells};
use crate::counts::Counts;
use crate::group::Group;
use crate::host::{Host, HostFacts};
use crate::ignored::Ignored;
use crate::posting::{Posting, Postings, Totals};
use crate::project::{Parts, Project};
use crate::scope::Scope;
use crate::slots::Slots;
use crate::state::{HostCommit, State};

/// Gathers hosts.
#[derive(Debug, Default)]
pub struct Builder {
    projects: BTreeMap<ProjectId, ProjectBuilder>,
}

#[derive(Debug, Default)]
struct ProjectBuilder {
    hosts: Vec<Arc<Host>>,
    scopes: HashMap<EnterpriseProjectId, ScopeBuilder>,
    /// Of the whole project: how often each cell counts, and the hosts that have it.
    cells: HashMap<Cell, (u32, Posting)>,
    totals: Totals,
}

#[derive(Debug, Default)]
struct ScopeBuilder {
    hosts: Slots,
    cells: HashMap<Cell, u32>,
    /// What is ignored of them, a cell as often as it is: few.
    ignored: Vec<Cell>,
}

impl Builder {
    /// Takes a host in. Each host of a project may be given once.
    pub fn add(&mut self, commit: HostCommit) {
        self.projects
            .entry(commit.project)
            .or_default()
            .add(commit.facts, commit.ignored);
    }

    /// The census of all that was given.
    pub fn finish(self) -> State {
        let finished = self
            .projects
            .into_iter()
            .map(|(id, project)| (id, Arc::new(project.finish())));
        State::of_projects(finished)
    }
}

impl ProjectBuilder {
    fn add(&mut self, facts: HostFacts, ignored: Ignored) {
        let slot = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let scope = self
            .scopes
            .entry(facts.enterprise_project.clone())
            .or_default();
        scope.hosts.insert(slot);
        let mut previous = None;
        for cell in facts.cells.iter() {
            *scope.cells.entry(cell).or_default() += 1;
            let (count, posting) = self.cells.entry(cell).or_default();
            *count += 1;
            // Cells are sorted: a repeat stands behind its like.
            if previous != Some(cell) {
                posting.hosts.insert(slot);
            }
            previous = Some(cell);
        }
        for surplus in facts.cells.surpluses() {
            let (_, posting) = self.cells.entry(surplus.cell).or_default();
            posting.surplus.change(slot, 0, surplus.by);
        }
        self.totals.change(slot, &facts.cells, &Cells::default());
        scope.ignored.extend(ignored.cells().iter());
        self.hosts.push(Arc::new(Host {
            facts,
            ignored,
            live: Arc::default(),
        }));
    }

    fn finish(self) -> Project {
        let every_host = (0..self.hosts.len()).filter_map(|slot| u32::try_from(slot).ok());
        let mut whole = ScopeBuilder::default();
        every_host.for_each(|slot| whole.hosts.insert(slot));
        let ignored = self.scopes.values().flat_map(|scope| &scope.ignored);
        whole.ignored = ignored.copied().collect();
        let mut postings = Vec::with_capacity(self.cells.len());
        for (cell, (count, posting)) in self.cells {
            whole.cells.insert(cell, count);
            postings.push((cell, Arc::new(posting)));
        }
        let mut groups = Vec::with_capacity(self.scopes.len());
        let mut scopes = Vec::with_capacity(self.scopes.len());
        for (id, scope) in self.scopes {
            let (group, scope) = scope.finish();
            groups.push((id.clone(), Arc::new(group)));
            scopes.push((id, Arc::new(scope)));
        }
        let (whole, counts_of_whole) = whole.finish();
        Project::of_parts(Parts {
            hosts: self.hosts,
            groups,
            whole: Arc::new(whole),
            counts: Counts::of_scopes(scopes, Arc::new(counts_of_whole)),
            postings: Postings::of_parts(postings, self.totals),
        })
    }
}

impl ScopeBuilder {
    fn finish(self) -> (Group, Scope) {
        let mut cells: Vec<_> = self.cells.into_iter().collect();
        cells.sort_unstable();
        let mut scope = Scope::of_counts(&cells);
        self.ignored
            .into_iter()
            .for_each(|cell| scope.ignore(cell, 1));
        let group = Group {
            hosts: self.hosts,
            ..Group::default()
        };
        (group, scope)
    }
}
