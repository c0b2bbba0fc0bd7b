//! What the collector shows of containers, beside what it should.

use std::collections::BTreeSet;

use portolan_sockets::{Collector, Scan, Socket};
use portolan_wire::open_port::Category;

use super::{Container, holder};
use crate::scene::eventually_equal;
use crate::ss;

/// One open port, as far as the tests of containers tell it beforehand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shown {
    pub(super) netns: Option<String>,
    pub(super) container: Option<String>,
    pub(super) container_name: Option<String>,
    pub(super) image: Option<String>,
    pub(super) pid: Option<u32>,
    pub(super) path: Option<String>,
    /// As ss writes it.
    pub(super) name: String,
    pub(super) holders: u32,
    /// Addresses and ports of the host.
    pub(super) published: Vec<String>,
}

impl Shown {
    /// A port that the first process of a container holds, in the namespace called by `netns`.
    pub(super) fn of(container: &Container, netns: Option<&Container>, name: &str) -> Self {
        Self {
            netns: netns.map(|it| it.id.clone()),
            container: Some(container.id.clone()),
            container_name: container.image.map(|_| container.name.clone()),
            image: container.image.map(str::to_owned),
            pid: Some(container.pid),
            path: Some(holder::PATH.to_owned()),
            name: name.to_owned(),
            holders: 1,
            published: Vec::new(),
        }
    }

    /// The same, published there.
    pub(super) fn published(self, on: &[&str]) -> Self {
        let published = on.iter().map(|it| (*it).to_owned()).collect();
        Self { published, ..self }
    }

    /// The same, in no container.
    pub(super) fn of_nobody(self) -> Self {
        Self {
            container: None,
            container_name: None,
            image: None,
            ..self
        }
    }

    /// The same with more holders.
    pub(super) fn held_by(self, holders: u32) -> Self {
        Self { holders, ..self }
    }

    pub(super) fn by(socket: &Socket) -> Self {
        let port = &socket.port;
        let published = port.published.iter();
        let published = published.map(|it| format!("{} {}", it.addr, it.port));
        Self {
            netns: port.netns.clone(),
            container: port.container_id.clone(),
            container_name: port.container_name.clone(),
            image: port.container_image.clone(),
            pid: port.pid,
            path: port.path.clone(),
            name: ss::name(socket),
            holders: socket.holders,
            published: published.collect(),
        }
    }
}

/// Waits until these are all open ports of the machine. Then `ss` must agree in the host's namespace
/// and in those of the containers.
#[track_caller]
pub(super) fn assert_shows(collector: &mut Collector, expected: &[Shown]) {
    let expected: BTreeSet<Shown> = expected.iter().cloned().collect();
    let mut last = None;
    // A container takes a moment until it listens, and until it is gone.
    eventually_equal(&expected, || {
        let scan = last.insert(collector.scan().unwrap());
        scan.sockets.iter().map(Shown::by).collect()
    });
    let scan = last.unwrap();
    assert_eq!(scan.unseen, [""; 0]);
    for socket in &scan.sockets {
        let in_netns = socket.port.netns.is_some();
        assert_eq!(
            socket.port.category() == Category::Container,
            in_netns,
            "{socket:?}"
        );
    }
    assert_ss_agrees(&scan, &expected);
}

/// Waits until these are all open ports that containers hold themselves.
#[track_caller]
pub(super) fn assert_shows_of_holder(collector: &mut Collector, expected: &[Shown]) {
    let expected: BTreeSet<Shown> = expected.iter().cloned().collect();
    eventually_equal(&expected, || {
        let scan = collector.scan().unwrap();
        let shown = scan.sockets.iter().map(Shown::by);
        shown
            .filter(|it| it.path.as_deref() == Some(holder::PATH))
            .collect()
    });
}

#[track_caller]
fn assert_ss_agrees(scan: &Scan, expected: &BTreeSet<Shown>) {
    ss::assert_same(scan, None, &ss::rows(&[]));
    let inside = |it: &&Shown| it.path.as_deref() == Some(holder::PATH);
    let members: BTreeSet<(&str, u32)> = expected
        .iter()
        .filter(inside)
        .filter_map(|it| Some((it.netns.as_deref()?, it.pid?)))
        .collect();
    for (netns, pid) in members {
        let rows = ss::rows(&["nsenter", "--net", "--target", &pid.to_string()]);
        ss::assert_same(scan, Some(netns), &rows);
    }
}
