//! What may happen to a census.

use std::collections::BTreeSet;

use portolan_census::Choice;
use portolan_wire::open_port::{OpenPort, Published, Transport, canonicalise};
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(String, String, Vec<OpenPort>),
    Remove(String),
    Ignore(String, Choice),
    IgnoreNoLonger(String, Choice),
    /// Those become stale, all others fresh.
    Silent(BTreeSet<&'static str>),
}

pub(crate) fn ports() -> impl Strategy<Value = Vec<OpenPort>> {
    // Few values, so that hosts share rows and rows come and go.
    let number = prop_oneof![
        Just(22),
        Just(80),
        Just(8080),
        Just(53),
        Just(6379),
        1u16..30,
        60_000u16..60_040
    ];
    let address = prop_oneof![
        Just("0.0.0.0"),
        Just("::"),
        Just("127.0.0.1"),
        Just("fd00::1"),
        Just("::1"),
        Just("169.254.0.1"),
        Just("100.64.0.1"),
        Just("8.8.8.8"),
    ];
    let published =
        prop_oneof![9 => Just(None), 1 => Just(Some("0.0.0.0")), 1 => Just(Some("8.8.8.8"))];
    let place = prop_oneof![
        3 => Just((None, None)),
        1 => Just((Some("n1"), None)),
        1 => Just((Some("n2"), Some("c2"))),
        1 => Just((Some("n3"), Some("c2"))),
        1 => Just((None, Some("c4"))),
    ];
    let port = (any::<bool>(), address, number, place, published).prop_map(
        |(udp, address, number, (netns, container), published)| {
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let mut port = OpenPort::new(transport, address.parse().unwrap(), number);
            port.netns = netns.map(Into::into);
            port.container_id = container.map(Into::into);
            let addr = published.filter(|_| netns.is_some());
            let published = addr.map(|addr| Published {
                addr: addr.parse().unwrap(),
                port: 8080,
            });
            port.published = published.into_iter().collect();
            port
        },
    );
    prop::collection::vec(port, 0..25).prop_map(|mut ports| {
        canonicalise(&mut ports);
        ports
    })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let host = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")];
    let enterprise_project = prop_oneof![Just("0"), Just("x"), Just("y")];
    let step = prop_oneof![
        5 => (host.clone(), enterprise_project, ports())
            .prop_map(|(h, e, p)| Step::Put(h.into(), e.into(), p)),
        1 => host.clone().prop_map(|h| Step::Remove(h.into())),
        5 => (host.clone(), choice()).prop_map(|(h, c)| Step::Ignore(h.into(), c)),
        2 => prop::collection::btree_set(host.clone(), 0..4).prop_map(Step::Silent),
        2 => (host, choice()).prop_map(|(h, c)| Step::IgnoreNoLonger(h.into(), c)),
    ];
    prop::collection::vec(step, 1..40)
}

/// Mostly of danger that hosts often have, so that rows are ignored by all their assets.
pub(crate) fn choice() -> impl Strategy<Value = Choice> {
    let asset = prop_oneof![3 => Just(None), 1 => Just(Some("n1")), 2 => Just(Some("c2"))];
    let row = prop_oneof![
        4 => Just((6379, Transport::Tcp)),
        1 => (1u16..30).prop_map(|port| (port, Transport::Tcp)),
        1 => Just((19, Transport::Udp)),
        1 => Just((22, Transport::Tcp)),
    ];
    (asset, row).prop_map(|(asset, (port, transport))| Choice {
        container_asset: asset.map(Into::into),
        port,
        transport,
    })
}
