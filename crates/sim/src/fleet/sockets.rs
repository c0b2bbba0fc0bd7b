//! The sockets of a host in a few bytes each: what is counted, before any text is made.
//!
//! Whole reports cost ten times as much to make, and to count the rows of a million hosts needs no
//! text at all. So the set is planned here and rendered elsewhere.
//! Holds: [`Set`] is in the canonical order of reports once sorted, because addresses are ordered
//! as their texts are; (transport, port) is held by one service in each network namespace.
//! Limit: 65,535 network namespaces a host.

use portolan_wire::open_port::Transport;

/// A local address; the order is that of the texts (`10.x` before `127.x`, digits before `:`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Address {
    /// `0.0.0.0`
    AnyV4,
    /// The host's own, in 10.0.0.0/8.
    OwnV4,
    /// `127.0.0.1`
    LoopbackV4,
    /// `127.0.0.53`, where systemd-resolved listens.
    Resolver,
    /// `::`
    AnyV6,
    /// `::1`
    LoopbackV6,
    /// The host's own, in fd00::/8.
    OwnV6,
}

/// The addresses that a service binds: the reason why sockets outnumber (type, port) pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    AnyV4,
    /// One IPv6 socket that takes IPv4, too.
    AnyDual,
    /// One socket for each family.
    AnyBoth,
    LoopbackV4,
    LoopbackBoth,
    OwnV4,
    OwnV6,
    Resolver,
}

impl Binding {
    const fn addresses(self) -> &'static [Address] {
        match self {
            Self::AnyV4 => &[Address::AnyV4],
            Self::AnyDual => &[Address::AnyV6],
            Self::AnyBoth => &[Address::AnyV4, Address::AnyV6],
            Self::LoopbackV4 => &[Address::LoopbackV4],
            Self::LoopbackBoth => &[Address::LoopbackV4, Address::LoopbackV6],
            Self::OwnV4 => &[Address::OwnV4],
            Self::OwnV6 => &[Address::OwnV6],
            Self::Resolver => &[Address::Resolver],
        }
    }
}

/// One socket. `netns` 0 is the host's own network namespace, n the host's n-th container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) netns: u16,
    pub(super) transport: Transport,
    pub(super) address: Address,
    pub(super) port: u16,
    /// An IPv6 socket that takes IPv4, too.
    pub(super) dual: bool,
    /// A place in the catalogue's programs; in a container, in its image's stead.
    pub(super) program: u16,
    pub(super) pid: u32,
}

/// What a service is, apart from where it binds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) netns: u16,
    pub(super) transport: Transport,
    pub(super) port: u16,
    pub(super) program: u16,
    pub(super) pid: u32,
}

/// The sockets of one host.
#[derive(Debug, Default)]
pub(super) struct Set {
    sockets: Vec<Socket>,
    /// (netns, transport, port) of every service so far.
    taken: Vec<u64>,
}

impl Set {
    pub(super) fn new() -> Self {
        Self {
            sockets: Vec::with_capacity(128),
            taken: Vec::with_capacity(96),
        }
    }

    /// Adds a service's sockets, unless its port is taken: as on a real host, the first one wins.
    pub(super) fn open(&mut self, holder: Holder, binding: Binding) {
        let Holder {
            netns,
            transport,
            port,
            program,
            pid,
        } = holder;
        let key = u64::from(netns) << 32 | u64::from(is_udp(transport)) << 16 | u64::from(port);
        // A plain search: a few dozen neighbouring numbers are faster than any hash set.
        if self.taken.contains(&key) {
            return;
        }
        self.taken.push(key);
        let dual = binding == Binding::AnyDual;
        for address in binding.addresses() {
            self.sockets.push(Socket {
                netns,
                transport,
                address: *address,
                port,
                dual,
                program,
                pid,
            });
        }
    }

    /// The sockets in the order of a canonical report.
    pub(super) fn into_sorted(mut self) -> Vec<Socket> {
        self.sockets.sort_unstable_by_key(|socket| {
            u64::from(socket.netns) << 32
                | u64::from(is_udp(socket.transport)) << 24
                | (socket.address as u64) << 16
                | u64::from(socket.port)
        });
        self.sockets
    }
}

pub(super) const fn is_udp(transport: Transport) -> bool {
    match transport {
        Transport::Tcp => false,
        Transport::Udp => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(netns: u16, transport: Transport, port: u16, pid: u32) -> Holder {
        Holder {
            netns,
            transport,
            port,
            program: 0,
            pid,
        }
    }

    #[test]
    fn the_first_service_keeps_a_port_and_each_namespace_has_ports_of_its_own() {
        let mut set = Set::new();
        set.open(holder(0, Transport::Tcp, 80, 1), Binding::AnyBoth);
        set.open(holder(0, Transport::Tcp, 80, 2), Binding::LoopbackV4);
        set.open(holder(0, Transport::Udp, 80, 3), Binding::AnyV4);
        set.open(holder(1, Transport::Tcp, 80, 4), Binding::AnyDual);
        let pids: Vec<u32> = set.into_sorted().iter().map(|socket| socket.pid).collect();
        assert_eq!(pids, [1, 1, 3, 4]);
    }

    #[test]
    fn only_an_ipv6_socket_that_takes_ipv4_is_dual() {
        let mut set = Set::new();
        set.open(holder(0, Transport::Tcp, 80, 1), Binding::AnyBoth);
        set.open(holder(0, Transport::Tcp, 81, 1), Binding::AnyDual);
        let dual: Vec<u16> = set
            .into_sorted()
            .iter()
            .filter(|s| s.dual)
            .map(|socket| socket.port)
            .collect();
        assert_eq!(dual, [81]);
    }
}
