//! One project of the census: its hosts, the counts of its enterprise projects and of the whole,
//! and for each row the hosts that have it.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, Vector};
use portolan_wire::ids::{EnterpriseProjectId, HostId};

use crate::cells::Cells;
use crate::host::{Host, HostFacts};
use crate::ignored::Ignored;
use crate::liveness::HostCounts;
use crate::posting::Postings;
use crate::scope::Scope;

/// Which hosts of a project a query is about, as a credential and a request allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every host: the maintained whole-project view answers.
    Whole,
    /// The hosts of these enterprise projects, in ascending order, each once: made by
    /// [`of`](Self::of). Shared, since every request has its copy.
    Of(Arc<[EnterpriseProjectId]>),
}

impl Selection {
    /// The hosts of these enterprise projects. A union counts each once, however often it is named.
    pub fn of(ids: impl IntoIterator<Item = EnterpriseProjectId>) -> Self {
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self::Of(ids.into())
    }

    /// Whether a host of that enterprise project is selected.
    pub fn holds(&self, enterprise_project: &EnterpriseProjectId) -> bool {
        match self {
            Self::Whole => true,
            Self::Of(list) => list.binary_search(enterprise_project).is_ok(),
        }
    }
}

/// A project.
#[derive(Clone, Debug, Default)]
pub struct Project {
    ids: OrdMap<HostId, u32>,
    slots: Vector<Option<Arc<Host>>>,
    free: Vector<u32>,
    scopes: OrdMap<EnterpriseProjectId, Arc<Scope>>,
    whole: Arc<Scope>,
    pub(crate) postings: Postings,
    edition: Edition,
    /// Choices of all hosts together.
    choices: u64,
    /// Hosts that are retired: they count nothing, and are known by their pairs if they come back.
    retired: OrdMap<HostId, Arc<Host>>,
}

/// Which counts a project has: the commit that last changed one, moved a host or changed what counts
/// as ignored, by its number among
/// those applied to the state. While it stays, so do all pages of the project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edition(u64);

/// What a project is made of, when it is made at once: a host's place is its slot.
pub(crate) struct Parts {
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) scopes: Vec<(EnterpriseProjectId, Arc<Scope>)>,
    pub(crate) whole: Arc<Scope>,
    pub(crate) postings: Postings,
    pub(crate) retired: Vec<Arc<Host>>,
}

impl Project {
    pub(crate) fn of_parts(parts: Parts) -> Self {
        let slots = 0..u32::try_from(parts.hosts.len()).unwrap_or(u32::MAX);
        let choices = parts
            .hosts
            .iter()
            .map(|host| host.ignored.choices().len() as u64);
        Self {
            choices: choices.sum(),
            ids: parts
                .hosts
                .iter()
                .map(|host| host.facts.id.clone())
                .zip(slots)
                .collect(),
            slots: parts.hosts.into_iter().map(Some).collect(),
            free: Vector::new(),
            scopes: parts.scopes.into_iter().collect(),
            whole: parts.whole,
            postings: parts.postings,
            edition: Edition::default(),
            retired: parts
                .retired
                .into_iter()
                .map(|host| (host.facts.id.clone(), host))
                .collect(),
        }
    }

    /// A host by its id.
    pub fn host(&self, id: &str) -> Option<&Arc<Host>> {
        self.ids.get(id).and_then(|&slot| self.by_slot(slot))
    }

    /// A retired host by its id.
    pub fn retired(&self, id: &str) -> Option<&Arc<Host>> {
        self.retired.get(id)
    }

    /// The retired hosts in the order of their ids.
    pub fn all_retired(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.retired.values()
    }

    /// Whether it has no hosts, retired ones included.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.retired.is_empty()
    }

    /// Hosts in the order of their ids, those after `after` only.
    pub fn hosts_after(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<Host>> {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(HostId::from(id)));
        let range = self.ids.range((from, Bound::<HostId>::Unbounded));
        range.filter_map(|(_, &slot)| self.by_slot(slot))
    }

    /// The slots of hosts in the order of their ids.
    pub(crate) fn slots_from(&self, from: Bound<HostId>) -> impl Iterator<Item = u32> + '_ {
        let range = self.ids.range((from, Bound::<HostId>::Unbounded));
        range.map(|(_, &slot)| slot)
    }

    /// How many hosts there are.
    pub fn host_count(&self) -> usize {
        self.ids.len()
    }

    /// How many choices to ignore a port its hosts have together.
    pub fn choices(&self) -> u64 {
        self.choices
    }

    /// How many hosts of a selection there are.
    pub fn hosts_in(&self, selection: &Selection) -> u64 {
        self.selected(selection)
            .map(|scope| scope.hosts.len())
            .sum()
    }

    /// The enterprise projects that have hosts, in the order of their ids.
    pub fn enterprise_projects(&self) -> impl Iterator<Item = &EnterpriseProjectId> {
        self.scopes.keys()
    }

    /// Fresh and stale hosts of a selection.
    pub fn fresh_and_stale(&self, selection: &Selection) -> (u64, u64) {
        self.selected(selection)
            .map(|scope| scope.counts.fresh_and_stale())
            .fold((0, 0), |(fresh, stale), (f, s)| (fresh + f, stale + s))
    }

    /// When a count of the project last changed.
    pub fn edition(&self) -> Edition {
        self.edition
    }

    /// The live counts of a selection's scopes, for who asks again and again; a scope that is new
    /// or gone changes the [`edition`](Self::edition).
    pub fn host_counts(&self, selection: &Selection) -> Vec<Arc<HostCounts>> {
        let scopes = self.selected(selection);
        scopes.map(|scope| Arc::clone(&scope.counts)).collect()
    }

    pub(crate) fn selected<'a>(
        &'a self,
        selection: &'a Selection,
    ) -> Box<dyn Iterator<Item = &'a Scope> + 'a> {
        match selection {
            Selection::Whole => Box::new(std::iter::once(&*self.whole)),
            Selection::Of(list) => Box::new(
                list.iter()
                    .filter_map(|id| self.scopes.get(id).map(|scope| &**scope)),
            ),
        }
    }

    pub(crate) fn scope_counts(&self, id: &EnterpriseProjectId) -> Option<&Arc<HostCounts>> {
        self.scopes.get(id).map(|scope| &scope.counts)
    }

    pub(crate) fn whole_counts(&self) -> &Arc<HostCounts> {
        &self.whole.counts
    }

    pub(crate) fn by_slot(&self, slot: u32) -> Option<&Arc<Host>> {
        self.slots.get(slot as usize).and_then(Option::as_ref)
    }

    /// Takes the host's newest facts in the place of what was held.
    pub(crate) fn put(&mut self, facts: HostFacts, ignored: Ignored, commit: u64) {
        self.retired.remove(&facts.id);
        let slot = self.slot_for(&facts.id);
        let before = self.by_slot(slot).cloned();
        let was = before
            .as_ref()
            .map(|b| b.ignored.clone())
            .unwrap_or_default();
        let moved = before
            .as_ref()
            .is_none_or(|b| b.facts.enterprise_project != facts.enterprise_project);
        if moved {
            self.edition = Edition(commit);
            if let Some(before) = &before {
                self.leave(slot, before);
            }
            self.enter(slot, &facts, &ignored);
        } else if let Some(before) = &before
            && (!before.facts.cells.count_alike(&facts.cells) || was != ignored)
        {
            self.scope_differs(before, &facts, &ignored);
        }
        let held = before
            .as_ref()
            .map_or_else(Cells::default, |b| b.facts.cells.clone());
        if !held.count_alike(&facts.cells) {
            self.edition = Edition(commit);
            let whole = Arc::make_mut(&mut self.whole);
            facts
                .cells
                .differences(&held, |cell, by| whole.add(cell, by));
        }
        if held != facts.cells {
            self.postings.change(slot, &facts.cells, &held);
        }
        if was != ignored {
            self.edition = Edition(commit);
            self.choices += ignored.choices().len() as u64;
            self.choices -= was.choices().len() as u64;
            let whole = Arc::make_mut(&mut self.whole);
            let (cells, before) = (ignored.cells(), was.cells());
            cells.differences(&before, |cell, by| whole.ignore(cell, by));
        }
        let live = before.map(|b| Arc::clone(&b.live)).unwrap_or_default();
        self.slots.set(
            slot as usize,
            Some(Arc::new(Host {
                facts,
                ignored,
                live,
            })),
        );
    }

    /// Takes the host and all it added away, and keeps those facts of it.
    pub(crate) fn retire(&mut self, facts: HostFacts, commit: u64) {
        self.remove(&facts.id, commit);
        self.retired
            .insert(facts.id.clone(), Arc::new(Host::retired(facts)));
    }

    /// Keeps a retired host no longer.
    pub(crate) fn forget(&mut self, id: &HostId) {
        self.retired.remove(id);
    }

    fn remove(&mut self, id: &HostId, commit: u64) {
        let Some(slot) = self.ids.remove(id) else {
            return;
        };
        let Some(host) = self.slots.set(slot as usize, None) else {
            return;
        };
        self.edition = Edition(commit);
        self.leave(slot, &host);
        self.choices -= host.ignored.choices().len() as u64;
        let whole = Arc::make_mut(&mut self.whole);
        whole.hosts.remove(slot);
        let nothing = Cells::default();
        nothing.differences(&host.facts.cells, |cell, by| whole.add(cell, by));
        nothing.differences(&host.ignored.cells(), |cell, by| whole.ignore(cell, by));
        self.postings.change(slot, &nothing, &host.facts.cells);
        self.free.push_back(slot);
    }

    fn slot_for(&mut self, id: &HostId) -> u32 {
        if let Some(&slot) = self.ids.get(id) {
            return slot;
        }
        let slot = self.free.pop_back().unwrap_or_else(|| {
            self.slots.push_back(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.ids.insert(id.clone(), slot);
        Arc::make_mut(&mut self.whole).hosts.insert(slot);
        slot
    }

    fn enter(&mut self, slot: u32, facts: &HostFacts, ignored: &Ignored) {
        let scope = self
            .scopes
            .entry(facts.enterprise_project.clone())
            .or_default();
        let scope = Arc::make_mut(scope);
        scope.hosts.insert(slot);
        let nothing = Cells::default();
        facts
            .cells
            .differences(&nothing, |cell, by| scope.add(cell, by));
        ignored
            .cells()
            .differences(&nothing, |cell, by| scope.ignore(cell, by));
    }

    fn leave(&mut self, slot: u32, host: &Host) {
        let facts = &host.facts;
        let Some(scope) = self.scopes.get_mut(&facts.enterprise_project) else {
            return;
        };
        let scope = Arc::make_mut(scope);
        scope.hosts.remove(slot);
        let nothing = Cells::default();
        nothing.differences(&facts.cells, |cell, by| scope.add(cell, by));
        nothing.differences(&host.ignored.cells(), |cell, by| scope.ignore(cell, by));
        if scope.hosts.is_empty() {
            debug_assert!(scope.has_no_rows(), "rows without hosts");
            self.scopes.remove(&facts.enterprise_project);
        }
    }

    fn scope_differs(&mut self, before: &Host, facts: &HostFacts, ignored: &Ignored) {
        let Some(scope) = self.scopes.get_mut(&facts.enterprise_project) else {
            return;
        };
        let scope = Arc::make_mut(scope);
        let was = &before.facts.cells;
        facts.cells.differences(was, |cell, by| scope.add(cell, by));
        let was = before.ignored.cells();
        ignored
            .cells()
            .differences(&was, |cell, by| scope.ignore(cell, by));
    }
}
