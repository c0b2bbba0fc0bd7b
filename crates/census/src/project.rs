//! One project of the census: its hosts, the counts of its enterprise projects and of the whole,
//! and for each row the hosts that have it.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, Vector};
use portolan_wire::ids::{EnterpriseProjectId, HostId};

use crate::cells::Cells;
use crate::counts::{Adds, Counts};
use crate::group::Group;
use crate::host::{Host, HostFacts};
use crate::ignored::Ignored;
use crate::liveness::HostCounts;
use crate::posting::Postings;

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
    pub(crate) postings: Postings,
    edition: Edition,
    /// Choices of all hosts together.
    choices: u64,
}

/// Which counts a project has: the commit that last changed one, moved a host or changed what counts
/// as ignored, by its number among
/// those applied to the state. While it stays, so do all pages of the project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edition(u64);

/// What a project is made of, when it is made at once: a host's place is its slot.
pub(crate) struct Parts {
    pub(crate) hosts: Vec<Arc<Host>>,
    pub(crate) groups: Vec<(EnterpriseProjectId, Arc<Group>)>,
    pub(crate) whole: Arc<Group>,
    pub(crate) counts: Counts,
    pub(crate) postings: Postings,
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
            counts: parts.counts,
            postings: parts.postings,
            edition: Edition::default(),
        }
    }

    /// A host by its id.
    pub fn host(&self, id: &str) -> Option<&Arc<Host>> {
        self.ids.get(id).and_then(|&slot| self.by_slot(slot))
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
            .map(|group| group.counts.fresh_and_stale())
            .fold((0, 0), |(fresh, stale), (f, s)| (fresh + f, stale + s))
    }

    /// When a count of the project last changed.
    pub fn edition(&self) -> Edition {
        self.edition
    }

    /// The live counts of a selection's scopes, for who asks again and again; a scope that is new
    /// or gone changes the [`edition`](Self::edition).
    pub fn host_counts(&self, selection: &Selection) -> Vec<Arc<HostCounts>> {
        let groups = self.groups(selection);
        groups.map(|group| Arc::clone(&group.counts)).collect()
    }

    /// The counts of all hosts, as they are now: a copy that shares what does not change later.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
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

    pub(crate) fn group_counts(&self, id: &EnterpriseProjectId) -> Option<&Arc<HostCounts>> {
        self.groups.get(id).map(|group| &group.counts)
    }

    pub(crate) fn whole_counts(&self) -> &Arc<HostCounts> {
        &self.whole.counts
    }

    pub(crate) fn by_slot(&self, slot: u32) -> Option<&Arc<Host>> {
        self.slots.get(slot as usize).and_then(Option::as_ref)
    }

    /// Takes the host's newest facts in the place of what was held.
    pub(crate) fn put(&mut self, facts: HostFacts, ignored: Ignored, commit: u64) {
        let slot = self.slot_for(&facts.id);
        let before = self.by_slot(slot).cloned();
        let was = before.as_deref().map(Adds::from);
        let is = Adds {
            enterprise_project: &facts.enterprise_project,
            cells: &facts.cells,
            ignored: &ignored,
        };
        if was.is_none_or(|was| !was.count_alike(&is)) {
            self.edition = Edition(commit);
            self.counts.replace(was, Some(is));
        }
        if was.is_none_or(|was| was.enterprise_project != is.enterprise_project) {
            if let Some(was) = was {
                self.leave(slot, was.enterprise_project);
            }
            self.enter(slot, is.enterprise_project);
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
            live,
        };
        self.slots.set(slot as usize, Some(Arc::new(host)));
    }

    /// Takes the host and all it added away.
    pub(crate) fn remove(&mut self, id: &HostId, commit: u64) {
        let Some(slot) = self.ids.remove(id) else {
            return;
        };
        let Some(host) = self.slots.set(slot as usize, None) else {
            return;
        };
        self.edition = Edition(commit);
        self.counts.replace(Some(Adds::from(&*host)), None);
        self.leave(slot, &host.facts.enterprise_project);
        Arc::make_mut(&mut self.whole).hosts.remove(slot);
        self.choices -= host.ignored.choices().len() as u64;
        self.postings
            .change(slot, &Cells::default(), &host.facts.cells);
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

    fn enter(&mut self, slot: u32, id: &EnterpriseProjectId) {
        let group = match self.groups.get_mut(id) {
            Some(group) => group,
            None => self.groups.entry(id.clone()).or_default(),
        };
        Arc::make_mut(group).hosts.insert(slot);
    }

    fn leave(&mut self, slot: u32, id: &EnterpriseProjectId) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        let group = Arc::make_mut(group);
        group.hosts.remove(slot);
        if group.hosts.is_empty() {
            self.groups.remove(id);
        }
    }
}
