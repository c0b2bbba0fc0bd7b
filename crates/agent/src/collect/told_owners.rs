//! Owners that only an event told: of a socket that was closed, or whose process ended, while its owner
//! was sought.
//!
//! Holds: an owner that a look finds is never replaced; one that was told stays with its socket, so
//! that a port does not change its owner because the next look finds none.
//! Limit: [`OPENED_MAX`] openings between two looks.

use std::collections::HashMap;

use portolan_sockets::{Event, EventKind, Scan, Socket};

use super::moments::is_tellable;

/// Most openings that are remembered for the next look.
const OPENED_MAX: usize = 4_096;

/// A process and its program.
type Owner = (u32, Option<String>);

/// By cookie.
#[derive(Debug, Default)]
pub(crate) struct ToldOwners {
    /// Of what opened since the last look.
    opened: HashMap<u64, Owner>,
    /// Of sockets for which the last look found none.
    kept: HashMap<u64, Owner>,
}

impl ToldOwners {
    /// Remembers who opens.
    pub(crate) fn note(&mut self, event: &Event) {
        let is_owned = event.kind == EventKind::Opened && event.pid != 0;
        if is_owned && self.opened.len() < OPENED_MAX {
            let path = event.path.clone().filter(|path| is_tellable(path));
            self.opened.insert(event.cookie, (event.pid, path));
        }
    }

    /// Gives sockets without an owner the one that their opening told, and counts again how many have
    /// none.
    pub(crate) fn fill(&mut self, scan: &mut Scan) {
        let mut opened = std::mem::take(&mut self.opened);
        let mut before = std::mem::take(&mut self.kept);
        for socket in &mut scan.sockets {
            let Some(cookie) = socket.cookie.filter(|_| socket.port.pid.is_none()) else {
                continue;
            };
            if let Some(owner) = before.remove(&cookie).or_else(|| opened.remove(&cookie)) {
                give(socket, owner.clone());
                self.kept.insert(cookie, owner);
            }
        }
        let without = scan.sockets.iter().filter(|it| it.port.pid.is_none());
        scan.coverage.sockets_unattributed = Some(without.count() as u64);
    }
}

fn give(socket: &mut Socket, (pid, path): Owner) {
    socket.port.pid = Some(pid);
    socket.port.path = path;
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use portolan_sockets::Statistics;
    use portolan_wire::open_port::{OpenPort, Transport};
    use portolan_wire::report::Coverage;

    use super::*;

    fn opened(cookie: u64) -> Event {
        Event {
            kind: EventKind::Opened,
            transport: Transport::Tcp,
            laddr: [127, 0, 0, 1].into(),
            v6only: None,
            port: 80,
            netns: 1,
            cookie,
            pid: 7,
            start_ns: 0,
            uid: 0,
            comm: String::new(),
            path: Some("/bin/a".to_owned()),
            cgroup: 0,
            at_ns: 0,
            ephemeral: false,
        }
    }

    /// A scan that found a socket with this cookie, and this owner.
    fn scan(cookie: u64, pid: Option<u32>) -> Scan {
        let port = OpenPort {
            pid,
            ..OpenPort::new(Transport::Tcp, [127, 0, 0, 1].into(), 80)
        };
        Scan {
            sockets: vec![Socket {
                port,
                cookie: Some(cookie),
                client_udp: false,
                first_seen: Instant::now(),
                holders: 0,
            }],
            coverage: Coverage::default(),
            unseen: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    fn filled(told: &mut ToldOwners, mut scan: Scan) -> (Option<u32>, Option<u64>) {
        told.fill(&mut scan);
        let pid = scan.sockets.first().and_then(|socket| socket.port.pid);
        (pid, scan.coverage.sockets_unattributed)
    }

    #[test]
    fn an_owner_that_was_told_fills_a_gap_and_stays_until_a_look_finds_one() {
        let mut told = ToldOwners::default();
        told.note(&opened(1));
        assert_eq!(filled(&mut told, scan(1, None)), (Some(7), Some(0)));
        assert_eq!(filled(&mut told, scan(1, None)), (Some(7), Some(0)));
        assert_eq!(filled(&mut told, scan(1, Some(8))), (Some(8), Some(0)));
        assert_eq!(filled(&mut told, scan(1, None)), (None, Some(1)));
    }

    #[test]
    fn an_opening_counts_for_its_own_socket_and_the_next_look() {
        let mut told = ToldOwners::default();
        told.note(&opened(1));
        assert_eq!(filled(&mut told, scan(2, None)), (None, Some(1)));
        assert_eq!(filled(&mut told, scan(1, None)), (None, Some(1)));
    }
}
