//! Makes a report of a plan: ids, names, paths and addresses as text.
//!
//! Holds: every string is within its cap, and a host's facts are the same in all its reports.
//! Limit: hosts 0 to 16,777,214 have addresses of their own in 10.0.0.0/8.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portolan_wire::open_port::{OpenPort, Published};
use portolan_wire::report::{Agent, Coverage, Host, Report};

use super::Fleet;
use super::catalogue::Image;
use super::day::STEP_S;
use super::draws::{Draws, Purpose};
use super::plan::{Container, ContainerKind, Plan};
use super::sockets::{Address, Socket};

/// The generation of every report: of 2023, so that no clock finds it ahead.
const GENERATION: u64 = 1_700_000_000;
const SYSTEMS: [(&str, &str); 6] = [
    ("Debian 12", "6.1.0-28-amd64"),
    ("Ubuntu 24.04", "6.8.0-49-generic"),
    ("Ubuntu 22.04", "5.15.0-126-generic"),
    ("Rocky Linux 9.4", "5.14.0-427.el9.x86_64"),
    ("EulerOS 2.0 (SP12)", "5.10.0-136.h2208.eulerosv2r12.x86_64"),
    ("Alpine 3.20", "6.6.56-0-virt"),
];
const ROLES: [&str; 8] = [
    "web", "db", "app", "cache", "edge", "batch", "mail", "build",
];

/// The report of `host` at `step`, whose open ports are `plan`'s.
pub(super) fn report(fleet: &Fleet, host: u32, step: u32, plan: &Plan) -> Report {
    let own = OwnAddresses::of(host);
    let containers: Vec<Names> = plan
        .containers
        .iter()
        .map(|container| Names::of(container, plan.kind, host))
        .collect();
    let mut unattributed = 0;
    let open_ports = plan.sockets.iter().map(|socket| {
        let mut port = OpenPort::new(socket.transport, own.address(socket.address), socket.port);
        port.v6only = port.laddr.is_ipv6().then_some(!socket.dual);
        match socket
            .netns
            .checked_sub(1)
            .and_then(|n| containers.get(usize::from(n)))
        {
            Some(names) => names.describe(&mut port, socket.pid),
            None => describe(fleet, &mut port, socket),
        }
        if !plan.privileged && port.user.as_deref() != Some("app") {
            (port.pid, port.path, port.unit) = (None, None, None);
            unattributed += 1;
        }
        port
    });
    let open_ports = open_ports.collect();
    let sequence = u64::from(step) + 1;
    Report {
        host: host_facts(fleet, host, &own),
        generation: GENERATION,
        sequence,
        observed_at: fleet
            .options
            .started_at
            .plus_micros(i64::from(step) * i64::from(STEP_S) * 1_000_000),
        heartbeat_interval_s: Some(30),
        agent: Some(Agent {
            version: Some("0.1.0".to_owned()),
            mode: Some("poll".to_owned()),
            cpu_ms: Some(12 + 30 * u64::from(step)),
            rss_bytes: Some(6 << 20),
            ephemeral_udp: None,
        }),
        coverage: Coverage {
            privileged: plan.privileged,
            namespaces: Some(1 + plan.containers.len() as u64),
            namespaces_skipped: Some(0),
            sockets_unattributed: Some(unattributed),
            events_lost: Some(0),
        },
        open_ports,
        transients: Vec::new(),
        transients_lost: 0,
    }
}

/// The id of a host: 32 hex digits.
pub(super) fn host_id(seed: u64, host: u32) -> String {
    let mut draws = Draws::new(seed, host, Purpose::HostId, 0);
    format!("{:016x}{:016x}", draws.next(), draws.next())
}

fn host_facts(fleet: &Fleet, host: u32, own: &OwnAddresses) -> Host {
    let mut draws = Draws::new(fleet.options.seed, host, Purpose::Facts, 0);
    let enterprise_project = fleet.enterprise_project_sizes.pick(&mut draws);
    let role = draws.one_of(&ROLES).copied().unwrap_or("host");
    let (os_name, kernel) = draws.one_of(&SYSTEMS).copied().unwrap_or_default();
    Host {
        host_id: host_id(fleet.options.seed, host),
        host_name: Some(format!("{role}-{host:07}")),
        host_ip: Some(own.v4.to_string()),
        host_ips: vec![own.v4.to_string(), own.v6.to_string()],
        agent_id: Some(format!("{:016x}", draws.next())),
        enterprise_project_id: fleet
            .enterprise_projects
            .get(enterprise_project)
            .cloned()
            .unwrap_or_default(),
        os_type: Some("Linux".to_owned()),
        os_name: Some(os_name.to_owned()),
        kernel_version: Some(kernel.to_owned()),
    }
}

/// The attributes of a port in the host's own network namespace.
fn describe(fleet: &Fleet, port: &mut OpenPort, socket: &Socket) {
    port.pid = Some(socket.pid);
    if let Some(program) = fleet.catalogue.programs.get(usize::from(socket.program)) {
        port.path = Some(program.path.clone());
        port.user = Some(program.user.to_owned());
        port.unit = program.unit.map(str::to_owned);
    }
}

/// What a host's sockets bind.
struct OwnAddresses {
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl OwnAddresses {
    fn of(host: u32) -> Self {
        let [_, b, c, d] = (host + 1).to_be_bytes();
        let [high, low] = [u16::from(b), u16::from_be_bytes([c, d])];
        Self {
            v4: Ipv4Addr::new(10, b, c, d),
            v6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, high, low),
        }
    }

    fn address(&self, address: Address) -> IpAddr {
        match address {
            Address::AnyV4 => Ipv4Addr::UNSPECIFIED.into(),
            Address::OwnV4 => self.v4.into(),
            Address::LoopbackV4 => Ipv4Addr::LOCALHOST.into(),
            Address::Resolver => Ipv4Addr::new(127, 0, 0, 53).into(),
            Address::AnyV6 => Ipv6Addr::UNSPECIFIED.into(),
            Address::LoopbackV6 => Ipv6Addr::LOCALHOST.into(),
            Address::OwnV6 => self.v6.into(),
        }
    }
}

/// The names of one container of a host.
struct Names {
    netns: String,
    container_id: Option<String>,
    container_name: String,
    pod_name: Option<String>,
    kind: ContainerKind,
    image: &'static Image,
    /// The host's address on which its ports are published.
    published: Option<Ipv4Addr>,
}

/// Of ten containers of Docker, four are published on every address of their host, and one on its
/// loopback alone. By the id, so that nothing else of a fleet depends on it.
fn published(kind: ContainerKind, id: u64) -> Option<Ipv4Addr> {
    match (kind, id % 10) {
        (ContainerKind::Docker, 0..4) => Some(Ipv4Addr::UNSPECIFIED),
        (ContainerKind::Docker, 4) => Some(Ipv4Addr::LOCALHOST),
        _ => None,
    }
}

impl Names {
    fn of(container: &Container, kind: ContainerKind, host: u32) -> Self {
        let image = container.image;
        let mut draws = Draws::new(container.id, host, Purpose::Containers, 0);
        let mut rest = || {
            format!(
                "{:016x}{:016x}{:016x}",
                draws.next(),
                draws.next(),
                draws.next()
            )
        };
        let id = container.id;
        let suffix = id & 0xffff;
        let (netns, container_id) = match kind {
            ContainerKind::Docker => {
                let id = format!("{id:016x}{}", rest());
                (id.clone(), Some(id))
            }
            ContainerKind::Pod => (
                format!("{id:016x}{}", rest()),
                Some(format!("{id:016x}{}", rest())),
            ),
            ContainerKind::Named => (format!("qrouter-{id:016x}"), None),
        };
        Self {
            netns,
            container_id,
            container_name: format!("{}-{suffix:04x}", image.name),
            pod_name: (kind == ContainerKind::Pod).then(|| format!("{}-{suffix:04x}", image.name)),
            kind,
            image,
            published: published(kind, id),
        }
    }

    fn describe(&self, port: &mut OpenPort, pid: u32) {
        port.netns = Some(self.netns.clone());
        port.pid = Some(pid);
        port.path = Some(self.image.path.to_owned());
        port.user = Some(self.image.user.to_owned());
        if self.kind == ContainerKind::Named {
            return;
        }
        let published = self.published.map(|addr| Published {
            addr: addr.into(),
            port: port.port,
        });
        port.published = published.into_iter().collect();
        port.container_id.clone_from(&self.container_id);
        port.container_name = Some(self.container_name.clone());
        port.container_image = Some(self.image.image.to_owned());
        port.pod_name.clone_from(&self.pod_name);
        port.pod_namespace = self.pod_name.as_ref().map(|_| "default".to_owned());
    }
}
