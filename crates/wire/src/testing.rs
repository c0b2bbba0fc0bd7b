//! Random reports and heartbeats for property tests, here and in the crates that take them in.
//!
//! Holds: every value is one that [`crate::report::parse()`] accepts and already in canonical form, so
//! it reads back equal. Few distinct namespaces, addresses and ports, so that sets of one host overlap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::caps;
use crate::digest::Digest;
use crate::heartbeat::Heartbeat;
use crate::open_port::{OpenPort, Published, Transport, canonicalise};
use crate::report::{Agent, Coverage, Host, Report, Transient};
use crate::time::UnixMicros;

/// The clock that generated reports are accepted by: 2026-11-24T02:13:00Z.
pub const NOW: UnixMicros = UnixMicros::from_seconds(1_795_486_380);

/// Any report, of up to `ports_max` open ports.
pub fn report(ports_max: usize) -> impl Strategy<Value = Report> {
    let pair = (
        0..=caps::GENERATION_AHEAD_S_MAX + NOW.seconds().unsigned_abs(),
        count(),
    );
    let told = (
        moment(),
        option::of(interval()),
        option::of(agent()),
        coverage(),
    );
    let lists = (open_ports(ports_max), vec(transient(), 0..4), count());
    (host(), pair, told, lists).prop_map(|(host, pair, told, lists)| {
        let (generation, sequence) = pair;
        let (observed_at, heartbeat_interval_s, agent, coverage) = told;
        let (open_ports, transients, transients_lost) = lists;
        Report {
            host,
            generation,
            sequence,
            observed_at,
            heartbeat_interval_s,
            agent,
            coverage,
            open_ports,
            transients,
            transients_lost,
        }
    })
}

/// Any set of up to `ports_max` open ports, in canonical form.
pub fn open_ports(ports_max: usize) -> impl Strategy<Value = Vec<OpenPort>> {
    vec(open_port(), 0..=ports_max).prop_map(|mut ports| {
        canonicalise(&mut ports);
        ports
    })
}

/// Any open port.
pub fn open_port() -> impl Strategy<Value = OpenPort> {
    let identity = (transport(), address(), port(), option::of(namespace()));
    let owner = (
        option::of(pid()),
        option::of(path()),
        some_text(),
        some_text(),
        some_text(),
    );
    let socket = (option::of(any::<bool>()), some_text(), option::of(moment()));
    let deleted = option::of(any::<bool>());
    let container = (
        option::of(namespace()),
        option::of(path()),
        some_text(),
        some_text(),
    );
    let rest = (some_text(), vec(published(), 0..3));
    (identity, owner, socket, deleted, container, rest).prop_map(
        |(identity, owner, socket, deleted, container, rest)| {
            let (transport, laddr, port, netns) = identity;
            let (pid, path, user, unit, cmdline) = owner;
            let (v6only, ifname, started_at) = socket;
            let (container_id, container_name, container_image, pod_name) = container;
            let (pod_namespace, published) = rest;
            OpenPort {
                transport,
                laddr,
                port,
                netns,
                v6only,
                pid,
                path,
                user,
                unit,
                ifname,
                cmdline,
                started_at,
                deleted,
                container_id,
                container_name,
                container_image,
                pod_name,
                pod_namespace,
                published,
            }
        },
    )
}

/// Any heartbeat.
pub fn heartbeat() -> impl Strategy<Value = Heartbeat> {
    (host_id(), count(), count(), any::<[u8; 16]>()).prop_map(
        |(host_id, generation, sequence, digest)| Heartbeat {
            host_id,
            generation,
            sequence,
            digest: Digest(digest),
        },
    )
}

/// Any host, of a few enterprise projects.
pub fn host() -> impl Strategy<Value = Host> {
    let agent_id = option::of(text(0, caps::AGENT_ID_CHARS_MAX));
    let addresses = vec(address().prop_map(|address| address.to_string()), 0..3);
    let project = select(vec!["0", "ep-1", "ep-2"]).prop_map(str::to_owned);
    let names = (
        some_text(),
        some_text(),
        some_text(),
        some_text(),
        some_text(),
    );
    (host_id(), names, addresses, agent_id, project).prop_map(
        |(host_id, names, host_ips, agent_id, enterprise_project_id)| {
            let (host_name, host_ip, os_type, os_name, kernel_version) = names;
            Host {
                host_id,
                host_name,
                host_ip,
                host_ips,
                agent_id,
                enterprise_project_id,
                os_type,
                os_name,
                kernel_version,
            }
        },
    )
}

fn agent() -> impl Strategy<Value = Agent> {
    (
        some_text(),
        some_text(),
        option::of(count()),
        option::of(count()),
    )
        .prop_map(|(version, mode, cpu_ms, rss_bytes)| Agent {
            version,
            mode,
            cpu_ms,
            rss_bytes,
            ephemeral_udp: None,
        })
}

fn coverage() -> impl Strategy<Value = Coverage> {
    let some_count = || option::of(count());
    (
        any::<bool>(),
        some_count(),
        some_count(),
        some_count(),
        some_count(),
    )
        .prop_map(
            |(privileged, namespaces, namespaces_skipped, sockets_unattributed, events_lost)| {
                Coverage {
                    privileged,
                    namespaces,
                    namespaces_skipped,
                    sockets_unattributed,
                    events_lost,
                }
            },
        )
}

fn transient() -> impl Strategy<Value = Transient> {
    let identity = (transport(), address(), port(), option::of(namespace()));
    let owner = (
        option::of(pid()),
        option::of(path()),
        option::of(namespace()),
        option::of(path()),
    );
    let life = (option::of(moment()), option::of(moment()));
    (identity, owner, life).prop_map(|(identity, owner, life)| {
        let (transport, laddr, port, netns) = identity;
        let (pid, path, container_id, container_name) = owner;
        let (opened_at, closed_at) = life;
        Transient {
            transport,
            laddr,
            port,
            netns,
            pid,
            path,
            container_id,
            container_name,
            opened_at,
            closed_at,
        }
    })
}

fn published() -> impl Strategy<Value = Published> {
    (address(), port()).prop_map(|(addr, port)| Published { addr, port })
}

fn transport() -> impl Strategy<Value = Transport> {
    select(vec![Transport::Tcp, Transport::Udp])
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        Just(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Just(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        Just(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        any::<Ipv4Addr>().prop_map(IpAddr::V4),
        any::<Ipv6Addr>().prop_map(|address| IpAddr::V6(address).to_canonical()),
    ]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![3 => 1_u16..=8, 1 => 1..=u16::MAX]
}

fn pid() -> impl Strategy<Value = u32> {
    prop_oneof![1_u32..=4, 1..=caps::PID_MAX]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..=9, 0..=caps::PAIR_MAX]
}

fn interval() -> impl Strategy<Value = u32> {
    caps::HEARTBEAT_INTERVAL_S_MIN..=caps::HEARTBEAT_INTERVAL_S_MAX
}

/// Moments of the years 0000 to 9998, which RFC 3339 can write.
fn moment() -> impl Strategy<Value = UnixMicros> {
    (-62_167_219_200_i64..253_370_764_800, 0_i64..1_000_000)
        .prop_map(|(seconds, micros)| UnixMicros::from_seconds(seconds).plus_micros(micros))
}

fn host_id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._:-]{1,64}"
}

fn namespace() -> impl Strategy<Value = String> {
    prop_oneof![3 => select(vec!["n1", "n2"]).prop_map(str::to_owned), 1 => text(1, caps::NETNS_CHARS_MAX)]
}

/// Paths and container names: in canonical form an empty one is absent.
fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["/usr/sbin/sshd", "/usr/bin/redis-server"]).prop_map(str::to_owned),
        text(1, 32),
    ]
}

fn some_text() -> impl Strategy<Value = Option<String>> {
    option::of(text(0, 16))
}

fn text(min: usize, max: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), min..=max).prop_map(|chars| {
        chars
            .into_iter()
            .map(|c| if c == '\0' { ' ' } else { c })
            .collect()
    })
}
