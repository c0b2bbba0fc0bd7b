//! One durable write in the making: what was decided so far, on a state that includes it.
//!
//! Holds: a later decision of the round sees the earlier ones. Nothing of a round is visible, and
//! nobody counts as heard or gone, before its write is durable.

use std::collections::VecDeque;
use std::sync::Arc;

use portolan_census::{Cells, Commit, Host, HostCommit, HostFacts, Ignored, Selection, State};
use portolan_wire::ids::{HostKey, ProjectId};
use portolan_wire::time::UnixMicros;

use crate::committer::batch::{self, Gathered, Moments};
use crate::committer::decide;
use crate::committer::{Decision, Prepared, Published};
use crate::history::compare::Compared;
use crate::history::record::{Counts, NewEntry, Part};
use crate::record::RecordChange;
use crate::snapshot::form::Body;
use crate::{Counters, Store, StoreError, ignoring, snapshot};

/// Decides, one submission after the other.
pub(super) struct Round<'a> {
    store: &'a dyn Store,
    pub(super) working: &'a mut State,
    pub(super) moments: Moments,
    /// The number that the write will have.
    pub(super) commit: u64,
    pub(super) gathered: Gathered,
    pub(super) outcome: Outcome,
    /// [`Published::records_mark`] of the state that it is decided on.
    pub(super) foreign_records: u64,
    /// A report was left for the next write.
    is_full: bool,
}

/// What a round makes of a report.
enum Taken {
    Decided(Decision),
    /// It is for the next round: it is too much beside what this one holds.
    Not(Box<Prepared>),
}

/// What becomes of a host with a report that is in the history.
struct Accepted {
    at: UnixMicros,
    compared: Compared,
    ignored: Ignored,
}

/// What there is to tell and to count once the round is durable.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    decided: Vec<Decided>,
    pub(super) retired: Vec<Arc<Host>>,
    /// Of them, those for their silence.
    pub(super) retired_silent: u64,
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
    pub(super) fn new(
        store: &'a dyn Store,
        working: &'a mut State,
        moments: Moments,
        commit: u64,
    ) -> Self {
        Self {
            store,
            working,
            moments,
            commit,
            gathered: Gathered::default(),
            outcome: Outcome::default(),
            foreign_records: 0,
            is_full: false,
        }
    }

    /// What is to be written, and what to tell when it is.
    pub(super) fn end(self) -> (Gathered, Outcome) {
        (self.gathered, self.outcome)
    }

    /// Decides reports in their order, as many of them as one write may hold: those that are left are
    /// for the next one.
    pub(super) fn reports(
        &mut self,
        reports: &mut VecDeque<Prepared>,
        decided: &mut Vec<Decision>,
    ) -> Result<(), StoreError> {
        while let Some(report) = reports.pop_front() {
            match self.report(report)? {
                Taken::Decided(decision) => decided.push(decision),
                Taken::Not(report) => {
                    reports.push_front(*report);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether another server's commit may come before this write, so that all is decided anew.
    pub(super) fn may_be_overtaken(&self) -> bool {
        self.store.shared().is_some()
    }

    /// Makes it a commit even if nothing changes, unless there is one at `since` or later.
    pub(super) fn tick(&mut self, since: UnixMicros) {
        if self.working.at() < since {
            self.gathered.tick(self.moments.now());
        }
    }

    /// Whether no more goes into this write.
    pub(super) fn is_full(&self) -> bool {
        self.is_full || self.gathered.is_full()
    }

    fn report(&mut self, mut report: Prepared) -> Result<Taken, StoreError> {
        let key = report.key.clone();
        let held = self.working.host(&key).map(Arc::clone);
        let retired = self.working.retired(&key).map(Arc::clone);
        let host = held.as_deref();
        let now = self.moments.clock;
        let decision = decide::decide(host, retired.as_deref(), &report, now);
        let two_speak = decide::shows_two(decision, host, &report, now);
        if let Decision::Accepted { fresh: true } = decision {
            let Some(accepted) = self.enter(&mut report, host, retired.as_deref())? else {
                self.is_full = true;
                return Ok(Taken::Not(Box::new(report)));
            };
            self.accept(report, accepted, host, retired.as_deref())?;
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
        Ok(Taken::Decided(decision))
    }

    /// Puts what a report makes of its host into the history; `None` where that is too much for this
    /// commit, and nothing is changed.
    fn enter(
        &mut self,
        report: &mut Prepared,
        held: Option<&Host>,
        retired: Option<&Host>,
    ) -> Result<Option<Accepted>, StoreError> {
        let before = held.or(retired).map(|host| &host.facts);
        let ignored = still_ignored(held, report)?;
        let hash = before.map(|before| before.record_hash);
        let compared = match (report.take_compared(hash), before) {
            (Some(compared), _) => compared,
            // It changed within the batch, or could not be read before it.
            (None, Some(_)) => report.compare(Some(&self.value(&report.key)?))?,
            (None, None) => report.compare(None)?,
        };
        let at = self.moments.of_version(before);
        let is_entered = self.gathered.entry_within(NewEntry {
            key: &report.key,
            kind: compared.kind,
            at,
            before_at: before.map(|before| before.at),
            previous: before.map_or(0, |before| before.history_at),
            counts: counts(held, report, &ignored),
            detail: &compared.detail,
            rows: compared.rows,
        })?;
        if !is_entered {
            report.compared = Some((hash, compared));
            return Ok(None);
        }
        Ok(Some(Accepted {
            at,
            compared,
            ignored,
        }))
    }

    /// Makes a report that is in the history the next version of its host.
    fn accept(
        &mut self,
        report: Prepared,
        accepted: Accepted,
        held: Option<&Host>,
        retired: Option<&Host>,
    ) -> Result<(), StoreError> {
        let key = report.key.clone();
        if held.is_none() {
            // A new host begins with none, also where a repair has left those of an earlier one.
            self.records(vec![RecordChange::remove(ignoring::key(&key))])?;
        }
        let before = held.or(retired).map(|host| &host.facts);
        let held_facts = held.map(|host| &host.facts);
        let moment = (accepted.at, self.commit);
        let (facts, write) =
            batch::version(report, &accepted.compared, before, held_facts, moment)?;
        self.gathered.host(write, accepted.at);
        self.working.apply(Commit::Put(HostCommit {
            project: key.project,
            facts,
            ignored: accepted.ignored,
        }));
        Ok(())
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

    pub(super) fn records(&mut self, changes: Vec<RecordChange>) -> Result<(), StoreError> {
        for mut change in changes {
            if let Some(enrolment) = change.enrolment.take() {
                self.working.apply(enrolment.into());
            }
            // Records are few and change rarely: what one replaces is read, not remembered.
            let before = self.store.record(&change.key)?;
            let replaces = before.map(|value| change.key.hash_with(&value));
            if change.value.is_some() || replaces.is_some() || self.gathered.has(&change.key) {
                let now = self.moments.now();
                self.gathered.record(batch::record(change, replaces), now);
                self.outcome.records_changed += 1;
            }
        }
        Ok(())
    }
}

/// What a host counts with these facts and choices.
pub(super) fn part<'a>(facts: &'a HostFacts, ignored: &Ignored) -> Part<'a> {
    let nothing = Cells::default();
    Part {
        enterprise_project: facts.enterprise_project.as_str(),
        cells: facts.cells.changes_since(&nothing),
        ignored: ignored.cells().changes_since(&nothing),
    }
}

/// What the next version of a host does to the counts.
fn counts<'a>(held: Option<&'a Host>, report: &'a Prepared, ignored: &Ignored) -> Counts<'a> {
    let after = |cells_before: &Cells, ignored_before: &Cells| Part {
        enterprise_project: report.enterprise_project.as_str(),
        cells: report.cells.changes_since(cells_before),
        ignored: ignored.cells().changes_since(ignored_before),
    };
    let nothing = Cells::default();
    match held {
        Some(held) if held.facts.enterprise_project == report.enterprise_project => {
            Counts::Differs(after(&held.facts.cells, &held.ignored.cells()))
        }
        held => Counts::Replaces {
            before: held.map(|held| part(&held.facts, &held.ignored)),
            after: Some(after(&nothing, &nothing)),
        },
    }
}

/// What is ignored of the host once it has the report's set.
fn still_ignored(held: Option<&Host>, report: &Prepared) -> Result<Ignored, StoreError> {
    match held {
        Some(held) if !held.ignored.is_empty() => {
            let choices = held.ignored.choices().iter().cloned();
            Ok(snapshot::ignored_in_body(choices, Body(&report.body))?)
        }
        Some(_) | None => Ok(Ignored::default()),
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
