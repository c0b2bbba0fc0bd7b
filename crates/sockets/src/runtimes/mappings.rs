//! Which ports of a container are published where on its host.
//!
//! Kept as ranges, since a range of 10,000 ports is one mapping in some records and 20,000 in
//! others. Holds: what is kept is no larger than the record that told it.

use std::net::{IpAddr, Ipv4Addr};

use portolan_wire::caps::ADDRESSES_MAX;
use portolan_wire::open_port::{OpenPort, Published, Transport};
use serde::Deserialize;

/// A range of ports of a container and where it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mapping {
    pub(super) transport: Transport,
    pub(super) addr: IpAddr,
    /// The first port in the container.
    pub(super) port: u16,
    /// The first port on the host.
    pub(super) host_port: u16,
    /// How many there are, at least 1.
    pub(super) count: u16,
}

impl Mapping {
    /// `None`: a transport that is not looked at, or ports that are none.
    pub(super) fn new(
        transport: &str,
        addr: &str,
        port: u64,
        host_port: u64,
        count: u64,
    ) -> Option<Self> {
        let transport = match transport {
            "" | "tcp" | "TCP" => Transport::Tcp,
            "udp" | "UDP" => Transport::Udp,
            _ => return None,
        };
        let addr = match addr {
            "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            addr => addr.parse().ok()?,
        };
        let last = port.max(host_port).checked_add(count.max(1) - 1)?;
        if port == 0 || host_port == 0 || last > u64::from(u16::MAX) {
            return None;
        }
        Some(Self {
            transport,
            addr,
            port: u16::try_from(port).ok()?,
            host_port: u16::try_from(host_port).ok()?,
            count: u16::try_from(count.max(1)).ok()?,
        })
    }

    fn end(&self) -> (u32, u32) {
        let end = |first: u16| u32::from(first) + u32::from(self.count);
        (end(self.port), end(self.host_port))
    }

    fn goes_on_with(&self, next: &Self) -> bool {
        let begin = (u32::from(next.port), u32::from(next.host_port));
        (self.transport, self.addr) == (next.transport, next.addr) && self.end() == begin
    }

    fn published(&self, port: u16) -> Option<Published> {
        let beyond = port.checked_sub(self.port)?;
        (beyond < self.count).then(|| Published {
            addr: self.addr,
            port: self.host_port.saturating_add(beyond),
        })
    }
}

/// All that is published of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mappings(Vec<Mapping>);

impl Mappings {
    pub(super) fn new(mut all: Vec<Mapping>) -> Self {
        all.sort_unstable();
        all.dedup();
        let mut ranges: Vec<Mapping> = Vec::new();
        for next in all {
            match ranges.last_mut() {
                Some(last) if last.goes_on_with(&next) => last.count += next.count,
                _ => ranges.push(next),
            }
        }
        ranges.shrink_to_fit();
        Self(ranges)
    }

    /// Reads a list of mappings as podman, netavark, CNI, CRI-O and nerdctl write them.
    pub(super) fn parse(json: &str) -> Option<Self> {
        let forms: Option<Vec<Form>> = serde_json::from_str(json).ok()?;
        Some(Self::of(forms.unwrap_or_default()))
    }

    /// The same, already read.
    pub(super) fn of(forms: Vec<Form>) -> Self {
        Self::new(forms.iter().flat_map(Form::mappings).collect())
    }

    /// Adds where an open port is published. What listens on the container's loopback cannot be
    /// reached that way.
    pub(super) fn add_to(&self, port: &OpenPort, published: &mut Vec<Published>) {
        if port.laddr.to_canonical().is_loopback() {
            return;
        }
        let ranges = self.0.iter().filter(|it| it.transport == port.transport);
        published.extend(ranges.filter_map(|range| range.published(port.port)));
    }
}

/// Puts what is published in order, and within the limit of a report.
pub(super) fn settle(published: &mut Vec<Published>) {
    published.sort_unstable();
    published.dedup();
    published.truncate(ADDRESSES_MAX);
}

/// One mapping in JSON; each tool spells the names in its own way.
#[derive(Debug, Deserialize)]
pub(super) struct Form {
    #[serde(default, alias = "hostIP", alias = "HostIP", alias = "hostIp")]
    host_ip: Option<String>,
    #[serde(alias = "hostPort", alias = "HostPort")]
    host_port: u64,
    #[serde(alias = "containerPort", alias = "ContainerPort")]
    container_port: u64,
    #[serde(default, alias = "Protocol")]
    protocol: Option<String>,
    #[serde(default)]
    range: Option<u64>,
}

impl Form {
    /// podman writes several transports as one, with commas.
    fn mappings(&self) -> impl Iterator<Item = Mapping> {
        let transports = self.protocol.as_deref().unwrap_or("").split(',');
        transports.filter_map(|transport| {
            Mapping::new(
                transport,
                self.host_ip.as_deref().unwrap_or(""),
                self.container_port,
                self.host_port,
                self.range.unwrap_or(1),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(mappings: &Mappings, transport: Transport, laddr: &str, port: u16) -> Vec<String> {
        let port = OpenPort::new(transport, laddr.parse().unwrap(), port);
        let mut published = Vec::new();
        mappings.add_to(&port, &mut published);
        settle(&mut published);
        let shown = |it: &Published| format!("{} {}", it.addr, it.port);
        published.iter().map(shown).collect()
    }

    #[test]
    fn the_same_mapping_is_read_in_every_spelling() {
        let spellings = [
            r#"[{"host_ip":"127.0.0.1","container_port":80,"host_port":8080,"range":1,"protocol":"tcp"}]"#,
            r#"[{"hostPort":8080,"containerPort":80,"protocol":"TCP","hostIP":"127.0.0.1"}]"#,
            r#"[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":"127.0.0.1"}]"#,
            r#"[{"hostPort":8080,"containerPort":80,"protocol":"tcp,sctp","hostIP":"127.0.0.1","more":[]}]"#,
        ];
        for json in spellings {
            let mappings = Mappings::parse(json).unwrap();
            let found = at(&mappings, Transport::Tcp, "0.0.0.0", 80);
            assert_eq!(found, ["127.0.0.1 8080"], "{json}");
            assert_eq!(at(&mappings, Transport::Udp, "0.0.0.0", 80), [""; 0]);
            assert_eq!(at(&mappings, Transport::Tcp, "0.0.0.0", 81), [""; 0]);
        }
        assert_eq!(Mappings::parse("null"), Some(Mappings::default()));
        assert_eq!(Mappings::parse("[{}]"), None);
    }

    #[test]
    fn a_range_is_one_mapping_however_it_is_told() {
        let range = r#"[{"container_port":1000,"host_port":60000,"range":3,"protocol":"udp"}]"#;
        let single = |of: u64| Mapping::new("udp", "", 1000 + of, 60_000 + of, 1).unwrap();
        let singles = Mappings::new(vec![single(2), single(0), single(1), single(1)]);
        assert_eq!(Mappings::parse(range).unwrap(), singles);
        assert_eq!(singles.0.len(), 1);
        assert_eq!(at(&singles, Transport::Udp, "::", 1002), ["0.0.0.0 60002"]);
        assert_eq!(at(&singles, Transport::Udp, "::", 1003), [""; 0]);
        assert_eq!(at(&singles, Transport::Udp, "::", 999), [""; 0]);
    }

    #[test]
    fn what_listens_on_the_loopback_is_not_reached() {
        let mappings = Mappings::new(vec![Mapping::new("tcp", "::", 80, 80, 1).unwrap()]);
        for laddr in ["127.0.0.11", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(at(&mappings, Transport::Tcp, laddr, 80), [""; 0], "{laddr}");
        }
        assert_eq!(at(&mappings, Transport::Tcp, "10.0.0.2", 80), [":: 80"]);
    }

    #[test]
    fn what_is_no_mapping_is_none() {
        for (transport, addr, port, host_port, count) in [
            ("sctp", "", 1, 1, 1),
            ("tcp", "localhost", 1, 1, 1),
            ("tcp", "", 0, 1, 1),
            ("tcp", "", 1, 0, 1),
            ("tcp", "", 65_536, 1, 1),
            ("tcp", "", 2, 1, 65_535),
            ("tcp", "", 1, 1, u64::MAX),
        ] {
            assert_eq!(Mapping::new(transport, addr, port, host_port, count), None);
        }
        assert!(Mapping::new("tcp", "", 1, 1, 65_535).is_some());
    }

    #[test]
    fn a_report_holds_as_many_addresses_as_it_may() {
        let one = |last: u64| {
            Mapping::new(
                "tcp",
                &format!("10.0.{}.{}", last / 256, last % 256),
                80,
                80,
                1,
            )
        };
        let mappings = Mappings::new((0..1000).filter_map(one).collect());
        assert_eq!(at(&mappings, Transport::Tcp, "::", 80).len(), ADDRESSES_MAX);
    }

    proptest! {
        #[test]
        fn ranges_tell_what_single_mappings_do(all in proptest::collection::vec((1u64..30, 1u64..30), 0..40), port in 0u16..40) {
            let single = |(port, host): &(u64, u64)| Mapping::new("tcp", "", *port, *host, 1).unwrap();
            let mappings = Mappings::new(all.iter().map(single).collect());
            let mut expected: Vec<u64> = all.iter().filter(|it| it.0 == u64::from(port)).map(|it| it.1).collect();
            expected.sort_unstable();
            expected.dedup();
            let found = at(&mappings, Transport::Tcp, "0.0.0.0", port);
            let expected: Vec<String> = expected.iter().map(|it| format!("0.0.0.0 {it}")).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
