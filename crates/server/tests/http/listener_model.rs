//! What the lists of open ports must hold, by the words of the design alone: each row is worked out
//! from what the hosts of a test reported last, in the order in which they joined.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::fleet::{Host, OpenPort};
use crate::model::{is_ipv6, status};

/// A question, normalised.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// `None`: all that the caller has.
    pub(crate) enterprise_project: Option<&'static str>,
    pub(crate) category: &'static str,
    /// `TCP`, `UDP`, `TCP6` or `UDP6`.
    pub(crate) kind: Option<&'static str>,
    pub(crate) port: Option<u16>,
    pub(crate) status: Option<&'static str>,
    pub(crate) host_id: Option<&'static str>,
    pub(crate) host_name: Option<&'static str>,
}

impl Question {
    pub(crate) const ALL: Self = Self {
        enterprise_project: None,
        category: "host",
        kind: None,
        port: None,
        status: None,
        host_id: None,
        host_name: None,
    };

    pub(crate) fn query(&self) -> String {
        let ep = self.enterprise_project.unwrap_or("all_granted_eps");
        let mut query = format!("enterprise_project_id={ep}&category={}", self.category);
        let port = self.port.map(|port| port.to_string());
        for (name, value) in [
            ("port", port.as_deref()),
            ("type", self.kind),
            ("status", self.status),
            ("host_id", self.host_id),
            ("host_name", self.host_name),
        ] {
            query.extend(value.map(|value| format!("&{name}={value}")));
        }
        query
    }

    /// The listeners that match, in order.
    fn listeners<'a>(&self, hosts: &'a [Host]) -> Vec<(&'a Host, OpenPort)> {
        let asked = |host: &&Host| {
            self.enterprise_project
                .is_none_or(|ep| host.enterprise_project == ep)
                && self.host_id.is_none_or(|id| host.id == id)
                && self
                    .host_name
                    .is_none_or(|name| name.strip_prefix("name-of-") == Some(&host.id))
        };
        let of_host = |host: &'a Host| {
            let listeners = listeners(host).into_iter().filter(|port| self.lets(port));
            listeners.map(|port| (host, port)).collect::<Vec<_>>()
        };
        hosts.iter().filter(asked).flat_map(of_host).collect()
    }

    fn lets(&self, port: &OpenPort) -> bool {
        let category = if port.netns.is_some() {
            "container"
        } else {
            "host"
        };
        let v6 = is_ipv6(&port.laddr);
        category == self.category
            && self.port.is_none_or(|only| only == port.port)
            && self
                .status
                .is_none_or(|only| only == status(port.port, port.transport))
            && self.kind.is_none_or(|kind| match kind {
                "TCP6" | "UDP6" => v6 && kind.starts_with(port.transport),
                kind => kind == port.transport,
            })
    }

    /// The rows of `asset/ports/detail`.
    pub(crate) fn port_hosts(&self, hosts: &[Host]) -> Vec<Value> {
        let listeners = self.listeners(hosts).into_iter();
        let row = |(host, port): (&Host, OpenPort)| {
            json!({
                "container_id": port.container_id.unwrap_or_default(),
                "host_id": host.id,
                "host_ip": host.host_ip.clone().unwrap_or_default(),
                "host_name": format!("name-of-{}", host.id),
                "laddr": port.laddr,
                "path": port.path.unwrap_or_default(),
                "pid": port.pid.unwrap_or(0),
                "port": port.port,
                "status": status(port.port, port.transport),
                "type": self.kind.unwrap_or(port.transport),
                "container_name": port.container_name.unwrap_or_default(),
                "agent_id": host.agent_id.clone().unwrap_or_default(),
            })
        };
        listeners.map(row).collect()
    }

    /// The rows of `asset/ports`.
    pub(crate) fn host_ports(&self, hosts: &[Host]) -> Vec<Value> {
        let listeners = self.listeners(hosts).into_iter();
        let row = |(host, port): (&Host, OpenPort)| {
            json!({
                "host_id": host.id,
                "laddr": port.laddr,
                "status": status(port.port, port.transport),
                "port": port.port,
                "type": self.kind.unwrap_or(port.transport),
                "pid": port.pid.unwrap_or(0),
                "path": port.path.unwrap_or_default(),
                "agent_id": host.agent_id.clone().unwrap_or_default(),
                "container_id": port.container_id.unwrap_or_default(),
            })
        };
        listeners.map(row).collect()
    }
}

/// The listeners of a host, of twins the one with the lowest pid (none last), then the smallest path;
/// by port, TCP before UDP, then by netns and the text of the address.
fn listeners(host: &Host) -> Vec<OpenPort> {
    let mut ports: Vec<OpenPort> = host.ports.clone();
    for port in &mut ports {
        let laddr: IpAddr = port.laddr.parse().unwrap();
        port.laddr = laddr.to_canonical().to_string();
    }
    let identity = |port: &OpenPort| {
        let netns = port.netns.clone();
        (port.port, port.transport, netns, port.laddr.clone())
    };
    ports.sort_by_key(|port| {
        let pid = (port.pid.is_none(), port.pid);
        (identity(port), pid, port.path.clone())
    });
    ports.dedup_by(|later, kept| identity(later) == identity(kept));
    ports
}
