//! What the answers must be, by the words of the design alone: each question is counted anew, from
//! what the hosts of a test reported last. Nothing of the census or the parser is used.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::fleet::{Host, OpenPort};

/// A question, normalised: absent parameters have their defaults.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) port: Option<u16>,
    /// `TCP`, `UDP`, `TCP6` or `UDP6`.
    pub(crate) kind: Option<String>,
    pub(crate) enterprise_project_id: String,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) category: String,
    pub(crate) port_string: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) exposure: Option<String>,
    pub(crate) descending: bool,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            port: None,
            kind: None,
            enterprise_project_id: "0".into(),
            limit: 10,
            offset: 0,
            category: "host".into(),
            port_string: None,
            status: None,
            exposure: None,
            descending: false,
        }
    }
}

/// One row: port, transport, distinct assets.
pub(crate) type Row = (u16, &'static str, usize);

impl Question {
    /// The rows that match, in order, before paging; `granted` are the caller's enterprise projects.
    pub(crate) fn rows<'a>(
        &self,
        hosts: impl IntoIterator<Item = &'a Host>,
        granted: impl Fn(&str) -> bool,
    ) -> Vec<Row> {
        let mut assets = BTreeMap::<(u16, &'static str), BTreeSet<(&str, &str)>>::new();
        for host in hosts {
            let asked = match self.enterprise_project_id.as_str() {
                "all_granted_eps" => granted(&host.enterprise_project),
                one => host.enterprise_project == one,
            };
            for port in host.ports.iter().filter(|port| asked && self.lets(port)) {
                let rows = assets.entry((port.port, port.transport)).or_default();
                rows.insert((&host.id, asset_within_host(port)));
            }
        }
        let mut rows: Vec<Row> = assets
            .into_iter()
            .map(|((port, kind), set)| (port, kind, set.len()))
            .collect();
        if self.descending {
            // Only the order of ports turns round: a stable sort leaves TCP before UDP.
            rows.sort_by_key(|(port, _, _)| std::cmp::Reverse(*port));
        }
        rows
    }

    /// The body of the HSS answer.
    pub(crate) fn answer<'a>(&self, hosts: impl IntoIterator<Item = &'a Host>) -> Value {
        let rows = self.rows(hosts, |_| true);
        let page = rows
            .iter()
            .skip(self.offset)
            .take(self.limit)
            .map(|&(port, transport, num)| {
                let kind = self.kind.as_deref().unwrap_or(transport);
                match self.status {
                    None => json!({"num": num, "port": port, "type": kind}),
                    Some(_) => {
                        let status = status(port, transport);
                        json!({"num": num, "port": port, "type": kind, "status": status})
                    }
                }
            });
        json!({"total_num": rows.len(), "data_list": page.collect::<Vec<_>>()})
    }

    fn lets(&self, port: &OpenPort) -> bool {
        let category = if port.netns.is_some() {
            "container"
        } else {
            "host"
        };
        let kind_fits = match self.kind.as_deref() {
            None => true,
            Some("TCP6") => port.transport == "TCP" && is_ipv6(&port.laddr),
            Some("UDP6") => port.transport == "UDP" && is_ipv6(&port.laddr),
            Some(transport) => port.transport == transport,
        };
        let text_fits = self
            .port_string
            .as_ref()
            .is_none_or(|text| port.port.to_string().contains(text));
        category == self.category
            && kind_fits
            && text_fits
            && self.port.is_none_or(|only| only == port.port)
            && self
                .exposure
                .as_ref()
                .is_none_or(|only| only == exposure(port))
            && self
                .status
                .as_ref()
                .is_none_or(|only| only == status(port.port, port.transport))
    }
}

fn asset_within_host(port: &OpenPort) -> &str {
    match &port.netns {
        None => "",
        Some(netns) => port.container_id.as_deref().unwrap_or(netns),
    }
}

/// Whether a local address is an IPv6 one; an IPv4 address that is mapped into IPv6 is not.
pub(crate) fn is_ipv6(laddr: &str) -> bool {
    let laddr: IpAddr = laddr.parse().unwrap();
    laddr.to_canonical().is_ipv6()
}

/// The classes of exposure, from the narrowest to the widest.
pub(crate) const EXPOSURES: [&str; 6] = [
    "loopback",
    "link-local",
    "private",
    "cgnat",
    "public",
    "any",
];

/// The exposure of a port, of the addresses that the tests use.
pub(crate) fn exposure(port: &OpenPort) -> &'static str {
    let class = |address: &str| match address {
        "0.0.0.0" | "::" => 5,
        "127.0.0.1" | "127.0.0.53" | "127.0.0.54" | "::1" => 0,
        "169.254.7.7" | "fe80::7" => 1,
        "100.64.7.7" => 3,
        "203.0.113.7" | "2001:db8::7" => 4,
        _ => 2,
    };
    let own = match class(&port.laddr) {
        5 if port.netns.is_some() => 2,
        own => own,
    };
    let published = port.published.iter().map(|address| class(address));
    EXPOSURES[published.fold(own, usize::max)]
}

/// What the port table says of the ports that the tests use; all others are unknown to it.
pub(crate) fn status(port: u16, transport: &str) -> &'static str {
    match (port, transport) {
        (23 | 6379, "TCP") | (111 | 161 | 5353, "UDP") => "danger",
        (22 | 53 | 80 | 443 | 8080 | 8443 | 9100, "TCP") | (53 | 123 | 443, "UDP") => "normal",
        _ => "unknown",
    }
}
