//! Tells of each open port what the runtime of its container has written down.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Collector;
use crate::Socket;
use crate::cgroup::is_hex_id;

impl Collector {
    /// Adds names, images, pods and published ports. Returns how many containers have no name
    /// although their runtime gave them one.
    pub(super) fn describe_containers(&mut self, sockets: &mut [Socket], now: Instant) -> u64 {
        let mut ids = BTreeSet::new();
        let mut last = [None; 2];
        for port in sockets.iter().map(|socket| &socket.port) {
            // The port of a container may be in the namespace of another one.
            let of_port = [port.container_id.as_deref(), port.netns.as_deref()];
            // Mostly they are those of the port before.
            if of_port != last {
                ids.extend(of_port.into_iter().flatten().filter(|id| is_hex_id(id)));
                last = of_port;
            }
        }
        if ids.is_empty() {
            return 0;
        }
        self.runtimes.refresh(ids, &mut self.processes, now);
        let mut unnamed = BTreeSet::new();
        for socket in sockets {
            self.runtimes.describe(&mut socket.port);
            let id = socket
                .port
                .container_id
                .as_deref()
                .filter(|id| is_hex_id(id));
            unnamed.extend(
                id.filter(|id| self.runtimes.get(id).is_none())
                    .map(str::to_owned),
            );
        }
        unnamed.len() as u64
    }
}
