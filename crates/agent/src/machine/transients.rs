//! Open ports that came and went between two reports, until the server has them.
//!
//! Two sources: events tell of ports that no look held, and comparing looks finds those that a look
//! held but no report carried. Holds: memory is bounded however long the server is away; each is
//! handed out once, and again only when given back. Limit: [`TRANSIENTS_MAX`] wait; when there is no
//! place what came first stays, so that a flood cannot wash away what it follows, and the rest is
//! counted.

use std::collections::{BTreeMap, VecDeque};

use portolan_wire::caps::TRANSIENTS_MAX;
use portolan_wire::open_port::OpenPort;
use portolan_wire::report::Transient;
use portolan_wire::time::UnixMicros;

use crate::snapshot::holds;
use crate::withhold::Identity;

/// Transients of one report, and how many there were beyond them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Carried {
    pub(super) transients: Vec<Transient>,
    pub(super) lost: u64,
}

impl Carried {
    pub(super) fn is_empty(&self) -> bool {
        self.transients.is_empty() && self.lost == 0
    }
}

/// Those that no report carries yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    transients: VecDeque<Transient>,
    lost: u64,
    /// When the ports of the newest look that the server may not have were first seen. No entry for
    /// one that was there before the agent.
    appeared: BTreeMap<Identity, UnixMicros>,
}

impl Waiting {
    pub(super) fn add(&mut self, transient: Transient) {
        if self.transients.len() < TRANSIENTS_MAX {
            self.transients.push_back(transient);
        } else {
            self.lose(1);
        }
    }

    /// Counts some of which no more than that is known.
    pub(super) fn lose(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(count);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.transients.is_empty() && self.lost == 0
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.transients.len() >= TRANSIENTS_MAX / 2
    }

    /// All that waits, for a report.
    pub(super) fn take(&mut self) -> Carried {
        Carried {
            transients: std::mem::take(&mut self.transients).into(),
            lost: std::mem::take(&mut self.lost),
        }
    }

    /// What was taken and did not reach the server: it was there before all that waits.
    pub(super) fn give_back(&mut self, carried: Carried) {
        let newer = std::mem::replace(&mut self.transients, carried.transients.into());
        newer.into_iter().for_each(|transient| self.add(transient));
        self.lose(carried.lost);
    }

    /// Compares two looks, both in canonical form, and returns the ports that are gone.
    pub(super) fn gone(
        &mut self,
        before: &[OpenPort],
        after: &[OpenPort],
        at: UnixMicros,
    ) -> Vec<(OpenPort, Transient)> {
        let is_in = |ports: &[OpenPort], port: &OpenPort| holds(ports, port.identity());
        for port in after.iter().filter(|port| !is_in(before, port)) {
            self.appeared.insert(Identity::of(port), at);
        }
        let gone = before.iter().filter(|port| !is_in(after, port));
        gone.map(|port| {
            let opened_at = self.appeared.remove(&Identity::of(port));
            (port.clone(), transient(port, opened_at, at))
        })
        .collect()
    }

    /// The server has these ports, so their closing will be seen there.
    pub(super) fn told(&mut self, ports: &[OpenPort]) {
        for port in ports {
            self.appeared.remove(&Identity::of(port));
        }
    }
}

fn transient(port: &OpenPort, opened_at: Option<UnixMicros>, closed_at: UnixMicros) -> Transient {
    Transient {
        transport: port.transport,
        laddr: port.laddr,
        port: port.port,
        netns: port.netns.clone(),
        pid: port.pid,
        path: port.path.clone(),
        container_id: port.container_id.clone(),
        container_name: port.container_name.clone(),
        opened_at,
        closed_at: Some(closed_at),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use portolan_wire::open_port::Transport;

    use super::*;

    fn numbered(port: u16) -> Transient {
        let port = OpenPort::new(Transport::Tcp, Ipv4Addr::LOCALHOST.into(), port);
        transient(&port, None, UnixMicros(0))
    }

    fn ports(carried: &Carried) -> Vec<u16> {
        carried.transients.iter().map(|held| held.port).collect()
    }

    #[test]
    fn what_came_first_stays_and_the_rest_is_counted() {
        let mut waiting = Waiting::default();
        let max = u16::try_from(TRANSIENTS_MAX).unwrap();
        (1..=max + 3).for_each(|port| waiting.add(numbered(port)));
        let carried = waiting.take();
        assert_eq!(carried.lost, 3);
        assert_eq!(ports(&carried), (1..=max).collect::<Vec<_>>());
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_is_given_back_comes_before_what_came_meanwhile() {
        let mut waiting = Waiting::default();
        let max = u16::try_from(TRANSIENTS_MAX).unwrap();
        (1..max).for_each(|port| waiting.add(numbered(port)));
        waiting.lose(5);
        let carried = waiting.take();
        waiting.add(numbered(max));
        waiting.add(numbered(max + 1));
        waiting.give_back(carried);
        let carried = waiting.take();
        assert_eq!(ports(&carried), (1..=max).collect::<Vec<_>>());
        assert_eq!(carried.lost, 6);
    }
}
