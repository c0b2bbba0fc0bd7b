//! Owners that only an event told: of a socket that was closed, or whose process ended, while its owner
//! was sought.
//!
//! Holds: an owner that a look finds is never replaced; one that was told stays with its socket, so
//! that a port does not change its owner because the next look finds none.

use std::collections::HashMap;

use portolan_sockets::{Event, Scan, Socket};

use super::between::Between;
use super::moments::is_tellable;

/// By cookie: the process and its program.
#[derive(Debug, Default)]
pub(crate) struct ToldOwners(HashMap<u64, (u32, Option<String>)>);

impl ToldOwners {
    /// Gives sockets without an owner the one that their opening told, and counts again how many have
    /// none.
    pub(crate) fn fill(&mut self, scan: &mut Scan, between: &Between) {
        let mut told = HashMap::new();
        for socket in &mut scan.sockets {
            let Some(cookie) = socket.cookie.filter(|_| socket.port.pid.is_none()) else {
                continue;
            };
            let owner = self.0.remove(&cookie);
            let owner = owner.or_else(|| between.opening(cookie).and_then(owner_in));
            if let Some((pid, path)) = owner {
                give(socket, pid, path.clone());
                told.insert(cookie, (pid, path));
            }
        }
        self.0 = told;
        let without = scan.sockets.iter().filter(|it| it.port.pid.is_none());
        scan.coverage.sockets_unattributed = Some(without.count() as u64);
    }
}

fn owner_in(opening: &Event) -> Option<(u32, Option<String>)> {
    let path = opening.path.clone().filter(|path| is_tellable(path));
    (opening.pid != 0).then_some((opening.pid, path))
}

fn give(socket: &mut Socket, pid: u32, path: Option<String>) {
    socket.port.pid = Some(pid);
    socket.port.path = path;
}
