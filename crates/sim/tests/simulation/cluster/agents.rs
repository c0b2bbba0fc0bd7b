//! Agents: the program's own machine, which speaks to one server and, when that fails, to another.

use std::net::IpAddr;
use std::time::Duration;

use portolan_agent::machine::{Action, Machine};
use portolan_agent::{Message, Outcome, next_generation};
use portolan_wire::heartbeat::HeartbeatsRequest;
use portolan_wire::open_port::Transport;
use portolan_wire::report::{ReportsRequest, Transient};

use crate::broken::Broken;
use crate::ingest::{Answer, Asker, Kind, Request};
use crate::real_host::StateFolder;
use crate::timeline::{MILLISECOND, Micros, SECOND, wall};

use super::{Event, Node, Running, SERVERS, World};

/// The longest time that an agent's transport waits for an answer.
const REQUEST_TIME_MAX: Micros = 30 * SECOND;
/// The longest time that a late or repeated request is under way.
const LATE_MAX: Micros = 50 * SECOND;
/// What the paths of transients that are counted begin with.
pub(super) const CAME_AND_WENT: &str = "/came-and-went/";

impl World {
    pub(super) fn host_changes(&mut self, number: usize) {
        if !self.has_faults {
            return;
        }
        let die = &mut self.dice.hosts;
        let node = &mut self.nodes[number];
        let what = match &mut node.agent {
            Some(agent) if die.chance(250) => {
                let path = format!("{CAME_AND_WENT}{}", self.transients.len());
                self.transients.insert(path.clone(), (number, agent.life));
                agent.machine.came_and_went([transient(path)], 0);
                "has a port that came and went"
            }
            _ => node.real.change(die),
        };
        let delay = die.from(SECOND..=self.odds.change_gap_max);
        self.say(format_args!("node {number} {what}"));
        self.time.after(delay, Event::HostChanges { node: number });
    }

    /// A process starts: its generation comes from the state folder, and is kept there before anything
    /// is sent.
    pub(super) fn agent_starts(&mut self, number: usize) -> Result<(), Broken> {
        let now = self.time.now();
        let node = &mut self.nodes[number];
        if node.agent.is_some() {
            return Ok(());
        }
        let wall_s = wall(now, node.real.clock_offset_s).seconds().unsigned_abs();
        let folder = node.real.folder.get_or_insert_with(|| StateFolder {
            agent_id: format!("{number:032x}"),
            generation: 0,
        });
        folder.generation = match folder.generation {
            0 => wall_s,
            last => next_generation(last, wall_s),
        };
        let generation = folder.generation;
        node.lives += 1;
        let seed = self.dice.hosts.seed();
        node.agent = Some(Running {
            machine: Machine::new(generation, node.real.interval, seed),
            born: now,
            life: node.lives,
            asked: None,
            wake: 0,
        });
        self.say(format_args!(
            "node {number} starts, generation {generation}"
        ));
        self.run_agent(number)
    }

    pub(super) fn agent_wakes(&mut self, node: usize, life: u32, wake: u64) -> Result<(), Broken> {
        let agent = self.nodes[node].agent.as_ref();
        if agent.is_some_and(|agent| (agent.life, agent.wake) == (life, wake)) {
            self.run_agent(node)?;
        }
        Ok(())
    }

    /// What the agent's loop does until it waits.
    fn run_agent(&mut self, number: usize) -> Result<(), Broken> {
        let now = self.time.now();
        loop {
            let Node {
                agent: Some(agent),
                real,
                ..
            } = &mut self.nodes[number]
            else {
                return Ok(());
            };
            let age = Duration::from_micros(now - agent.born);
            match agent.machine.next(age) {
                Action::Look => agent.machine.looked(age, real.look(now), real.look_cpu),
                Action::Send(message) => self.agent_sends(number, message)?,
                Action::Wait(wait) => {
                    agent.wake += 1;
                    let (life, wake, node) = (agent.life, agent.wake, number);
                    let delay = u64::try_from(wait.as_micros()).unwrap() + 1;
                    self.time
                        .after(delay, Event::AgentWakes { node, life, wake });
                    return Ok(());
                }
            }
        }
    }

    fn agent_sends(&mut self, number: usize, message: Message) -> Result<(), Broken> {
        self.requests += 1;
        let request = self.requests;
        let key = self.nodes[number].real.key.clone();
        let (kind, body, what) = match message {
            Message::Report(report) => {
                self.truth.model.sent(&key, &report, true)?;
                let ports: Vec<_> = report.open_ports.iter().map(|port| port.port).collect();
                let pair = (report.generation, report.sequence);
                let passed = report.transients.len();
                let what = format!("report {pair:?} {ports:?} and {passed} that passed");
                let reports = vec![*report];
                let body = serde_json::to_vec(&ReportsRequest { reports });
                (Kind::Report, body.unwrap(), what)
            }
            Message::Heartbeat(heartbeat) => {
                let what = format!("heartbeat {:?}", (heartbeat.generation, heartbeat.sequence));
                let heartbeats = vec![heartbeat];
                let body = serde_json::to_vec(&HeartbeatsRequest { heartbeats });
                (Kind::Heartbeat, body.unwrap(), what)
            }
        };
        let node = &mut self.nodes[number];
        if self.dice.network.chance(self.odds.moves) {
            node.server = self.dice.network.below(SERVERS);
        }
        let server = node.server;
        if let Some(agent) = &mut node.agent {
            agent.asked = Some((request, kind));
        }
        let asker = Asker {
            node: number,
            request,
        };
        self.say(format_args!(
            "node {number} sends #{request} to server {server}: {what}"
        ));
        let sent = Request {
            node: number,
            asker: Some(asker),
            kind,
            project: key.project,
            body,
        };
        self.send(server, sent, asker);
        Ok(())
    }

    fn send(&mut self, server: usize, request: Request, asker: Asker) {
        self.time.after(REQUEST_TIME_MAX, Event::TimesOut(asker));
        let is_cut_off = self.nodes[request.node].real.cut_off_until > self.time.now();
        let die = &mut self.dice.network;
        if die.chance(self.odds.duplicated) {
            self.figures.duplicates += 1;
            let delay = die.from(MILLISECOND..=LATE_MAX);
            let repetition = Box::new(Request {
                asker: None,
                ..request.clone()
            });
            // It may reach another server than the request.
            let server = die.below(SERVERS);
            let request = repetition;
            self.time.after(delay, Event::Arrives { server, request });
        }
        if is_cut_off || die.chance(self.odds.request_lost) {
            return;
        }
        let delay = if die.chance(self.odds.late) {
            die.from(SECOND..=LATE_MAX)
        } else {
            die.from(MILLISECOND..=60 * MILLISECOND)
        };
        let request = Box::new(request);
        self.time.after(delay, Event::Arrives { server, request });
    }

    pub(super) fn reply(&mut self, asker: Option<Asker>, answer: Answer) {
        let Some(asker) = asker else { return };
        let is_cut_off = self.nodes[asker.node].real.cut_off_until > self.time.now();
        let die = &mut self.dice.network;
        if is_cut_off || die.chance(self.odds.answer_lost) {
            return;
        }
        let delay = die.from(MILLISECOND..=60 * MILLISECOND);
        self.time.after(delay, Event::Answered { asker, answer });
    }

    /// What became of a request, as its agent learns it; nothing, if it does not wait any more.
    pub(super) fn answered(&mut self, asker: Asker, answer: Answer) -> Result<(), Broken> {
        let number = asker.node;
        let now = self.time.now();
        let Node {
            agent: Some(agent),
            real,
            server,
            ..
        } = &mut self.nodes[number]
        else {
            return Ok(());
        };
        let asked = agent.asked.take_if(|(asked, _)| *asked == asker.request);
        let Some((_, kind)) = asked else {
            return Ok(());
        };
        let outcome = answer.outcome(kind);
        let is_failure = !matches!(outcome, Outcome::Report(_) | Outcome::Heartbeat(_));
        if is_failure && self.dice.network.chance(500) {
            *server = (*server + 1) % SERVERS;
            self.figures.moved += 1;
        }
        let words = match &outcome {
            Outcome::Report(result) => format!("{:?}", result.status),
            Outcome::Heartbeat(result) => format!("{:?} {:?}", result.status, result.reason),
            Outcome::Refused(refusal) => refusal.text.clone(),
            Outcome::NotSent(reason) | Outcome::Unreachable(reason) => reason.clone(),
        };
        let age = Duration::from_micros(now - agent.born);
        agent.machine.answered(age, outcome);
        if let Some(folder) = &mut real.folder {
            folder.generation = agent.machine.generation();
        }
        self.say(format_args!(
            "node {number} learns #{}: {words}",
            asker.request
        ));
        self.run_agent(number)
    }
}

fn transient(path: String) -> Transient {
    Transient {
        transport: Transport::Tcp,
        laddr: IpAddr::from([127, 0, 0, 1]),
        port: 4_444,
        netns: None,
        pid: None,
        path: Some(path),
        container_id: None,
        container_name: None,
        opened_at: None,
        closed_at: None,
    }
}
