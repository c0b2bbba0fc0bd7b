//! One host as it really is: what an agent may report, and what the census has to show in the end.

use std::net::IpAddr;
use std::time::Duration;

use portolan_agent::{ScanInterval, Snapshot};
use portolan_census::Selection;
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::open_port::{OpenPort, Transport, canonicalise};
use portolan_wire::report::{Agent, Coverage, Host};

use crate::dice::Die;
use crate::timeline::{Micros, wall};

/// Few, so that hosts meet on the same rows and ports come back.
const PORTS: [u16; 7] = [22, 53, 80, 443, 6379, 8080, 9090];
const ADDRESSES: [&str; 5] = ["0.0.0.0", "::", "127.0.0.1", "::ffff:10.0.0.1", "fd00::1"];
const PATHS: [&str; 4] = ["/usr/sbin/sshd", "/usr/bin/redis-server", "/opt/a", ""];
pub(crate) const ENTERPRISE_PROJECTS: [&str; 3] = ["0", "a", "b"];

/// What an agent's state folder holds.
#[derive(Clone, Debug)]
pub(crate) struct StateFolder {
    pub(crate) agent_id: String,
    pub(crate) generation: u64,
}

/// All that is told of a host, in canonical form.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) host: Host,
    pub(crate) coverage: Coverage,
    pub(crate) open_ports: Vec<OpenPort>,
}

/// A host: its machine, its configuration, its state folder, its clock.
pub(crate) struct RealHost {
    pub(crate) key: HostKey,
    pub(crate) enterprise_project: EnterpriseProjectId,
    /// What its credential may speak for.
    pub(crate) granted: Selection,
    pub(crate) folder: Option<StateFolder>,
    pub(crate) clock_offset_s: i64,
    pub(crate) interval: ScanInterval,
    /// What a look costs.
    pub(crate) look_cpu: Duration,
    /// Until then looks fail.
    pub(crate) blind_until: Micros,
    /// Until then nothing reaches the server.
    pub(crate) cut_off_until: Micros,
    open_ports: Vec<OpenPort>,
    privileged: bool,
    pids: u32,
}

impl RealHost {
    pub(crate) fn new(key: HostKey, clock_offset_s: i64, die: &mut Die) -> Self {
        let enterprise_project = EnterpriseProjectId::from(die.one_of(&ENTERPRISE_PROJECTS));
        let interval = match die.below(3) {
            0 => ScanInterval::Auto,
            _ => ScanInterval::Fixed(Duration::from_millis(die.from(1_500..=8_000))),
        };
        let granted = if die.chance(700) {
            Selection::Whole
        } else {
            Selection::of([enterprise_project.clone()])
        };
        let mut host = Self {
            key,
            enterprise_project,
            granted,
            folder: None,
            clock_offset_s,
            interval,
            look_cpu: Duration::from_millis(die.from(15..=60)),
            blind_until: 0,
            cut_off_until: 0,
            open_ports: Vec::new(),
            privileged: true,
            pids: 100,
        };
        for _ in 0..die.below(5) {
            host.open(die);
        }
        host
    }

    /// Another machine with the same id, and programs of its own.
    pub(crate) fn clone_of(original: &Self, die: &mut Die) -> Self {
        let mut clone = Self::new(original.key.clone(), original.clock_offset_s, die);
        clone.enterprise_project = original.enterprise_project.clone();
        clone.granted = original.granted.clone();
        // A row that the original cannot have tells the two apart.
        let port = OpenPort::new(Transport::Tcp, IpAddr::from([0, 0, 0, 0]), 10_000);
        clone.open_ports.push(port);
        clone
    }

    /// What the agent sees at `now`.
    pub(crate) fn look(&self, now: Micros) -> Snapshot {
        let Truth {
            host,
            coverage,
            open_ports,
        } = self.truth();
        let observed_at = wall(now, self.clock_offset_s);
        Snapshot::new(host, observed_at, Agent::default(), coverage, open_ports)
    }

    /// The host as it is.
    pub(crate) fn truth(&self) -> Truth {
        let agent_id = self.folder.as_ref().map(|folder| folder.agent_id.clone());
        let host = Host {
            host_id: self.key.host.to_string(),
            host_name: Some(format!("name-of-{}", self.key.host)),
            agent_id,
            enterprise_project_id: self.enterprise_project.to_string(),
            os_type: Some("Linux".to_owned()),
            ..Host::default()
        };
        let coverage = Coverage {
            privileged: self.privileged,
            ..Coverage::default()
        };
        let mut open_ports = self.open_ports.clone();
        canonicalise(&mut open_ports);
        Truth {
            host,
            coverage,
            open_ports,
        }
    }

    /// Something changes; says what.
    pub(crate) fn change(&mut self, die: &mut Die) -> &'static str {
        match die.below(11) {
            0..=3 => {
                self.open(die);
                "opens a port"
            }
            4..=6 => {
                if !self.open_ports.is_empty() {
                    self.open_ports
                        .swap_remove(die.below(self.open_ports.len()));
                }
                "closes a port"
            }
            7 => {
                self.pids += 1;
                let pid = self.pids;
                self.open_ports
                    .iter_mut()
                    .for_each(|port| port.pid = Some(pid));
                "restarts its programs"
            }
            8 => {
                self.open_ports.retain(|port| port.netns.is_none());
                "stops its containers"
            }
            9 => {
                for port in &mut self.open_ports {
                    port.netns = port.netns.take().map(|netns| format!("{netns}+"));
                }
                "replaces its containers by twins"
            }
            _ => {
                self.privileged = !self.privileged;
                "sees more or less"
            }
        }
    }

    /// Opens a port that was never open before.
    pub(crate) fn open_one_more(&mut self) {
        let port = OpenPort::new(Transport::Tcp, IpAddr::from([0, 0, 0, 0]), 20_000);
        self.open_ports.push(port);
    }

    /// Opens a port; it may be a twin of an open one, as with `SO_REUSEPORT`.
    fn open(&mut self, die: &mut Die) {
        self.pids += 1;
        let transport = die.one_of(&[Transport::Tcp, Transport::Udp]);
        let address = die.one_of(&ADDRESSES).parse().unwrap();
        let mut port = OpenPort::new(transport, address, die.one_of(&PORTS));
        port.pid = die.chance(800).then_some(self.pids);
        port.path = Some(die.one_of(&PATHS).to_owned());
        // Containers of one pod share a namespace; one on the host's network has none.
        port.container_id = die
            .one_of(&[None, None, Some("c1"), Some("c2")])
            .map(str::to_owned);
        port.netns = die
            .one_of(&[None, None, Some("n1"), Some("n2")])
            .map(str::to_owned);
        port.container_name = port.container_id.as_ref().map(|id| format!("name-of-{id}"));
        self.open_ports.push(port);
    }
}
