//! What goes wrong in a cluster, and how often.

use portolan_census::{Choice, Selection};
use portolan_store::{Ignoring, RecordKey, RecordKind, StoreError};
use portolan_wire::open_port::Transport;

use crate::broken::Broken;
use crate::dice::Die;
use crate::disk::Interruption;
use crate::server::Job;
use crate::timeline::{Micros, SECOND};

use super::folder::MOMENTS;
use super::serving::works;
use super::wire::Weather;
use super::{Event, SERVERS, World};

const MINUTE: Micros = 60 * SECOND;

/// A fault that comes from outside at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    ServerKilled,
    PowerLost,
    /// One of the server's next commits is interrupted, its own or one that it takes in.
    CommitInterrupted,
    DiskFull,
    ServerClockStep,
    /// A server reaches the log no more for a while, and agents reach it.
    ServerCutOff,
    /// A server comes back with an empty folder.
    FolderEmptied,
    /// A server makes a base, and the log is trimmed.
    BaseMade,
    AgentClockStep,
    AgentRestart,
    HostOff,
    HostCutOff,
    /// All agents end, and come back at one moment.
    FleetReturns,
    Retired,
    RecordChanged,
    Ignored,
}

impl Fault {
    pub(super) const ALL: [Self; 16] = [
        Self::ServerKilled,
        Self::PowerLost,
        Self::CommitInterrupted,
        Self::DiskFull,
        Self::ServerClockStep,
        Self::ServerCutOff,
        Self::FolderEmptied,
        Self::BaseMade,
        Self::AgentClockStep,
        Self::AgentRestart,
        Self::HostOff,
        Self::HostCutOff,
        Self::FleetReturns,
        Self::Retired,
        Self::RecordChanged,
        Self::Ignored,
    ];
}

/// The odds of one world. Chances are in thousandths.
pub(super) struct Odds {
    pub(super) hosts: usize,
    pub(super) faults_for: Micros,
    fault_gap_max: Micros,
    pub(super) change_gap_max: Micros,
    weights: [u64; Fault::ALL.len()],
    pub(super) request_lost: u64,
    pub(super) answer_lost: u64,
    pub(super) duplicated: u64,
    pub(super) late: u64,
    /// An agent goes to another server without a reason.
    pub(super) moves: u64,
    /// A message of the log comes late to a server.
    pub(super) lags: u64,
    pub(super) weather: Weather,
    /// A server's life tries to learn what became of a commit until it knows.
    pub(super) patient: u64,
    /// A server sees to it that there is a commit now and then.
    pub(super) ticks: u64,
    /// Most bytes of a message of the log.
    pub(super) bytes_max: usize,
    pub(super) clocks_differ: bool,
    pub(super) skew_s: [i64; SERVERS],
}

impl Odds {
    pub(super) fn draw(die: &mut Die) -> Self {
        let mut sometimes = |often: &[u64]| {
            if die.chance(400) {
                0
            } else {
                die.one_of(often)
            }
        };
        let (request_lost, answer_lost) = (sometimes(&[10, 100, 300]), sometimes(&[10, 100, 300]));
        let (duplicated, late) = (sometimes(&[20, 200]), sometimes(&[20, 200]));
        let (moves, lags) = (sometimes(&[20, 300]), sometimes(&[50, 400, 900]));
        let weather = Weather {
            lost: sometimes(&[20, 150]),
            answer_lost: sometimes(&[20, 150]),
            delayed: sometimes(&[20, 200]),
            read_lost: sometimes(&[20, 100]),
        };
        let patient = sometimes(&[300, 1_000]);
        let weights = Fault::ALL.map(|_| if die.chance(500) { 0 } else { die.from(1..=4) });
        Self {
            hosts: 1 + die.below(5),
            faults_for: die.from(60..=260) * SECOND,
            fault_gap_max: die.one_of(&[4, 10, 30]) * SECOND,
            change_gap_max: die.one_of(&[4, 20, 60]) * SECOND,
            weights,
            request_lost,
            answer_lost,
            duplicated,
            late,
            moves,
            lags,
            weather,
            patient,
            ticks: die.one_of(&[0, 50]),
            bytes_max: die.one_of(&[600, 2_000, 4 << 20, 4 << 20]),
            clocks_differ: die.chance(500),
            skew_s: std::array::from_fn(|_| offset(die.from(0..=120), 60)),
        }
    }
}

/// `drawn` from 0 to twice `most`, as -`most` to `most`.
fn offset(drawn: u64, most: u64) -> i64 {
    i64::try_from(drawn).unwrap() - i64::try_from(most).unwrap()
}

impl World {
    pub(super) fn fault(&mut self) -> Result<(), Broken> {
        if !self.has_faults {
            return Ok(());
        }
        let gap = self.dice.faults.from(SECOND..=self.odds.fault_gap_max);
        self.time.after(gap, Event::Fault);
        let Some(place) = self.dice.faults.weighted(&self.odds.weights) else {
            return Ok(());
        };
        let fault = Fault::ALL[place];
        let node = self.dice.faults.below(self.nodes.len());
        let server = self.dice.faults.below(SERVERS);
        self.count(fault);
        self.say(format_args!(
            "FAULT {fault:?} (node {node}, server {server})"
        ));
        match fault {
            Fault::AgentClockStep
            | Fault::AgentRestart
            | Fault::HostOff
            | Fault::HostCutOff
            | Fault::FleetReturns => self.harm_agents(fault, node),
            Fault::Retired | Fault::RecordChanged | Fault::Ignored => {
                self.operator(fault, node, server);
            }
            _ => self.harm_server(fault, server)?,
        }
        Ok(())
    }

    fn harm_server(&mut self, fault: Fault, number: usize) -> Result<(), Broken> {
        let die = &mut self.dice.faults;
        let down_for = die.from(SECOND / 10..=40 * SECOND);
        let server = &mut self.servers[number];
        match fault {
            Fault::ServerKilled => self.crash(number, false, down_for),
            Fault::PowerLost => self.crash(number, true, down_for),
            Fault::CommitInterrupted => {
                let interruption = die.one_of(&Interruption::ALL);
                if let (Some(disk), Some(_)) = (server.folder.disk(), &server.process) {
                    disk.lock().unwrap().interruption = Some(interruption);
                }
            }
            Fault::DiskFull => {
                let delay = die.from(SECOND..=MINUTE);
                self.set_full(number, true);
                self.time.after(delay, Event::DiskFreed { server: number });
            }
            Fault::ServerClockStep => server.offset_s = offset(die.from(0..=14_400), 7_200),
            Fault::ServerCutOff if !server.is_patient && !server.is_cut_off => {
                server.is_cut_off = true;
                server.wire.cut_off(true);
                let delay = die.from(SECOND..=MINUTE);
                self.time
                    .after(delay, Event::Reconnected { server: number });
            }
            Fault::FolderEmptied => {
                let killed_at = die.from(0..=2 * MOMENTS);
                server.folder.killed_at.set(Some(killed_at));
                self.crash(number, true, down_for);
                self.servers[number].folder.empty_it();
            }
            Fault::BaseMade => return self.make_base(number),
            _ => {}
        }
        Ok(())
    }

    fn make_base(&mut self, number: usize) -> Result<(), Broken> {
        let Some(process) = &self.servers[number].process else {
            return Ok(());
        };
        let made = process.store.make_base();
        match made {
            Ok(made) => {
                self.figures.bases += u64::from(made.is_some());
                self.say(format_args!("server {number} makes a base: {made:?}"));
            }
            Err(StoreError::Unavailable { what }) => {
                self.figures.bases_unanswered += 1;
                self.say(format_args!("server {number} makes no base: {what}"));
            }
            Err(error) => return Err(works(format_args!("a base: {error:?}"))),
        }
        self.figures.trimmed |= self.truth.ends().0 > 1;
        Ok(())
    }

    fn harm_agents(&mut self, fault: Fault, number: usize) {
        let now = self.time.now();
        let die = &mut self.dice.faults;
        let real = &mut self.nodes[number].real;
        match fault {
            Fault::AgentClockStep => real.clock_offset_s = offset(die.from(0..=14_400), 7_200),
            Fault::HostCutOff => real.cut_off_until = now + die.from(MINUTE..=3 * MINUTE),
            Fault::AgentRestart | Fault::HostOff => {
                let most = if fault == Fault::HostOff { 150 } else { 20 };
                let delay = die.from(SECOND / 10..=most * SECOND);
                self.nodes[number].agent = None;
                self.time.after(delay, Event::AgentStarts { node: number });
            }
            _ => {
                let delay = die.from(SECOND..=100 * SECOND);
                for (number, node) in self.nodes.iter_mut().enumerate() {
                    node.agent = None;
                    self.time.after(delay, Event::AgentStarts { node: number });
                }
            }
        }
    }

    fn operator(&mut self, fault: Fault, node: usize, server: usize) {
        let key = self.nodes[node].real.key.clone();
        let die = &mut self.dice.faults;
        let job = match fault {
            Fault::Retired => Job::Retire(key),
            Fault::RecordChanged => {
                let id = die.one_of(&["t1", "t2", "t3"]).to_owned();
                let value = die.chance(700).then(|| die.seed().to_be_bytes().to_vec());
                let kind = RecordKind::Token;
                Job::Record(RecordKey { kind, id }, value)
            }
            _ => {
                let choice = Choice {
                    container_asset: None,
                    port: die.one_of(&[6379, 6379, 22]),
                    transport: Transport::Tcp,
                };
                Job::Ignore(Ignoring {
                    project: key.project,
                    selection: Selection::Whole,
                    ignore: die.chance(700),
                    items: vec![(key.host, choice)],
                })
            }
        };
        self.submit(server, job);
    }
}
