//! The one writer: decides each report, makes a batch durable by one sync, publishes, answers.
//!
//! One fsync a report would cap the server at a few thousand a second; the committer takes all that
//! waits (while one sync runs, the next batch gathers) and makes it one durable write.
//! Holds: nothing is answered before it is durable and visible; reports are decided against
//! everything before them, in the same batch too; an older report never wins.
//! Limits: `caps::COMMIT_QUEUE_MAX` submissions and `caps::COMMIT_QUEUE_BYTES_MAX` bytes wait,
//! `caps::COMMIT_BATCH_MAX` reports make a batch.

mod batch;
mod decide;
mod queue;
mod thread;

use std::sync::Arc;

use arc_swap::ArcSwap;
use portolan_census::{Commit, HostCommit, Liveness, State};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

pub use decide::{Decision, Prepared};
pub use queue::{Queue, QueueFull, Submission};
pub use thread::{Handle, start};

use crate::committer::batch::Gathered;
use crate::{Clock, Counters, Store, StoreError};

/// What the committer shares with readers: the published view, and who was heard when.
#[derive(Debug)]
pub struct Published {
    /// The newest durable state.
    pub state: ArcSwap<State>,
    /// Which hosts are fresh.
    pub liveness: Liveness,
    /// What has been counted since the start.
    pub counters: Counters,
}

/// The committer's logic, without its thread: the same calls give the same answers.
pub struct Committer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    published: Arc<Published>,
    working: State,
    last_commit: u64,
}

impl Committer {
    /// A committer that goes on after `last_commit`, from the state that `published` holds.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        published: Arc<Published>,
        last_commit: u64,
    ) -> Self {
        let working = State::clone(&published.state.load());
        Self {
            store,
            clock,
            published,
            working,
            last_commit,
        }
    }

    /// Decides reports in the order given, makes them durable by one write, and publishes.
    ///
    /// # Errors
    /// The store failed: none of the reports was acknowledged, the published view is as before.
    pub fn commit(&mut self, reports: Vec<Prepared>) -> Result<Vec<Decision>, StoreError> {
        let now = self.clock.now();
        let mut gathered = Gathered::default();
        let decided = reports
            .into_iter()
            .map(|r| self.decide(r, now, &mut gathered))
            .collect();
        let decided: Result<Vec<_>, _> = decided;
        let made = decided.and_then(|decided| self.make_durable(gathered).map(|()| decided));
        match made {
            Ok(decided) => {
                self.published.state.store(Arc::new(self.working.clone()));
                self.hear(&decided);
                Ok(decided.into_iter().map(|(_, decision)| decision).collect())
            }
            Err(error) => {
                self.working = State::clone(&self.published.state.load());
                Err(error)
            }
        }
    }

    fn decide(
        &mut self,
        report: Prepared,
        now: UnixMicros,
        gathered: &mut Gathered,
    ) -> Result<(HostKey, Decision), StoreError> {
        let key = report.key.clone();
        let held = self.working.host(&key);
        let decision = decide::decide(held.map(|host| &**host), &report, now);
        if let Decision::Accepted { fresh: true } = decision {
            let replaces = held.map(|host| host.facts.record_hash);
            let (facts, write) =
                batch::version(report, held.map(|host| &host.facts), replaces, now)?;
            gathered.add(write, facts.at);
            let commit = HostCommit {
                project: key.project.clone(),
                facts,
            };
            self.working.apply(Commit::Put(commit));
        }
        Ok((key, decision))
    }

    fn make_durable(&mut self, gathered: Gathered) -> Result<(), StoreError> {
        let Some(batch) = gathered.into_batch(self.last_commit + 1) else {
            return Ok(());
        };
        self.store.commit(&batch)?;
        self.last_commit = batch.commit;
        Counters::add(&self.published.counters.commits, 1);
        Ok(())
    }

    /// Hearing comes after publishing: it is about hosts that readers can see.
    fn hear(&self, decided: &[(HostKey, Decision)]) {
        let now_s = self.clock.now_s();
        for (key, decision) in decided {
            let counters = &self.published.counters;
            counters.decided(decision);
            let Some(project) = self.working.project(key.project.as_str()) else {
                continue;
            };
            let Some(host) = project.host(key.host.as_str()) else {
                continue;
            };
            match decision {
                Decision::Accepted { .. } => {
                    self.published.liveness.heard(project, host, now_s, now_s);
                }
                Decision::Conflict => self.published.liveness.conflict(host, now_s),
                Decision::Stale | Decision::NotGranted => {}
            }
        }
    }
}
