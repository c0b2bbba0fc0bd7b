//! What the kernel told.

use std::net::IpAddr;

use portolan_wire::open_port::Transport;

/// What happened to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// TCP: `listen()`. UDP: `bind()`.
    Opened,
    /// The listener listens no more, or the UDP socket was closed.
    Closed,
    /// The `listen()` that an [`EventKind::Opened`] told found its port taken: the socket never
    /// listened. Told only where that event had been handed out already; mostly neither is.
    Undone,
}

/// One event of one socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The socket's transport protocol.
    pub transport: Transport,
    /// Its local address; an IPv4-mapped one is IPv4.
    pub laddr: IpAddr,
    /// `IPV6_V6ONLY`, where the address is IPv6.
    pub v6only: Option<bool>,
    /// Its port. 0 where `listen()` without `bind()` takes one only afterwards: the event of its
    /// end tells it.
    pub port: u16,
    /// The inode of its network namespace.
    pub netns: u64,
    /// The kernel's cookie of the socket, which sock_diag tells, too: never used twice in one boot.
    pub cookie: u64,
    /// The process that did it, as the process namespace of the watcher numbers it; 0 where that
    /// does not show it. Whoever closes need not be who opened.
    pub pid: u32,
    /// When that process started, in nanoseconds of `CLOCK_BOOTTIME`: with the pid it names it for good.
    pub start_ns: u64,
    /// Its real user id in the host's user namespace.
    pub uid: u32,
    /// Its name: 15 bytes at most, which the process itself may choose.
    pub comm: String,
    /// Its executable as its own mount namespace names it, as `/proc/PID/exe` does, without
    /// ` (deleted)`. None with [`EventKind::Closed`] and where it is over 4,096 bytes or 60 folders deep.
    pub path: Option<String>,
    /// Its cgroup (v2): the inode of the folder.
    pub cgroup: u64,
    /// When it happened, in nanoseconds of `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// Whether the port is of its namespace's ephemeral range (`ip_local_port_range`).
    pub ephemeral: bool,
}
