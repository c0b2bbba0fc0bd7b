//! The server's life: requests, commits, crashes, restarts.

use std::time::Duration;

use portolan_census::Freshness;
use portolan_store::Clock as _;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::ids::HostKey;

use crate::broken::{Broken, Rule, must};
use crate::checks::check;
use crate::ingest::{Answer, Kind, Request, confirm, prepare};
use crate::journal::frames;
use crate::server::{Job, Process};
use crate::timeline::{Micros, SECOND, wall};

use super::{Event, World};

/// How often, of a thousand minutes, retired hosts are forgotten, and how long they are kept at least.
const FORGOTTEN_MINUTES: u64 = 200;
const RETIRED_FOR: i64 = 120_000_000;

impl World {
    pub(super) fn server_starts(&mut self) -> Result<(), Broken> {
        if self.server.is_some() {
            return Ok(());
        }
        let (process, torn) = Process::start(&self.disk, &self.clock)
            .map_err(|error| Broken::new(Rule::Works, error.to_string()))?;
        self.server_lives += 1;
        self.server_up_since = self.time.now();
        self.figures.torn += u64::from(torn > 0);
        self.say(format_args!(
            "server starts; {torn} bytes of a torn batch are cut off"
        ));
        let interrupted = self.interrupted.take();
        let disk = self.disk.lock().unwrap();
        let state = process.published.state.load_full();
        self.model.restarted(
            disk.durable(),
            interrupted.as_ref(),
            &state,
            self.server_down_since,
        )?;
        drop(disk);
        check(&process.store, &process.published, &self.model)?;
        self.server = Some(process);
        Ok(())
    }

    /// The server's process ends at once. `power` goes with it, or only the process is killed.
    pub(super) fn crash(&mut self, power: bool, down_for: Micros) {
        let Some(process) = self.server.take() else {
            return;
        };
        self.server_down_since = self.time.now();
        let mut disk = self.disk.lock().unwrap();
        // What was written and never answered for: the next start says whether it is there.
        let (mut unanswered, _) = frames(self.model.unseen(disk.bytes()));
        self.interrupted = unanswered.pop();
        let left = power.then(|| disk.lose_power(&mut self.dice.disk));
        disk.interruption = None;
        drop(disk);
        match left {
            Some(left) => self.say(format_args!(
                "server loses power; {} of {} bytes that were not synced are left",
                left.kept, left.unsynced
            )),
            None => self.say(format_args!("server is killed")),
        }
        for job in process.queue {
            if let Job::Report { of, .. } = job {
                self.reply(of.asker, Answer::Nothing("connection reset"));
            }
        }
        self.time.after(down_for, Event::ServerStarts);
    }

    pub(super) fn arrives(&mut self, request: Request) -> Result<(), Broken> {
        let now = self.time.now();
        let Some(process) = &self.server else {
            self.reply(request.asker, Answer::Nothing("connection refused"));
            return Ok(());
        };
        if self.overloaded_until > now {
            let again = Duration::from_secs(self.dice.server.from(1..=5));
            self.reply(
                request.asker,
                Answer::refused(ErrorCode::QueueFull, Some(again)),
            );
            return Ok(());
        }
        let granted = self.nodes[request.node].real.granted.clone();
        match request.kind {
            Kind::Heartbeat => {
                let now_s = self.clock.now_s();
                let (answer, heard) = confirm(&request, &granted, &process.published, now_s)?;
                let verdict = if heard.is_some() {
                    "ok"
                } else {
                    "report needed"
                };
                *self.figures.heartbeats.entry(verdict).or_default() += 1;
                if let Some(heartbeat) = heard {
                    let host = heartbeat.host_id.into();
                    self.heard.insert(
                        HostKey {
                            project: request.project,
                            host,
                        },
                        now,
                    );
                }
                self.reply(request.asker, answer);
            }
            Kind::Report => {
                let (node, asker) = (request.node, request.asker);
                match prepare(request, granted, wall(now, self.server_offset_s))? {
                    Ok(job) => self.submit(job),
                    Err(refused) => {
                        self.say(format_args!("server refuses the report of node {node}"));
                        *self.figures.decisions.entry("refused").or_default() += 1;
                        self.reply(asker, refused);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn second(&mut self) -> Result<(), Broken> {
        self.time.after(SECOND, Event::Second);
        if let Some(process) = &mut self.server {
            process.roll();
            self.model.is_shown(&process.published.state.load())?;
            self.freshness_is_true()?;
        }
        self.heals_on()
    }

    pub(super) fn minute(&mut self) -> Result<(), Broken> {
        self.time.after(60 * SECOND, Event::Minute);
        let Some(process) = &self.server else {
            return Ok(());
        };
        process
            .keep_seen()
            .map_err(|error| Broken::new(Rule::Works, error.to_string()))?;
        if self.dice.server.chance(FORGOTTEN_MINUTES) {
            let before = self.clock.now().plus_micros(-RETIRED_FOR);
            self.submit(Job::Forget(before));
        }
        Ok(())
    }

    /// A host is stale exactly when it was silent for three intervals, by clocks that go right.
    fn freshness_is_true(&mut self) -> Result<(), Broken> {
        let (Some(process), false) = (&self.server, self.server_clock_stepped) else {
            return Ok(());
        };
        let now = self.time.now();
        let patience =
            Micros::from(caps::HEARTBEAT_INTERVAL_S_DEFAULT * caps::FRESH_INTERVALS) * SECOND;
        let state = process.published.state.load();
        for (key, heard) in &self.heard {
            let Some(host) = state.host(key) else {
                continue;
            };
            let silent = now - (*heard).max(self.server_up_since);
            let (freshness, _) = host.freshness();
            // Seconds are whole ones, on both sides.
            let is_true = match freshness {
                Freshness::Fresh => silent <= patience + 2 * SECOND,
                Freshness::Stale => now - heard >= patience - SECOND,
            };
            self.figures.stale_seconds += u64::from(freshness == Freshness::Stale);
            must(is_true, Rule::SilenceClosesNothing, || {
                format!(
                    "{} is {freshness:?}, silent for {} s",
                    key.host,
                    silent / SECOND
                )
            })?;
        }
        Ok(())
    }
}
