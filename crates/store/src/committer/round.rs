//! One durable write in the making: what was decided so far, on a state that includes it.
//!
//! Holds: a later decision of the round sees the earlier ones. Nothing of a round is visible, and
//! nobody counts as heard or gone, before its write is durable.

use std::sync::Arc;

use portolan_census::{Commit, Host, HostCommit, Selection, State};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::committer::batch::{self, Gathered};
use crate::committer::decide;
use crate::committer::{Decision, Prepared, Published, Retirement};
use crate::record::RecordChange;
use crate::{Counters, Store, StoreError};

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
        let held = self.working.host(&key);
        let host = held.map(|host| &**host);
        let decision = decide::decide(host, &report, self.now);
        let two_speak = decide::shows_two(decision, host, &report, self.now);
        if let Decision::Accepted { fresh: true } = decision {
            let held = held.map(|host| &host.facts);
            let (facts, write) = batch::version(report, held, self.now)?;
            self.gathered.host(write, facts.at);
            let commit = HostCommit {
                project: key.project.clone(),
                facts,
            };
            self.working.apply(Commit::Put(commit));
        }
        self.outcome.decided.push(Decided {
            key,
            decision,
            two_speak,
        });
        Ok(decision)
    }

    pub(super) fn retire(&mut self, key: HostKey, granted: &Selection) -> Retirement {
        // A host that the caller may not see is as unknown as one that is not there.
        let held = self
            .working
            .host(&key)
            .filter(|host| granted.holds(&host.facts.enterprise_project))
            .map(Arc::clone);
        let Some(host) = held else {
            return Retirement::Unknown;
        };
        let at = batch::next_at(Some(&host.facts), self.now);
        let write = batch::removal(key.clone(), &host.facts);
        self.gathered.host(write, at);
        self.working.apply(Commit::Remove(key));
        self.outcome.retired.push(host);
        Retirement::Retired
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
        Counters::add(&counters.hosts_retired, self.retired.len() as u64);
        for host in &self.retired {
            liveness.forget(host);
        }
        for decided in &self.decided {
            counters.decided(&decided.decision);
            let key = &decided.key;
            let Some(project) = state.project(key.project.as_str()) else {
                continue;
            };
            let Some(host) = project.host(key.host.as_str()) else {
                continue;
            };
            if let Decision::Accepted { .. } = decided.decision {
                liveness.heard(project, host, now_s, now_s);
            }
            if decided.two_speak {
                Counters::add(&counters.identity_conflicts, 1);
                liveness.conflict(host, now_s);
            }
        }
    }
}
