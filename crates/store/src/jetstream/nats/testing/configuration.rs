//! How the nodes of a cluster are configured.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// How the nodes are configured.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many there are; one alone is no cluster.
    pub nodes: usize,
    /// The block `jetstream` without its folder; none where it is off.
    pub jetstream: Option<String>,
    /// Other lines of nats-server.conf.
    pub lines: String,
}

impl Default for ClusterOptions {
    /// As Portolan demands it.
    fn default() -> Self {
        Self {
            nodes: 3,
            jetstream: Some("sync_interval: always".to_owned()),
            lines: "max_payload: 8MB".to_owned(),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Ports {
    pub(super) clients: u16,
    pub(super) routes: u16,
    pub(super) monitor: u16,
}

/// Ports that nobody listens on, all apart.
pub(super) fn free_ports(nodes: usize) -> io::Result<Vec<Ports>> {
    let held: Vec<TcpListener> = (0..nodes * 3)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()?;
    let ports: Vec<u16> = held
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<io::Result<_>>()?;
    let (threes, _) = ports.as_chunks::<3>();
    let of = |[clients, routes, monitor]: &[u16; 3]| Ports {
        clients: *clients,
        routes: *routes,
        monitor: *monitor,
    };
    Ok(threes.iter().map(of).collect())
}

pub(super) fn configuration(
    name: &str,
    home: &Path,
    own: Ports,
    all: &[Ports],
    options: &ClusterOptions,
) -> String {
    let Ports {
        clients,
        routes,
        monitor,
    } = own;
    let mut lines = format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{clients}\"\nhttp: \"127.0.0.1:{monitor}\"\n{}\n",
        options.lines
    );
    if let Some(jetstream) = &options.jetstream {
        let folder = home.display();
        lines += &format!("jetstream {{\n  store_dir: \"{folder}\"\n  {jetstream}\n}}\n");
    }
    if all.len() > 1 {
        let others = all.iter().filter(|ports| ports.routes != routes);
        let others: Vec<String> = others
            .map(|ports| format!("\"nats-route://127.0.0.1:{}\"", ports.routes))
            .collect();
        let others = others.join(", ");
        lines += &format!(
            "cluster {{\n  name: portolan\n  listen: \"127.0.0.1:{routes}\"\n  routes: [{others}]\n}}\n"
        );
    }
    lines
}
