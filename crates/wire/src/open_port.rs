//! One open port: its identity, and the attributes that tell whose it is.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::time::UnixMicros;

/// The transport protocol of an open port, both address families together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Transport {
    /// A TCP socket in LISTEN.
    #[serde(rename = "TCP")]
    Tcp,
    /// A bound, unconnected UDP socket.
    #[serde(rename = "UDP")]
    Udp,
}

impl Transport {
    /// The name on every border: `TCP` or `UDP`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// Where a port of a container is published on its host, from the runtime's records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Published {
    /// The host's address it is published on.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub addr: IpAddr,
    /// The host's port, 1 to 65535.
    pub port: u16,
}

/// A TCP socket in LISTEN or a bound, unconnected UDP socket, as a report shows it.
///
/// Identity on a host is ([`netns`](Self::netns), transport, local address, port); everything else
/// is an attribute, and a new attribute is not a new port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OpenPort {
    /// The transport, `type` on the wire.
    #[serde(rename = "type")]
    pub transport: Transport,
    /// The local address; IPv4-mapped addresses are IPv4 in canonical form.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub laddr: IpAddr,
    /// The port number, 1 to 65535.
    pub port: u16,
    /// The network namespace, when it is not the host's own; it makes the category `container`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netns: Option<String>,
    /// Whether an IPv6 socket refuses IPv4 (`IPV6_V6ONLY`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v6only: Option<bool>,
    /// The process that holds the socket; of several, the oldest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The program's executable, as its own mount namespace names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of the user that owns the socket, or its uid in decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The systemd unit of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The interface that the socket is bound to (`SO_BINDTODEVICE`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ifname: Option<String>,
    /// The command line; agents send it only when told to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmdline: Option<String>,
    /// When the process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<UnixMicros>,
    /// Whether the executable is deleted from its file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// The container that the process belongs to; a host-network container's port has one, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_id: Option<String>,
    /// The container's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// The container's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_image: Option<String>,
    /// The Kubernetes pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// The Kubernetes namespace of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_namespace: Option<String>,
    /// Where the port is published on the host; never counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<Published>,
}

impl OpenPort {
    /// An open port of which only the identity is known.
    pub fn new(transport: Transport, laddr: IpAddr, port: u16) -> Self {
        Self {
            transport,
            laddr,
            port,
            netns: None,
            v6only: None,
            pid: None,
            path: None,
            user: None,
            unit: None,
            ifname: None,
            cmdline: None,
            started_at: None,
            deleted: None,
            container_id: None,
            container_name: None,
            container_image: None,
            pod_name: None,
            pod_namespace: None,
            published: Vec::new(),
        }
    }

    /// What names it on its host.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            netns: self.netns.as_deref(),
            transport: self.transport,
            laddr: self.laddr,
            port: self.port,
        }
    }

    /// `container` iff the open port has a network namespace of its own.
    pub fn category(&self) -> Category {
        if self.netns.is_some() {
            Category::Container
        } else {
            Category::Host
        }
    }

    /// The container asset that this port counts for, within its host: the container id, else the
    /// namespace. `None` for category host, where the asset is the host itself.
    pub fn container_asset(&self) -> Option<&str> {
        self.netns
            .as_deref()
            .map(|netns| self.container_id.as_deref().unwrap_or(netns))
    }
}

/// Whether an open port belongs to the host's own network namespace or to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// In the host's network namespace.
    Host,
    /// In any other network namespace.
    Container,
}

impl Category {
    /// The name on every border: `host` or `container`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Container => "container",
        }
    }
}

/// Brings open ports into canonical form: mapped IPv4 unmapped, empty strings absent, ordered by
/// identity, and of equal identities the one with the lowest pid (none last), then the smallest
/// path. `SO_REUSEPORT` and preforked servers make such twins; they are one open port.
pub fn canonicalise(ports: &mut Vec<OpenPort>) {
    canonicalise_as(ports, |port| port, |port| port, |_later, _kept| {});
}

/// The same for anything that holds an open port; `merge` is told of each twin that goes, with the
/// one that stays.
pub fn canonicalise_as<T>(
    held: &mut Vec<T>,
    of: impl Fn(&T) -> &OpenPort,
    of_mut: impl Fn(&mut T) -> &mut OpenPort,
    merge: impl Fn(&T, &mut T),
) {
    for item in held.iter_mut() {
        let port = of_mut(item);
        port.laddr = port.laddr.to_canonical();
        if port.path.as_deref() == Some("") {
            port.path = None;
        }
        if port.container_name.as_deref() == Some("") {
            port.container_name = None;
        }
    }
    held.sort_by(|a, b| {
        let (a, b) = (of(a), of(b));
        identity_order(a, b)
            .then_with(|| (a.pid.is_none(), a.pid).cmp(&(b.pid.is_none(), b.pid)))
            .then_with(|| a.path.cmp(&b.path))
    });
    held.dedup_by(|later, kept| {
        let twins = same_identity(of(later), of(kept));
        if twins {
            merge(later, kept);
        }
        twins
    });
}

fn same_identity(a: &OpenPort, b: &OpenPort) -> bool {
    (a.transport, a.port, a.laddr) == (b.transport, b.port, b.laddr) && a.netns == b.netns
}

fn identity_order(a: &OpenPort, b: &OpenPort) -> Ordering {
    a.identity().cmp(&b.identity())
}

/// What names an open port on its host. In the order of a set: netns, type, laddr as text, port
/// number.
///
/// Addresses are compared as text because the digest is over text and any implementation of it
/// must be able to sort without knowing addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity<'a> {
    /// The network namespace, when it is not the host's own.
    pub netns: Option<&'a str>,
    /// The transport.
    pub transport: Transport,
    /// The local address.
    pub laddr: IpAddr,
    /// The port number.
    pub port: u16,
}

impl Ord for Identity<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // No namespace comes first, as the empty text of the digest does. As options, because most
        // ports have none, and comparing two empty texts costs more than comparing two absences.
        self.netns
            .cmp(&other.netns)
            .then_with(|| self.transport.cmp(&other.transport))
            .then_with(|| address_text_order(self.laddr, other.laddr))
            .then_with(|| self.port.cmp(&other.port))
    }
}

impl PartialOrd for Identity<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn address_text_order(a: IpAddr, b: IpAddr) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    AddressText::new(a)
        .as_str()
        .cmp(AddressText::new(b).as_str())
}

/// The text of an address without an allocation: sorting a set asks for it many times.
pub(crate) struct AddressText {
    bytes: [u8; 45],
    len: usize,
}

impl AddressText {
    pub(crate) fn new(address: IpAddr) -> Self {
        use std::io::Write;
        let mut text = Self {
            bytes: [0; 45],
            len: 0,
        };
        let mut rest = text.bytes.as_mut_slice();
        // 45 bytes hold every address; a longer text would be cut, and the digest test would fail.
        let _fits = write!(rest, "{address}");
        text.len = 45 - rest.len();
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(laddr: &str, number: u16, pid: Option<u32>, path: &str) -> OpenPort {
        let mut port = OpenPort::new(Transport::Tcp, laddr.parse().unwrap(), number);
        port.pid = pid;
        port.path = Some(path.to_owned());
        port
    }

    #[test]
    fn twins_become_the_one_with_the_lowest_pid_then_the_smallest_path() {
        let mut ports = vec![
            port("0.0.0.0", 80, None, "/a"),
            port("::ffff:0.0.0.0", 80, Some(9), "/c"),
            port("0.0.0.0", 80, Some(9), "/b"),
            port("0.0.0.0", 80, Some(10), "/a"),
        ];
        canonicalise(&mut ports);
        assert_eq!(ports, [port("0.0.0.0", 80, Some(9), "/b")]);
    }

    #[test]
    fn the_order_is_by_address_text_and_port_number() {
        let mut ports = vec![
            port("9.0.0.1", 2, None, "/a"),
            port("10.0.0.1", 10, None, "/a"),
            port("10.0.0.1", 9, None, "/a"),
        ];
        canonicalise(&mut ports);
        let order: Vec<_> = ports
            .iter()
            .map(|p| (p.laddr.to_string(), p.port))
            .collect();
        assert_eq!(
            order,
            [
                ("10.0.0.1".to_owned(), 9),
                ("10.0.0.1".to_owned(), 10),
                ("9.0.0.1".to_owned(), 2)
            ]
        );
    }

    #[test]
    fn the_longest_address_text_fits() {
        let longest: IpAddr = "1111:2222:3333:4444:5555:6666:7777:8888".parse().unwrap();
        assert_eq!(AddressText::new(longest).as_str(), longest.to_string());
    }

    #[test]
    fn a_container_asset_is_its_id_else_its_namespace() {
        let mut p = port("0.0.0.0", 80, None, "/a");
        p.container_id = Some("c1".into());
        assert_eq!(
            p.container_asset(),
            None,
            "a host-network container counts as its host"
        );
        p.netns = Some("n1".into());
        assert_eq!(p.container_asset(), Some("c1"));
        p.container_id = None;
        assert_eq!(p.container_asset(), Some("n1"));
    }
}
