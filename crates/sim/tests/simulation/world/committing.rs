//! Commits: what waits is made durable by one write, and what was told is held to that.

use std::sync::Arc;
use std::time::Duration;

use portolan_census::Pair;
use portolan_store::{Decision, StoreError};
use portolan_wire::error::ErrorCode;

use crate::broken::{Broken, Rule, must};
use crate::checks::check;
use crate::disk::Interruption;
use crate::ingest::{Answer, answer};
use crate::model::Moment;
use crate::server::{Done, Job, Reported};
use crate::timeline::{MILLISECOND, SECOND};

use super::{Event, World};

/// How often, of a thousand commits, everything is checked.
const CHECKED_COMMITS: u64 = 60;

impl World {
    /// Something is to be committed.
    pub(super) fn submit(&mut self, job: Job) {
        let Some(process) = &mut self.server else {
            return;
        };
        process.queue.push(job);
        self.plan_commit();
    }

    /// While one sync runs, the next batch gathers.
    fn plan_commit(&mut self) {
        let Some(process) = &mut self.server else {
            return;
        };
        if process.is_committing || process.queue.is_empty() {
            return;
        }
        process.is_committing = true;
        let slow = self.dice.server.chance(100);
        let most = if slow { 3 * SECOND } else { 20 * MILLISECOND };
        let delay = self.dice.server.from(MILLISECOND..=most);
        let life = self.server_lives;
        self.time.after(delay, Event::Commits { life });
    }

    pub(super) fn commits(&mut self, life: u32) -> Result<(), Broken> {
        let Some(process) = self.server.as_mut().filter(|_| life == self.server_lives) else {
            return Ok(());
        };
        process.is_committing = false;
        for job in &process.queue {
            match job {
                Job::Retire(key) => self.model.retires(key),
                Job::Forget(before) => self.model.forgets(*before),
                Job::Report { .. } | Job::Record(..) | Job::Ignore(_) | Job::Tick(_) => {}
            }
        }
        let interruption = self.disk.lock().unwrap().interruption;
        let (done, outcome) = process.serve();
        let published = Arc::clone(&process.published);
        let is_dead = self.disk.lock().unwrap().dead;
        if let Err(error) = &outcome {
            self.say(format_args!(
                "server cannot commit {} jobs: {error}",
                done.len()
            ));
            self.figures.refused_writes += u64::from(!is_dead);
            if let StoreError::Damaged { what, .. } = &**error {
                return Err(Broken::new(Rule::Works, what.clone()));
            }
        }
        for done in done {
            let done = done.ok_or_else(|| Broken::new(Rule::Works, "a job was never answered"))?;
            self.done(done, is_dead, interruption)?;
        }
        if is_dead {
            let kind = interruption.unwrap_or(Interruption::AfterSync);
            *self.figures.interruptions.entry(kind).or_default() += 1;
            let down_for = self.dice.faults.from(SECOND..=30 * SECOND);
            self.crash(kind != Interruption::KilledBeforeSync, down_for);
            return Ok(());
        }
        self.model.batch_ends(&published.state.load())?;
        if self.dice.server.chance(CHECKED_COMMITS)
            && let Some(process) = &self.server
        {
            check(&process.store, &published, &self.model)?;
        }
        self.plan_commit();
        Ok(())
    }

    /// The committer answered a job.
    fn done(
        &mut self,
        done: Done,
        is_dead: bool,
        interruption: Option<Interruption>,
    ) -> Result<(), Broken> {
        match done {
            Done::Report(of, reply) => match reply.told {
                Ok(decision) => {
                    self.durable_when_told(reply.durable)?;
                    let moment = Moment {
                        now: self.time.now(),
                        heard: self.heard.get(&of.waiting.key).copied(),
                        is_clock_right: !self.server_clock_stepped,
                    };
                    self.model
                        .decided(&of.waiting, decision, &reply.state, &moment)?;
                    self.decided(&of, decision)?;
                }
                Err(_) => {
                    let can_answer = !is_dead || interruption == Some(Interruption::SyncFails);
                    let answer = if can_answer {
                        Answer::refused(ErrorCode::StoreFailed, Some(Duration::from_secs(1)))
                    } else {
                        Answer::Nothing("connection reset")
                    };
                    self.reply(of.asker, answer);
                }
            },
            Done::Retire(key, reply) => {
                if let Ok(retirement) = reply.told {
                    self.durable_when_told(reply.durable)?;
                    self.say(format_args!("server: {} is {retirement:?}", key.host));
                    self.model.retired(&key, retirement)?;
                    self.heard.remove(&key);
                }
            }
            Done::Forget(before, reply) => {
                if let Ok(hosts) = reply.told {
                    self.durable_when_told(reply.durable)?;
                    self.say(format_args!("server forgets {hosts} hosts"));
                    self.figures.forgotten += hosts;
                    self.model.forgotten(before);
                }
            }
            Done::Ignore(wanted, reply) => {
                if let Ok(told) = reply.told {
                    self.durable_when_told(reply.durable)?;
                    self.model.ignored(&wanted, told)?;
                }
            }
            Done::Record(key, value, reply) => {
                if reply.told.is_ok() {
                    self.durable_when_told(reply.durable)?;
                    self.model.changed(&key, value.as_ref());
                }
            }
        }
        Ok(())
    }

    /// Takes in what was durable at the moment of an answer.
    fn durable_when_told(&mut self, bytes: usize) -> Result<(), Broken> {
        let disk = self.disk.lock().unwrap();
        let durable = disk.durable();
        let then = durable.get(..bytes).unwrap_or(durable);
        self.model.became_durable(then).map(|_| ())
    }

    fn decided(&mut self, of: &Reported, decision: Decision) -> Result<(), Broken> {
        let name = name(decision);
        *self.figures.decisions.entry(name).or_default() += 1;
        let Pair {
            generation,
            sequence,
        } = of.waiting.version.pair;
        let node = of.node;
        self.say(format_args!(
            "server: ({generation}, {sequence}) of node {node} is {name}"
        ));
        if matches!(decision, Decision::Accepted { .. }) {
            self.heard.insert(of.waiting.key.clone(), self.time.now());
        }
        let Some(process) = &self.server else {
            return Ok(());
        };
        if decision == Decision::Conflict {
            let state = process.published.state.load();
            let host = state.host(&of.waiting.key);
            // Another job of the batch may have removed it since.
            let is_flagged = host.is_none_or(|host| host.in_conflict(process.now_s()));
            must(is_flagged, Rule::CloneIsTold, || {
                format!("node {node} is not flagged")
            })?;
        }
        let answer = answer(&of.waiting, decision, &*process.store)
            .map_err(|error| Broken::new(Rule::Works, error.to_string()))?;
        self.reply(of.asker, answer);
        Ok(())
    }
}

fn name(decision: Decision) -> &'static str {
    match decision {
        Decision::Accepted { fresh: true } => "accepted",
        Decision::Accepted { fresh: false } => "repeated",
        Decision::Stale { .. } => "stale",
        Decision::Conflict => "in conflict",
        Decision::NotGranted => "not granted",
    }
}
