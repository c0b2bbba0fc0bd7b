//! One project of the census: its hosts, the counts of its enterprise projects and of the whole,
//! and for each row the hosts that have it.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, Vector};
use portolan_wire::ids::{EnterpriseProjectId, HostId};

use crate::adds::{Adds, Sums};
use crate::cells::Cells;
use crate::counts::Counts;
use crate::group::Group;
use crate::host::{Host, HostFacts};
use crate::ignored::Ignored;
use crate::liveness::Live;
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
    groups: OrdMap<EnterpriseProjectId, Arc<Group>>,
    whole: Arc<Group>,
    pub(crate) counts: Counts,
    /// Those of the fresh hosts only. Of a group whose hosts are all fresh they are the same.
    pub(crate) fresh: Counts,
    pub(crate) postings: Postings,
    editions: Editions,
    /// Choices of all hosts together.
    choices: u64,
    /// Hosts that are retired: they count nothing, and are known by their pairs if they come back.
    retired: OrdMap<HostId, Arc<Host>>,
}

/// When something of a project last changed: the commit that changed it, by its number among those
/// applied to the state. While it stays, so does what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edition(u64);

/// When each part of a project last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Editions {
    /// The counts of all hosts, and what of them is ignored.
    pub counts: Edition,
    /// The counts of the fresh hosts, and what of them is ignored.
    pub fresh_counts: Edition,
    /// Which hosts there are, where they are, and which are fresh.
    pub hosts: Edition,
}

/// What a project is made of, when it is made at once: a host's place is its slot, and all are fresh.
pub(crate) struct Parts {
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) groups: Vec<(EnterpriseProjectId, Arc<Group>)>,
    pub(crate) whole: Arc<Group>,
    pub(crate) counts: Counts,
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
            groups: parts.groups.into_iter().collect(),
            whole: parts.whole,
            fresh: parts.counts.clone(),
            counts: parts.counts,
            postings: parts.postings,
            editions: Editions::default(),
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

    /// The same, those after `after` only.
    pub fn retired_after(&self, after: Option<&str>) -> impl Iterator<Item = &Arc<Host>> {
        self.retired_from(after.map_or(Bound::Unbounded, |id| Bound::Excluded(HostId::from(id))))
    }

    /// The same, from an id on.
    pub(crate) fn retired_from(&self, from: Bound<HostId>) -> impl Iterator<Item = &Arc<Host>> {
        let range = self.retired.range((from, Bound::<HostId>::Unbounded));
        range.map(|(_, host)| host)
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
        self.groups(selection).map(|group| group.hosts.len()).sum()
    }

    /// The enterprise projects that have hosts, in the order of their ids.
    pub fn enterprise_projects(&self) -> impl Iterator<Item = &EnterpriseProjectId> {
        self.groups.keys()
    }

    /// Fresh and stale hosts of a selection.
    pub fn fresh_and_stale(&self, selection: &Selection) -> (u64, u64) {
        self.groups(selection)
            .map(Group::fresh_and_stale)
            .fold((0, 0), |(fresh, stale), (f, s)| (fresh + f, stale + s))
    }

    /// When its parts last changed.
    pub fn editions(&self) -> Editions {
        self.editions
    }

    /// The counts of all hosts, as they are now: a copy that shares what does not change later.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// The counts of the hosts that are fresh, in the same way.
    pub fn fresh_counts(&self) -> Counts {
        self.fresh.clone()
    }

    pub(crate) fn groups<'a>(
        &'a self,
        selection: &'a Selection,
    ) -> Box<dyn Iterator<Item = &'a Group> + 'a> {
        match selection {
            Selection::Whole => Box::new(std::iter::once(&*self.whole)),
            Selection::Of(list) => Box::new(
                list.iter()
                    .filter_map(|id| self.groups.get(id).map(|group| &**group)),
            ),
        }
    }

    pub(crate) fn by_slot(&self, slot: u32) -> Option<&Arc<Host>> {
        self.slots.get(slot as usize).and_then(Option::as_ref)
    }

    /// Takes the host's newest facts in the place of what was held. A host that is new was just heard.
    pub(crate) fn put(&mut self, facts: HostFacts, ignored: Ignored, commit: u64) {
        self.retired.remove(&facts.id);
        let slot = self.slot_for(&facts.id);
        let before = self.by_slot(slot).cloned();
        let fresh = before.as_ref().is_none_or(|before| before.fresh);
        let was = before.as_deref().map(Adds::from);
        let is = Adds {
            enterprise_project: &facts.enterprise_project,
            cells: &facts.cells,
            ignored: &ignored,
        };
        if was.is_none_or(|was| was.enterprise_project != is.enterprise_project) {
            self.editions.hosts = Edition(commit);
            if let Some(was) = was {
                self.leave(slot, was.enterprise_project);
            }
            self.enter(slot, is.enterprise_project, fresh);
        }
        if was.is_none_or(|was| !was.count_alike(&is)) {
            self.counts_change(commit, fresh);
            self.replace(was, Some(is), fresh);
        }
        let nothing = Cells::default();
        let held = was.map_or(&nothing, |was| was.cells);
        if *held != facts.cells {
            self.postings.change(slot, &facts.cells, held);
        }
        self.choices += ignored.choices().len() as u64;
        self.choices -= was.map_or(0, |was| was.ignored.choices().len() as u64);
        let live = before
            .as_ref()
            .map(|before| Arc::clone(&before.live))
            .unwrap_or_default();
        let host = Host {
            facts,
            ignored,
            fresh,
            live,
        };
        self.slots.set(slot as usize, Some(Arc::new(host)));
    }

    /// Takes the host and all it added away, and keeps those facts of it.
    pub(crate) fn retire(&mut self, facts: HostFacts, commit: u64) {
        let live = self.remove(&facts.id, commit);
        let host = Host::retired(facts, live.unwrap_or_default());
        self.retired.insert(host.facts.id.clone(), Arc::new(host));
    }

    /// Keeps a retired host no longer.
    pub(crate) fn forget(&mut self, id: &HostId) {
        self.retired.remove(id);
    }

    /// Says when it was heard.
    fn remove(&mut self, id: &HostId, commit: u64) -> Option<Arc<Live>> {
        let slot = self.ids.remove(id)?;
        let host = self.slots.set(slot as usize, None)?;
        self.editions.hosts = Edition(commit);
        self.counts_change(commit, host.fresh);
        self.leave(slot, &host.facts.enterprise_project);
        Arc::make_mut(&mut self.whole).leave(slot);
        self.replace(Some(Adds::from(&*host)), None, host.fresh);
        self.choices -= host.ignored.choices().len() as u64;
        self.postings
            .change(slot, &Cells::default(), &host.facts.cells);
        self.free.push_back(slot);
        Some(Arc::clone(&host.live))
    }

    /// Takes hosts for fresh or stale.
    pub(crate) fn set_fresh<'a>(
        &mut self,
        hosts: impl IntoIterator<Item = (&'a HostId, bool)>,
        commit: u64,
    ) {
        let mut sums = HashMap::<EnterpriseProjectId, Sums>::new();
        let mut of_whole = Sums::default();
        for (id, fresh) in hosts {
            let Some(slot) = self.ids.get(id).copied() else {
                continue;
            };
            let host = self.slots.get_mut(slot as usize).and_then(Option::as_mut);
            let Some(host) = host.filter(|host| host.fresh != fresh) else {
                continue;
            };
            let host = Arc::make_mut(host);
            host.fresh = fresh;
            let by = if fresh { 1 } else { -1 };
            let id = &host.facts.enterprise_project;
            for sums in [sums.entry(id.clone()).or_default(), &mut of_whole] {
                sums.add(Adds::from(&*host), by);
            }
            if let Some(group) = self.groups.get_mut(id) {
                Arc::make_mut(group).set_fresh(slot, fresh);
            }
            Arc::make_mut(&mut self.whole).set_fresh(slot, fresh);
        }
        if sums.is_empty() {
            return;
        }
        self.editions.hosts = Edition(commit);
        self.editions.fresh_counts = Edition(commit);
        for (id, sums) in sums {
            match self.groups.get(&id) {
                Some(group) if group.is_all_fresh() => self.fresh.share_scope(&id, &self.counts),
                _ => self.fresh.on_scope(&id, |scope| sums.apply(scope)),
            }
        }
        if self.whole.is_all_fresh() {
            self.fresh.share_whole(&self.counts);
        } else {
            self.fresh.on_whole(|scope| of_whole.apply(scope));
        }
    }

    fn counts_change(&mut self, commit: u64, fresh: bool) {
        self.editions.counts = Edition(commit);
        if fresh {
            self.editions.fresh_counts = Edition(commit);
        }
    }

    /// Counts what a host adds instead of what it added; `None` where it adds nothing. The groups are
    /// already as they are with it.
    fn replace(&mut self, before: Option<Adds<'_>>, after: Option<Adds<'_>>, fresh: bool) {
        let (cells, ignored) = (&Cells::default(), &Ignored::default());
        match (before, after) {
            (Some(was), Some(is)) if was.enterprise_project == is.enterprise_project => {
                self.count(is.enterprise_project, fresh, |scope| is.replace(was, scope));
            }
            _ => {
                if let Some(was) = before {
                    let none = Adds {
                        cells,
                        ignored,
                        ..was
                    };
                    self.count(was.enterprise_project, fresh, |scope| {
                        none.replace(was, scope)
                    });
                }
                if let Some(is) = after {
                    let none = Adds {
                        cells,
                        ignored,
                        ..is
                    };
                    self.count(is.enterprise_project, fresh, |scope| {
                        is.replace(none, scope)
                    });
                }
            }
        }
    }

    /// Changes the counts of an enterprise project and of the whole, and those of the fresh hosts
    /// where it is one.
    fn count(&mut self, id: &EnterpriseProjectId, fresh: bool, change: impl Fn(&mut Scope)) {
        // Shared counts would be copied before they are changed.
        let shared = self.groups.get(id).is_none_or(|group| group.is_all_fresh());
        if shared {
            self.fresh.let_scope_go(id);
        }
        self.counts.on_scope(id, &change);
        if shared {
            self.fresh.share_scope(id, &self.counts);
        } else if fresh {
            self.fresh.on_scope(id, &change);
        }
        let shared = self.whole.is_all_fresh();
        if shared {
            self.fresh.let_whole_go();
        }
        self.counts.on_whole(&change);
        if shared {
            self.fresh.share_whole(&self.counts);
        } else if fresh {
            self.fresh.on_whole(&change);
        }
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
        slot
    }

    fn enter(&mut self, slot: u32, id: &EnterpriseProjectId, fresh: bool) {
        let group = match self.groups.get_mut(id) {
            Some(group) => group,
            None => self.groups.entry(id.clone()).or_default(),
        };
        Arc::make_mut(group).enter(slot, fresh);
        Arc::make_mut(&mut self.whole).enter(slot, fresh);
    }

    /// Lets a host go from an enterprise project: it stays in the whole.
    fn leave(&mut self, slot: u32, id: &EnterpriseProjectId) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let group = Arc::make_mut(group);
        group.leave(slot);
        if group.hosts.is_empty() {
            self.groups.remove(id);
        }
    }
}
