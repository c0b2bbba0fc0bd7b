//! `ports`, `hosts`, `host` and `recount`: questions to a server.

use std::process::ExitCode;

use portolan_wire::visible::visible;
use serde_json::Value;

use crate::cli::{HostId, Hosts, Output, Ports, Recount};
use crate::client::{Client, escape};
use crate::output::{self, Rows, cell};

pub(crate) fn ports(arguments: &Ports) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.server)?;
    let mut query = vec![
        (
            "enterprise_project_id",
            arguments.enterprise_project.as_str(),
        ),
        ("status_field", "true"),
    ];
    for (name, value) in [
        ("port", &arguments.port),
        ("type", &arguments.kind),
        ("category", &arguments.category),
        ("exposure", &arguments.exposure),
        ("port_string", &arguments.port_string),
        ("status", &arguments.status),
        ("sort_dir", &arguments.sort_dir),
    ] {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    let rows = client.read_all("/statistics", "data_list", &query)?;
    write(
        arguments.server.output,
        &["port", "type", "num", "status"],
        rows,
    )
}

pub(crate) fn hosts(arguments: &Hosts) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.server)?;
    let query: Vec<_> = arguments
        .enterprise_project
        .iter()
        .map(|id| ("enterprise_project_id", id.as_str()))
        .collect();
    let rows = client.read_all("/hosts", "data_list", &query)?;
    let head = [
        "host_id",
        "host_name",
        "host_ip",
        "enterprise_project_id",
        "freshness",
        "last_seen",
        "open_ports",
        "identity_conflict",
    ];
    write(arguments.server.output, &head, rows)
}

pub(crate) fn host(arguments: &HostId) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.server)?;
    let mut host = client.read(&format!("/hosts/{}", escape(&arguments.host_id)), &[])?;
    if arguments.server.output == Output::Json {
        output::json(&host)?;
        return Ok(ExitCode::SUCCESS);
    }
    let told = |name| cell(host.get(name).unwrap_or(&Value::Null));
    output::say(&format!(
        "{} {} ({}), {}, last seen {}",
        told("host_id"),
        visible(&told("host_name")),
        visible(&told("os_name")),
        told("freshness"),
        told("last_seen")
    ));
    let rows = match host.get_mut("data_list").map(Value::take) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    };
    let head = [
        "category",
        "type",
        "laddr",
        "port",
        "exposure",
        "pid",
        "path",
        "user",
        "container_name",
        "netns",
    ];
    write(arguments.server.output, &head, rows)
}

/// Exit code 1 where a count differs: a script that asks wants to stop there.
pub(crate) fn recount(arguments: &Recount) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.server)?;
    let found = client.read("/recount", &[])?;
    output::json(&found)?;
    let equal = found.get("equal") == Some(&Value::Bool(true));
    Ok(if equal {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Writes a list in the form that was asked for.
pub(crate) fn write(
    form: Output,
    head: &[&'static str],
    list: Vec<Value>,
) -> anyhow::Result<ExitCode> {
    if form == Output::Json {
        output::json(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Rows::new(head);
    for item in &list {
        rows.push(
            head.iter()
                .map(|name| cell(item.get(name).unwrap_or(&Value::Null)))
                .collect(),
        );
    }
    output::data(&if form == Output::Csv {
        rows.csv()
    } else {
        rows.table()
    })?;
    Ok(ExitCode::SUCCESS)
}
