//! Between what the wire says and what stands on disk.

use portolan_census::Counted;
use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{OpenPort, Published, Transport};
use portolan_wire::report::{Agent, Coverage, Host};
use portolan_wire::time::UnixMicros;

use super::form::{StoredAgent, StoredCoverage, StoredHost, StoredPort};

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

impl<'a> From<&'a Host> for StoredHost<'a> {
    fn from(host: &'a Host) -> Self {
        Self {
            host_name: host.host_name.as_deref(),
            host_ip: host.host_ip.as_deref(),
            host_ips: host.host_ips.iter().map(String::as_str).collect(),
            agent_id: host.agent_id.as_deref(),
            os_type: host.os_type.as_deref(),
            os_name: host.os_name.as_deref(),
            kernel_version: host.kernel_version.as_deref(),
        }
    }
}

impl StoredHost<'_> {
    /// The host of that id and enterprise project, which stand elsewhere.
    pub(crate) fn named(self, host_id: &str, enterprise_project: &str) -> Host {
        Host {
            host_id: host_id.to_owned(),
            host_name: owned(self.host_name),
            host_ip: owned(self.host_ip),
            host_ips: self.host_ips.into_iter().map(str::to_owned).collect(),
            agent_id: owned(self.agent_id),
            enterprise_project_id: enterprise_project.to_owned(),
            os_type: owned(self.os_type),
            os_name: owned(self.os_name),
            kernel_version: owned(self.kernel_version),
        }
    }
}

impl<'a> From<&'a Agent> for StoredAgent<'a> {
    fn from(agent: &'a Agent) -> Self {
        Self {
            version: agent.version.as_deref(),
            mode: agent.mode.as_deref(),
            cpu_ms: agent.cpu_ms,
            rss_bytes: agent.rss_bytes,
        }
    }
}

impl From<StoredAgent<'_>> for Agent {
    fn from(agent: StoredAgent<'_>) -> Self {
        Self {
            version: owned(agent.version),
            mode: owned(agent.mode),
            cpu_ms: agent.cpu_ms,
            rss_bytes: agent.rss_bytes,
            // Of the moment alone: it is told and not kept.
            ephemeral_udp: None,
        }
    }
}

impl From<&Coverage> for StoredCoverage {
    fn from(coverage: &Coverage) -> Self {
        Self {
            privileged: coverage.privileged,
            namespaces: coverage.namespaces,
            namespaces_skipped: coverage.namespaces_skipped,
            sockets_unattributed: coverage.sockets_unattributed,
            events_lost: coverage.events_lost,
        }
    }
}

impl From<StoredCoverage> for Coverage {
    fn from(coverage: StoredCoverage) -> Self {
        Self {
            privileged: coverage.privileged,
            namespaces: coverage.namespaces,
            namespaces_skipped: coverage.namespaces_skipped,
            sockets_unattributed: coverage.sockets_unattributed,
            events_lost: coverage.events_lost,
        }
    }
}

impl<'a> From<&'a OpenPort> for StoredPort<'a> {
    fn from(port: &'a OpenPort) -> Self {
        Self {
            udp: port.transport == Transport::Udp,
            laddr: port.laddr,
            port: port.port,
            netns: port.netns.as_deref(),
            v6only: port.v6only,
            pid: port.pid,
            path: port.path.as_deref(),
            user: port.user.as_deref(),
            unit: port.unit.as_deref(),
            ifname: port.ifname.as_deref(),
            cmdline: port.cmdline.as_deref(),
            started_at: port.started_at.map(|at| at.0),
            deleted: port.deleted,
            container_id: port.container_id.as_deref(),
            container_name: port.container_name.as_deref(),
            container_image: port.container_image.as_deref(),
            pod_name: port.pod_name.as_deref(),
            pod_namespace: port.pod_namespace.as_deref(),
            published: port.published.iter().map(|p| (p.addr, p.port)).collect(),
        }
    }
}

impl From<StoredPort<'_>> for OpenPort {
    fn from(port: StoredPort<'_>) -> Self {
        Self {
            transport: port.transport(),
            laddr: port.laddr,
            port: port.port,
            netns: owned(port.netns),
            v6only: port.v6only,
            pid: port.pid,
            path: owned(port.path),
            user: owned(port.user),
            unit: owned(port.unit),
            ifname: owned(port.ifname),
            cmdline: owned(port.cmdline),
            started_at: port.started_at.map(UnixMicros),
            deleted: port.deleted,
            container_id: owned(port.container_id),
            container_name: owned(port.container_name),
            container_image: owned(port.container_image),
            pod_name: owned(port.pod_name),
            pod_namespace: owned(port.pod_namespace),
            published: port
                .published
                .into_iter()
                .map(|(addr, port)| Published { addr, port })
                .collect(),
        }
    }
}

impl<'a> From<&'a StoredPort<'a>> for Counted<'a> {
    fn from(port: &'a StoredPort<'a>) -> Self {
        let published = port.published.iter().map(|(addr, _)| *addr);
        Self {
            container_asset: port.netns.map(|netns| port.container_id.unwrap_or(netns)),
            v6: port.laddr.is_ipv6(),
            exposure: Exposure::of_socket(port.laddr, port.netns.is_some(), published),
            port: port.port,
            transport: port.transport(),
        }
    }
}
