//! What `ss`, an implementation of other people, says; and whether the collector says the same.

use std::collections::BTreeSet;
use std::process::Command;

use portolan_sockets::{Scan, Socket};
use portolan_wire::open_port::Transport;

/// One socket as `ss -lntup` shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    /// Transport, local address with its interface, port.
    pub(crate) name: String,
    /// Who holds it; empty where that may not be told, or nobody does.
    pub(crate) pids: BTreeSet<u32>,
}

/// All rows of the namespace and the user that `prefix` runs `ss` in, in order. Mapped addresses,
/// which the collector unmaps, are unmapped.
pub(crate) fn rows(prefix: &[&str]) -> Vec<Row> {
    let words = [prefix, &["ss", "-H", "-lntup"]].concat();
    let output = Command::new(words[0])
        .args(&words[1..])
        .output()
        .expect("iproute2 must be installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rows: Vec<Row> = text.lines().map(row).collect();
    rows.sort();
    rows
}

fn row(line: &str) -> Row {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = columns[4].rsplit_once(':').unwrap();
    let mapped = address
        .strip_prefix("[::ffff:")
        .and_then(|it| it.strip_suffix(']'));
    let pids = line.split("pid=").skip(1);
    Row {
        name: format!("{} {}:{port}", columns[0], mapped.unwrap_or(address)),
        pids: pids
            .map(|it| it.split(',').next().unwrap().parse().unwrap())
            .collect(),
    }
}

/// The name of a socket as ss writes it.
pub(crate) fn name(socket: &Socket) -> String {
    let port = &socket.port;
    let transport = match port.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let dual = port.laddr.is_ipv6() && port.laddr.is_unspecified() && port.v6only == Some(false);
    let address = match port.laddr {
        _ if dual => "*".to_owned(),
        address if address.is_ipv6() => format!("[{address}]"),
        address => address.to_string(),
    };
    let interface = port.ifname.as_ref().map(|name| format!("%{name}"));
    format!(
        "{transport} {address}{}:{}",
        interface.unwrap_or_default(),
        port.port
    )
}

/// The sockets of a namespace, in the order of their names.
pub(crate) fn inside<'a>(scan: &'a Scan, netns: Option<&str>) -> Vec<&'a Socket> {
    let all = scan.sockets.iter();
    let mut inside: Vec<&Socket> = all
        .filter(|socket| socket.port.netns.as_deref() == netns)
        .collect();
    inside.sort_by_key(|socket| name(socket));
    inside
}

/// Both list the same sockets, and the owner that the collector tells is one of as many holders as
/// ss tells.
#[track_caller]
pub(crate) fn assert_same(scan: &Scan, netns: Option<&str>, rows: &[Row]) {
    let mut ours = inside(scan, netns);
    let names: Vec<String> = ours.iter().map(|socket| name(socket)).collect();
    let theirs: Vec<&String> = rows.iter().map(|row| &row.name).collect();
    assert_eq!(names.iter().collect::<Vec<_>>(), theirs, "left is ours");
    for row in rows {
        let is_same = |socket: &&Socket| {
            let owner = match socket.port.pid {
                Some(pid) => row.pids.contains(&pid),
                None => row.pids.is_empty(),
            };
            name(socket) == row.name && owner && socket.holders as usize == row.pids.len()
        };
        // Twins have one name: each row takes another socket.
        let at = ours.iter().position(is_same);
        let at = at.unwrap_or_else(|| panic!("none of ours has these holders: {row:?}\n{ours:#?}"));
        ours.remove(at);
    }
}
