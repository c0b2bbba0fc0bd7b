//! Reads what the kernel answers: netlink messages, and in them `struct inet_diag_msg`.
//!
//! Every read is checked against the bytes at hand; what does not fit is [`Malformed`], never a
//! guess and never a panic. Layouts: include/uapi/linux/{netlink,inet_diag}.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portolan_wire::open_port::Transport;

use super::request::{AF_INET, AF_INET6, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};
use crate::kernel_socket::{KernelSocket, SocketId, is_open, unmap};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
/// The table changed while it was dumped.
const NLM_F_DUMP_INTR: u16 = 0x10;
const HEADER_BYTES: usize = 16;
const DIAG_BYTES: usize = 72;
/// A dual-stack socket has 0 here, one for IPv6 alone 1.
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_CGROUP_ID: u16 = 21;
/// The two flag bits of an attribute's type (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

/// An answer that does not have the form the kernel promises.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message")]
pub(crate) struct Malformed;

/// One message of a dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// One socket, to be read by [`socket`].
    Socket(&'a [u8]),
    /// The dump is complete, or ended with this error number (0 is none).
    Done(i32),
    /// The kernel dropped messages.
    Overrun,
    /// Nothing for us.
    Other,
}

/// A message and what its header says of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Framed<'a> {
    pub(super) sequence: u32,
    pub(super) interrupted: bool,
    pub(super) message: Message<'a>,
}

/// Splits off the first message of a datagram. `None` at its end.
pub(super) fn next<'a>(datagram: &mut &'a [u8]) -> Option<Result<Framed<'a>, Malformed>> {
    (!datagram.is_empty()).then(|| split(datagram).ok_or(Malformed))
}

fn split<'a>(datagram: &mut &'a [u8]) -> Option<Framed<'a>> {
    let length = usize::try_from(u32_at(datagram, 0)?).ok()?;
    let kind = u16_at(datagram, 4)?;
    let flags = u16_at(datagram, 6)?;
    let sequence = u32_at(datagram, 8)?;
    let payload = datagram.get(HEADER_BYTES..length)?;
    // The last message need not be padded.
    *datagram = datagram
        .get(length.next_multiple_of(4)..)
        .unwrap_or_default();
    let message = match kind {
        SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK => Message::Socket(payload),
        // Old kernels end a dump without an error number.
        NLMSG_DONE if payload.is_empty() => Message::Done(0),
        NLMSG_DONE | NLMSG_ERROR => Message::Done(error_number(payload)?),
        NLMSG_OVERRUN => Message::Overrun,
        _ => Message::Other,
    };
    Some(Framed {
        sequence,
        interrupted: flags & NLM_F_DUMP_INTR != 0,
        message,
    })
}

/// 0, or an error number negated: at most `MAX_ERRNO` of include/linux/err.h.
fn error_number(payload: &[u8]) -> Option<i32> {
    i32_at(payload, 0).filter(|error| (-4095..=0).contains(error))
}

/// Reads a `struct inet_diag_msg`. `Ok(None)` is a socket that is no open port.
pub(super) fn socket(
    payload: &[u8],
    transport: Transport,
) -> Result<Option<KernelSocket>, Malformed> {
    read_socket(payload, transport).ok_or(Malformed)
}

fn read_socket(payload: &[u8], transport: Transport) -> Option<Option<KernelSocket>> {
    let [family, state] = array(payload, 0)?;
    let port = u16::from_be_bytes(array(payload, 4)?);
    let address = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(array::<4>(payload, 8)?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(array::<16>(payload, 8)?)),
        _ => return None,
    };
    let interface = u32_at(payload, 40)?;
    let (low, high) = (u32_at(payload, 44)?, u32_at(payload, 48)?);
    let uid = u32_at(payload, 64)?;
    let inode = u32_at(payload, 68)?;
    if !is_open(transport, state, port) {
        return Some(None);
    }
    let mut v6only = None;
    let mut cgroup = 0;
    for attribute in Attributes(payload.get(DIAG_BYTES..)?) {
        let (kind, value) = attribute?;
        match kind {
            INET_DIAG_SKV6ONLY => v6only = Some(array::<1>(value, 0)? != [0]),
            INET_DIAG_CGROUP_ID => cgroup = u64::from_ne_bytes(array(value, 0)?),
            _ => {}
        }
    }
    let (address, v6only) = unmap(address, v6only);
    let id = SocketId::Cookie(u64::from(high) << 32 | u64::from(low));
    let inode = u64::from(inode);
    Some(Some(KernelSocket {
        id,
        transport,
        address,
        port,
        v6only,
        interface,
        uid,
        inode,
        cgroup,
    }))
}

/// The attributes after the fixed part; an item of `None` is malformed and the last.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let attribute = self.split();
        if attribute.is_none() {
            self.0 = &[];
        }
        Some(attribute)
    }
}

impl<'a> Attributes<'a> {
    fn split(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & ATTRIBUTE_TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_ne_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    array(bytes, at).map(i32::from_ne_bytes)
}

#[cfg(test)]
#[path = "message_tests.rs"]
pub(in crate::diag) mod tests;
