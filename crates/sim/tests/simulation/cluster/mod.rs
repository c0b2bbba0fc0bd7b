//! A world of three servers on one log: hosts with their agents, a network, disks, and what goes wrong.
//!
//! The program's own parts run together as they do in the other world, and between a server and the
//! log, as between agents and servers, calls and answers are lost, late and repeated. What each commit
//! made of the hosts is known from the log itself, so every server is held to it at every commit.
//! Holds: the rules of [`crate::broken::Rule`]. Limits: a handful of hosts, some ten minutes of
//! simulated time; no clones, no lost state folders, no grants: those are the other world's.

mod agents;
mod committing;
mod ending;
mod faults;
mod figures;
mod folder;
mod serving;
mod truth;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use portolan_agent::machine::Machine;
use portolan_store::jetstream::{JetStreamStore, Model as Cluster};
use portolan_wire::ids::{HostId, HostKey};

use crate::broken::Broken;
use crate::dice::{Dice, Die};
use crate::ingest::{Answer, Asker, Kind, Request};
use crate::real_host::RealHost;
use crate::server::{Process, SimulatedClock};
use crate::sweep::Ended;
use crate::timeline::{Micros, SECOND, Timeline, wall};
use crate::trace::Trace;

use faults::{Fault, Odds};
use figures::Figures;
use folder::SimulatedFolder;
use truth::Truth;
use wire::Wire;

const SERVERS: usize = 3;

/// What comes at some moment.
enum Event {
    HostChanges {
        node: usize,
    },
    AgentStarts {
        node: usize,
    },
    AgentWakes {
        node: usize,
        life: u32,
        wake: u64,
    },
    Arrives {
        server: usize,
        request: Box<Request>,
    },
    Answered {
        asker: Asker,
        answer: Answer,
    },
    TimesOut(Asker),
    ServerStarts {
        server: usize,
    },
    Commits {
        server: usize,
        life: u64,
    },
    /// Messages of the log up to there come in at a server.
    LogArrives {
        server: usize,
        last: u64,
    },
    /// A server reaches the log again.
    Reconnected {
        server: usize,
    },
    DiskFreed {
        server: usize,
    },
    Second,
    Minute,
    Fault,
    Heals,
    /// Every host opens one more port.
    News,
    Ends,
}

/// A host and its agent's process.
struct Node {
    real: RealHost,
    agent: Option<Running>,
    lives: u32,
    /// The server that it speaks to.
    server: usize,
}

/// An agent's process.
struct Running {
    machine: Machine,
    born: Micros,
    life: u32,
    asked: Option<(u64, Kind)>,
    wake: u64,
}

/// A server with its folder.
struct Server {
    folder: SimulatedFolder,
    wire: Arc<Wire>,
    clock: Arc<SimulatedClock>,
    offset_s: i64,
    process: Option<Process<JetStreamStore>>,
    life: u64,
    is_cut_off: bool,
    /// Tries until it knows, so it must not be cut off.
    is_patient: bool,
}

struct World {
    odds: Odds,
    dice: Dice,
    /// Of servers and log.
    die: Die,
    time: Timeline<Event>,
    trace: Trace,
    figures: Figures,
    has_faults: bool,
    is_over: bool,
    nodes: Vec<Node>,
    requests: u64,
    servers: Vec<Server>,
    /// Starts of all servers so far.
    starts: u64,
    cluster: Arc<Cluster>,
    truth: Truth,
    /// The last commit that was told to the servers.
    told: u64,
    /// Transients that agents were given: of which node, in which life.
    transients: BTreeMap<String, (usize, u32)>,
}

/// Lives the world of a seed to its end.
pub(crate) fn live(seed: u64) -> Ended<Figures> {
    let mut dice = Dice::new(seed);
    let mut die = dice.server.fork();
    let odds = Odds::draw(&mut dice.faults);
    let cluster = Cluster::new();
    let servers = (0..SERVERS).map(|_| Server {
        folder: SimulatedFolder::default(),
        wire: Arc::new(Wire::new(
            &cluster,
            odds.bytes_max,
            odds.weather,
            die.fork(),
        )),
        clock: Arc::default(),
        offset_s: 0,
        process: None,
        life: 0,
        is_cut_off: false,
        is_patient: false,
    });
    let servers = servers.collect();
    let mut world = World {
        odds,
        dice,
        die,
        time: Timeline::new(),
        trace: Trace::new(),
        figures: Figures::default(),
        has_faults: true,
        is_over: false,
        nodes: Vec::new(),
        requests: 0,
        servers,
        starts: 0,
        truth: Truth::of(&cluster),
        cluster,
        told: 0,
        transients: BTreeMap::new(),
    };
    world.begin();
    let broken = world.go_on().err();
    if let Some(broken) = &broken {
        world.say(format_args!("BROKEN {broken}"));
    }
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
            let key = HostKey {
                project: ["p", "q"][number % 2].into(),
                host: HostId::from(format!("h{}", number / 2)),
            };
            let die = &mut self.dice.hosts;
            let offset_s = i64::try_from(die.from(0..=7_200)).unwrap() - 3_600;
            let real = RealHost::new(key, offset_s, die);
            let node = self.nodes.len();
            self.nodes.push(Node {
                real,
                agent: None,
                lives: 0,
                server: die.below(SERVERS),
            });
            let delay = die.from(0..=10 * SECOND);
            self.time.after(delay, Event::AgentStarts { node });
            self.time.after(delay + SECOND, Event::HostChanges { node });
        }
        for server in 0..SERVERS {
            if self.odds.clocks_differ {
                self.servers[server].offset_s = self.odds.skew_s[server];
            }
            let delay = self.die.from(0..=4 * SECOND);
            self.time.after(delay, Event::ServerStarts { server });
        }
        self.time.after(SECOND, Event::Second);
        self.time.after(60 * SECOND, Event::Minute);
        self.time.after(10 * SECOND, Event::Fault);
        self.time.after(self.odds.faults_for, Event::Heals);
    }

    fn go_on(&mut self) -> Result<(), Broken> {
        while !self.is_over {
            let Some(event) = self.time.advance() else {
                break;
            };
            for server in &self.servers {
                server.clock.set(wall(self.time.now(), server.offset_s));
            }
            self.happens(event)?;
            self.log_grows()?;
        }
        Ok(())
    }

    fn happens(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::HostChanges { node } => self.host_changes(node),
            Event::AgentStarts { node } => self.agent_starts(node)?,
            Event::AgentWakes { node, life, wake } => self.agent_wakes(node, life, wake)?,
            Event::Arrives { server, request } => self.arrives(server, *request)?,
            Event::Answered { asker, answer } => self.answered(asker, answer)?,
            Event::TimesOut(asker) => self.answered(asker, Answer::Nothing("timed out"))?,
            Event::ServerStarts { server } => self.server_starts(server)?,
            Event::Commits { server, life } => self.commits(server, life)?,
            Event::LogArrives { server, last } => self.log_arrives(server, last),
            Event::Reconnected { server } => self.reconnected(server),
            Event::DiskFreed { server } => self.set_full(server, false),
            Event::Second => self.second()?,
            Event::Minute => self.minute()?,
            Event::Fault => self.fault()?,
            Event::Heals => self.heal(),
            Event::News => self.news(),
            Event::Ends => self.end()?,
        }
        Ok(())
    }

    fn count(&mut self, fault: Fault) {
        *self.figures.faults.entry(fault).or_default() += 1;
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.say(self.time.now(), what);
    }
}
