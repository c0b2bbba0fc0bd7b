//! One open port as the kernel tells it, whichever way it was asked.

use std::net::IpAddr;

use portolan_wire::open_port::Transport;

/// What tells one socket of a network namespace from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SocketId {
    /// The kernel's 64-bit socket cookie: never used twice in one boot, unlike inode numbers.
    Cookie(u64),
    /// A row of `/proc/net`, which tells no cookie. Two sockets that follow each other with the
    /// same address and a reused inode are taken for one.
    Row(Transport, IpAddr, u16, u64),
}

/// A TCP socket in LISTEN or a bound, unconnected UDP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelSocket {
    pub(crate) id: SocketId,
    pub(crate) transport: Transport,
    /// The local address; an IPv4-mapped one is IPv4.
    pub(crate) address: IpAddr,
    /// 1 to 65535.
    pub(crate) port: u16,
    /// `IPV6_V6ONLY`, where the socket is IPv6 and the kernel tells it.
    pub(crate) v6only: Option<bool>,
    /// The interface it is bound to; 0 is none.
    pub(crate) interface: u32,
    /// Its owner, in the collector's user namespace.
    pub(crate) uid: u32,
    /// Its inode in sockfs, which `/proc/PID/fd` names; 0 has no file, so no process holds it.
    pub(crate) inode: u64,
    /// The cgroup (v2) that made it: an inode of the cgroup file system; 0 unknown.
    pub(crate) cgroup: u64,
}

/// `LISTEN` of include/net/tcp_states.h.
pub(crate) const STATE_LISTEN: u8 = 10;
/// `CLOSE` of the same: what a bound, unconnected UDP socket is in.
pub(crate) const STATE_CLOSE: u8 = 7;

/// Whether a socket in that state with that local port is an open port.
pub(crate) fn is_open(transport: Transport, state: u8, port: u16) -> bool {
    let wanted = match transport {
        Transport::Tcp => STATE_LISTEN,
        Transport::Udp => STATE_CLOSE,
    };
    state == wanted && port != 0
}

/// Unmaps an IPv4-mapped address. Such a socket takes IPv4 alone, so its v6only says nothing.
pub(crate) fn unmap(address: IpAddr, v6only: Option<bool>) -> (IpAddr, Option<bool>) {
    let canonical = address.to_canonical();
    (canonical, v6only.filter(|_| canonical.is_ipv6()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_tcp_and_bound_unconnected_udp_are_open() {
        assert!(is_open(Transport::Tcp, 10, 80));
        assert!(is_open(Transport::Udp, 7, 53));
        for (transport, state, port) in [
            (Transport::Tcp, 1, 80),
            (Transport::Tcp, 7, 80),
            (Transport::Tcp, 13, 80),
            (Transport::Tcp, 10, 0),
            (Transport::Udp, 1, 53),
            (Transport::Udp, 10, 53),
            (Transport::Udp, 7, 0),
        ] {
            assert!(
                !is_open(transport, state, port),
                "{transport:?} {state} {port}"
            );
        }
    }

    #[test]
    fn a_mapped_address_is_ipv4_and_has_no_v6only() {
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(
            unmap(mapped, Some(false)),
            ("127.0.0.1".parse().unwrap(), None)
        );
        let any: IpAddr = "::".parse().unwrap();
        assert_eq!(unmap(any, Some(true)), (any, Some(true)));
    }
}
