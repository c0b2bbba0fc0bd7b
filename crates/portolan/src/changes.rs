//! `changes`: what happened to open ports and hosts, and what happens.

use std::process::ExitCode;

use crate::ask::write;
use crate::cli::Changes;
use crate::client::Client;
use crate::follow;

/// What is shown of a change where it is no JSON.
pub(crate) const HEAD: [&str; 11] = [
    "at",
    "kind",
    "host_id",
    "host_name",
    "enterprise_project_id",
    "type",
    "laddr",
    "port",
    "path",
    "container_name",
    "count",
];

pub(crate) fn changes(arguments: &Changes) -> anyhow::Result<ExitCode> {
    let client = Client::new(&arguments.server)?;
    let mut query: Vec<(&str, &str)> = Vec::new();
    for (name, value) in [
        ("since", &arguments.since),
        ("until", &arguments.until),
        ("host_id", &arguments.host_id),
        ("port", &arguments.port),
        ("type", &arguments.kind),
        ("kind", &arguments.kinds),
        ("exposure", &arguments.exposure),
        ("category", &arguments.category),
        ("enterprise_project_id", &arguments.enterprise_project),
        ("sort_dir", &arguments.sort_dir),
    ] {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    if arguments.damped {
        query.push(("damped", "true"));
    }
    if arguments.follow {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let query = query.into_iter().map(owned).collect();
        return follow::follow(client, query, arguments.server.output);
    }
    let rows = client.read_all("/changes", "changes", &query)?;
    write(arguments.server.output, &HEAD, rows)
}
