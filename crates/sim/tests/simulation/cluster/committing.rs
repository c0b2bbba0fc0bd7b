//! Commits of a server, and what it answers is held to the log.

use std::sync::Arc;
use std::time::Duration;

use portolan_store::{Decision, IgnoringDone, StoreError};
use portolan_wire::error::ErrorCode;
use portolan_wire::ids::HostKey;

use crate::broken::{Broken, Rule, must};
use crate::disk::Interruption;
use crate::ingest::{Answer, answer};
use crate::server::{Done, Job};
use crate::timeline::{MILLISECOND, SECOND};

use super::serving::works;
use super::{Event, World};

/// How often, of a thousand commits, everything is checked.
const CHECKED_COMMITS: u64 = 60;

impl World {
    pub(super) fn submit(&mut self, number: usize, job: Job) {
        let Some(process) = &mut self.servers[number].process else {
            return;
        };
        process.queue.push(job);
        self.plan_commit(number, false);
    }

    /// While one commit is under way, the next batch gathers; `follows`: to take in what came, too.
    pub(super) fn plan_commit(&mut self, number: usize, follows: bool) {
        let server = &mut self.servers[number];
        let Some(process) = &mut server.process else {
            return;
        };
        if process.is_committing || process.queue.is_empty() && !follows {
            return;
        }
        process.is_committing = true;
        let life = server.life;
        let slow = self.die.chance(100);
        let most = if slow { 3 * SECOND } else { 20 * MILLISECOND };
        let delay = self.die.from(MILLISECOND..=most);
        let server = number;
        self.time.after(delay, Event::Commits { server, life });
    }

    pub(super) fn commits(&mut self, number: usize, life: u64) -> Result<(), Broken> {
        let server = &mut self.servers[number];
        let is_same = server.life == life;
        let Some(process) = server.process.as_mut().filter(|_| is_same) else {
            return Ok(());
        };
        process.is_committing = false;
        for job in &process.queue {
            if let Job::Retire(key) = job {
                self.truth.model.retires(key);
            }
        }
        let disk = server.folder.disk().unwrap();
        let interruption = disk.lock().unwrap().interruption;
        let (done, outcome) = process.serve();
        let held = process.store.commit_held();
        let (is_dead, is_full) = {
            let disk = disk.lock().unwrap();
            (disk.dead, disk.full)
        };
        self.truth.catch_up()?;
        let is_alone = done.len() == 1;
        for done in done {
            let done = done.ok_or_else(|| works("a job was never answered"))?;
            self.done(number, done, is_dead, is_alone)?;
        }
        if is_dead {
            let kind = interruption.unwrap_or(Interruption::AfterSync);
            *self.figures.interruptions.entry(kind).or_default() += 1;
            let down_for = self.dice.faults.from(SECOND..=30 * SECOND);
            self.crash(number, kind != Interruption::KilledBeforeSync, down_for);
            return Ok(());
        }
        if let Err(error) = outcome {
            self.say(format_args!("server {number} cannot commit: {error}"));
            return self.fails(number, &error, held, is_full);
        }
        if self.die.chance(CHECKED_COMMITS) {
            self.check_server(number)?;
        }
        self.shows_the_log(number)?;
        self.plan_commit(number, false);
        Ok(())
    }

    fn shows_the_log(&self, number: usize) -> Result<(), Broken> {
        let Some(process) = &self.servers[number].process else {
            return Ok(());
        };
        self.truth.is_shown(number, &process.published.state.load())
    }

    /// Nothing may fail but for what the world did.
    fn fails(
        &mut self,
        number: usize,
        error: &Arc<StoreError>,
        held: u64,
        is_full: bool,
    ) -> Result<(), Broken> {
        match &**error {
            StoreError::Unavailable { .. } => self.figures.unanswered += 1,
            StoreError::NoSpace { .. } if is_full => self.figures.without_space += 1,
            StoreError::AnotherLog { .. } if held + 1 < self.truth.ends().0 => {
                self.figures.trimmed_under += 1;
                self.crash(number, false, SECOND);
                return Ok(());
            }
            error => return Err(works(format_args!("server {number}: {error}"))),
        }
        // What has come in is asked for again, as the next thing that comes does.
        let server = number;
        if let Some(process) = &mut self.servers[number].process {
            process.is_committing = true;
        }
        let life = self.servers[number].life;
        self.time.after(SECOND, Event::Commits { server, life });
        self.shows_the_log(number)
    }

    /// The committer answered a job.
    fn done(
        &mut self,
        number: usize,
        done: Done,
        is_dead: bool,
        is_alone: bool,
    ) -> Result<(), Broken> {
        match done {
            Done::Report(of, reply) => match reply.told {
                Ok(decision) => {
                    let (waiting, node) = (&of.waiting, of.node);
                    let (durable, visible) = (reply.durable, &reply.state);
                    let name = match decision {
                        Decision::Accepted { fresh } => {
                            self.truth.acknowledges(waiting, durable, visible)?;
                            if fresh { "accepted" } else { "repeated" }
                        }
                        Decision::Stale { .. } => {
                            self.truth.is_stale(waiting, durable)?;
                            "stale"
                        }
                        Decision::Conflict | Decision::NotGranted => {
                            let what = format!("node {node} of one agent is {decision:?}");
                            return Err(Broken::new(Rule::ConflictIsReal, what));
                        }
                    };
                    *self.figures.decisions.entry(name).or_default() += 1;
                    let pair = of.waiting.version.pair;
                    self.say(format_args!(
                        "server {number}: {pair:?} of node {node} is {name}"
                    ));
                    if let Some(process) = &self.servers[number].process {
                        let answer = answer(&of.waiting, decision, &*process.store);
                        let answer = answer.map_err(works)?;
                        let answer = if is_dead {
                            Answer::Nothing("connection reset")
                        } else {
                            answer
                        };
                        self.reply(of.asker, answer);
                    }
                }
                Err(_) => {
                    let again = Some(Duration::from_secs(1));
                    let answer = if is_dead {
                        Answer::Nothing("connection reset")
                    } else {
                        Answer::refused(ErrorCode::StoreFailed, again)
                    };
                    self.reply(of.asker, answer);
                }
            },
            Done::Retire(key, reply) => {
                if let Ok(retirement) = reply.told {
                    self.say(format_args!(
                        "server {number}: {} is {retirement:?}",
                        key.host
                    ));
                }
            }
            Done::Record(key, value, reply) => {
                // What changes nothing is answered of what the server holds.
                let commit = reply.state.commit();
                let is_kept = self.truth.has_record(commit, &key, value.as_ref());
                must(
                    reply.told.is_err() || !is_alone || is_kept,
                    Rule::AcknowledgedIsKept,
                    || format!("{key:?} is acknowledged and not in the log"),
                )?;
            }
            Done::Ignore(wanted, reply) => {
                for (host, choice) in &wanted.items {
                    let key = HostKey {
                        project: wanted.project.clone(),
                        host: host.clone(),
                    };
                    let has = self.truth.has_choice(reply.state.commit(), &key, choice);
                    let is_told = reply.told.as_ref().is_ok_and(|t| *t == IgnoringDone::Done);
                    must(
                        !is_told || !is_alone || has == Some(wanted.ignore),
                        Rule::AcknowledgedIsKept,
                        || format!("{host} ignores {choice:?}: {has:?}, and told was another"),
                    )?;
                }
            }
            Done::Forget(..) => {}
        }
        Ok(())
    }
}
