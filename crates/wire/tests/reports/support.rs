//! What the tests of requests share: one item of every field, and a way to send it faulty.

use portolan_wire::error::ErrorCode;
use portolan_wire::report::{Fault, Report};
use portolan_wire::testing::NOW;
use serde_json::{Value, json};

/// A report in which every known field has a value.
pub(crate) fn full_report() -> Value {
    json!({
        "host": {
            "host_id": "4f0c", "host_name": "web-17", "host_ip": "10.0.3.17",
            "host_ips": ["10.0.3.17", "fd00::17"], "agent_id": "9d2e",
            "enterprise_project_id": "ep-1", "os_type": "Linux", "os_name": "Debian 12",
            "kernel_version": "6.1.0",
        },
        "generation": 1_764_000_000, "sequence": 12, "observed_at": "2026-11-24T02:13:00Z",
        "heartbeat_interval_s": 30,
        "agent": {"version": "0.1.0", "mode": "poll", "cpu_ms": 12, "rss_bytes": 6_291_456},
        "coverage": {
            "privileged": true, "namespaces": 4, "namespaces_skipped": 1,
            "sockets_unattributed": 2, "events_lost": 3,
        },
        "open_ports": [{
            "type": "TCP", "laddr": "10.88.0.2", "port": 6379, "netns": "b7c1", "v6only": false,
            "pid": 4711, "path": "/usr/local/bin/redis-server", "user": "redis",
            "unit": "redis.service", "ifname": "eth0", "cmdline": "redis-server *:6379",
            "started_at": "2026-11-24T01:00:00Z", "deleted": false, "container_id": "b7c1",
            "container_name": "cache", "container_image": "redis:7", "pod_name": "cache-0",
            "pod_namespace": "shop", "published": [{"addr": "0.0.0.0", "port": 16379}],
        }],
        "transients": [{
            "type": "UDP", "laddr": "127.0.0.1", "port": 4444, "netns": "b7c1", "pid": 9,
            "path": "/dev/shm/x", "container_id": "b7c1", "container_name": "cache",
            "opened_at": "2026-11-24T02:12:01Z", "closed_at": "2026-11-24T02:12:02.000001Z",
        }],
        "transients_lost": 1,
    })
}

/// A report of nothing but what is required.
pub(crate) fn bare_report() -> Value {
    json!({
        "host": {"host_id": "bare"}, "generation": 1, "sequence": 0,
        "observed_at": "2026-11-24T02:13:00Z", "coverage": {"privileged": false}, "open_ports": [],
    })
}

/// The reports of a request, all of which must be told apart.
pub(crate) fn parse(reports: &[Value]) -> Vec<Result<Report, Fault>> {
    parse_text(&json!({ "reports": reports }).to_string())
}

/// The same, of a body as text.
pub(crate) fn parse_text(body: &str) -> Vec<Result<Report, Fault>> {
    portolan_wire::report::parse(body.as_bytes(), NOW).expect("no fault of the whole request")
}

/// The only report of a request.
pub(crate) fn parse_one(report: &Value) -> Result<Report, Fault> {
    let mut all = parse(std::slice::from_ref(report));
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// `value` with what stands at `pointer` (RFC 6901) set, or added to its object.
pub(crate) fn with(value: &Value, pointer: &str, new: Value) -> Value {
    let mut changed = value.clone();
    if let Some(place) = changed.pointer_mut(pointer) {
        *place = new;
        return changed;
    }
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    changed.pointer_mut(parent).unwrap()[name] = new;
    changed
}

/// `value` without the field at `pointer`.
pub(crate) fn without(value: &Value, pointer: &str) -> Value {
    let mut changed = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = changed
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap();
    parent.remove(name).expect("the field was there");
    changed
}

/// The path that errors use for a pointer: `/open_ports/0/port` is `.open_ports[0].port`.
pub(crate) fn field_of(pointer: &str) -> String {
    pointer
        .split('/')
        .skip(1)
        .map(|step| match step.parse::<usize>() {
            Ok(index) => format!("[{index}]"),
            Err(_) => format!(".{step}"),
        })
        .collect()
}

/// The fault of a field, in full.
pub(crate) fn fault(field: &str, what: &str, host_id: Option<&str>) -> Fault {
    Fault {
        code: ErrorCode::FieldInvalid,
        field: field.to_owned(),
        message: format!("{field} {what}"),
        host_id: host_id.map(str::to_owned),
    }
}
