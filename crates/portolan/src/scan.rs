//! `portolan scan`: the open ports of this machine, without a server.

use std::process::ExitCode;

use anyhow::Context as _;
use portolan_sockets::{Collector, Options, Scan, Socket};
use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, OpenPort, canonicalise_as};
use portolan_wire::report::Coverage;
use serde::Serialize;

use crate::cli;
use crate::output::{self, Rows};

pub(crate) fn scan(arguments: &cli::Scan) -> anyhow::Result<ExitCode> {
    let mut found = Collector::new(Options::default())
        .scan()
        .context("cannot scan this machine")?;
    fold(&mut found.sockets);
    match arguments.output {
        cli::Output::Json => output::json(&Document::of(&found))?,
        cli::Output::Csv => output::data(&rows(&found).csv())?,
        cli::Output::Table => output::data(&rows(&found).table())?,
    }
    for sentence in &found.unseen {
        output::say(sentence);
    }
    Ok(ExitCode::SUCCESS)
}

/// One line an identity, as a report would have it, in the order that people look for ports.
fn fold(sockets: &mut Vec<Socket>) {
    canonicalise_as(
        sockets,
        |socket| &socket.port,
        |socket| &mut socket.port,
        |later, kept| {
            kept.client_udp &= later.client_udp;
            kept.holders = kept.holders.max(later.holders);
        },
    );
    // Stable: ports of one number keep the canonical order of their addresses.
    sockets.sort_by(|a, b| {
        let (a, b) = (&a.port, &b.port);
        (&a.netns, a.transport, a.port).cmp(&(&b.netns, b.transport, b.port))
    });
}

#[derive(Serialize)]
struct Document<'a> {
    coverage: &'a Coverage,
    unseen: &'a [String],
    open_ports: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    category: Category,
    /// From where it can be reached, as far as its addresses and its namespace tell.
    exposure: Exposure,
    /// An autobound UDP socket of a client: an agent reports it only once it has lived a minute.
    client_udp: bool,
    holders: u32,
    #[serde(flatten)]
    port: &'a OpenPort,
}

impl<'a> Document<'a> {
    fn of(found: &'a Scan) -> Self {
        let lines = found.sockets.iter().map(|socket| Line {
            category: socket.port.category(),
            exposure: socket.port.exposure(),
            client_udp: socket.client_udp,
            holders: socket.holders,
            port: &socket.port,
        });
        Self {
            coverage: &found.coverage,
            unseen: &found.unseen,
            open_ports: lines.collect(),
        }
    }
}

fn rows(found: &Scan) -> Rows {
    let head = [
        "category",
        "type",
        "laddr",
        "port",
        "exposure",
        "pid",
        "path",
        "user",
        "container",
        "container_name",
        "netns",
        "note",
    ];
    let mut rows = Rows::new(&head);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    for socket in &found.sockets {
        let port = &socket.port;
        rows.push(vec![
            port.category().as_str().into(),
            port.transport.as_str().into(),
            port.laddr.to_string(),
            port.port.to_string(),
            port.exposure().as_str().into(),
            port.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            text(&port.path),
            text(&port.user),
            text(&port.container_id),
            text(&port.container_name),
            text(&port.netns),
            note(socket),
        ]);
    }
    rows
}

fn note(socket: &Socket) -> String {
    let deleted = socket.port.deleted == Some(true);
    let notes = [
        (socket.client_udp, "client"),
        (deleted, "executable deleted"),
    ];
    let notes: Vec<&str> = notes
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, note)| note)
        .collect();
    notes.join(", ")
}
