//! The servers' lives: starts, ends, requests, and what comes in from the log.

use std::sync::Arc;

use portolan_store::jetstream::{Epoch, Log, Patience, open_in};
use portolan_store::{Clock as _, Store, StoreError};

use crate::broken::{Broken, Rule};
use crate::checks::check_replay;
use crate::ingest::{Answer, Kind, Request, confirm, prepare};
use crate::server::{Job, Process};
use crate::timeline::{MILLISECOND, Micros, SECOND, wall};

use super::{Event, SERVERS, World};

/// The epoch's moment; no clock of a world is before it.
const MADE_AT_OFFSET_S: i64 = -100_000;

pub(super) fn works(what: impl std::fmt::Display) -> Broken {
    Broken::new(Rule::Works, what.to_string())
}

impl World {
    pub(super) fn server_starts(&mut self, number: usize) -> Result<(), Broken> {
        if self.servers[number].process.is_some() {
            return Ok(());
        }
        self.starts += 1;
        let life = self.starts;
        match self.start(number, life) {
            Ok(process) => self.is_up(number, life, process),
            Err(StoreError::Unavailable { what }) => {
                self.say(format_args!("server {number} cannot start: {what}"));
                self.figures.starts_unanswered += 1;
                self.starts_later(number);
                Ok(())
            }
            Err(StoreError::Write { what }) if what.starts_with("killed at") => {
                self.say(format_args!("server {number} {what}"));
                self.figures.killed_beginning += 1;
                self.starts_later(number);
                Ok(())
            }
            Err(error) => Err(works(format_args!("server {number} starts: {error}"))),
        }
    }

    fn starts_later(&mut self, server: usize) {
        let delay = self.die.from(SECOND / 10..=5 * SECOND);
        self.time.after(delay, Event::ServerStarts { server });
    }

    fn start(
        &mut self,
        number: usize,
        life: u64,
    ) -> Result<Process<portolan_store::jetstream::JetStreamStore>, StoreError> {
        let is_patient = self.die.chance(self.odds.patient);
        let server = &mut self.servers[number];
        let log = Arc::clone(&server.wire) as Arc<dyn Log>;
        let new = Epoch::new(life, wall(0, MADE_AT_OFFSET_S));
        let patience = Patience {
            whole: std::time::Duration::from_secs(if is_patient { 3_600 } else { 0 }),
            pause: std::time::Duration::ZERO,
        };
        let store = open_in(log, &server.folder, new, life)?.with_patience(patience);
        (server.life, server.is_patient) = (life, is_patient);
        let cluster = self.cluster.server();
        cluster.enter(store.epoch()).unwrap();
        let durable = move || usize::try_from(cluster.ends().unwrap().last).unwrap();
        Process::over(Arc::new(store), &server.clock, Arc::new(durable))
    }

    fn is_up(
        &mut self,
        number: usize,
        life: u64,
        process: Process<portolan_store::jetstream::JetStreamStore>,
    ) -> Result<(), Broken> {
        let commit = process.published.state.load().commit();
        self.say(format_args!(
            "server {number} starts its life {life} at commit {commit}"
        ));
        self.servers[number].process = Some(process);
        self.truth.catch_up()?;
        self.check_server(number)?;
        let (_, last) = self.truth.ends();
        self.log_comes_to(number, last);
        Ok(())
    }

    /// What a server shows, against its disk and against the log.
    pub(super) fn check_server(&mut self, number: usize) -> Result<(), Broken> {
        let server = &self.servers[number];
        let Some(process) = &server.process else {
            return Ok(());
        };
        let state = process.published.state.load();
        self.truth.is_shown(number, &state)?;
        let records = check_replay(&server.folder.opened(), &process.published)?;
        self.truth.records_are(number, state.commit(), &records)
    }

    /// The server's process ends at once. `power` goes with it, or only the process is killed.
    pub(super) fn crash(&mut self, number: usize, power: bool, down_for: Micros) {
        let server = &mut self.servers[number];
        let Some(process) = server.process.take() else {
            return;
        };
        self.figures.counted(&process.published.counters);
        if let Some(disk) = server.folder.disk() {
            let mut disk = disk.lock().unwrap();
            if power {
                disk.lose_power(&mut self.dice.disk);
            }
            disk.interruption = None;
        }
        self.say(format_args!(
            "server {number} ends (with its power: {power})"
        ));
        for job in process.queue {
            if let Job::Report { of, .. } = job {
                self.reply(of.asker, Answer::Nothing("connection reset"));
            }
        }
        self.time
            .after(down_for, Event::ServerStarts { server: number });
    }

    /// The log has grown: each server gets it some time.
    pub(super) fn log_grows(&mut self) -> Result<(), Broken> {
        self.truth.catch_up()?;
        let (_, last) = self.truth.ends();
        if last > self.told {
            self.told = last;
            for server in 0..SERVERS {
                self.log_comes_to(server, last);
            }
        }
        Ok(())
    }

    fn log_comes_to(&mut self, server: usize, last: u64) {
        let most = if self.die.chance(self.odds.lags) {
            15 * SECOND
        } else {
            20 * MILLISECOND
        };
        let delay = self.die.from(MILLISECOND..=most);
        self.time.after(delay, Event::LogArrives { server, last });
    }

    pub(super) fn log_arrives(&mut self, number: usize, last: u64) {
        let server = &self.servers[number];
        if server.process.is_some() && !server.is_cut_off {
            server.wire.arrive(last);
            self.plan_commit(number, true);
        }
    }

    pub(super) fn reconnected(&mut self, number: usize) {
        self.servers[number].is_cut_off = false;
        self.servers[number].wire.cut_off(false);
        self.say(format_args!("server {number} reaches the log again"));
        let (_, last) = self.truth.ends();
        self.log_comes_to(number, last);
    }

    pub(super) fn set_full(&mut self, number: usize, is_full: bool) {
        if let Some(disk) = self.servers[number].folder.disk() {
            disk.lock().unwrap().full = is_full;
        }
        if !is_full {
            self.plan_commit(number, true);
        }
    }

    pub(super) fn arrives(&mut self, number: usize, request: Request) -> Result<(), Broken> {
        let now = self.time.now();
        let server = &self.servers[number];
        let Some(process) = &server.process else {
            self.reply(request.asker, Answer::Nothing("connection refused"));
            return Ok(());
        };
        let granted = self.nodes[request.node].real.granted.clone();
        match request.kind {
            Kind::Heartbeat => {
                let now_s = server.clock.now_s();
                let (answer, heard) = confirm(&request, &granted, &process.published, now_s)?;
                let verdict = if heard.is_some() {
                    "ok"
                } else {
                    "report needed"
                };
                *self.figures.heartbeats.entry(verdict).or_default() += 1;
                self.reply(request.asker, answer);
            }
            Kind::Report => match prepare(request, granted, wall(now, server.offset_s))? {
                Ok(job) => self.submit(number, job),
                Err(refused) => return Err(works(format_args!("refused: {refused:?}"))),
            },
        }
        Ok(())
    }

    pub(super) fn second(&mut self) -> Result<(), Broken> {
        self.time.after(SECOND, Event::Second);
        if self.die.chance(400) {
            let reaches = !self.has_faults || self.die.chance(700);
            self.figures.came_late += u64::from(self.truth.late(reaches));
            self.truth.catch_up()?;
        }
        for number in 0..SERVERS {
            let server = &mut self.servers[number];
            let Some(process) = &mut server.process else {
                continue;
            };
            process.roll();
            let state = process.published.state.load();
            self.truth.is_shown(number, &state)?;
            let since = server.clock.now().plus_micros(-30_000_000);
            if self.die.chance(self.odds.ticks) && state.at() < since {
                drop(state);
                self.submit(number, Job::Tick(since));
            }
        }
        Ok(())
    }

    pub(super) fn minute(&mut self) -> Result<(), Broken> {
        self.time.after(60 * SECOND, Event::Minute);
        for server in &self.servers {
            if let Some(process) = &server.process {
                process.keep_seen().map_err(works)?;
            }
        }
        Ok(())
    }
}
