//! A world: hosts with their agents, a network, one server with its disk, and what goes wrong.
//!
//! One thread and one timeline, so that a seed decides everything. The program's parts are given
//! their clock, randomness, transport and disk; nothing of the machine that runs this gets in.
//! Holds: the rules of [`crate::broken::Rule`], checked at every commit, every second and every
//! restart. Limits: a handful of hosts, one server, some twenty minutes of simulated time.

mod agents;
mod committing;
mod faults;
mod figures;
mod healing;
mod network;
mod serving;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use portolan_agent::machine::Machine;
use portolan_wire::digest::Digest;
use portolan_wire::ids::{HostId, HostKey};
use portolan_wire::report::Current;

use crate::broken::Broken;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::ingest::{Answer, Asker, Kind, Request};
use crate::journal::Frame;
use crate::model::Model;
use crate::odds::Odds;
use crate::real_host::RealHost;
use crate::server::{Process, SimulatedClock};
use crate::sweep::Ended;
use crate::timeline::{Micros, SECOND, Timeline, wall};
use crate::trace::Trace;

use figures::Figures;

/// What comes at some moment.
pub(crate) enum Event {
    /// A host's programs do something.
    HostChanges { node: usize },
    /// An agent's process starts.
    AgentStarts { node: usize },
    /// An agent said that it would wait until now.
    AgentWakes { node: usize, life: u32, wake: u64 },
    /// A request reaches the server.
    Arrives(Box<Request>),
    /// An answer reaches the agent that asked.
    Answered { asker: Asker, answer: Answer },
    /// An agent's transport gives up.
    TimesOut(Asker),
    /// The server's process starts.
    ServerStarts,
    /// The committer has taken what waits and is done with it.
    Commits { life: u32 },
    /// A second is over.
    Second,
    /// A minute is over.
    Minute,
    /// The next fault from outside.
    Fault,
    /// There is room on the disk again.
    DiskFreed,
    /// All faults end.
    Heals,
}

/// A host and its agent's process.
pub(crate) struct Node {
    real: RealHost,
    agent: Option<Running>,
    /// Processes of the agent so far.
    lives: u32,
    /// Shares its id with another machine.
    is_clone: bool,
    /// No other machine shares its agent's id, and no life of it lay days ahead: pairs are its own.
    owns_its_pairs: bool,
    /// Its state folder was lost or it had a clone: it may have to wait until another agent is silent,
    /// and where the server's clock was ahead, for a person.
    may_need_help: bool,
    /// What the agent was last told that only a person can mend.
    complaint: Option<&'static str>,
    /// The agent was told of a clone since faults ended.
    was_told_of_clone: bool,
}

/// An agent's process.
struct Running {
    machine: Machine,
    born: Micros,
    life: u32,
    asked: Option<(u64, Kind)>,
    wake: u64,
    /// What the last look saw; `None` if it failed.
    seen: Option<Digest>,
    /// The last report that was sent, and whether the agent was told that it is held.
    told: Option<(u64, u64, Digest)>,
    is_told_held: bool,
    /// The newest report of another agent that the server holds and does not hear, and since when
    /// every answer has said so.
    beside_silent: Option<(Current, Micros)>,
}

/// Where a world stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Faults come.
    Faults,
    /// Faults are over since then; not everything is mended yet.
    Healing(Micros),
    /// All is as it must be since then, and has to stay so.
    Settled(Micros),
    /// The world is over.
    Over,
}

/// A world; see the module's text.
pub(crate) struct World {
    odds: Odds,
    dice: Dice,
    time: Timeline<Event>,
    trace: Trace,
    figures: Figures,
    phase: Phase,
    nodes: Vec<Node>,
    requests: u64,
    disk: Arc<Mutex<Disk>>,
    clock: Arc<SimulatedClock>,
    server_offset_s: i64,
    server: Option<Process>,
    server_lives: u32,
    server_up_since: Micros,
    server_down_since: Micros,
    /// The batch that a crash cut short.
    interrupted: Option<Frame>,
    overloaded_until: Micros,
    server_clock_stepped: bool,
    model: Model,
    /// When the server last heard each host.
    heard: BTreeMap<HostKey, Micros>,
    /// Hosts that the server flagged as spoken for by two agents since faults ended.
    flagged: BTreeSet<HostKey>,
    /// What was held of each host when half of the time after healing was over.
    at_half: Option<BTreeMap<HostKey, portolan_census::Pair>>,
}

/// Lives the world of a seed to its end.
pub(crate) fn live(seed: u64) -> Ended<Figures> {
    let mut dice = Dice::new(seed);
    let odds = Odds::draw(&mut dice.faults);
    let mut world = World {
        odds,
        dice,
        time: Timeline::new(),
        trace: Trace::new(),
        figures: Figures::default(),
        phase: Phase::Faults,
        nodes: Vec::new(),
        requests: 0,
        disk: Arc::default(),
        clock: Arc::default(),
        server_offset_s: 0,
        server: None,
        server_lives: 0,
        server_up_since: 0,
        server_down_since: 0,
        interrupted: None,
        overloaded_until: 0,
        server_clock_stepped: false,
        model: Model::default(),
        heard: BTreeMap::new(),
        flagged: BTreeSet::new(),
        at_half: None,
    };
    world.begin();
    let broken = world.go_on().err();
    if let Some(broken) = &broken {
        world.say(format_args!("BROKEN {broken}"));
    }
    world.figures.acknowledgements = world.model.acknowledgements;
    world.figures.applied_untold = world.model.applied_untold();
    Ended {
        hash: world.trace.hash(),
        figures: world.figures,
        lines: world.trace.into_lines(),
        broken,
    }
}

impl World {
    fn begin(&mut self) {
        for number in 0..self.odds.hosts {
            // Two projects, and host ids that mean another host in each.
            let key = HostKey {
                project: ["p", "q"][number % 2].into(),
                host: HostId::from(format!("h{}", number / 2)),
            };
            let die = &mut self.dice.hosts;
            let hour = 3_600;
            let offset_s = if self.odds.clocks_differ {
                i64::try_from(die.from(0..=2 * hour)).unwrap() - 3_600
            } else {
                0
            };
            let real = RealHost::new(key, offset_s, die);
            self.add(real);
        }
        self.time.after(0, Event::ServerStarts);
        self.time.after(SECOND, Event::Second);
        self.time.after(60 * SECOND, Event::Minute);
        self.time.after(10 * SECOND, Event::Fault);
        self.time.after(self.odds.faults_for, Event::Heals);
    }

    /// Adds a host, whose agent starts soon.
    fn add(&mut self, real: RealHost) -> usize {
        let node = self.nodes.len();
        self.say(format_args!(
            "node {node} is host {}/{} in enterprise project {}, clock off by {} s, looks {:?}",
            real.key.project,
            real.key.host,
            real.enterprise_project,
            real.clock_offset_s,
            real.interval
        ));
        self.nodes.push(Node {
            real,
            agent: None,
            lives: 0,
            is_clone: false,
            owns_its_pairs: true,
            may_need_help: false,
            complaint: None,
            was_told_of_clone: false,
        });
        let delay = self.dice.hosts.from(0..=10 * SECOND);
        self.time.after(delay, Event::AgentStarts { node });
        self.time.after(delay + SECOND, Event::HostChanges { node });
        node
    }

    fn go_on(&mut self) -> Result<(), Broken> {
        while self.phase != Phase::Over {
            let Some(event) = self.time.advance() else {
                break;
            };
            self.clock.set(wall(self.time.now(), self.server_offset_s));
            self.happens(event)?;
        }
        Ok(())
    }

    fn happens(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::HostChanges { node } => self.host_changes(node),
            Event::AgentStarts { node } => self.agent_starts(node)?,
            Event::AgentWakes { node, life, wake } => self.agent_wakes(node, life, wake)?,
            Event::Arrives(request) => self.arrives(*request)?,
            Event::Answered { asker, answer } => self.answered(asker, answer)?,
            Event::TimesOut(asker) => self.answered(asker, Answer::Nothing("timed out"))?,
            Event::ServerStarts => self.server_starts()?,
            Event::Commits { life } => self.commits(life)?,
            Event::Second => self.second()?,
            Event::Minute => self.minute()?,
            Event::Fault => self.fault()?,
            Event::DiskFreed => self.disk.lock().unwrap().full = false,
            Event::Heals => self.heal(),
        }
        Ok(())
    }

    fn host_changes(&mut self, node: usize) {
        if self.phase != Phase::Faults {
            return;
        }
        let what = self.nodes[node].real.change(&mut self.dice.hosts);
        self.say(format_args!("node {node} {what}"));
        let delay = self.dice.hosts.from(SECOND..=self.odds.change_gap_max);
        self.time.after(delay, Event::HostChanges { node });
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.say(self.time.now(), what);
    }
}
