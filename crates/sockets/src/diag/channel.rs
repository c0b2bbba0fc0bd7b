//! The netlink socket.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recvfrom, send, socket_with,
};

use super::dump::Channel;

/// The kernel answers at once; this only keeps a lost answer from stopping the collector for ever.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(5);
/// Datagrams of other senders that are passed over before the answer counts as lost.
const STRANGERS_MAX: u32 = 1_000;

/// A NETLINK_SOCK_DIAG socket. It stays in the network namespace in which it was made, and keeps
/// that namespace alive: drop it soon.
pub(crate) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    /// The name of an interface of this socket's namespace.
    pub(crate) fn interface_name(&self, index: u32) -> Option<String> {
        rustix::net::netdevice::index_to_name(&self.socket, index).ok()
    }
}

impl Channel for Netlink {
    fn open() -> io::Result<Self> {
        let protocol = Some(netlink::SOCK_DIAG);
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WAIT_MAX))?;
        Ok(Self { socket })
    }

    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        send(&self.socket, request, SendFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        for _ in 0..STRANGERS_MAX {
            buffer.clear();
            let space = spare_capacity(buffer);
            let received = recvfrom(&self.socket, space, RecvFlags::TRUNC);
            let (_, length, sender) = match received {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            // Root of a container may send to a socket in its namespace; only port 0 is the kernel.
            let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            if sender.is_some_and(|sender| sender.pid() == 0) {
                return Ok(length);
            }
        }
        Err(Errno::AGAIN.into())
    }
}
