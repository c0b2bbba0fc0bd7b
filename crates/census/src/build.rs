//! A census made at once from many hosts, at start.
//!
//! Applying one commit after the other finds its place in every structure anew; a start knows all
//! hosts and nobody reads yet, so counts and posting lists are gathered in hash maps and made into
//! the persistent structures once: several times less CPU a host.
//! Holds: the same hosts give the same answers as applying them one by one, in any order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portolan_wire::ids::{EnterpriseProjectId, ProjectId};

use crate::cells::Cells;
use crate::counts::Counts;
use crate::group::Group;
use crate::host::{Host, HostFacts};
use crate::ignored::Ignored;
use crate::number::{Cell, Number};
use crate::posting::{Posting, Postings, Totals};
use crate::project::{Parts, Project};
use crate::scope::Scope;
use crate::slots::Slots;
use crate::state::{HostCommit, State};

/// Gathers hosts. All of them are fresh: since the start nobody could be heard.
#[derive(Debug, Default)]
pub struct Builder {
    projects: BTreeMap<ProjectId, ProjectBuilder>,
}

#[derive(Debug, Default)]
struct ProjectBuilder {
    hosts: Vec<Arc<Host>>,
    retired: Vec<Arc<Host>>,
    scopes: HashMap<EnterpriseProjectId, ScopeBuilder>,
    postings: HashMap<Cell, Posting>,
    totals: Totals,
}

#[derive(Debug, Default)]
struct ScopeBuilder {
    hosts: Slots,
    /// How often each number counts.
    numbers: HashMap<Number, u32>,
    /// What is ignored of them, a number as often as it is: few.
    ignored: Vec<Number>,
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
        if facts.retired_at.is_some() {
            self.retired
                .push(Arc::new(Host::retired(facts, Arc::default())));
            return;
        }
        let slot = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let scope = self
            .scopes
            .entry(facts.enterprise_project.clone())
            .or_default();
        scope.hosts.insert(slot);
        for number in facts.cells.iter() {
            *scope.numbers.entry(number).or_default() += 1;
        }
        for cell in facts.cells.cells() {
            self.postings.entry(cell).or_default().hosts.insert(slot);
        }
        for surplus in facts.cells.surpluses() {
            let posting = self.postings.entry(surplus.cell).or_default();
            posting.surplus.change(slot, 0, surplus.by);
        }
        self.totals.change(slot, &facts.cells, &Cells::default());
        scope.ignored.extend(ignored.cells().iter());
        self.hosts.push(Arc::new(Host {
            facts,
            ignored,
            fresh: true,
            live: Arc::default(),
        }));
    }

    fn finish(self) -> Project {
        let every_host = (0..self.hosts.len()).filter_map(|slot| u32::try_from(slot).ok());
        let mut whole = ScopeBuilder::default();
        every_host.for_each(|slot| whole.hosts.insert(slot));
        for scope in self.scopes.values() {
            whole.ignored.extend(&scope.ignored);
            for (number, num) in &scope.numbers {
                *whole.numbers.entry(*number).or_default() += num;
            }
        }
        let postings = self.postings.into_iter();
        let postings = postings.map(|(cell, posting)| (cell, Arc::new(posting)));
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
            retired: self.retired,
            groups,
            whole: Arc::new(whole),
            counts: Counts::of_scopes(scopes, Arc::new(counts_of_whole)),
            postings: Postings::of_parts(postings.collect(), self.totals),
        })
    }
}

impl ScopeBuilder {
    fn finish(self) -> (Group, Scope) {
        let mut numbers: Vec<_> = self.numbers.into_iter().collect();
        numbers.sort_unstable();
        let mut scope = Scope::of_counts(&numbers);
        self.ignored
            .into_iter()
            .for_each(|number| scope.ignore(number, 1));
        let group = Group {
            fresh: self.hosts.clone(),
            hosts: self.hosts,
        };
        (group, scope)
    }
}
