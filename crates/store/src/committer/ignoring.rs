//! What becomes of an operator's wish to ignore open ports, or to ignore them no longer.
//!
//! Holds: all items of a wish take effect, or none; a host or container that is not there and one
//! that the caller may not see are told in the same words.
//! Limits: `caps::IGNORED_OF_A_HOST_MAX` and `caps::IGNORED_OF_A_PROJECT_MAX` choices.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{Choice, Commit, Host, HostCommit, Ignored, Selection};
use portolan_wire::caps;
use portolan_wire::ids::{HostId, HostKey, ProjectId};

use crate::committer::round::Round;
use crate::history::record::{Counts, Kind, NewEntry, Part};
use crate::{StoreError, ignoring, snapshot};

/// Open ports of assets that are to be ignored, or no longer.
#[derive(Clone, Debug)]
pub struct Ignoring {
    /// The project.
    pub project: ProjectId,
    /// The enterprise projects that the caller may change and asks for.
    pub selection: Selection,
    /// Whether to ignore them, or to ignore them no longer.
    pub ignore: bool,
    /// Which. One that already is as wished stays so.
    pub items: Vec<(HostId, Choice)>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoringDone {
    /// Each item is as wished, durably.
    Done,
    /// The item of that index names no asset of the selection; nothing was changed.
    Unknown(usize),
    /// The item of that index is one too many for its host; nothing was changed.
    TooManyOfHost(usize),
    /// All are too many for the project; nothing was changed.
    TooManyOfProject,
}

/// What one host's choices come to.
struct Plan {
    key: HostKey,
    host: std::sync::Arc<Host>,
    /// The containers that have an open port; read only where an item names one.
    containers: Option<BTreeSet<String>>,
    choices: BTreeSet<Choice>,
}

impl Round<'_> {
    pub(super) fn ignore(&mut self, wanted: &Ignoring) -> Result<IgnoringDone, StoreError> {
        let mut plans = BTreeMap::<&HostId, Plan>::new();
        for (index, (id, choice)) in wanted.items.iter().enumerate() {
            if !plans.contains_key(id) {
                let Some(plan) = self.plan(wanted, id) else {
                    return Ok(IgnoringDone::Unknown(index));
                };
                plans.insert(id, plan);
            }
            let Some(plan) = plans.get_mut(id) else {
                continue;
            };
            if !self.has_asset(plan, choice)? {
                return Ok(IgnoringDone::Unknown(index));
            }
            if wanted.ignore {
                plan.choices.insert(choice.clone());
            } else {
                plan.choices.remove(choice);
            }
            if plan.choices.len() > caps::IGNORED_OF_A_HOST_MAX {
                return Ok(IgnoringDone::TooManyOfHost(index));
            }
        }
        if wanted.ignore && self.choices_with(wanted, &plans) > caps::IGNORED_OF_A_PROJECT_MAX {
            return Ok(IgnoringDone::TooManyOfProject);
        }
        for plan in plans.into_values() {
            self.carry_out(plan)?;
        }
        Ok(IgnoringDone::Done)
    }

    fn plan(&self, wanted: &Ignoring, id: &HostId) -> Option<Plan> {
        let key = HostKey {
            project: wanted.project.clone(),
            host: id.clone(),
        };
        // A host that the caller may not see is as unknown as one that is not there.
        let host = self.held(&key, &wanted.selection)?;
        Some(Plan {
            choices: host.ignored.choices().iter().cloned().collect(),
            containers: None,
            key,
            host,
        })
    }

    /// Whether the host has the asset: it has an open port now, or a choice from when it had one.
    fn has_asset(&self, plan: &mut Plan, choice: &Choice) -> Result<bool, StoreError> {
        let Some(asset) = &choice.container_asset else {
            return Ok(true);
        };
        let chosen = plan.host.ignored.choices().iter();
        if chosen
            .filter_map(|c| c.container_asset.as_ref())
            .any(|chosen| chosen == asset)
        {
            return Ok(true);
        }
        let containers = match plan.containers.take() {
            Some(containers) => containers,
            None => snapshot::containers(&self.value(&plan.key)?)?,
        };
        let has = containers.contains(&**asset);
        plan.containers = Some(containers);
        Ok(has)
    }

    /// Choices of the project once the plans are carried out.
    fn choices_with(&self, wanted: &Ignoring, plans: &BTreeMap<&HostId, Plan>) -> u64 {
        let held = self.choices(&wanted.project);
        let count = |count: usize| count as u64;
        let before: u64 = plans
            .values()
            .map(|p| count(p.host.ignored.choices().len()))
            .sum();
        let after: u64 = plans.values().map(|plan| count(plan.choices.len())).sum();
        held.saturating_sub(before).saturating_add(after)
    }

    fn carry_out(&mut self, plan: Plan) -> Result<(), StoreError> {
        if plan.choices.iter().eq(plan.host.ignored.choices()) {
            return Ok(());
        }
        let choices: Vec<Choice> = plan.choices.iter().cloned().collect();
        self.records(vec![ignoring::change(&plan.key, &choices)?])?;
        let ignored = snapshot::ignored(choices, &self.value(&plan.key)?)?;
        self.tell_history(&plan, &ignored)?;
        self.apply(Commit::Put(HostCommit {
            project: plan.key.project,
            facts: plan.host.facts.clone(),
            ignored,
        }));
        Ok(())
    }

    /// What is ignored of a moment is asked for as all other counts of it are.
    fn tell_history(&mut self, plan: &Plan, ignored: &Ignored) -> Result<(), StoreError> {
        let changes = ignored.cells().changes_since(&plan.host.ignored.cells());
        if changes.is_empty() {
            return Ok(());
        }
        self.gathered.entry(NewEntry {
            key: &plan.key,
            kind: Kind::Ignored,
            at: self.moments.now(),
            before_at: None,
            previous: 0,
            counts: Counts::Differs(Part {
                enterprise_project: plan.host.facts.enterprise_project.as_str(),
                cells: Vec::new(),
                ignored: changes,
            }),
            detail: &[],
            rows: 0,
        })
    }
}
