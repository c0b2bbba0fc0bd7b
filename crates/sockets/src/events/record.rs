//! Reads one record of the ring: `struct event` of `bpf/portolan.bpf.c`, in the machine's byte order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portolan_wire::open_port::Transport;

use super::event::{Event, EventKind};
use super::path;
use crate::kernel_socket::unmap;

/// Where the fields end and the names of the path begin.
pub(super) const FIXED_BYTES: usize = 88;

const V6ONLY: u8 = 1;
const EPHEMERAL: u8 = 2;

/// Reads a record. None where it is none: too short, or with values that no program writes.
pub(super) fn parse(bytes: &[u8]) -> Option<Event> {
    let (fixed, names) = bytes.split_first_chunk::<FIXED_BYTES>()?;
    let mut fields = Fields(fixed);
    let [kind, protocol, family, flags] = fields.take()?;
    let port = u16::from_ne_bytes(fields.take()?);
    let path_bytes = usize::from(u16::from_ne_bytes(fields.take()?));
    let pid = u32::from_ne_bytes(fields.take()?);
    let uid = u32::from_ne_bytes(fields.take()?);
    let netns = u32::from_ne_bytes(fields.take()?);
    let _reserved: [u8; 4] = fields.take()?;
    let cookie = u64::from_ne_bytes(fields.take()?);
    let start_ns = u64::from_ne_bytes(fields.take()?);
    let cgroup = u64::from_ne_bytes(fields.take()?);
    let at_ns = u64::from_ne_bytes(fields.take()?);
    let address: [u8; 16] = fields.take()?;
    let comm: [u8; 16] = fields.take()?;
    let v6only = (family == 10).then_some(flags & V6ONLY != 0);
    let (laddr, v6only) = unmap(local_address(family, address)?, v6only);
    Some(Event {
        kind: match kind {
            1 => EventKind::Opened,
            2 => EventKind::Closed,
            3 => EventKind::Undone,
            _ => return None,
        },
        transport: match protocol {
            6 => Transport::Tcp,
            17 => Transport::Udp,
            _ => return None,
        },
        laddr,
        v6only,
        port,
        netns: netns.into(),
        cookie,
        pid,
        start_ns,
        uid,
        comm: name(&comm),
        path: path::join(names.get(..path_bytes)?),
        cgroup,
        at_ns,
        ephemeral: flags & EPHEMERAL != 0,
    })
}

/// `AF_INET` and `AF_INET6`.
fn local_address(family: u8, bytes: [u8; 16]) -> Option<IpAddr> {
    match (family, bytes) {
        (2, [a, b, c, d, ..]) => Some(Ipv4Addr::new(a, b, c, d).into()),
        (10, bytes) => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

fn name(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default())
        .into_owned()
}

/// What is left of a record, or of a line of `iter/task_file`.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }
}
