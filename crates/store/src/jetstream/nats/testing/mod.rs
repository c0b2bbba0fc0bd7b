//! A real NATS cluster on loopback for tests: nodes are processes with folders of their own.

mod configuration;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub use configuration::ClusterOptions;
use configuration::{Ports, configuration, free_ports};

/// Where `cargo xtask test` puts it.
const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/nats/bin/nats-server"
);
/// How often, and at what pauses, it is looked whether something has become so: half a minute.
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// A cluster. Its nodes end when it is dropped.
pub struct NatsCluster {
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    config: PathBuf,
    log: PathBuf,
    ports: Ports,
    /// None while it is down.
    process: Option<Child>,
}

impl NatsCluster {
    /// Starts a cluster whose nodes keep what they keep in `folder`, and waits until it has a leader.
    ///
    /// # Errors
    /// `nats-server` is not there, or no cluster comes about.
    pub fn start(folder: &Path, options: &ClusterOptions) -> io::Result<Self> {
        let ports = free_ports(options.nodes)?;
        let mut nodes = Vec::new();
        for (number, own) in ports.iter().enumerate() {
            let name = format!("n{number}");
            let home = folder.join(&name);
            std::fs::create_dir_all(&home)?;
            let config = home.join("nats-server.conf");
            std::fs::write(&config, configuration(&name, &home, *own, &ports, options))?;
            nodes.push(Node {
                log: home.join("log"),
                name,
                config,
                ports: *own,
                process: None,
            });
        }
        let mut cluster = Self { nodes };
        (0..options.nodes).try_for_each(|node| cluster.start_node(node))?;
        cluster.wait_until_whole(options.jetstream.is_some())?;
        Ok(cluster)
    }

    /// Its address for [`NatsGiven`](super::NatsGiven).
    pub fn url(&self) -> String {
        let nodes = self.nodes.iter().map(|node| node.ports.clients);
        let nodes: Vec<String> = nodes.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("nats://{}", nodes.join(","))
    }

    /// The address of each node's monitor.
    pub fn monitors(&self) -> Vec<String> {
        let ports = self.nodes.iter().map(|node| node.ports.monitor);
        ports
            .map(|port| format!("http://127.0.0.1:{port}"))
            .collect()
    }

    /// What a node's monitor answers, such as to `/varz`.
    ///
    /// # Errors
    /// It does not.
    pub fn ask(&self, node: usize, path: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.node(node)?.ports.monitor))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let blank = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = blank.map(|blank| answer.split_off(blank + 4));
        body.ok_or_else(|| io::Error::other("no answer of HTTP"))
    }

    /// The node that leads a stream, once one does.
    ///
    /// # Errors
    /// None does within half a minute.
    pub fn leader_of(&self, stream: &str) -> io::Result<usize> {
        self.eventually(&format!("a leader of {stream}"), |cluster| {
            cluster
                .running()
                .find_map(|node| cluster.leader_seen_by(node, stream))
        })
    }

    fn leader_seen_by(&self, node: usize, stream: &str) -> Option<usize> {
        let told = self.ask(node, "/jsz?streams=1").ok()?;
        let told: Value = serde_json::from_slice(&told).ok()?;
        let accounts = told.get("account_details")?.as_array()?;
        let streams = accounts
            .iter()
            .filter_map(|a| a.get("stream_detail")?.as_array());
        let found = streams
            .flatten()
            .find(|s| s.get("name") == Some(&stream.into()))?;
        let leader = found.pointer("/cluster/leader")?.as_str()?;
        let leader = self.nodes.iter().position(|node| node.name == leader)?;
        // A node that is down leads nothing, whatever others still believe.
        self.nodes.get(leader)?.process.as_ref().map(|_| leader)
    }

    /// Ends a node at once, as a crash does.
    ///
    /// # Errors
    /// It cannot be ended.
    pub fn kill(&mut self, node: usize) -> io::Result<()> {
        let Some(mut process) = self.node_mut(node)?.process.take() else {
            return Ok(());
        };
        process.kill()?;
        process.wait().map(|_| ())
    }

    /// Starts a node that is down.
    ///
    /// # Errors
    /// `nats-server` cannot be run.
    pub fn start_node(&mut self, node: usize) -> io::Result<()> {
        let node = self.node_mut(node)?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&node.log)?;
        let process = Command::new(PROGRAM)
            .arg("-c")
            .arg(&node.config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|cause| {
                io::Error::new(
                    cause.kind(),
                    format!("{PROGRAM}: {cause}: run `cargo xtask test` once"),
                )
            })?;
        node.process = Some(process);
        Ok(())
    }

    /// Halts a node where it is, or lets it go on.
    ///
    /// # Errors
    /// It is down.
    pub fn halt(&self, node: usize, is_halted: bool) -> io::Result<()> {
        let signal = if is_halted {
            Signal::STOP
        } else {
            Signal::CONT
        };
        let process = self.node(node)?.process.as_ref();
        let process = process.ok_or_else(|| io::Error::other("the node is down"))?;
        Ok(kill_process(Pid::from_child(process), signal)?)
    }

    /// The process of a node that runs.
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.nodes.get(node)?.process.as_ref().map(Child::id)
    }

    /// Waits until all nodes are there, know each other, and one leads.
    ///
    /// # Errors
    /// They do not within half a minute.
    pub fn wait_until_whole(&self, with_jetstream: bool) -> io::Result<()> {
        self.eventually("the cluster", |cluster| {
            let mut nodes = 0..cluster.nodes.len();
            nodes
                .all(|node| cluster.is_whole(node, with_jetstream))
                .then_some(())
        })
    }

    fn is_whole(&self, node: usize, with_jetstream: bool) -> bool {
        let whole = || -> Option<bool> {
            let told: Value = serde_json::from_slice(&self.ask(node, "/jsz").ok()?).ok()?;
            if !with_jetstream || self.nodes.len() == 1 {
                return Some(true);
            }
            let meta = told.get("meta_cluster")?;
            let knows = meta.get("cluster_size")?.as_u64()? == self.nodes.len() as u64;
            let leader = meta.get("leader")?.as_str()?;
            if leader != self.node(node).ok()?.name {
                return Some(knows && !leader.is_empty());
            }
            let others = meta.get("replicas")?.as_array()?;
            let is_current = |other: &Value| other.get("current") == Some(&true.into());
            Some(knows && others.len() + 1 == self.nodes.len() && others.iter().all(is_current))
        };
        whole().unwrap_or(false)
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.process.is_some())
            .map(|(number, _)| number)
    }

    fn eventually<T>(&self, what: &str, become_so: impl Fn(&Self) -> Option<T>) -> io::Result<T> {
        for _ in 0..LOOKS {
            if let Some(so) = become_so(self) {
                return Ok(so);
            }
            std::thread::sleep(PAUSE);
        }
        let ends = self.nodes.iter().map(|node| {
            let log = std::fs::read_to_string(&node.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(5).collect();
            format!("{}: {lines:?}", node.name)
        });
        let ends: Vec<String> = ends.collect();
        Err(io::Error::other(format!(
            "no {what} within half a minute; {}",
            ends.join("; ")
        )))
    }

    fn node(&self, node: usize) -> io::Result<&Node> {
        self.nodes
            .get(node)
            .ok_or_else(|| io::Error::other("no such node"))
    }

    fn node_mut(&mut self, node: usize) -> io::Result<&mut Node> {
        self.nodes
            .get_mut(node)
            .ok_or_else(|| io::Error::other("no such node"))
    }
}

impl Drop for NatsCluster {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            // It has ended by itself, or nothing else can end it either.
            let _left = self.kill(node);
        }
    }
}
