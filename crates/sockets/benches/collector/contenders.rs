//! What is measured beside the collector.

use std::time::Duration;

use anyhow::ensure;

use crate::cost;

/// A way to list open ports with their owners.
pub(crate) enum Contender {
    Command(&'static [&'static str]),
    Crate(&'static str, fn() -> anyhow::Result<usize>),
}

/// All of them.
pub(crate) const ALL: &[Contender] = &[
    Contender::Command(&["ss", "-H", "-lntup"]),
    Contender::Command(&["netstat", "-lntup"]),
    Contender::Command(&["lsof", "-nP", "-iTCP", "-sTCP:LISTEN"]),
    Contender::Crate("listeners 0.6, get_all", listeners),
    Contender::Crate("netstat2 0.11, TCP and UDP with pids", netstat2),
    Contender::Crate("procfs 0.18, tables and all fds", procfs),
];

impl Contender {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Command(words) => format!("`{}`", words.join(" ")),
            Self::Crate(name, _) => format!("crate {name}"),
        }
    }

    /// Lists once, and tells what that cost. A crate must find at least `least` sockets.
    pub(crate) fn list(&self, least: usize) -> anyhow::Result<Duration> {
        match self {
            Self::Command(words) => cost::of_command(words),
            Self::Crate(name, list) => {
                let (found, cost) = cost::of(list);
                let found = found?;
                ensure!(found >= least, "{name} found {found} of {least} sockets");
                Ok(cost)
            }
        }
    }
}

fn listeners() -> anyhow::Result<usize> {
    let all = listeners::get_all().map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(all.len())
}

fn netstat2() -> anyhow::Result<usize> {
    use netstat2::{AddressFamilyFlags, ProtocolFlags, get_sockets_info};
    let families = AddressFamilyFlags::IPV4 | AddressFamilyFlags::IPV6;
    Ok(get_sockets_info(families, ProtocolFlags::TCP | ProtocolFlags::UDP)?.len())
}

fn procfs() -> anyhow::Result<usize> {
    use std::collections::HashMap;

    use procfs::net::TcpState;
    use procfs::process::{FDTarget, all_processes};
    let mut owners = HashMap::new();
    for process in all_processes()?.flatten() {
        for fd in process.fd().into_iter().flatten().flatten() {
            if let FDTarget::Socket(inode) = fd.target {
                owners.insert(inode, process.pid);
            }
        }
    }
    let tcp = procfs::net::tcp()?.into_iter().chain(procfs::net::tcp6()?);
    let listening = tcp.filter(|it| it.state == TcpState::Listen);
    let udp = procfs::net::udp()?.into_iter().chain(procfs::net::udp6()?);
    let inodes = listening
        .map(|it| it.inode)
        .chain(udp.map(|it| it.inode))
        .filter(|inode| owners.contains_key(inode));
    Ok(inodes.count())
}
