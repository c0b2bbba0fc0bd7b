//! The table of rules: for every field of a report what it takes, what it does not, and what it says.
//!
//! The numbers stand here as in the design and not as the program's constants, which they check.

use serde_json::{Value, json};

const COUNT: &str = "must be 0 to 9007199254740991";
const NAME: &str = "must be a string of 0 to 256 characters without NUL";
const LONG_NAME: &str = "must be a string of 0 to 4096 characters without NUL";
const NAMESPACE: &str = "must be a string of 1 to 128 characters without NUL";
const AGENT_ID: &str = "must be a string of 0 to 64 characters without NUL";
const HOST_ID: &str = "must be a string of 1 to 64 of [A-Za-z0-9._:-]";
const PROJECT: &str =
    "must be a string of 1 to 128 characters without NUL, and not all_granted_eps";
const PORT: &str = "must be 1 to 65535";
const PID: &str = "must be 1 to 4194304";
const INTERVAL: &str = "must be 1 to 86400";
const FLAG: &str = "must be true or false";
const TRANSPORT: &str = "must be TCP or UDP";
const ADDRESS: &str = "must be an IP address without zone";
const MOMENT: &str = "must be a moment in RFC 3339 that ends with Z, such as 2026-11-24T02:13:00Z";
const OBJECT: &str = "must be an object";
const ARRAY: &str = "must be an array";

/// One rule: where, whether it must be there, what it takes, what it does not, and what it says.
pub(crate) struct Rule {
    pub(crate) pointer: &'static str,
    pub(crate) required: bool,
    pub(crate) inside: Vec<Value>,
    pub(crate) outside: Vec<Value>,
    pub(crate) says: &'static str,
}

fn rule(
    pointer: &'static str,
    says: &'static str,
    inside: Vec<Value>,
    outside: Vec<Value>,
) -> Rule {
    Rule {
        pointer,
        required: false,
        inside,
        outside,
        says,
    }
}

impl Rule {
    fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }
}

/// Strings of so many characters; the longest of characters of four bytes, as bytes do not count.
fn text(pointer: &'static str, says: &'static str, min: usize, max: usize) -> Rule {
    let inside = vec![json!("a".repeat(min)), json!("\u{1F6A2}".repeat(max))];
    let mut outside = vec![
        json!("a".repeat(max + 1)),
        json!("\u{1F6A2}".repeat(max + 1)),
        json!("a\0b"),
    ];
    outside.extend([json!(5), json!(true), json!(["a"]), json!({})]);
    if min > 0 {
        outside.push(json!(""));
    }
    rule(pointer, says, inside, outside)
}

fn integer(pointer: &'static str, says: &'static str, min: u64, max: u64) -> Rule {
    let below = if min == 0 { json!(-1) } else { json!(min - 1) };
    let outside = vec![
        below,
        json!(max + 1),
        json!(u64::MAX),
        json!(min.to_string()),
        json!(true),
        json!([1]),
    ];
    rule(pointer, says, vec![json!(min), json!(max)], outside)
}

fn count(pointer: &'static str) -> Rule {
    integer(pointer, COUNT, 0, 9_007_199_254_740_991)
}

fn port(pointer: &'static str) -> Rule {
    integer(pointer, PORT, 1, 65_535).required()
}

fn flag(pointer: &'static str) -> Rule {
    rule(
        pointer,
        FLAG,
        vec![json!(true), json!(false)],
        vec![json!("true"), json!(1), json!([])],
    )
}

fn transport(pointer: &'static str) -> Rule {
    let outside = vec![
        json!("tcp"),
        json!("TCP6"),
        json!("TCP "),
        json!(""),
        json!(6),
    ];
    rule(
        pointer,
        TRANSPORT,
        vec![json!("TCP"), json!("UDP")],
        outside,
    )
    .required()
}

fn address(pointer: &'static str) -> Rule {
    let inside = [
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "fe80::1",
        "::ffff:10.0.0.1",
    ];
    let outside = [
        "",
        "10.0.0",
        "256.0.0.1",
        "010.0.0.1",
        "fe80::1%eth0",
        "[::1]",
        "::1/64",
        "*",
    ];
    let mut outside: Vec<_> = outside.map(Value::from).into();
    outside.push(json!(2_130_706_433));
    rule(pointer, ADDRESS, inside.map(Value::from).into(), outside)
}

fn moment(pointer: &'static str) -> Rule {
    let inside = [
        "2026-11-24T02:13:00Z",
        "2026-11-24T02:13:00.123456Z",
        "1970-01-01T00:00:00Z",
    ];
    let outside = [
        "",
        "2026-11-24",
        "2026-11-24T02:13:00",
        "2026-11-24T02:13:00+00:00",
    ];
    let mut outside: Vec<_> = outside.map(Value::from).into();
    outside.extend([json!("2026-13-24T02:13:00Z"), json!(1_764_000_000)]);
    rule(pointer, MOMENT, inside.map(Value::from).into(), outside)
}

fn object(pointer: &'static str, inside: Value) -> Rule {
    rule(
        pointer,
        OBJECT,
        vec![inside],
        vec![json!(5), json!("x"), json!([]), json!(false)],
    )
}

fn array(pointer: &'static str) -> Rule {
    rule(
        pointer,
        ARRAY,
        vec![json!([])],
        vec![json!({}), json!("x"), json!(0)],
    )
}

/// Every rule of a report, one a field.
pub(crate) fn rules() -> Vec<Rule> {
    let mut rules = host_rules();
    rules.extend(report_rules());
    rules.extend(open_port_rules());
    rules.extend(transient_rules());
    rules
}

fn host_rules() -> Vec<Rule> {
    let host_id = rule(
        "/host/host_id",
        HOST_ID,
        vec![json!("a"), json!("AZaz09._:-"), json!("x".repeat(64))],
        vec![
            json!(""),
            json!("x".repeat(65)),
            json!("a b"),
            json!("a/b"),
            json!("é"),
            json!(7),
        ],
    );
    let mut project = text("/host/enterprise_project_id", PROJECT, 1, 128);
    project.inside.push(json!("all_granted_ep"));
    project.outside.push(json!("all_granted_eps"));
    vec![
        object("/host", json!({"host_id": "other"})).required(),
        host_id.required(),
        text("/host/host_name", NAME, 0, 256),
        text("/host/host_ip", NAME, 0, 256),
        array("/host/host_ips"),
        address("/host/host_ips/1"),
        text("/host/agent_id", AGENT_ID, 0, 64),
        project,
        text("/host/os_type", NAME, 0, 256),
        text("/host/os_name", NAME, 0, 256),
        text("/host/kernel_version", NAME, 0, 256),
    ]
}

fn report_rules() -> Vec<Rule> {
    let mut generation = count("/generation").required();
    // The clock's own bound lies within this one; a test of its own has it.
    generation.inside = vec![json!(0)];
    vec![
        generation,
        count("/sequence").required(),
        moment("/observed_at").required(),
        integer("/heartbeat_interval_s", INTERVAL, 1, 86_400),
        object("/agent", json!({})),
        text("/agent/version", NAME, 0, 256),
        text("/agent/mode", NAME, 0, 256),
        count("/agent/cpu_ms"),
        count("/agent/rss_bytes"),
        object("/coverage", json!({"privileged": false})).required(),
        flag("/coverage/privileged").required(),
        count("/coverage/namespaces"),
        count("/coverage/namespaces_skipped"),
        count("/coverage/sockets_unattributed"),
        count("/coverage/events_lost"),
        array("/open_ports").required(),
        array("/transients"),
        count("/transients_lost"),
    ]
}

fn open_port_rules() -> Vec<Rule> {
    vec![
        object(
            "/open_ports/0",
            json!({"type": "UDP", "laddr": "::", "port": 123}),
        ),
        transport("/open_ports/0/type"),
        address("/open_ports/0/laddr").required(),
        port("/open_ports/0/port"),
        text("/open_ports/0/netns", NAMESPACE, 1, 128),
        flag("/open_ports/0/v6only"),
        integer("/open_ports/0/pid", PID, 1, 4_194_304),
        text("/open_ports/0/path", LONG_NAME, 0, 4_096),
        text("/open_ports/0/user", NAME, 0, 256),
        text("/open_ports/0/unit", NAME, 0, 256),
        text("/open_ports/0/ifname", NAME, 0, 256),
        text("/open_ports/0/cmdline", NAME, 0, 256),
        moment("/open_ports/0/started_at"),
        flag("/open_ports/0/deleted"),
        text("/open_ports/0/container_id", NAMESPACE, 1, 128),
        text("/open_ports/0/container_name", LONG_NAME, 0, 4_096),
        text("/open_ports/0/container_image", NAME, 0, 256),
        text("/open_ports/0/pod_name", NAME, 0, 256),
        text("/open_ports/0/pod_namespace", NAME, 0, 256),
        array("/open_ports/0/published"),
        object(
            "/open_ports/0/published/0",
            json!({"addr": "::", "port": 1}),
        ),
        address("/open_ports/0/published/0/addr").required(),
        port("/open_ports/0/published/0/port"),
    ]
}

fn transient_rules() -> Vec<Rule> {
    vec![
        object(
            "/transients/0",
            json!({"type": "UDP", "laddr": "::", "port": 123}),
        ),
        transport("/transients/0/type"),
        address("/transients/0/laddr").required(),
        port("/transients/0/port"),
        text("/transients/0/netns", NAMESPACE, 1, 128),
        integer("/transients/0/pid", PID, 1, 4_194_304),
        text("/transients/0/path", LONG_NAME, 0, 4_096),
        text("/transients/0/container_id", NAMESPACE, 1, 128),
        text("/transients/0/container_name", LONG_NAME, 0, 4_096),
        moment("/transients/0/opened_at"),
        moment("/transients/0/closed_at"),
    ]
}
