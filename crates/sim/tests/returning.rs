//! A fleet that was without its server comes back within a minute: the agents' own machine and the
//! server's own turns, around a committer that is a number of reports a second.
//!
//! Deterministic: one clock, a seed an agent. Only the network is ideal, because what is asked here is
//! whether waiting ends when it was promised to.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use portolan_agent::machine::{Action, Machine, ScanInterval};
use portolan_agent::{Message, Outcome, Refusal, Snapshot};
use portolan_store::Turns;
use portolan_wire::caps::{COMMIT_BATCH_MAX, RETRY_AFTER_S_MAX};
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Agent, Coverage, Host, ReportResult, Status};
use portolan_wire::time::UnixMicros;

const AGENTS: usize = 100_000;
/// When the server is there again.
const BACK: Duration = Duration::from_secs(200);
/// The longest delay that an agent chooses by itself.
const RETURN: Duration = Duration::from_secs(60);
/// How long an agent waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The agents' looks are no matter here.
const LOOK: ScanInterval = ScanInterval::Fixed(Duration::from_secs(3_600));

/// What happened to one agent.
#[derive(Clone, Copy, Debug, Default)]
struct Story {
    /// When it was refused first, and how long it was told to wait.
    refused: Option<(Duration, u32)>,
    refusals: u32,
    taken_at: Option<Duration>,
    served_at: Option<Duration>,
}

/// The queue of a server, as `Queue` has it, and a committer of so many reports a second.
struct Server {
    rate: u32,
    turns: Turns,
    waiting: VecDeque<usize>,
    /// How long the batch under way takes, and who is in it.
    batch: Option<(Duration, Vec<usize>)>,
}

impl Server {
    fn new(rate: u32) -> Self {
        Self {
            rate,
            turns: Turns::default(),
            waiting: VecDeque::new(),
            batch: None,
        }
    }

    /// Takes the report of an agent, or says when to come again.
    fn submit(&mut self, now: Duration, agent: usize, comes_again: bool) -> Result<(), u32> {
        let waiting = self.waiting.len();
        if self
            .turns
            .keep_out(now, comes_again, waiting, waiting + self.in_batch())
        {
            return Err(self.turns.give(now, waiting + self.in_batch(), 1));
        }
        self.waiting.push_back(agent);
        Ok(())
    }

    /// Begins a batch, if something waits; when it will be done.
    fn begin(&mut self, now: Duration) -> Option<Duration> {
        if self.batch.is_some() || self.waiting.is_empty() {
            return None;
        }
        let size = self.waiting.len().min(COMMIT_BATCH_MAX);
        let took = Duration::from_secs(1) * u32::try_from(size).unwrap() / self.rate;
        self.batch = Some((took, self.waiting.drain(..size).collect()));
        Some(now + took)
    }

    fn in_batch(&self) -> usize {
        self.batch.as_ref().map_or(0, |(_, batch)| batch.len())
    }
}

fn snapshot(agent: usize) -> Snapshot {
    let host = Host {
        host_id: format!("h{agent}"),
        agent_id: Some(format!("a{agent}")),
        enterprise_project_id: "0".to_owned(),
        ..Host::default()
    };
    let any = std::net::Ipv4Addr::UNSPECIFIED.into();
    let port = OpenPort::new(Transport::Tcp, any, 22);
    let at = UnixMicros::from_seconds(0);
    Snapshot::new(host, at, Agent::default(), Coverage::default(), vec![port])
}

fn accepted() -> Outcome {
    Outcome::Report(ReportResult {
        index: 0,
        host_id: None,
        status: Status::Accepted,
        digest: None,
        // None of them is heard again while the test lasts.
        next_heartbeat_s: Some(86_400),
        current: None,
        error_code: None,
        error_msg: None,
        field: None,
        reason: None,
    })
}

/// Who acts: an agent by its number, or the committer, whose batch is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    Committer,
    Agent(usize),
}

struct World {
    agents: Vec<Machine>,
    stories: Vec<Story>,
    server: Server,
    queue: BinaryHeap<Reverse<(Duration, Actor)>>,
}

impl World {
    fn new(rate: u32) -> Self {
        let machine = |agent| Machine::new(1_764_000_000, LOOK, agent as u64);
        // They started over an hour, so that no two of them are in step.
        let start = |agent: usize| Duration::from_millis((agent % 60_000) as u64);
        Self {
            agents: (0..AGENTS).map(machine).collect(),
            stories: vec![Story::default(); AGENTS],
            server: Server::new(rate),
            queue: (0..AGENTS)
                .map(|agent| Reverse((start(agent), Actor::Agent(agent))))
                .collect(),
        }
    }

    fn run(mut self, until: Duration) -> Vec<Story> {
        while let Some(Reverse((now, actor))) = self.queue.pop() {
            if now > until {
                break;
            }
            match actor {
                Actor::Agent(agent) => self.act(now, agent),
                Actor::Committer => self.commit(now),
            }
            if let Some(done) = self.server.begin(now) {
                self.queue.push(Reverse((done, Actor::Committer)));
            }
        }
        self.stories
    }

    fn act(&mut self, now: Duration, agent: usize) {
        loop {
            match self.agents[agent].next(now) {
                Action::Look => self.agents[agent].looked(now, snapshot(agent), Duration::ZERO),
                Action::Send(Message::Report(_)) => {
                    if let Some(outcome) = self.send(now, agent) {
                        self.agents[agent].answered(now, outcome);
                    }
                }
                Action::Send(other) => panic!("no heartbeat is due: {other:?}"),
                Action::Wait(wait) => {
                    let next = now + wait.max(Duration::from_nanos(1));
                    self.queue.push(Reverse((next, Actor::Agent(agent))));
                    return;
                }
            }
        }
    }

    /// What the agent is told at once; nothing where its report waits for the committer.
    fn send(&mut self, now: Duration, agent: usize) -> Option<Outcome> {
        if now < BACK {
            return Some(Outcome::NotSent("connection refused".to_owned()));
        }
        let story = &mut self.stories[agent];
        let comes_again = story.refused.is_some();
        let Err(wait_s) = self.server.submit(now, agent, comes_again) else {
            story.taken_at = Some(now);
            return None;
        };
        story.refusals += 1;
        story.refused.get_or_insert((now, wait_s));
        Some(Outcome::Refused(Refusal {
            status: 429,
            text: String::new(),
            retry_after: Some(Duration::from_secs(u64::from(wait_s))),
        }))
    }

    fn commit(&mut self, now: Duration) {
        let (took, served) = self.server.batch.take().unwrap();
        self.server.turns.measured(served.len(), took);
        for agent in served {
            assert_eq!(
                self.stories[agent].served_at.replace(now),
                None,
                "served twice"
            );
            self.agents[agent].answered(now, accepted());
        }
    }
}

/// Whoever is refused is told a time, comes after it (an agent adds up to a fifth), is taken, and has
/// its answer before it gives up waiting.
#[test]
fn a_hundred_thousand_agents_that_come_back_are_served_when_they_were_promised() {
    for rate in [400, 5_000] {
        let stories = World::new(rate).run(BACK + Duration::from_secs(3_600));
        let mut refused = 0;
        for (agent, story) in stories.iter().enumerate() {
            let told = || format!("agent {agent} at {rate} a second: {story:?}");
            let (Some(taken_at), Some(served_at)) = (story.taken_at, story.served_at) else {
                panic!("lost: {}", told());
            };
            assert!(story.refusals <= 1, "{}", told());
            let promised = match story.refused {
                None => BACK + RETURN,
                Some((at, wait_s)) => {
                    refused += 1;
                    assert!(wait_s < RETRY_AFTER_S_MAX, "{}", told());
                    at + Duration::from_secs(u64::from(wait_s)) * 6 / 5
                }
            };
            assert!(
                taken_at <= promised && served_at <= taken_at + PATIENCE,
                "{}",
                told()
            );
        }
        assert_eq!(
            refused > 0,
            rate < 1_500,
            "{refused} refused at {rate} a second"
        );
        let last = stories
            .iter()
            .filter_map(|story| story.served_at)
            .max()
            .unwrap();
        let needed = RETURN.max(Duration::from_secs(AGENTS as u64) / rate);
        assert!(
            last - BACK <= needed * 3 / 2,
            "{rate} a second: {:?}",
            last - BACK
        );
    }
}
