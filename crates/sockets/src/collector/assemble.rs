//! Makes open ports of what is known of sockets, processes and namespaces.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use portolan_wire::open_port::OpenPort;

use super::Collector;
use crate::Socket;
use crate::cgroup::{Placement, Tree};
use crate::kernel_socket::{KernelSocket, SocketId};
use crate::namespaces::{Mounts, Names, Namespaces, NsKey};
use crate::owners::Holder;
use crate::processes::{Processes, Program};

impl Collector {
    /// All sockets as open ports, in a fixed order.
    pub(super) fn assemble(&mut self, namespaces: &Namespaces, now: Instant) -> Vec<Socket> {
        let mut all: Vec<(Option<&str>, NsKey)> = self
            .sockets
            .namespaces()
            .map(|netns| (self.names.text(netns), netns))
            .collect();
        all.sort_unstable();
        let processes = &mut self.processes;
        let mut sockets = Vec::new();
        for (name, netns) in all {
            let home = Home::of(netns, namespaces, &self.names);
            for known in self.sockets.in_order(netns) {
                let socket = &known.socket;
                let mut port = OpenPort::new(socket.transport, socket.address, socket.port);
                port.netns = name.map(str::to_owned);
                port.v6only = socket.v6only;
                port.ifname.clone_from(&known.ifname);
                port.user = Some(self.users.name(socket.uid));
                let owner = known.owner.and_then(|owner| Owner::read(owner, processes));
                if let Some(owner) = &owner {
                    port.pid = Some(owner.holder.pid);
                    port.started_at = Some(self.clock.moment(owner.holder.start_ticks));
                    port.path.clone_from(&owner.program.path);
                    port.deleted = owner.program.deleted;
                    if self.options.command_lines {
                        port.cmdline = processes.command_line(owner.holder.pid);
                    }
                }
                let at_home = owner
                    .as_ref()
                    .and_then(|it| namespaces.of_process(processes, it.holder.pid));
                let unowned;
                let placement = match &owner {
                    Some(owner) => &*owner.placement,
                    None => {
                        unowned = placement(socket, &mut self.tree, &self.mounts, now);
                        &unowned
                    }
                };
                port.container_id = home
                    .container(at_home, placement.container.as_deref())
                    .map(str::to_owned);
                port.unit.clone_from(&placement.unit);
                sockets.push(Socket {
                    port,
                    cookie: match socket.id {
                        SocketId::Cookie(cookie) => Some(cookie),
                        SocketId::Row(..) => None,
                    },
                    client_udp: known.client_udp,
                    first_seen: known.first_seen,
                    // Linux has at most four million processes.
                    holders: u32::try_from(known.holders.len()).unwrap_or(u32::MAX),
                });
            }
        }
        sockets
    }
}

/// An owner and what is told of it.
struct Owner {
    holder: Holder,
    program: Arc<Program>,
    placement: Arc<Placement>,
}

impl Owner {
    /// `None`: it ended since owners were looked at. Another one is sought in the next scan.
    fn read(holder: Holder, processes: &mut Processes) -> Option<Self> {
        if !processes.is_same(holder.pid, holder.start_ticks) {
            return None;
        }
        Some(Self {
            holder,
            program: processes.program(holder.pid)?,
            placement: processes.placement(holder.pid)?,
        })
    }
}

/// What the cgroup of a socket without an owner says.
fn placement(socket: &KernelSocket, tree: &mut Tree, mounts: &Mounts, now: Instant) -> Placement {
    let root = mounts
        .cgroups
        .as_deref()
        .unwrap_or(Path::new("/sys/fs/cgroup"));
    tree.placement(root, socket.cgroup, now)
        .cloned()
        .unwrap_or_default()
}

/// The namespace that a socket is in.
struct Home<'a> {
    netns: NsKey,
    is_host: bool,
    /// The container whose processes fill it.
    filled_by: Option<&'a str>,
}

impl<'a> Home<'a> {
    fn of(netns: NsKey, namespaces: &Namespaces, names: &'a Names) -> Self {
        Self {
            netns,
            is_host: netns == namespaces.host,
            filled_by: names.get(netns).and_then(|name| name.container.as_deref()),
        }
    }

    /// The container that a socket belongs to, by the namespace and the container of its holder.
    ///
    /// That of its holder. A holder from outside the socket's namespace (dockerd's 127.0.0.11), one
    /// in no container, or an unknown one leave it to the container whose processes fill the
    /// namespace.
    fn container<'b>(
        &'b self,
        of_holder: Option<NsKey>,
        holders: Option<&'b str>,
    ) -> Option<&'b str> {
        let from_outside = !self.is_host && of_holder.is_some_and(|it| it != self.netns);
        if from_outside {
            self.filled_by.or(holders)
        } else {
            holders.or(self.filled_by)
        }
    }
}
