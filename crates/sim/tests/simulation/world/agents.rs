//! Agents: the program's own state machine, with a simulated loop, state folder and clock.

use std::time::Duration;

use portolan_agent::machine::{Action, Machine};
use portolan_agent::{Message, Outcome, next_generation};
use portolan_wire::caps;
use portolan_wire::heartbeat::{Heartbeat, HeartbeatsRequest};
use portolan_wire::report::{ReportResult, ReportsRequest, Status};

use crate::broken::{Broken, Rule, must};
use crate::ingest::{Answer, Asker, Kind, Request};
use crate::real_host::StateFolder;
use crate::timeline::{Micros, SECOND, wall};

use super::{Event, Node, Running, World};

/// What an agent complains of that holds a report older than another agent's.
const ANOTHER_SPEAKS: &str = "another agent speaks for the host";
/// How long an agent has to find another one silent before it takes its place.
const SILENCE: Micros =
    caps::HEARTBEAT_INTERVAL_S_DEFAULT as Micros * caps::FRESH_INTERVALS as Micros * SECOND;

impl Running {
    /// Time since the process started, by a clock that never goes back.
    fn age(&self, now: Micros) -> Duration {
        Duration::from_micros(now - self.born)
    }
}

impl World {
    /// A process starts: ids and generation come from the state folder, and are kept there before
    /// anything is sent.
    pub(super) fn agent_starts(&mut self, number: usize) -> Result<(), Broken> {
        let now = self.time.now();
        let node = &mut self.nodes[number];
        if node.agent.is_some() {
            return Ok(());
        }
        let wall_s = wall(now, node.real.clock_offset_s).seconds().unsigned_abs();
        let folder = node.real.folder.get_or_insert_with(|| {
            let (high, low) = (self.dice.hosts.seed(), self.dice.hosts.seed());
            StateFolder {
                agent_id: format!("{high:016x}{low:016x}"),
                generation: 0,
            }
        });
        folder.generation = match folder.generation {
            0 => wall_s,
            last => next_generation(last, wall_s),
        };
        let generation = folder.generation;
        let agent_id = folder.agent_id[..4].to_owned();
        node.lives += 1;
        node.complaint = None;
        let seed = self.dice.hosts.seed();
        node.agent = Some(Running {
            machine: Machine::new(generation, node.real.interval, seed),
            born: now,
            life: node.lives,
            asked: None,
            wake: 0,
            seen: None,
            told: None,
            is_told_held: false,
            beside_silent: None,
        });
        self.say(format_args!(
            "node {number} agent {agent_id}… starts, generation {generation}"
        ));
        self.run_agent(number)
    }

    pub(super) fn agent_stops(&mut self, number: usize) {
        self.nodes[number].agent = None;
    }

    pub(super) fn agent_wakes(&mut self, node: usize, life: u32, wake: u64) -> Result<(), Broken> {
        let is_due = self.nodes[node]
            .agent
            .as_ref()
            .is_some_and(|agent| (agent.life, agent.wake) == (life, wake));
        if is_due { self.run_agent(node) } else { Ok(()) }
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
            let age = agent.age(now);
            match agent.machine.next(age) {
                Action::Look if real.blind_until > now => {
                    agent.seen = None;
                    agent.machine.look_failed(age);
                }
                Action::Look => {
                    let seen = real.look(now);
                    agent.seen = Some(seen.digest());
                    agent.machine.looked(age, seen, real.look_cpu);
                }
                Action::Send(message) => self.agent_sends(number, message)?,
                Action::Wait(wait) => {
                    agent.wake += 1;
                    let (life, wake) = (agent.life, agent.wake);
                    let delay = u64::try_from(wait.as_micros()).unwrap() + 1;
                    self.time.after(
                        delay,
                        Event::AgentWakes {
                            node: number,
                            life,
                            wake,
                        },
                    );
                    return Ok(());
                }
            }
        }
    }

    fn agent_sends(&mut self, number: usize, message: Message) -> Result<(), Broken> {
        self.keeps_its_word(number, &message)?;
        self.requests += 1;
        let request = self.requests;
        let (kind, body, what) = match message {
            Message::Report(report) => {
                let ports: Vec<_> = report.open_ports.iter().map(|port| port.port).collect();
                let (pair, digest) = ((report.generation, report.sequence), report.digest());
                let what = format!("report {pair:?} {} {ports:?}", &digest.to_string()[..4]);
                let body = serde_json::to_vec(&ReportsRequest {
                    reports: vec![*report],
                });
                (Kind::Report, body.unwrap(), what)
            }
            Message::Heartbeat(heartbeat) => {
                let what = format!("heartbeat {:?}", (heartbeat.generation, heartbeat.sequence));
                let body = serde_json::to_vec(&HeartbeatsRequest {
                    heartbeats: vec![heartbeat],
                });
                (Kind::Heartbeat, body.unwrap(), what)
            }
        };
        self.say(format_args!("node {number} sends #{request} {what}"));
        let node = &mut self.nodes[number];
        let Some(agent) = &mut node.agent else {
            return Ok(());
        };
        agent.asked = Some((request, kind));
        let asker = Asker {
            node: number,
            request,
        };
        let project = node.real.key.project.clone();
        let sent = Request {
            node: number,
            asker: Some(asker),
            kind,
            project,
            body,
        };
        self.send(sent, asker);
        Ok(())
    }

    /// What an agent may send.
    fn keeps_its_word(&mut self, number: usize, message: &Message) -> Result<(), Broken> {
        let Node {
            agent: Some(agent),
            real,
            owns_its_pairs,
            ..
        } = &mut self.nodes[number]
        else {
            return Ok(());
        };
        match message {
            Message::Report(report) => {
                agent.told = Some((report.generation, report.sequence, report.digest()));
                agent.is_told_held = false;
                self.model.sent(&real.key, report, *owns_its_pairs)
            }
            Message::Heartbeat(heartbeat) => {
                let Heartbeat {
                    generation,
                    sequence,
                    digest,
                    ..
                } = *heartbeat;
                let is_true = agent.told == Some((generation, sequence, digest))
                    && agent.is_told_held
                    && agent.seen == Some(digest);
                must(is_true, Rule::AgentKeepsItsWord, || {
                    let (told, held, seen) = (agent.told, agent.is_told_held, agent.seen);
                    format!(
                        "node {number} confirms {heartbeat:?}; told {told:?} (held: {held}), seen {seen:?}"
                    )
                })
            }
        }
    }

    /// What became of a request, as its agent learns it; nothing, if it does not wait any more.
    pub(super) fn answered(&mut self, asker: Asker, answer: Answer) -> Result<(), Broken> {
        let now = self.time.now();
        let number = asker.node;
        let Node {
            agent: Some(agent), ..
        } = &mut self.nodes[number]
        else {
            return Ok(());
        };
        let Some((_, kind)) = agent
            .asked
            .take_if(|(request, _)| *request == asker.request)
        else {
            return Ok(());
        };
        let outcome = answer.outcome(kind);
        let words = in_words(&outcome);
        let generation = agent.machine.generation();
        let age = agent.age(now);
        agent.machine.answered(age, outcome.clone());
        let adopted = agent.machine.generation();
        self.say(format_args!(
            "node {number} learns #{}: {words}",
            asker.request
        ));
        self.hears_of_others(number, &outcome);
        if adopted != generation {
            let is_beside = self.nodes[number].complaint == Some(ANOTHER_SPEAKS);
            let may = !is_beside || self.may_take_over(number, adopted);
            must(may, Rule::AgentKeepsItsWord, || {
                format!("node {number} outbids another agent by generation {adopted}")
            })?;
            if let Some(folder) = &mut self.nodes[number].real.folder {
                folder.generation = adopted;
            }
        }
        self.run_agent(number)
    }

    /// Whether an agent may go on from another one's generation.
    fn may_take_over(&self, number: usize, adopted: u64) -> bool {
        let agent = self.nodes[number].agent.as_ref();
        let beside = agent.and_then(|agent| agent.beside_silent.as_ref());
        beside.is_some_and(|(held, since)| {
            self.time.now() - since >= SILENCE && adopted == held.generation + 1
        })
    }

    /// Keeps what the agent would write into its log for a person.
    fn hears_of_others(&mut self, number: usize, outcome: &Outcome) {
        let now = self.time.now();
        let Outcome::Report(result) = outcome else {
            return;
        };
        let node = &mut self.nodes[number];
        let own_id = node
            .real
            .folder
            .as_ref()
            .map(|folder| folder.agent_id.as_str());
        let speaks = result
            .current
            .as_ref()
            .map(|current| current.agent_id.as_deref());
        node.complaint = match result.status {
            Status::Accepted => None,
            Status::Stale if speaks == Some(own_id) => None,
            Status::Stale => Some(ANOTHER_SPEAKS),
            Status::Rejected if result.reason.is_some() => Some("identity conflict"),
            Status::Rejected => Some("the report is refused"),
        };
        let is_beside_silent = node.complaint == Some(ANOTHER_SPEAKS) && result.reason.is_none();
        if let Some(agent) = &mut node.agent {
            agent.is_told_held = result.status == Status::Accepted;
            let held = result.current.clone().filter(|_| is_beside_silent);
            let before = agent.beside_silent.take();
            agent.beside_silent = held.map(|held| match before {
                Some((same, since)) if same == held => (same, since),
                _ => (held, now),
            });
        }
        let is_clone =
            result.reason.is_some() || result.status == Status::Stale && speaks != Some(own_id);
        node.was_told_of_clone |= is_clone;
    }
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Report(result) => report_in_words(result),
        Outcome::Heartbeat(result) => {
            let reason = result.reason.map(|reason| format!(" {reason:?}"));
            format!("{:?}{}", result.status, reason.unwrap_or_default())
        }
        Outcome::Refused(refusal) => format!("{} {}", refusal.status, refusal.text),
        Outcome::NotSent(reason) | Outcome::Unreachable(reason) => reason.clone(),
    }
}

fn report_in_words(result: &ReportResult) -> String {
    let current = result.current.as_ref().map(|current| {
        let agent_id = current
            .agent_id
            .as_deref()
            .and_then(|id| id.get(..4))
            .unwrap_or("none");
        format!(
            ", held is ({}, {}) of agent {agent_id}…",
            current.generation, current.sequence
        )
    });
    let why = result
        .reason
        .as_ref()
        .or(result.error_msg.as_ref())
        .or(result.error_code.as_ref());
    let why = why.map(|why| format!(": {why}"));
    format!(
        "{:?}{}{}",
        result.status,
        why.unwrap_or_default(),
        current.unwrap_or_default()
    )
}
