//! What the kernel tells by itself, on the running kernel: where it refuses, these tests fail.

mod holders;
mod kinds;
mod owners;
mod refused;
mod ring;
mod short_lived;

use std::collections::BTreeMap;

use portolan_sockets::{Event, EventKind, Watch};

use crate::scene::{eventually, netns_inode};

/// A watch, and what it told of one network namespace: the machine has others.
struct Heard {
    watch: Watch,
    netns: u64,
    events: Vec<Event>,
}

impl Heard {
    /// Attaches, for the namespace of this thread.
    fn here() -> Self {
        Self::of(netns_inode("thread-self"))
    }

    fn of(netns: u64) -> Self {
        let watch = Watch::attach().unwrap();
        Self {
            watch,
            netns,
            events: Vec::new(),
        }
    }

    /// Takes in what waits; nothing may have been lost.
    fn gather(&mut self) {
        let (netns, events) = (self.netns, &mut self.events);
        let lost = self.watch.drain(|event| {
            if event.netns == netns {
                events.push(event);
            }
        });
        assert_eq!(lost, 0);
    }

    /// Gathers until so many events of a kind are there.
    #[track_caller]
    fn wait_for(&mut self, kind: EventKind, count: usize) {
        eventually("the events come", || {
            self.gather();
            self.of_kind(kind).len() >= count
        });
    }

    fn of_kind(&self, kind: EventKind) -> Vec<&Event> {
        self.events
            .iter()
            .filter(|event| event.kind == kind)
            .collect()
    }

    /// The events so far as (kind, port), in their order.
    fn told(&self) -> Vec<(EventKind, u16)> {
        self.events
            .iter()
            .map(|event| (event.kind, event.port))
            .collect()
    }

    /// Asserts that each opened socket was closed, that there were so many, on ports from `first`
    /// on in their order, and that no socket was told twice. Gives the openings.
    #[track_caller]
    fn pairs(&self, count: u16, first: u16) -> Vec<&Event> {
        let opened = self.of_kind(EventKind::Opened);
        let closed = self.of_kind(EventKind::Closed);
        assert!(
            opened.iter().map(|it| it.port).eq(first..first + count),
            "{:?}",
            self.told()
        );
        let by_cookie: BTreeMap<u64, &Event> = closed.iter().map(|it| (it.cookie, *it)).collect();
        assert_eq!(
            (by_cookie.len(), closed.len()),
            (usize::from(count), usize::from(count))
        );
        for open in &opened {
            let close = by_cookie[&open.cookie];
            assert_eq!((close.port, close.transport), (open.port, open.transport));
            assert!(close.at_ns > open.at_ns, "{open:?} {close:?}");
        }
        assert!(self.of_kind(EventKind::Undone).is_empty());
        opened
    }
}
