//! Hosts and their open ports as a test tells them, and the fixture fleet.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// One open port of a report.
#[derive(Clone, Debug)]
pub(crate) struct OpenPort {
    pub(crate) transport: &'static str,
    pub(crate) laddr: String,
    pub(crate) port: u16,
    pub(crate) netns: Option<String>,
    pub(crate) container_id: Option<String>,
    pub(crate) container_name: Option<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) path: Option<String>,
    /// Addresses of the host on which it is published, at its own number.
    pub(crate) published: Vec<&'static str>,
}

pub(crate) fn tcp(laddr: &str, port: u16) -> OpenPort {
    OpenPort {
        transport: "TCP",
        laddr: laddr.to_owned(),
        port,
        netns: None,
        container_id: None,
        container_name: None,
        pid: None,
        path: None,
        published: Vec::new(),
    }
}

pub(crate) fn udp(laddr: &str, port: u16) -> OpenPort {
    OpenPort {
        transport: "UDP",
        ..tcp(laddr, port)
    }
}

impl OpenPort {
    pub(crate) fn netns(self, netns: &str) -> Self {
        Self {
            netns: Some(netns.to_owned()),
            ..self
        }
    }

    pub(crate) fn container(self, id: &str) -> Self {
        Self {
            container_id: Some(id.to_owned()),
            ..self
        }
    }

    pub(crate) fn named(self, container_name: &str) -> Self {
        Self {
            container_name: Some(container_name.to_owned()),
            ..self
        }
    }

    pub(crate) fn program(self, pid: u32, path: &str) -> Self {
        Self {
            pid: Some(pid),
            path: Some(path.to_owned()),
            ..self
        }
    }

    pub(crate) fn published(self, addresses: &[&'static str]) -> Self {
        Self {
            published: addresses.to_vec(),
            ..self
        }
    }

    fn json(&self) -> Value {
        let mut port = Map::new();
        port.insert("type".into(), json!(self.transport));
        port.insert("laddr".into(), json!(self.laddr));
        port.insert("port".into(), json!(self.port));
        let optional = [
            ("netns", json!(self.netns)),
            ("container_id", json!(self.container_id)),
            ("container_name", json!(self.container_name)),
            ("pid", json!(self.pid)),
            ("path", json!(self.path)),
        ];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_null()) {
            port.insert(name.into(), value);
        }
        let published = self.published.iter();
        let published: Vec<Value> = published
            .map(|addr| json!({"addr": addr, "port": self.port}))
            .collect();
        if !published.is_empty() {
            port.insert("published".into(), json!(published));
        }
        Value::Object(port)
    }
}

/// One host, and its next report.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) id: String,
    pub(crate) enterprise_project: String,
    pub(crate) host_ip: Option<String>,
    pub(crate) host_ips: Vec<String>,
    pub(crate) agent_id: Option<String>,
    pub(crate) generation: u64,
    pub(crate) sequence: u64,
    pub(crate) heartbeat_interval_s: u32,
    pub(crate) ports: Vec<OpenPort>,
}

impl Host {
    pub(crate) fn new(id: &str, enterprise_project: &str, ports: Vec<OpenPort>) -> Self {
        Self {
            id: id.to_owned(),
            enterprise_project: enterprise_project.to_owned(),
            host_ip: Some("10.0.3.17".into()),
            host_ips: Vec::new(),
            agent_id: Some(format!("agent-of-{id}")),
            generation: 1_764_000_000,
            sequence: 1,
            heartbeat_interval_s: 30,
            ports,
        }
    }

    /// The same host one report later, with other ports.
    pub(crate) fn next(&self, ports: Vec<OpenPort>) -> Self {
        Self {
            sequence: self.sequence + 1,
            ports,
            ..self.clone()
        }
    }

    pub(crate) fn of_agent(self, agent_id: &str) -> Self {
        Self {
            agent_id: Some(agent_id.to_owned()),
            ..self
        }
    }

    pub(crate) fn in_enterprise_project(self, id: &str) -> Self {
        Self {
            enterprise_project: id.to_owned(),
            ..self
        }
    }

    pub(crate) fn report(&self) -> Value {
        let ports: Vec<Value> = self.ports.iter().map(OpenPort::json).collect();
        json!({
            "host": {
                "host_id": self.id,
                "host_name": format!("name-of-{}", self.id),
                "host_ip": self.host_ip,
                "host_ips": self.host_ips,
                "agent_id": self.agent_id,
                "enterprise_project_id": self.enterprise_project,
            },
            "generation": self.generation,
            "sequence": self.sequence,
            "observed_at": "2026-11-24T02:12:59Z",
            "heartbeat_interval_s": self.heartbeat_interval_s,
            "coverage": {"privileged": true, "namespaces": 4},
            "open_ports": ports,
        })
    }

    /// The heartbeat that confirms the report of this host whose set has that digest.
    pub(crate) fn heartbeat(&self, digest: &Value) -> Value {
        json!({
            "host_id": self.id,
            "generation": self.generation,
            "sequence": self.sequence,
            "digest": digest,
        })
    }
}

/// The enterprise project of the cases that has a UUID for an id.
pub(crate) const UUID: &str = "3f1b2c4d-0000-4000-8000-1234567890ab";

/// The fixture fleet: more than 200 and fewer than 500 rows in enterprise project `0`, all that
/// can make a count wrong, and hosts in two more enterprise projects.
pub(crate) fn fleet() -> Vec<Host> {
    let mut hosts = vec![dual_stack(), v4_only(), v6_only(), containers()];
    hosts.extend(bulk());
    let mut elsewhere = containers();
    elsewhere.id = "g-uuid".into();
    elsewhere
        .ports
        .extend([tcp("0.0.0.0", 22), udp("::", 80), tcp("0.0.0.0", 45_000)]);
    hosts.push(elsewhere.in_enterprise_project(UUID));
    let ports = vec![
        tcp("::", 22),
        tcp("0.0.0.0", 46_000),
        tcp("0.0.0.0", 443).netns("x-1"),
    ];
    hosts.push(Host::new("h-x", "x", ports));
    hosts
}

/// Both families, several addresses, several processes, and twins of one identity.
fn dual_stack() -> Host {
    let ports = vec![
        tcp("0.0.0.0", 22).program(812, "/usr/sbin/sshd"),
        tcp("::", 22).program(812, "/usr/sbin/sshd"),
        udp("0.0.0.0", 123).program(900, "/usr/sbin/chronyd"),
        udp("::", 123).program(900, "/usr/sbin/chronyd"),
        tcp("127.0.0.1", 80).program(31, "/usr/sbin/nginx"),
        tcp("10.0.0.1", 80).program(32, "/usr/bin/envoy"),
        tcp("0.0.0.0", 8080).program(41, "/usr/bin/java"),
        tcp("0.0.0.0", 8080).program(42, "/usr/bin/java"),
        tcp("0.0.0.0", 8080),
        tcp("0.0.0.0", 1),
        udp("0.0.0.0", 1),
        tcp("::1", 65_535),
        udp("127.0.0.1", 65_535),
        tcp("127.0.0.1", 53),
        udp("127.0.0.53", 53),
        udp("127.0.0.54", 53),
    ];
    Host::new("a-dual", "0", ports)
}

fn v4_only() -> Host {
    let ports = [22, 23, 443, 6379].map(|port| tcp("0.0.0.0", port));
    let datagrams = [111, 123, 161].map(|port| udp("10.0.0.2", port));
    Host::new("b-v4", "0", ports.into_iter().chain(datagrams).collect())
}

/// A mapped address is an IPv4 one.
fn v6_only() -> Host {
    let ports = vec![
        tcp("::", 22),
        tcp("fd00::17", 22),
        udp("::", 123),
        tcp("::ffff:10.0.0.7", 443),
        udp("::1", 5353),
        tcp("::1", 8080),
        udp("::1", 8080),
    ];
    Host::new("c-v6", "0", ports)
}

fn containers() -> Host {
    let ports = vec![
        // Two containers of one host, one of them in two namespaces and on two addresses.
        tcp("0.0.0.0", 443).netns("n1").container("c1"),
        tcp("::", 443).netns("n1").container("c1"),
        tcp("10.88.0.9", 443).netns("n1-more").container("c1"),
        tcp("10.88.0.2", 443).netns("n2").container("c2"),
        // A namespace that no container owns, and a pod of two containers in one namespace.
        tcp("0.0.0.0", 443).netns("n3"),
        tcp("0.0.0.0", 443).netns("pod").container("c4"),
        tcp("0.0.0.0", 8443).netns("pod").container("c5"),
        udp("::", 443).netns("pod").container("c5"),
        tcp("127.0.0.1", 6379).netns("n2").container("c2"),
        // A container in the host's own namespace counts as its host.
        tcp("0.0.0.0", 9100).container("c9"),
        tcp("0.0.0.0", 443).container("c9"),
        tcp("0.0.0.0", 22),
    ];
    Host::new("d-containers", "0", ports)
}

/// Hosts with many ports that share some of them.
fn bulk() -> [Host; 2] {
    let of = |range: std::ops::Range<u16>, laddr: &str| -> Vec<OpenPort> {
        let datagrams = range
            .clone()
            .filter(|port| port % 3 == 0)
            .map(|port| udp(laddr, port));
        range
            .clone()
            .map(|port| tcp(laddr, port))
            .chain(datagrams)
            .collect()
    };
    [
        Host::new("e-bulk", "0", of(30_000..30_230, "0.0.0.0")),
        Host::new("f-bulk", "0", of(30_100..30_240, "fd00::5")),
    ]
}

/// The digest of a set, worked out by the words of the design.
pub(crate) fn digest(ports: &[OpenPort]) -> String {
    let mut set: Vec<(&str, &str, String, u16, &OpenPort)> = ports
        .iter()
        .map(|port| {
            let laddr: IpAddr = port.laddr.parse().unwrap();
            let netns = port.netns.as_deref().unwrap_or("");
            (
                netns,
                port.transport,
                laddr.to_canonical().to_string(),
                port.port,
                port,
            )
        })
        .collect();
    // Of equal identities the lowest pid stays, none last, then the smallest path.
    set.sort_by_key(|(netns, transport, laddr, number, port)| {
        let pid = (port.pid.is_none(), port.pid);
        (
            *netns,
            *transport,
            laddr.clone(),
            *number,
            pid,
            port.path.clone(),
        )
    });
    set.dedup_by(|later, kept| {
        (later.0, later.1, &later.2, later.3) == (kept.0, kept.1, &kept.2, kept.3)
    });
    let mut text = "portolan-set-1\n".to_owned();
    for (netns, transport, laddr, number, port) in set {
        let number = number.to_string();
        let (path, container_id) = (port.path.as_deref(), port.container_id.as_deref());
        let container_name = port.container_name.as_deref();
        let fields = [
            netns,
            transport,
            &laddr,
            &number,
            path.unwrap_or(""),
            container_id.unwrap_or(""),
            container_name.unwrap_or(""),
        ];
        text.extend(fields.iter().flat_map(|field| [field, "\0"]));
        text.push('\n');
    }
    let hash = Sha256::digest(text.as_bytes());
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
