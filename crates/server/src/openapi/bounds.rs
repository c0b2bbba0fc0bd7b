//! The ranges of bodies' fields. A field of one name means the same everywhere, so one table serves
//! every schema.

use portolan_wire::caps;
use serde_json::{Value, json};

/// What a field may be.
enum Bound {
    /// A number of this range.
    Number(u64, u64),
    /// A text of so many characters.
    Text(usize, usize),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of so many items.
    Items(usize, usize),
    /// A list of one to so many texts, each of one to so many characters.
    Texts(usize, usize),
}

use Bound::{Items, Number, OneOf, Text, Texts};

/// Numbers that only memory limits; what JSON can hold exactly.
const COUNT: Bound = Number(0, caps::PAIR_MAX);

const FIELDS: &[(&str, Bound)] = &[
    ("operate_type", OneOf(&["ignore", "not_ignore"])),
    ("port_type", OneOf(&["TCP", "UDP"])),
    ("type", OneOf(&["TCP", "UDP", "TCP6", "UDP6"])),
    ("status", Text(2, 13)),
    ("expires_at", Text(20, 40)),
    ("account_num", Number(0, 0)),
    ("ak", Text(1, caps::STRING_CHARS_MAX)),
    ("addr", Text(2, 45)),
    ("agent_id", Text(0, caps::AGENT_ID_CHARS_MAX)),
    ("agent_version", Text(0, caps::STRING_CHARS_MAX)),
    ("app_num", Number(0, 0)),
    ("auto_launch_num", Number(0, 0)),
    ("asset_value", Text(1, caps::STRING_CHARS_MAX)),
    ("cmdline", Text(0, caps::STRING_CHARS_MAX)),
    ("container_id", Text(0, caps::NETNS_CHARS_MAX)),
    ("container_image", Text(0, caps::STRING_CHARS_MAX)),
    ("container_name", Text(0, caps::PATH_CHARS_MAX)),
    ("counted", COUNT),
    ("counts_checked", COUNT),
    ("cpu_ms", COUNT),
    ("data_list", Items(0, caps::PAGE_LIMIT_MAX as usize)),
    ("database_num", Number(0, 0)),
    ("changes", Items(0, caps::PAGE_LIMIT_MAX as usize)),
    ("count", COUNT),
    ("kind", Text(5, 13)),
    ("code", Number(400, 599)),
    ("domains", Items(0, caps::PROJECTS_LISTED_MAX)),
    ("message", Text(1, caps::PATH_CHARS_MAX)),
    ("methods", Items(1, 1)),
    ("projects", Items(0, caps::PROJECTS_LISTED_MAX)),
    ("title", Text(1, caps::STRING_CHARS_MAX)),
    ("description", Text(1, 256)),
    ("description_en", Text(1, 256)),
    ("detect_result", Text(1, caps::STRING_CHARS_MAX)),
    ("differences", Items(0, caps::PAIR_MAX as usize)),
    ("domain", Text(1, caps::STRING_CHARS_MAX)),
    (
        "enterprise_project_id",
        Text(1, caps::ENTERPRISE_PROJECT_ID_CHARS_MAX),
    ),
    (
        "enterprise_projects",
        Texts(
            caps::CREDENTIAL_ENTERPRISE_PROJECTS_MAX,
            caps::ENTERPRISE_PROJECT_ID_CHARS_MAX,
        ),
    ),
    ("error_code", Text(8, 16)),
    ("error_msg", Text(1, caps::PATH_CHARS_MAX)),
    ("events_lost", COUNT),
    ("exposures", Items(0, 6)),
    ("field", Text(1, caps::STRING_CHARS_MAX)),
    ("fresh", COUNT),
    ("generation", COUNT),
    (
        "heartbeat_interval_s",
        Number(
            caps::HEARTBEAT_INTERVAL_S_MIN as u64,
            caps::HEARTBEAT_INTERVAL_S_MAX as u64,
        ),
    ),
    ("heartbeats", Items(1, caps::BATCH_MAX)),
    ("host_id", Text(1, caps::HOST_ID_CHARS_MAX)),
    ("host_ip", Text(0, caps::STRING_CHARS_MAX)),
    ("host_ips", Items(0, caps::ADDRESSES_MAX)),
    ("host_name", Text(0, caps::STRING_CHARS_MAX)),
    ("host_num", COUNT),
    ("hosts", COUNT),
    ("hosts_max", Number(1, caps::ENROLMENTS_MAX as u64)),
    (
        "retry_key",
        Text(caps::RETRY_KEY_CHARS_MIN, caps::RETRY_KEY_CHARS_MAX),
    ),
    ("token", Text(caps::TOKEN_CHARS_MIN, caps::TOKEN_CHARS_MAX)),
    ("enrolled_by", Text(1, caps::STRING_CHARS_MAX)),
    ("host_sources", Text(1, caps::STRING_CHARS_MAX)),
    ("host_status", Text(1, caps::STRING_CHARS_MAX)),
    ("agent_status", Text(1, caps::STRING_CHARS_MAX)),
    ("id", Text(1, caps::STRING_CHARS_MAX)),
    ("ifname", Text(0, caps::STRING_CHARS_MAX)),
    ("index", Number(0, caps::BATCH_MAX as u64 - 1)),
    ("jar_package_num", Number(0, 0)),
    ("kernel_module_num", Number(0, 0)),
    ("kernel_version", Text(0, caps::STRING_CHARS_MAX)),
    ("laddr", Text(2, 45)),
    ("mode", Text(0, caps::STRING_CHARS_MAX)),
    ("name", Text(1, caps::STRING_CHARS_MAX)),
    ("namespaces", COUNT),
    ("namespaces_skipped", COUNT),
    ("netns", Text(1, caps::NETNS_CHARS_MAX)),
    ("never", COUNT),
    ("next_cursor", Text(1, caps::TARGET_BYTES_MAX)),
    (
        "next_heartbeat_s",
        Number(
            caps::HEARTBEAT_INTERVAL_S_MIN as u64,
            caps::HEARTBEAT_INTERVAL_S_MAX as u64,
        ),
    ),
    ("num", Number(1, caps::PAIR_MAX)),
    ("num_after", COUNT),
    ("num_before", COUNT),
    ("open_num", COUNT),
    ("os_name", Text(0, caps::STRING_CHARS_MAX)),
    ("os_type", Text(0, caps::STRING_CHARS_MAX)),
    (
        "password",
        Text(caps::PASSWORD_CHARS_MIN, caps::PASSWORD_CHARS_MAX),
    ),
    ("path", Text(0, caps::PATH_CHARS_MAX)),
    ("percentage", Number(0, 100)),
    ("pid", Number(0, caps::PID_MAX as u64)),
    ("pod_name", Text(0, caps::STRING_CHARS_MAX)),
    ("pod_namespace", Text(0, caps::STRING_CHARS_MAX)),
    ("port", Number(1, 65_535)),
    ("port_num", COUNT),
    ("private_ip", Text(0, caps::STRING_CHARS_MAX)),
    ("process_num", Number(0, 0)),
    ("project_id", Text(1, caps::PROJECT_ID_CHARS_MAX)),
    ("protect_status", Text(1, caps::STRING_CHARS_MAX)),
    ("public_ip", Text(0, caps::STRING_CHARS_MAX)),
    ("published", Items(0, caps::ADDRESSES_MAX)),
    ("reason", Text(1, caps::STRING_CHARS_MAX)),
    ("recounted", COUNT),
    ("reports", Items(1, caps::BATCH_MAX)),
    ("results", Items(1, caps::BATCH_MAX)),
    ("role", OneOf(&["reader", "agent", "admin"])),
    ("row_num", COUNT),
    ("rss_bytes", COUNT),
    ("ephemeral_udp", COUNT),
    ("secret", Text(caps::TOKEN_CHARS_MIN, caps::TOKEN_CHARS_MAX)),
    (
        "security_token",
        Text(caps::TOKEN_CHARS_MIN, caps::TOKEN_CHARS_MAX),
    ),
    ("sequence", COUNT),
    ("sk", Text(1, caps::STRING_CHARS_MAX)),
    ("sockets_unattributed", COUNT),
    ("source", Text(1, caps::STRING_CHARS_MAX)),
    ("stale", COUNT),
    ("total_num", COUNT),
    ("transients", Items(0, caps::TRANSIENTS_MAX)),
    ("transients_lost", COUNT),
    ("unit", Text(0, caps::STRING_CHARS_MAX)),
    ("user", Text(0, caps::STRING_CHARS_MAX)),
    ("version", Text(0, caps::STRING_CHARS_MAX)),
    ("web_app_num", Number(0, 0)),
    ("web_framework_num", Number(0, 0)),
    ("web_service_num", Number(0, 0)),
    ("web_site_num", Number(0, 0)),
    ("open_ports", Items(0, caps::OPEN_PORTS_MAX)),
    ("request_id", Text(32, 32)),
    ("freshness", Text(5, 7)),
    ("what", Text(4, 7)),
    ("agents", COUNT),
];

/// Gives every field of every schema its range.
pub(super) fn apply(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for (name, schema) in properties {
                    bound(name, schema);
                }
            }
            object.values_mut().for_each(apply);
        }
        Value::Array(items) => items.iter_mut().for_each(apply),
        _ => {}
    }
}

fn bound(name: &str, schema: &mut Value) {
    let Some((_, bound)) = FIELDS.iter().find(|(field, _)| *field == name) else {
        return;
    };
    let is = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|k| k == kind),
        one => one == kind,
    };
    let free = ["enum", "format", "pattern", "const"]
        .iter()
        .all(|limit| schema.get(limit).is_none() || *limit == "format" && is("integer"));
    let range = match bound {
        Number(min, max) if is("integer") => json!({"minimum": min, "maximum": max}),
        // Open ports are a list in a report and a number in a list of hosts.
        Items(_, max) if is("integer") => json!({"minimum": 0, "maximum": max}),
        Text(min, max) if is("string") && free => json!({"minLength": min, "maxLength": max}),
        OneOf(values) if is("string") && free => json!({"enum": values}),
        Items(min, max) if is("array") => json!({"minItems": min, "maxItems": max}),
        Texts(max, chars) if is("array") => json!({
            "minItems": 1, "maxItems": max,
            "items": {"type": "string", "minLength": 1, "maxLength": chars},
        }),
        _ => return,
    };
    if let (Some(schema), Value::Object(range)) = (schema.as_object_mut(), range) {
        schema.extend(range);
    }
}

/// The schema of a segment of a path.
pub(super) fn of_path(name: &str) -> Value {
    match name {
        "port" => json!({"type": "integer", "minimum": 1, "maximum": 65_535}),
        "host_id" => json!({
            "type": "string", "minLength": 1, "maxLength": caps::HOST_ID_CHARS_MAX, "pattern": "^[A-Za-z0-9._:-]+$",
        }),
        "project_id" => {
            json!({"type": "string", "minLength": 1, "maxLength": caps::PROJECT_ID_CHARS_MAX})
        }
        _ => json!({"type": "string", "minLength": 1, "maxLength": caps::STRING_CHARS_MAX}),
    }
}
