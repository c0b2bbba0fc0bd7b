//! Decides what is open on a host: system services, services, ephemeral ports, containers.
//!
//! Holds: a plan depends on the seed, the host and the step alone. Shares and counts stand in the
//! constants; they were set so that a host has about 53 sockets, of which 40 differ in (category,
//! port, type); that 100,000 hosts have about 43,000 distinct (port, type); and that 1,000,000
//! have about 80,000 of category host, so that a page at offset 80,000 exists, and 88,500 in all.

use portolan_wire::open_port::Transport;

use super::catalogue::{Catalogue, EVERYWHERE, IMAGES, Image};
use super::day;
use super::draws::{Draws, Purpose};
use super::sockets::{Binding, Holder, Set, Socket};

/// Fewest services a host tries to run beside the system's, and how many more at most. Popular
/// ones are tried more than once and then count once.
const SERVICES_MIN: u32 = 24;
const SERVICES_MORE: u32 = 24;
/// Share of the hosts with many ephemeral-range ports, in a thousandth; fewest and how many more.
const EPHEMERAL_PER_MILLE: u32 = 50;
const EPHEMERAL_MIN: u32 = 10;
const EPHEMERAL_MORE: u32 = 61;
/// Share of the ephemeral-range ports that are UDP, in a thousandth.
const EPHEMERAL_UDP_PER_MILLE: u32 = 34;
/// net.ipv4.ip_local_port_range of Linux by default: 32768 to 60999.
const EPHEMERAL_FIRST: u32 = 32_768;
const EPHEMERAL_PORTS: u32 = 28_232;
/// Share of the hosts with containers, in a thousandth, and the most containers of one.
const CONTAINERS_PER_MILLE: u32 = 200;
const CONTAINERS_MAX: u32 = 20;
/// Share of the containers with an in-house port beside their image's, in a thousandth.
const CONTAINER_IN_HOUSE_PER_MILLE: u32 = 12;
/// Share of the hosts without containers whose agent runs without privileges, in a thousandth.
const UNPRIVILEGED_PER_MILLE: u32 = 40;
/// The port of a flapping host that opens and closes, unless a service of the host has it already.
const FLAPPING_PORT: u16 = 30_303;

/// What is open on a host.
#[derive(Debug)]
pub(super) struct Plan {
    /// In canonical order.
    pub(super) sockets: Vec<Socket>,
    /// In the order of their ids; sockets name them from 1.
    pub(super) containers: Vec<Container>,
    pub(super) kind: ContainerKind,
    /// Whether the agent sees the owners of all sockets.
    pub(super) privileged: bool,
}

/// How the containers of a host are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContainerKind {
    /// Each container in a namespace of its own id.
    Docker,
    /// Each in the namespace of a pod's sandbox.
    Pod,
    /// Namespaces with names and no containers, as OpenStack's routers have.
    Named,
}

/// A container, or a named network namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Container {
    /// Its id begins with this number in hex, so that ids sort as these do.
    pub(super) id: u64,
    pub(super) image: &'static Image,
}

/// What is open on `host` at `step`.
pub(super) fn plan(catalogue: &Catalogue, seed: u64, host: u32, step: u32) -> Plan {
    let mut set = Set::new();
    everywhere(&mut set, seed, host);
    services(&mut set, catalogue, seed, host, step);
    ephemeral(&mut set, catalogue, seed, host);
    if day::flap(seed, host, step) == Some(true) {
        let (transport, port) = (Transport::Tcp, FLAPPING_PORT);
        // Program 0 is sshd: a forwarded port of a session that comes and goes.
        let forward = Holder {
            netns: 0,
            transport,
            port,
            program: 0,
            pid: 400_000,
        };
        set.open(forward, Binding::LoopbackV4);
    }
    let mut draws = Draws::new(seed, host, Purpose::Containers, 0);
    let containers = containers(&mut draws);
    let kind = match draws.below(20) {
        0 => ContainerKind::Named,
        1..=5 => ContainerKind::Pod,
        _ => ContainerKind::Docker,
    };
    for (netns, container) in (1..).zip(&containers) {
        container_ports(&mut set, catalogue, &mut draws, netns, container);
    }
    let privileged = !containers.is_empty() || !draws.chance(UNPRIVILEGED_PER_MILLE);
    Plan {
        sockets: set.into_sorted(),
        containers,
        kind,
        privileged,
    }
}

fn everywhere(set: &mut Set, seed: u64, host: u32) {
    let mut draws = Draws::new(seed, host, Purpose::Everywhere, 0);
    for (program, service) in (0..).zip(EVERYWHERE) {
        let pid = 300 + draws.below(900);
        if !draws.chance(service.per_mille) {
            continue;
        }
        for transport in service.transports {
            let (port, transport) = (service.port, *transport);
            set.open(
                Holder {
                    netns: 0,
                    transport,
                    port,
                    program,
                    pid,
                },
                service.binding,
            );
        }
    }
}

/// The moving service first, so that no other can take its port and a move always shows.
fn services(set: &mut Set, catalogue: &Catalogue, seed: u64, host: u32, step: u32) {
    let moves = day::moves(seed, host, step);
    let turn = u64::from(moves.moved_at_hour) << 8;
    let mut draws = Draws::new(seed, host, Purpose::Service, turn);
    if let Some(moving) = catalogue.pick_evenly(&mut draws) {
        let program = catalogue.other_program(moving.program, moves.upgrades);
        let (transport, port) = (moving.transport, moving.port);
        let pid = 1_000 + draws.below(60_000) + moves.upgrades;
        set.open(
            Holder {
                netns: 0,
                transport,
                port,
                program,
                pid,
            },
            binding(&mut draws),
        );
    }
    let mut draws = Draws::new(seed, host, Purpose::Service, 1);
    for _ in 0..SERVICES_MIN + draws.below(SERVICES_MORE) {
        let Some(service) = catalogue.pick(&mut draws) else {
            continue;
        };
        let (transport, port, program) = (service.transport, service.port, service.program);
        let pid = 1_000 + draws.below(60_000);
        set.open(
            Holder {
                netns: 0,
                transport,
                port,
                program,
                pid,
            },
            binding(&mut draws),
        );
    }
}

/// Where services bind: 26 of 100 have two sockets.
fn binding(draws: &mut Draws) -> Binding {
    match draws.below(100) {
        0..42 => Binding::AnyV4,
        42..66 => Binding::AnyDual,
        66..87 => Binding::AnyBoth,
        87..91 => Binding::LoopbackV4,
        91..96 => Binding::LoopbackBoth,
        _ => Binding::OwnV4,
    }
}

/// Passive FTP, RMI, brick and callback ports: one program's, on ports that the kernel chose.
fn ephemeral(set: &mut Set, catalogue: &Catalogue, seed: u64, host: u32) {
    let mut draws = Draws::new(seed, host, Purpose::Ephemeral, 0);
    if !draws.chance(EPHEMERAL_PER_MILLE) {
        return;
    }
    let (pid, skipped) = (1_000 + draws.below(60_000), draws.below(300));
    let program = catalogue.other_program(0, skipped);
    for _ in 0..EPHEMERAL_MIN + draws.below(EPHEMERAL_MORE) {
        let port = EPHEMERAL_FIRST + draws.below(EPHEMERAL_PORTS);
        let Ok(port) = u16::try_from(port) else {
            continue;
        };
        let udp = draws.chance(EPHEMERAL_UDP_PER_MILLE);
        let transport = if udp { Transport::Udp } else { Transport::Tcp };
        set.open(
            Holder {
                netns: 0,
                transport,
                port,
                program,
                pid,
            },
            Binding::AnyV4,
        );
    }
}

fn containers(draws: &mut Draws) -> Vec<Container> {
    if !draws.chance(CONTAINERS_PER_MILLE) {
        return Vec::new();
    }
    let mut containers: Vec<Container> = (0..1 + draws.below(CONTAINERS_MAX))
        .filter_map(|_| {
            Some(Container {
                id: draws.next(),
                image: draws.one_of(IMAGES)?,
            })
        })
        .collect();
    containers.sort_unstable_by_key(|container| container.id);
    containers
}

fn container_ports(
    set: &mut Set,
    catalogue: &Catalogue,
    draws: &mut Draws,
    netns: u16,
    container: &Container,
) {
    let pid = 100_000 + draws.below(300_000);
    let binding = if draws.chance(400) {
        Binding::AnyDual
    } else {
        Binding::AnyV4
    };
    for (port, transport) in container.image.ports {
        let (port, transport) = (*port, *transport);
        set.open(
            Holder {
                netns,
                transport,
                port,
                program: 0,
                pid,
            },
            binding,
        );
    }
    if !draws.chance(CONTAINER_IN_HOUSE_PER_MILLE) {
        return;
    }
    if let Some(service) = catalogue.pick_in_house(draws) {
        let (transport, port) = (service.transport, service.port);
        set.open(
            Holder {
                netns,
                transport,
                port,
                program: 0,
                pid,
            },
            binding,
        );
    }
}
