//! One durable write in the making: what was decided so far, on a state that includes it.
//!
//! Holds: a later decision of the round sees the earlier ones. Nothing of a round is visible, and
//! nobody counts as heard or gone, before its write is durable.

use std::sync::Arc;

use portolan_census::{Commit, Host, HostCommit, Ignored, Selection, Silent, State};
use portolan_wire::ids::{HostKey, ProjectId};
use portolan_wire::time::UnixMicros;

use crate::committer::batch::{self, Gathered};
use crate::committer::decide;
use crate::committer::{Decision, Prepared, Published, Retirement};
use crate::record::RecordChange;
use crate::{Counters, Store, StoreError, ignoring, snapshot};

/// Decides, one submission after the other.
pub(super) struct Round<'a> {
    store: &'a dyn Store,
    working: &'a mut State,
    now: UnixMicros,
    gathered: Gathered,
    outcome: Outcome,
}

/// What there is to tell and to count once the round is durable.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    decided: Vec<Decided>,
    retired: Vec<Arc<Host>>,
    /// Of them, those for their silence.
    retired_silent: u64,
    records_changed: u64,
}

/// What became of one report.
#[derive(Debug)]
struct Decided {
    key: HostKey,
    decision: Decision,
    /// Whether it shows that two agents speak for the host.
    two_speak: bool,
}

impl<'a> Round<'a> {
    pub(super) fn new(store: &'a dyn Store, working: &'a mut State, now: UnixMicros) -> Self {
        Self {
            store,
            working,
            now,
            gathered: Gathered::default(),
            outcome: Outcome::default(),
        }
    }

    /// What is to be written, and what to tell when it is.
    pub(super) fn end(self) -> (Gathered, Outcome) {
        (self.gathered, self.outcome)
    }

    pub(super) fn reports(&mut self, reports: Vec<Prepared>) -> Result<Vec<Decision>, StoreError> {
        reports.into_iter().map(|r| self.report(r)).collect()
    }

    fn report(&mut self, report: Prepared) -> Result<Decision, StoreError> {
        let key = report.key.clone();
        let held = self.working.host(&key).map(Arc::clone);
        let host = held.as_deref();
        let decision = decide::decide(host, &report, self.now);
        let two_speak = decide::shows_two(decision, host, &report, self.now);
        if let Decision::Accepted { fresh: true } = decision {
            let ignored = self.still_ignored(host, &report)?;
            let held = host.map(|host| &host.facts);
            let (facts, write) = batch::version(report, held, self.now)?;
            self.gathered.host(write, facts.at);
            let commit = HostCommit {
                project: key.project.clone(),
                facts,
                ignored,
            };
            self.working.apply(Commit::Put(commit));
        }
        if let Decision::Accepted { .. } = decision
            && host.is_some_and(|host| !host.is_fresh())
        {
            self.working.apply(Commit::Fresh(vec![(key.clone(), true)]));
        }
        self.outcome.decided.push(Decided {
            key,
            decision,
            two_speak,
        });
        Ok(decision)
    }

    /// What is ignored of the host once it has the report's set.
    fn still_ignored(
        &mut self,
        held: Option<&Host>,
        report: &Prepared,
    ) -> Result<Ignored, StoreError> {
        match held {
            Some(held) if held.ignored.is_empty() => Ok(Ignored::default()),
            Some(held) => {
                let choices = held.ignored.choices().iter().cloned();
                Ok(snapshot::ignored_in_body(choices, &report.body)?)
            }
            // A new host begins with none, also where a repair has left those of an earlier one.
            None => {
                self.records(vec![RecordChange::remove(ignoring::key(&report.key))])?;
                Ok(Ignored::default())
            }
        }
    }

    /// A host as the round has it, if it is in an enterprise project of `granted`.
    pub(super) fn held(&self, key: &HostKey, granted: &Selection) -> Option<Arc<Host>> {
        let held = self.working.host(key);
        let held = held.filter(|host| granted.holds(&host.facts.enterprise_project));
        held.map(Arc::clone)
    }

    /// How many ports are ignored of the project's hosts.
    pub(super) fn choices(&self, project: &ProjectId) -> u64 {
        let project = self.working.project(project.as_str());
        project.map_or(0, |project| project.choices())
    }

    /// The value of a host that the round has.
    pub(super) fn value(&self, key: &HostKey) -> Result<Vec<u8>, StoreError> {
        let value = match self.gathered.host_value(key) {
            Some(value) => value.map(<[u8]>::to_vec),
            None => self.store.host(key)?,
        };
        value.ok_or_else(|| StoreError::Read {
            what: format!(
                "the host {} of {} is not in the store",
                key.host, key.project
            ),
        })
    }

    /// Changes the state that the round decides on.
    pub(super) fn apply(&mut self, commit: Commit) {
        self.working.apply(commit);
    }

    pub(super) fn retire(
        &mut self,
        key: HostKey,
        granted: &Selection,
    ) -> Result<Retirement, StoreError> {
        // A host that the caller may not see is as unknown as one that is not there.
        let Some(host) = self.held(&key, granted) else {
            return Ok(Retirement::Unknown);
        };
        if !host.ignored.is_empty() {
            self.records(vec![RecordChange::remove(ignoring::key(&key))])?;
        }
        let at = batch::next_at(Some(&host.facts), self.now);
        let write = batch::removal(key.clone(), &host.facts);
        self.gathered.host(write, at);
        self.working.apply(Commit::Remove(key));
        self.outcome.retired.push(host);
        Ok(Retirement::Retired)
    }

    /// Retires those of the hosts that nobody has heard since they were found silent, the round's own
    /// reports included.
    pub(super) fn retire_silent(&mut self, silent: Vec<Silent>) -> Result<(), StoreError> {
        for Silent { key, heard_s } in silent {
            let held = self.working.host(&key);
            if held.is_some_and(|host| host.is_silent_since(heard_s)) {
                self.retire(key, &Selection::Whole)?;
                self.outcome.retired_silent += 1;
            }
        }
        Ok(())
    }

    pub(super) fn records(&mut self, changes: Vec<RecordChange>) -> Result<(), StoreError> {
        for change in changes {
            // Records are few and change rarely: what one replaces is read, not remembered.
            let before = self.store.record(&change.key)?;
            let replaces = before.map(|value| change.key.hash_with(&value));
            if change.value.is_some() || replaces.is_some() || self.gathered.has(&change.key) {
                self.gathered
                    .record(batch::record(change, replaces), self.now);
                self.outcome.records_changed += 1;
            }
        }
        Ok(())
    }
}

impl Outcome {
    /// Counts, and enters who was heard and who is gone. It comes after publishing: it is about
    /// hosts that readers can see, or no longer see.
    pub(super) fn tell(self, published: &Published, state: &State, now_s: u32) {
        let Published {
            liveness, counters, ..
        } = published;
        Counters::add(&counters.records_changed, self.records_changed);
        let by_operators = self.retired.len() as u64 - self.retired_silent;
        Counters::add(&counters.hosts_retired, by_operators);
        Counters::add(&counters.hosts_retired_silent, self.retired_silent);
        for host in &self.retired {
            liveness.forget(host);
        }
        for decided in &self.decided {
            counters.decided(&decided.decision);
            let key = &decided.key;
            let Some(host) = state.host(key) else {
                continue;
            };
            if let Decision::Accepted { .. } = decided.decision {
                liveness.heard(&key.project, host, now_s, now_s);
            }
            if decided.two_speak {
                Counters::add(&counters.identity_conflicts, 1);
                liveness.conflict(host, now_s);
            }
        }
    }
}
