//! What a report said of a host, as answers show it: every field is there, `null` where the report
//! said nothing, and a list that is empty is `[]`. A report leaves out what it does not know, to be
//! short; who reads an answer must not have to know which fields there could have been.
//!
//! Holds: a field that a report gets does not compile until it is shown here.

use std::net::IpAddr;

use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, OpenPort, Published, Transport};
use portolan_wire::report::{Agent, Coverage};
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

/// An open port.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShownPort {
    category: Category,
    #[serde(rename = "type")]
    transport: Transport,
    #[schema(value_type = String)]
    laddr: IpAddr,
    port: u16,
    /// From where it can be reached, as far as its addresses and its namespace tell.
    exposure: Exposure,
    netns: Option<String>,
    v6only: Option<bool>,
    pid: Option<u32>,
    path: Option<String>,
    user: Option<String>,
    unit: Option<String>,
    ifname: Option<String>,
    cmdline: Option<String>,
    started_at: Option<UnixMicros>,
    deleted: Option<bool>,
    container_id: Option<String>,
    container_name: Option<String>,
    container_image: Option<String>,
    pod_name: Option<String>,
    pod_namespace: Option<String>,
    published: Vec<Published>,
    /// Since when it is open: the moment of the commit that first had it.
    first_seen: UnixMicros,
}

impl From<(OpenPort, UnixMicros)> for ShownPort {
    fn from((port, first_seen): (OpenPort, UnixMicros)) -> Self {
        let (category, exposure) = (port.category(), port.exposure());
        let OpenPort {
            transport,
            laddr,
            port,
            netns,
            v6only,
            pid,
            path,
            user,
            unit,
            ifname,
            cmdline,
            started_at,
            deleted,
            container_id,
            container_name,
            container_image,
            pod_name,
            pod_namespace,
            published,
        } = port;
        Self {
            category,
            transport,
            laddr,
            port,
            exposure,
            netns,
            v6only,
            pid,
            path,
            user,
            unit,
            ifname,
            cmdline,
            started_at,
            deleted,
            container_id,
            container_name,
            container_image,
            pod_name,
            pod_namespace,
            published,
            first_seen,
        }
    }
}

/// What its agent could not see.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShownCoverage {
    privileged: bool,
    namespaces: Option<u64>,
    namespaces_skipped: Option<u64>,
    sockets_unattributed: Option<u64>,
    events_lost: Option<u64>,
}

impl From<Coverage> for ShownCoverage {
    fn from(told: Coverage) -> Self {
        let Coverage {
            privileged,
            namespaces,
            namespaces_skipped,
            sockets_unattributed,
            events_lost,
        } = told;
        Self {
            privileged,
            namespaces,
            namespaces_skipped,
            sockets_unattributed,
            events_lost,
        }
    }
}

/// Its agent.
#[derive(Serialize, ToSchema)]
pub(crate) struct ShownAgent {
    version: Option<String>,
    mode: Option<String>,
    cpu_ms: Option<u64>,
    rss_bytes: Option<u64>,
}

impl From<Agent> for ShownAgent {
    fn from(told: Agent) -> Self {
        let Agent {
            version,
            mode,
            cpu_ms,
            rss_bytes,
            ephemeral_udp: _,
        } = told;
        Self {
            version,
            mode,
            cpu_ms,
            rss_bytes,
        }
    }
}
