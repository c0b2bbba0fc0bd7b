//! What the tests of several modules build: small snapshots and the server's words.

use portolan_wire::digest::Digest;
use portolan_wire::heartbeat::{HeartbeatResult, HeartbeatStatus, Reason};
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Agent, Coverage, Current, Host, ReportResult, Status};
use portolan_wire::time::UnixMicros;

use crate::machine::Pair;
use crate::snapshot::Snapshot;

/// The agent id of every snapshot made here.
pub(crate) const AGENT_ID: &str = "9d2e";

/// What the clock of the host says in seconds since 1970, where a test says nothing else.
pub(crate) const CLOCK_S: u64 = 1_764_000_000;

/// A look that found TCP ports of these numbers, held by the process `pid`.
pub(crate) fn snapshot(ports: &[u16], pid: u32) -> Snapshot {
    snapshot_at(CLOCK_S, ports, pid)
}

/// The same at a moment of the host's clock.
pub(crate) fn snapshot_at(clock_s: u64, ports: &[u16], pid: u32) -> Snapshot {
    let host = Host {
        host_id: "h1".to_owned(),
        agent_id: Some(AGENT_ID.to_owned()),
        enterprise_project_id: "0".to_owned(),
        ..Host::default()
    };
    let open_ports = ports.iter().map(|number| {
        let any = std::net::Ipv4Addr::UNSPECIFIED.into();
        OpenPort {
            pid: Some(pid),
            ..OpenPort::new(Transport::Tcp, any, *number)
        }
    });
    Snapshot::new(
        host,
        UnixMicros::from_seconds(i64::try_from(clock_s).unwrap()),
        Agent::default(),
        Coverage {
            privileged: true,
            ..Coverage::default()
        },
        open_ports.collect(),
    )
}

/// The server's word on the only report of a request.
pub(crate) fn result(status: Status) -> ReportResult {
    ReportResult {
        index: 0,
        host_id: Some("h1".to_owned()),
        status,
        digest: None,
        next_heartbeat_s: None,
        current: None,
        error_code: None,
        error_msg: None,
        field: None,
        reason: None,
    }
}

/// The word that the server holds `pair` of `agent_id` already.
pub(crate) fn stale(pair: Pair, agent_id: &str, digest: Digest) -> ReportResult {
    let Pair {
        generation,
        sequence,
    } = pair;
    let current = Current {
        generation,
        sequence,
        agent_id: Some(agent_id.to_owned()),
        digest,
    };
    ReportResult {
        current: Some(current),
        ..result(Status::Stale)
    }
}

/// The server's word on the only heartbeat of a request.
pub(crate) fn heartbeat_result(status: HeartbeatStatus, reason: Option<Reason>) -> HeartbeatResult {
    HeartbeatResult {
        index: 0,
        host_id: Some("h1".to_owned()),
        status,
        reason,
        next_heartbeat_s: None,
        error_code: None,
        error_msg: None,
        field: None,
    }
}
