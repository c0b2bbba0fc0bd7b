//! Faults from outside: one at a time, at random moments, to a random host or to the server.

use crate::broken::Broken;
use crate::disk::Interruption;
use crate::odds::Fault;
use crate::real_host::{ENTERPRISE_PROJECTS, RealHost};
use crate::server::Job;
use crate::timeline::{Micros, SECOND};
use portolan_census::{Choice, Selection};
use portolan_store::{Ignoring, RecordKey, RecordKind};
use portolan_wire::open_port::Transport;

use super::{Event, Phase, World};

const MINUTE: Micros = 60 * SECOND;
const DAY_S: u64 = 86_400;
/// Most machines of a world, clones included.
const NODES_MAX: usize = 8;
/// How wrong a clock of a server or an agent may be: a generation of such a time is still one that
/// a right clock takes (`caps::GENERATION_AHEAD_S_MAX`).
const SERVER_STEP_S_MAX: u64 = 7_200;
const AGENT_STEP_S_MAX: u64 = 6 * 3_600;

impl World {
    pub(super) fn fault(&mut self) -> Result<(), Broken> {
        if self.phase != Phase::Faults {
            return Ok(());
        }
        let gap = self.dice.faults.from(SECOND..=self.odds.fault_gap_max);
        self.time.after(gap, Event::Fault);
        let Some(place) = self.dice.faults.weighted(&self.odds.weights) else {
            return Ok(());
        };
        let fault = Fault::ALL[place];
        let node = self.dice.faults.below(self.nodes.len());
        *self.figures.faults.entry(fault).or_default() += 1;
        self.say(format_args!(
            "FAULT {fault:?} (node {node}, if it is one of a host)"
        ));
        self.do_harm(fault, node);
        Ok(())
    }

    fn do_harm(&mut self, fault: Fault, node: usize) {
        let now = self.time.now();
        let die = &mut self.dice.faults;
        match fault {
            Fault::ServerKilled | Fault::PowerLost => {
                let down_for = die.from(SECOND / 10..=40 * SECOND);
                self.crash(fault == Fault::PowerLost, down_for);
            }
            Fault::CommitInterrupted => {
                self.disk.lock().unwrap().interruption = Some(die.one_of(&Interruption::ALL));
            }
            Fault::DiskFull => {
                self.disk.lock().unwrap().full = true;
                self.time.after(die.from(SECOND..=MINUTE), Event::DiskFreed);
            }
            Fault::ServerClockStep => {
                self.server_clock_stepped = true;
                self.server_offset_s =
                    offset(die.from(0..=2 * SERVER_STEP_S_MAX), SERVER_STEP_S_MAX);
                let offset_s = self.server_offset_s;
                self.say(format_args!("server clock is off by {offset_s} s"));
            }
            Fault::Overload => self.overloaded_until = now + die.from(SECOND..=MINUTE),
            Fault::AgentClockStep => {
                let offset_s = offset(die.from(0..=2 * AGENT_STEP_S_MAX), AGENT_STEP_S_MAX);
                self.nodes[node].real.clock_offset_s = offset_s;
                self.say(format_args!("node {node} clock is off by {offset_s} s"));
            }
            Fault::AgentClockFar => {
                let by = i64::try_from(die.from(2 * DAY_S..=40 * DAY_S)).unwrap();
                let offset_s = if die.chance(500) { by } else { -by };
                self.nodes[node].real.clock_offset_s = offset_s;
                // A life that lies ahead of every server's clock is not gone on from, and then the
                // server may lead back to a pair whose report got lost or is still under way.
                self.nodes[node].owns_its_pairs = false;
                self.say(format_args!("node {node} clock is off by {offset_s} s"));
                self.restart(node, SECOND..=20 * SECOND);
            }
            Fault::AgentRestart => self.restart(node, SECOND / 10..=20 * SECOND),
            Fault::StateLost => {
                self.nodes[node].real.folder = None;
                self.nodes[node].may_need_help = true;
                self.restart(node, 2 * SECOND..=20 * SECOND);
            }
            Fault::HostOff => self.restart(node, MINUTE..=7 * MINUTE),
            Fault::HostCutOff => {
                self.nodes[node].real.cut_off_until = now + die.from(MINUTE..=7 * MINUTE);
            }
            Fault::Blind => self.nodes[node].real.blind_until = now + die.from(SECOND..=3 * MINUTE),
            Fault::Moved => self.move_host(node),
            Fault::Retired => {
                let key = self.nodes[node].real.key.clone();
                self.say(format_args!(
                    "an operator removes {}/{}",
                    key.project, key.host
                ));
                self.submit(Job::Retire(key));
            }
            Fault::RecordChanged => {
                let id = die.one_of(&["t1", "t2", "t3"]).to_owned();
                let value = die.chance(700).then(|| die.seed().to_be_bytes().to_vec());
                self.submit(Job::Record(
                    RecordKey {
                        kind: RecordKind::Token,
                        id,
                    },
                    value,
                ));
            }
            Fault::Ignored => {
                let key = self.nodes[node].real.key.clone();
                let choice = Choice {
                    container_asset: None,
                    // Mostly what is danger by the table; many hosts have it.
                    port: die.one_of(&[6379, 6379, 22]),
                    transport: Transport::Tcp,
                };
                let ignore = die.chance(700);
                self.say(format_args!(
                    "an operator ignores ({ignore}) port {} of {}/{}",
                    choice.port, key.project, key.host
                ));
                self.submit(Job::Ignore(Ignoring {
                    project: key.project,
                    selection: Selection::Whole,
                    ignore,
                    items: vec![(key.host, choice)],
                }));
            }
            Fault::Cloned => self.clone_machine(node, false),
            Fault::ClonedWithState => self.clone_machine(node, true),
        }
    }

    fn restart(&mut self, node: usize, down_for: std::ops::RangeInclusive<u64>) {
        self.agent_stops(node);
        let delay = self.dice.faults.from(down_for);
        self.time.after(delay, Event::AgentStarts { node });
    }

    /// An operator gives the agent another `--enterprise-project`; now and then the credential
    /// does not know of it yet, or knows no longer where the host was.
    fn move_host(&mut self, node: usize) {
        let to = self.dice.faults.one_of(&ENTERPRISE_PROJECTS);
        let knows_both = self.dice.faults.chance(700);
        let real = &mut self.nodes[node].real;
        if let Selection::Of(granted) = &real.granted {
            let kept = granted.iter().filter(|_| knows_both).cloned();
            real.granted = Selection::of(kept.chain([to.into()]));
        }
        real.enterprise_project = to.into();
        self.say(format_args!(
            "node {node} is moved to enterprise project {to}"
        ));
        self.restart(node, SECOND..=5 * SECOND);
    }

    fn clone_machine(&mut self, node: usize, with_state: bool) {
        if self.nodes.len() >= NODES_MAX || self.nodes[node].is_clone {
            return;
        }
        let mut real = RealHost::clone_of(&self.nodes[node].real, &mut self.dice.hosts);
        if with_state {
            real.folder = self.nodes[node].real.folder.clone();
        }
        // With its clock and its folder a clone gets all that its pairs may have been used for.
        let own = self.nodes[node].owns_its_pairs && real.folder.is_none();
        let clone = self.add(real);
        for number in [node, clone] {
            let node = &mut self.nodes[number];
            (node.is_clone, node.may_need_help) = (true, true);
            node.owns_its_pairs = own;
        }
        self.say(format_args!("node {clone} is a clone of node {node}"));
    }
}

/// `drawn` from 0 to twice `most`, as -`most` to `most`.
fn offset(drawn: u64, most: u64) -> i64 {
    i64::try_from(drawn).unwrap() - i64::try_from(most).unwrap()
}
