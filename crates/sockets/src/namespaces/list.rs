//! Lists the open ports of one network namespace.
//!
//! From inside over netlink; where that is refused, by the tables under `/proc/thread-self/net`.
//! From outside by the tables of a process in it. Each transport falls back for itself: a kernel
//! may have the netlink module of TCP and not that of UDP.

use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use portolan_wire::open_port::Transport;

use super::NsKey;
use crate::diag::{Channel, Effort, Netlink, Query, dump};
use crate::kernel_socket::KernelSocket;
use crate::proc_net;

/// A range of ports.
pub(crate) type Ports = RangeInclusive<u16>;

/// `ip_local_port_range` where it cannot be read: the kernel's default.
const EPHEMERAL: Ports = 32_768..=60_999;

/// Whether sockets that were known are missing from a list of that transport.
pub(crate) type Missing<'a> = dyn Fn(NsKey, Transport, &[KernelSocket]) -> bool + Sync + 'a;

/// The means that all namespaces share.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) proc_root: &'a Path,
    pub(crate) netlink: bool,
    pub(crate) missing: &'a Missing<'a>,
}

/// What was found in a namespace.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) sockets: Vec<KernelSocket>,
    /// Whether the thread was in the namespace, and did not look through a process in it.
    pub(crate) entered: bool,
    /// The names of the interfaces that sockets are bound to.
    pub(crate) interfaces: HashMap<u32, String>,
    /// Where the namespace takes the ports of autobound sockets from; `None` was not asked.
    pub(crate) ephemeral: Option<Ports>,
    pub(crate) effort: Effort,
    /// How many times a table of `/proc/net` stood in for netlink.
    pub(crate) tables_read: u64,
    /// Why netlink was not used, where it should have been.
    pub(crate) netlink_refused: Option<io::Error>,
}

/// The open ports of the namespace that this thread is in.
pub(super) fn list(key: NsKey, means: Means<'_>) -> io::Result<Listing> {
    let mut listing = Listing {
        entered: true,
        ..Listing::default()
    };
    let mut netlink = open(means, &mut listing);
    for transport in [Transport::Tcp, Transport::Udp] {
        let over_netlink = netlink.as_mut().and_then(|netlink| {
            let found = list_netlink(netlink, key, transport, means, &mut listing.effort);
            found
                .map_err(|error| listing.netlink_refused = Some(error))
                .ok()
        });
        let found = match over_netlink {
            Some(found) => found,
            None => {
                listing.tables_read += 1;
                proc_net::read(&means.proc_root.join("thread-self/net"), transport)?
            }
        };
        listing.sockets.extend(found);
    }
    if let Some(netlink) = &netlink {
        for index in listing
            .sockets
            .iter()
            .map(|socket| socket.interface)
            .filter(|it| *it != 0)
        {
            if let Some(name) = netlink.interface_name(index) {
                listing.interfaces.insert(index, name);
            }
        }
    }
    let asked = listing.sockets.iter().any(is_candidate);
    listing.ephemeral = asked.then(|| ephemeral(means.proc_root));
    Ok(listing)
}

fn open(means: Means<'_>, listing: &mut Listing) -> Option<Netlink> {
    if !means.netlink {
        return None;
    }
    Netlink::open()
        .map_err(|error| listing.netlink_refused = Some(error))
        .ok()
}

/// The open ports of a namespace that this thread is not in, by the tables of a process that is.
/// The namespace's own range of ephemeral ports is told only inside; `home` stands in for it.
pub(super) fn list_from_outside(net: &Path, home: &Ports) -> io::Result<Listing> {
    let mut sockets = proc_net::read(net, Transport::Tcp)?;
    sockets.extend(proc_net::read(net, Transport::Udp)?);
    let ephemeral = Some(home.clone());
    Ok(Listing {
        sockets,
        ephemeral,
        tables_read: 2,
        ..Listing::default()
    })
}

fn list_netlink(
    netlink: &mut Netlink,
    key: NsKey,
    transport: Transport,
    means: Means<'_>,
    effort: &mut Effort,
) -> io::Result<Vec<KernelSocket>> {
    let mut refusal = None;
    for queries in Query::lists_of(transport) {
        match list_queries(netlink, queries, effort) {
            Ok((mut sockets, in_parts)) => {
                // Between two parts sockets may have moved past the kernel's place in its table.
                if in_parts && (means.missing)(key, transport, &sockets) {
                    effort.retries += 1;
                    sockets.extend(list_queries(netlink, queries, effort)?.0);
                }
                return Ok(sockets);
            }
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
}

fn list_queries(
    netlink: &mut Netlink,
    queries: &[Query],
    effort: &mut Effort,
) -> io::Result<(Vec<KernelSocket>, bool)> {
    let mut sockets = Vec::new();
    let mut in_parts = false;
    for query in queries {
        let dump = dump(netlink, *query, effort)?;
        in_parts |= dump.in_parts;
        sockets.extend(dump.sockets);
    }
    Ok((sockets, in_parts))
}

/// Whether the range of ephemeral ports decides what the socket looks like.
pub(crate) fn is_candidate(socket: &KernelSocket) -> bool {
    socket.transport == Transport::Udp && socket.address.is_unspecified()
}

/// The range of the namespace that this thread is in: `/proc/sys/net` shows the reader's own.
pub(super) fn ephemeral(proc_root: &Path) -> Ports {
    let path = proc_root.join("sys/net/ipv4/ip_local_port_range");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    parse_range(&text).unwrap_or(EPHEMERAL)
}

fn parse_range(text: &str) -> Option<Ports> {
    let mut bounds = text.split_ascii_whitespace();
    let (first, last) = (bounds.next()?.parse().ok()?, bounds.next()?.parse().ok()?);
    Some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_ephemeral_ports_is_two_numbers() {
        assert_eq!(parse_range("32768\t60999\n"), Some(32_768..=60_999));
        for bad in ["", "1", "1 x", "-1 2", "1 65536"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}
