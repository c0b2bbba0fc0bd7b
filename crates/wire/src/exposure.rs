//! How far away a socket can be reached from, as its address and its namespace tell.
//!
//! Firewalls and routes are not looked at: exposure is where a packet may come from as far as the
//! socket itself decides it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::open_port::OpenPort;

/// From where a socket can be reached, from the narrowest to the widest.
///
/// The order is the meaning: of two addresses the greater exposure is the wider one. The numbers of
/// the classes ([`index`](Self::index)) stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// From the same machine, or the same container, only.
    Loopback,
    /// From the same link.
    LinkLocal,
    /// From a private network; of a container's socket on every address, from the container's network.
    Private,
    /// From behind the same carrier-grade translation (100.64.0.0/10).
    Cgnat,
    /// At a public address.
    Public,
    /// At every address of the host.
    Any,
}

impl Exposure {
    /// All classes, from the narrowest to the widest.
    pub const ALL: [Self; 6] = [
        Self::Loopback,
        Self::LinkLocal,
        Self::Private,
        Self::Cgnat,
        Self::Public,
        Self::Any,
    ];

    /// Their names, in the same order.
    pub const NAMES: &'static [&'static str] = &[
        "loopback",
        "link-local",
        "private",
        "cgnat",
        "public",
        "any",
    ];

    /// The name on every border.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Cgnat => "cgnat",
            Self::Public => "public",
            Self::Any => "any",
        }
    }

    /// The class with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// The place in [`ALL`](Self::ALL), 0 to 5.
    pub const fn index(self) -> u8 {
        match self {
            Self::Loopback => 0,
            Self::LinkLocal => 1,
            Self::Private => 2,
            Self::Cgnat => 3,
            Self::Public => 4,
            Self::Any => 5,
        }
    }

    /// The exposure of an address itself; an IPv4-mapped one is that of its IPv4 address.
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// The exposure of a socket at `laddr`, in a network namespace other than the host's own or
    /// not, that is published at these addresses of the host.
    ///
    /// In a namespace, every address means those of the container's network, which is private. Where
    /// it is published, too, it can be reached from either, so that the wider one counts.
    pub fn of_socket(
        laddr: IpAddr,
        in_netns: bool,
        published: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let own = match Self::of_address(laddr) {
            Self::Any if in_netns => Self::Private,
            own => own,
        };
        let published = published.into_iter().map(Self::of_address);
        published.fold(own, Self::max)
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl OpenPort {
    /// From where it can be reached, as far as its addresses and its namespace tell.
    pub fn exposure(&self) -> Exposure {
        let published = self.published.iter().map(|published| published.addr);
        Exposure::of_socket(self.laddr, self.netns.is_some(), published)
    }
}

fn of_v4(address: Ipv4Addr) -> Exposure {
    match address.octets() {
        [0, 0, 0, 0] => Exposure::Any,
        [127, ..] => Exposure::Loopback,
        // The local network's multicast stays on its link.
        [169, 254, ..] | [224, 0, 0, _] => Exposure::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Exposure::Private,
        // Multicast of one administration.
        [239, ..] => Exposure::Private,
        [100, 64..=127, ..] => Exposure::Cgnat,
        _ => Exposure::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Exposure {
    if address.is_unspecified() {
        return Exposure::Any;
    }
    if address.is_loopback() {
        return Exposure::Loopback;
    }
    match address.octets() {
        [0xff, flags_and_scope, ..] => match flags_and_scope & 0xf {
            1 => Exposure::Loopback,
            2 => Exposure::LinkLocal,
            // Of the site, of the organisation.
            5 | 8 => Exposure::Private,
            _ => Exposure::Public,
        },
        [0xfe, 0x80..=0xbf, ..] => Exposure::LinkLocal,
        [0xfc | 0xfd, ..] => Exposure::Private,
        _ => Exposure::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_port::{Published, Transport};

    /// First and last address of each range, and those beside them.
    #[test]
    fn an_address_has_the_class_of_its_range() {
        let table = [
            ("0.0.0.0", "any"),
            ("::", "any"),
            ("::ffff:0.0.0.0", "any"),
            ("0.0.0.1", "public"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("126.255.255.255", "public"),
            ("128.0.0.0", "public"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.53", "loopback"),
            ("::2", "public"),
            ("169.254.0.0", "link-local"),
            ("169.254.255.255", "link-local"),
            ("169.253.255.255", "public"),
            ("169.255.0.0", "public"),
            ("fe80::1", "link-local"),
            ("febf:ffff::1", "link-local"),
            ("fe7f:ffff::1", "public"),
            ("fec0::1", "public"),
            ("10.0.0.0", "private"),
            ("10.255.255.255", "private"),
            ("9.255.255.255", "public"),
            ("11.0.0.0", "public"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("172.15.255.255", "public"),
            ("172.32.0.0", "public"),
            ("192.168.0.0", "private"),
            ("192.168.255.255", "private"),
            ("192.167.255.255", "public"),
            ("192.169.0.0", "public"),
            ("::ffff:192.168.1.1", "private"),
            ("fc00::", "private"),
            ("fdff:ffff::1", "private"),
            ("fbff:ffff::1", "public"),
            ("fe00::1", "public"),
            ("100.64.0.0", "cgnat"),
            ("100.127.255.255", "cgnat"),
            ("100.63.255.255", "public"),
            ("100.128.0.0", "public"),
            ("8.8.8.8", "public"),
            ("255.255.255.255", "public"),
            ("2001:db8::1", "public"),
            ("224.0.0.251", "link-local"),
            ("224.0.1.1", "public"),
            ("238.255.255.255", "public"),
            ("239.0.0.0", "private"),
            ("239.255.255.250", "private"),
            ("240.0.0.0", "public"),
            ("ff01::1", "loopback"),
            ("ff02::fb", "link-local"),
            ("ff12::1", "link-local"),
            ("ff05::2", "private"),
            ("ff08::1", "private"),
            ("ff0e::1", "public"),
        ];
        for (address, class) in table {
            let exposure = Exposure::of_address(address.parse().unwrap());
            assert_eq!(exposure.as_str(), class, "{address}");
        }
    }

    #[test]
    fn a_container_reaches_as_far_as_its_network_and_where_it_is_published() {
        let table: [(&str, bool, &[&str], &str); 13] = [
            ("0.0.0.0", false, &[], "any"),
            ("0.0.0.0", true, &[], "private"),
            ("::", true, &[], "private"),
            ("0.0.0.0", true, &["0.0.0.0"], "any"),
            ("::", true, &["127.0.0.1", "::"], "any"),
            ("0.0.0.0", true, &["203.0.113.7", "10.0.0.1"], "public"),
            ("0.0.0.0", true, &["100.64.0.1"], "cgnat"),
            // Still reached from the container's network.
            ("0.0.0.0", true, &["127.0.0.1"], "private"),
            ("172.17.0.2", true, &["0.0.0.0"], "any"),
            ("172.17.0.2", true, &["127.0.0.1"], "private"),
            ("127.0.0.1", true, &[], "loopback"),
            ("127.0.0.1", true, &["169.254.1.1"], "link-local"),
            ("203.0.113.7", true, &["10.0.0.1"], "public"),
        ];
        for (laddr, in_netns, published, class) in table {
            let mut port = OpenPort::new(Transport::Tcp, laddr.parse().unwrap(), 80);
            port.netns = in_netns.then(|| "n".into());
            port.published = published
                .iter()
                .map(|addr| Published {
                    addr: addr.parse().unwrap(),
                    port: 8080,
                })
                .collect();
            assert_eq!(port.exposure().as_str(), class, "{laddr} {published:?}");
        }
    }

    #[test]
    fn names_numbers_and_order_agree() {
        assert!(Exposure::ALL.is_sorted());
        for ((index, class), name) in (0..).zip(Exposure::ALL).zip(Exposure::NAMES) {
            assert_eq!((class.index(), class.as_str()), (index, *name));
            assert_eq!(Exposure::of_name(name), Some(class));
            assert_eq!(serde_json::to_value(class).unwrap(), *name);
        }
        assert_eq!(Exposure::of_name("Any"), None);
    }
}
