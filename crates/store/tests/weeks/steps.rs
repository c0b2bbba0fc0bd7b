//! What may happen in simulated weeks.

use std::collections::BTreeMap;

use portolan_census::Choice;
use portolan_wire::open_port::{OpenPort, Transport, canonicalise};
use proptest::prelude::*;

pub(crate) const HOSTS: [&str; 4] = ["a", "b", "c", "d"];
pub(crate) const ENTERPRISE_PROJECTS: [&str; 3] = ["0", "x", "y"];
pub(crate) const HOUR_S: i64 = 3600;

/// One open port of a report, before the containers have their ids.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) udp: bool,
    pub(crate) address: &'static str,
    pub(crate) port: u16,
    /// The name of its container.
    pub(crate) container: Option<&'static str>,
    pub(crate) path: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reports of different hosts in one commit: host, enterprise project, set.
    Reports(BTreeMap<&'static str, (&'static str, Vec<Socket>)>),
    /// Several reports of one host in one commit, of which the counts are written down or not.
    Together(&'static str, Vec<(&'static str, Vec<Socket>)>, bool),
    /// The same set again, by other processes.
    Restarts(&'static str),
    /// A container's next life has another id.
    Replaces(&'static str),
    Retires(&'static str),
    Ignores(&'static str, Choice, bool),
    /// Seconds in which nobody says anything.
    Silence(i64),
    /// The clock goes back by so many seconds.
    ClockBack(i64),
    /// The server stops and starts.
    Restart,
    /// The counts are written down.
    Checkpoint,
    /// All but so many days are dropped.
    Drops(u32),
}

fn socket() -> impl Strategy<Value = Socket> {
    let address = prop_oneof![
        4 => Just("0.0.0.0"),
        2 => Just("::"),
        1 => Just("127.0.0.1"),
        1 => Just("10.1.2.3"),
        1 => Just("203.0.113.9"),
    ];
    let port = prop_oneof![Just(22), Just(53), Just(80), Just(6379), 1u16..12];
    let container = prop_oneof![3 => Just(None), 1 => Just(Some("web")), 1 => Just(Some("cache"))];
    let path = prop_oneof![3 => Just("/usr/bin/a"), 1 => Just("/usr/bin/b")];
    (any::<bool>(), address, port, container, path).prop_map(
        |(udp, address, port, container, path)| Socket {
            udp,
            address,
            port,
            container,
            path,
        },
    )
}

fn host() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&HOSTS[..])
}

fn choice() -> impl Strategy<Value = Choice> {
    let row = prop_oneof![3 => Just((6379, Transport::Tcp)), 1 => Just((22, Transport::Tcp))];
    (row, any::<bool>()).prop_map(|((port, transport), _)| Choice {
        container_asset: None,
        port,
        transport,
    })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let set = || prop::collection::vec(socket(), 0..10);
    let report = || (prop::sample::select(&ENTERPRISE_PROJECTS[..]), set());
    let several = prop::collection::vec(report(), 2..5);
    let step = prop_oneof![
        12 => prop::collection::btree_map(host(), report(), 1..3).prop_map(Step::Reports),
        4 => (host(), several, any::<bool>())
            .prop_map(|(host, reports, counted)| Step::Together(host, reports, counted)),
        3 => host().prop_map(Step::Restarts),
        2 => prop::sample::select(&["web", "cache"][..]).prop_map(Step::Replaces),
        2 => host().prop_map(Step::Retires),
        2 => (host(), choice(), any::<bool>()).prop_map(|(h, c, on)| Step::Ignores(h, c, on)),
        6 => (1..40 * HOUR_S).prop_map(Step::Silence),
        1 => (1..2 * HOUR_S).prop_map(Step::ClockBack),
        1 => Just(Step::Restart),
        2 => Just(Step::Checkpoint),
        1 => (2_u32..12).prop_map(Step::Drops),
    ];
    prop::collection::vec(step, 10..70)
}

/// The set of a report, when the containers' lives are these.
pub(crate) fn open_ports(
    sockets: &[Socket],
    lives: &BTreeMap<&'static str, u32>,
    pid: u32,
) -> Vec<OpenPort> {
    let port = |socket: &Socket| {
        let transport = if socket.udp {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        let container = socket.container.map(|name| {
            let life = lives.get(name).copied().unwrap_or(0);
            (format!("{name}-{life}"), name.to_owned())
        });
        let (id, name) = container.unzip();
        OpenPort {
            netns: id.clone(),
            container_id: id,
            container_name: name,
            path: Some(socket.path.into()),
            pid: Some(pid),
            ..OpenPort::new(transport, socket.address.parse().unwrap(), socket.port)
        }
    };
    let mut ports: Vec<OpenPort> = sockets.iter().map(port).collect();
    canonicalise(&mut ports);
    ports
}
