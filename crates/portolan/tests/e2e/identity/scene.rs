//! Machines with their agents, and a server, by one clock that stands still but for [`Scene::pass`].
//!
//! The agent's loop is the program's with this clock in the place of the system's; what an agent
//! keeps in its state folder is kept in [`StateFolder`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use portolan_agent::machine::{Action, Machine};
use portolan_agent::{
    Config, HttpTransport, ScanInterval, Secret, ServerUrl, Snapshot, TokenSource, Transport as _,
    next_generation,
};
use portolan_server::{Running, Setup, credentials, open_and_serve};
use portolan_store::Clock;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Agent, Coverage, Host};
use portolan_wire::time::UnixMicros;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::{self, AGENT, PROJECT, Reads};

/// What the clock says at first, in seconds since 1970.
const START_S: i64 = 1_764_000_000;
pub(super) const DAY_S: i64 = 86_400;
/// Longest step of the clock, so that what a second brings about has happened in between.
const STEP: Duration = Duration::from_secs(1);

struct SceneClock(AtomicI64);

impl Clock for SceneClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

/// What outlives an agent's process.
#[derive(Clone, Debug)]
pub(super) struct StateFolder {
    pub(super) agent_id: &'static str,
    pub(super) generation: u64,
}

/// A machine, and the agent that runs on it, if one does.
pub(super) struct Computer {
    pub(super) host_id: &'static str,
    pub(super) ports: Vec<u16>,
    /// How wrong its clock is.
    pub(super) clock_off_s: i64,
    /// Lost by setting it to `None`: the next start makes another one with `next_agent_id`.
    pub(super) folder: Option<StateFolder>,
    pub(super) next_agent_id: &'static str,
    /// Where its agent finds the server, if not at its own address.
    pub(super) server_url: Option<String>,
    agent: Option<Started>,
}

struct Started {
    machine: Machine,
    transport: HttpTransport,
    /// When it started, by the scene's clock.
    born: UnixMicros,
}

/// A server and machines.
pub(super) struct Scene {
    runtime: Runtime,
    running: Option<Running>,
    clock: Arc<SceneClock>,
    pub(super) reads: Reads,
    pub(super) computers: Vec<Computer>,
    _folder: TempDir,
}

impl Scene {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let written = credentials::read_file(&harness::credentials(folder.path())).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let clock = Arc::new(SceneClock(AtomicI64::new(START_S * 1_000_000)));
        let serving = open_and_serve(
            SocketAddr::from(([127, 0, 0, 1], 0)),
            Setup::new(folder.path().join("data"), written),
            Arc::clone(&clock) as _,
        );
        let running = runtime.block_on(serving).unwrap();
        let reads = Reads::of(format!("http://{}", running.local_addr()));
        Self {
            runtime,
            running: Some(running),
            clock,
            reads,
            computers: Vec::new(),
            _folder: folder,
        }
    }

    /// Adds a machine whose agent will make itself the id `agent_id`.
    pub(super) fn add(
        &mut self,
        host_id: &'static str,
        agent_id: &'static str,
        ports: &[u16],
    ) -> usize {
        self.computers.push(Computer {
            host_id,
            ports: ports.to_vec(),
            clock_off_s: 0,
            folder: None,
            next_agent_id: agent_id,
            server_url: None,
            agent: None,
        });
        self.computers.len() - 1
    }

    /// The same, and starts its agent.
    pub(super) fn run(
        &mut self,
        host_id: &'static str,
        agent_id: &'static str,
        ports: &[u16],
    ) -> usize {
        let place = self.add(host_id, agent_id, ports);
        self.start_agent(place);
        place
    }

    /// Starts the agent of a machine, as the program starts.
    pub(super) fn start_agent(&mut self, place: usize) {
        let now = self.clock.now();
        let computer = &mut self.computers[place];
        let clock_s = u64::try_from(now.seconds() + computer.clock_off_s).unwrap();
        let folder = computer.folder.take().map_or(
            StateFolder {
                agent_id: computer.next_agent_id,
                generation: clock_s,
            },
            |last| StateFolder {
                generation: next_generation(last.generation, clock_s),
                ..last
            },
        );
        let url = computer.server_url.as_ref().unwrap_or(&self.reads.url);
        let config = Config {
            server: ServerUrl::parse(url).unwrap(),
            token: TokenSource::Literal(Secret::token(AGENT).unwrap()),
            project: PROJECT.to_owned(),
            enterprise_project: "0".to_owned(),
            scan_interval: ScanInterval::Auto,
            events: false,
            caps: None,
            state_dir: PathBuf::new(),
            ca_file: None,
            client_certificate: None,
            rotate_after: portolan_agent::ROTATE_AFTER_DEFAULT,
            host_id: Some(computer.host_id.to_owned()),
            look: portolan_sockets::Options::default(),
        };
        computer.agent = Some(Started {
            machine: Machine::new(folder.generation, ScanInterval::Auto, place as u64),
            transport: HttpTransport::new(&config).unwrap(),
            born: now,
        });
        computer.folder = Some(folder);
    }

    pub(super) fn stop_agent(&mut self, place: usize) {
        self.computers[place].agent = None;
    }

    /// Lets time pass, step by step; after each `looked` is called.
    pub(super) fn pass(&mut self, span: Duration, mut looked: impl FnMut(&Self)) {
        let steps = span.as_micros().div_ceil(STEP.as_micros());
        for _ in 0..steps {
            self.advance(STEP);
            let now = self.clock.now();
            for computer in &mut self.computers {
                computer.run(now);
            }
            looked(self);
        }
    }

    /// The same, without a look.
    pub(super) fn pass_s(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds), |_| {});
    }

    fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap();
        self.clock.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// Lets time pass until something holds; fails with `what` when it does not within `span`.
    /// Returns how many seconds it took.
    pub(super) fn pass_until(
        &mut self,
        what: &str,
        span: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> u64 {
        let mut seconds = 0;
        while !holds(self) {
            assert!(seconds < span.as_secs(), "not within {span:?}: {what}");
            self.pass_s(1);
            seconds += 1;
        }
        seconds
    }

    /// On how many hosts a port is open.
    pub(super) fn num(&self, port: u16) -> u64 {
        self.reads.num("host", port, "TCP")
    }

    pub(super) fn host(&self, host_id: &str) -> Value {
        self.reads.native(&format!("/hosts/{host_id}"))
    }

    /// Whether a host is shown as spoken for by two agents.
    pub(super) fn in_conflict(&self, host_id: &str) -> bool {
        self.host(host_id)["identity_conflict"].as_bool().unwrap()
    }

    pub(super) fn is_fresh(&self, host_id: &str) -> bool {
        self.host(host_id)["freshness"] == "fresh"
    }

    pub(super) fn generation(&self, place: usize) -> u64 {
        self.computers[place].folder.as_ref().unwrap().generation
    }

    /// A recount, and a server that ends well.
    pub(super) fn end(mut self) {
        self.reads.assert_recount();
        let running = self.running.take().unwrap();
        self.runtime.block_on(running.stop()).unwrap();
    }
}

impl Computer {
    /// The loop of the agent until it waits.
    fn run(&mut self, now: UnixMicros) {
        loop {
            let looked = self.look(now);
            let Some(agent) = &mut self.agent else { return };
            let age = Duration::from_micros(u64::try_from(now.0 - agent.born.0).unwrap());
            match agent.machine.next(age) {
                Action::Look => agent.machine.looked(age, looked, Duration::from_millis(1)),
                Action::Send(message) => {
                    let outcome = agent.transport.send(message);
                    agent.machine.answered(age, outcome);
                    if let Some(folder) = &mut self.folder {
                        folder.generation = agent.machine.generation();
                    }
                }
                Action::Wait(_) => return,
            }
        }
    }

    fn look(&self, now: UnixMicros) -> Snapshot {
        let host = Host {
            host_id: self.host_id.to_owned(),
            agent_id: self
                .folder
                .as_ref()
                .map(|folder| folder.agent_id.to_owned()),
            enterprise_project_id: "0".to_owned(),
            ..Host::default()
        };
        let open_ports = self.ports.iter().map(|port| {
            OpenPort::new(
                Transport::Tcp,
                std::net::Ipv4Addr::UNSPECIFIED.into(),
                *port,
            )
        });
        let coverage = Coverage {
            privileged: true,
            ..Coverage::default()
        };
        let observed_at = now.plus_micros(self.clock_off_s * 1_000_000);
        Snapshot::new(
            host,
            observed_at,
            Agent::default(),
            coverage,
            open_ports.collect(),
        )
    }
}
