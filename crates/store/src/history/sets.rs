//! How one set of open ports differs from another.
//!
//! Both come in their order, so that one walk along both finds it. Holds: what stays open keeps the
//! moment since when it is open, whoever holds it now.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::net::IpAddr;

use super::detail::PortDelta;
use crate::snapshot::form::StoredPort;

/// The moment of what opens with the commit that is made of it: known to the committer only.
pub(crate) const NOW: i64 = i64::MIN;

/// What differs, and since when each port of the new set is open.
#[derive(Debug, Default)]
pub(crate) struct SetDelta<'a> {
    pub(crate) ports: Vec<PortDelta<'a>>,
    pub(crate) first_seen: Vec<i64>,
}

/// The way from an old set, whose ports are open since `first_seen`, to a new one.
pub(crate) fn delta<'a>(
    old: Vec<StoredPort<'a>>,
    first_seen: &[i64],
    new: Vec<StoredPort<'a>>,
) -> SetDelta<'a> {
    let mut found = SetDelta {
        ports: Vec::new(),
        first_seen: Vec::with_capacity(new.len()),
    };
    let (mut closed, mut opened) = (Vec::new(), Vec::new());
    let since = first_seen.iter().copied().chain(std::iter::repeat(NOW));
    let mut old = old.into_iter().zip(since).peekable();
    let mut new = new.into_iter().peekable();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((was, _)), Some(is)) => was.identity().cmp(&is.identity()),
        };
        let was = if order.is_le() { old.next() } else { None };
        let is = if order.is_ge() { new.next() } else { None };
        match (was, is) {
            (Some((was, since)), Some(is)) => {
                found.first_seen.push(since);
                if was != is {
                    found.ports.push(changed(was, is));
                }
            }
            (Some((was, since)), None) => closed.push((was, since)),
            (None, Some(is)) => {
                opened.push((found.first_seen.len(), is));
                found.first_seen.push(NOW);
            }
            (None, None) => {}
        }
    }
    found.pair_twins(closed, opened);
    found.ports.sort_by(|a, b| a.identity().cmp(&b.identity()));
    found
}

fn changed<'a>(before: StoredPort<'a>, after: StoredPort<'a>) -> PortDelta<'a> {
    let after = (before.path != after.path).then_some(after);
    PortDelta::Changed { before, after }
}

impl<'a> SetDelta<'a> {
    /// Of what closed and what opened, takes together what is a container and its twin.
    fn pair_twins(
        &mut self,
        closed: Vec<(StoredPort<'a>, i64)>,
        opened: Vec<(usize, StoredPort<'a>)>,
    ) {
        let mut left: Vec<_> = closed.into_iter().map(Some).collect();
        let mut opened: Vec<_> = opened.into_iter().map(Some).collect();
        // The same address first: of several of a container the nearest is its twin.
        for exact in [true, false] {
            let mut places = HashMap::<Service<'a>, Vec<usize>>::new();
            // From behind, so that the first is taken first.
            for (place, was) in left.iter().enumerate().rev() {
                let service = was.as_ref().and_then(|(was, _)| Service::of(was, exact));
                if let Some(service) = service {
                    places.entry(service).or_default().push(place);
                }
            }
            if places.is_empty() {
                continue;
            }
            for slot in &mut opened {
                let service = slot.as_ref().and_then(|(_, is)| Service::of(is, exact));
                let places = service.and_then(|service| places.get_mut(&service));
                let was = places
                    .and_then(Vec::pop)
                    .and_then(|place| left.get_mut(place));
                let Some(was) = was.filter(|was| in_another_namespace(was.as_ref(), slot.as_ref()))
                else {
                    continue;
                };
                if let (Some((before, since)), Some((place, after))) = (was.take(), slot.take()) {
                    if let Some(first_seen) = self.first_seen.get_mut(place) {
                        *first_seen = since;
                    }
                    self.ports.push(PortDelta::Twin { before, after });
                }
            }
        }
        let closed = left.into_iter().flatten();
        self.ports
            .extend(closed.map(|(was, since)| PortDelta::Closed(was, since)));
        let opened = opened.into_iter().flatten();
        self.ports
            .extend(opened.map(|(_, is)| PortDelta::Opened(is)));
    }
}

/// What a container offers, whichever container it is.
#[derive(PartialEq, Eq, Hash)]
struct Service<'a> {
    container_name: &'a str,
    pod_namespace: Option<&'a str>,
    udp: bool,
    port: u16,
    address: Address,
}

#[derive(PartialEq, Eq, Hash)]
enum Address {
    Exactly(IpAddr),
    /// The container's own, which each gets anew: only its family is the same.
    Own {
        v6: bool,
    },
}

fn in_another_namespace(
    was: Option<&(StoredPort<'_>, i64)>,
    is: Option<&(usize, StoredPort<'_>)>,
) -> bool {
    was.zip(is)
        .is_some_and(|((was, _), (_, is))| was.netns != is.netns)
}

impl<'a> Service<'a> {
    fn of(port: &StoredPort<'a>, exact: bool) -> Option<Self> {
        port.netns?;
        let container_name = port.container_name.filter(|name| !name.is_empty())?;
        let is_own = !port.laddr.is_loopback() && !port.laddr.is_unspecified();
        Some(Self {
            container_name,
            pod_namespace: port.pod_namespace,
            udp: port.udp,
            port: port.port,
            address: if exact || !is_own {
                Address::Exactly(port.laddr)
            } else {
                Address::Own {
                    v6: port.laddr.is_ipv6(),
                }
            },
        })
    }
}
