//! The nodes and the servers, as processes.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portolan_store::jetstream::{ClusterOptions, NatsCluster};

use crate::client::{AGENT, PATIENCE, PROJECT, READER, client, native};
use crate::schedule::Fault;

const SERVERS: usize = 3;

pub(crate) struct Cluster {
    nats: NatsCluster,
    servers: Vec<Server>,
}

struct Server {
    folder: PathBuf,
    listen: String,
    store: Vec<String>,
    process: Option<Child>,
}

impl Cluster {
    pub(crate) fn start(folder: &Path) -> Self {
        let nats = NatsCluster::start(&folder.join("nats"), &ClusterOptions::default()).unwrap();
        let (url, monitors) = (nats.url(), nats.monitors().join(","));
        let store = ["--store", &url, "--nats-monitor", &monitors].map(str::to_owned);
        let servers = (0..SERVERS).map(|number| {
            let folder = folder.join(format!("server-{number}"));
            std::fs::create_dir_all(&folder).unwrap();
            let mut server = Server {
                folder,
                listen: free_address(),
                store: store.to_vec(),
                process: None,
            };
            server.start();
            server
        });
        let servers = servers.collect();
        Self { nats, servers }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        let servers = self.servers.iter();
        servers.map(|s| format!("http://{}", s.listen)).collect()
    }

    pub(crate) fn suffer(&mut self, fault: Fault) {
        match fault {
            Fault::KillLeader => {
                let leader = self.nats.leader_of(&self.log_stream()).unwrap();
                self.kill_node(leader);
            }
            Fault::KillNode(node) => self.kill_node(node),
            Fault::KillAllNodes => {
                (0..3).for_each(|node| self.nats.kill(node).unwrap());
                (0..3).for_each(|node| self.nats.start_node(node).unwrap());
                self.nats.wait_until_whole(true).unwrap();
            }
            Fault::HaltNode(node, seconds) => {
                self.nats.halt(node, true).unwrap();
                std::thread::sleep(Duration::from_secs(seconds));
                self.nats.halt(node, false).unwrap();
            }
            Fault::KillServer(server) => {
                self.servers[server].kill();
                self.servers[server].start();
            }
            Fault::EmptyServer(server) => {
                let server = &mut self.servers[server];
                server.kill();
                std::fs::remove_dir_all(server.folder.join("data")).unwrap();
                server.start();
            }
            Fault::HaltServer(server, seconds) => {
                let server = &self.servers[server];
                server.signal("STOP");
                std::thread::sleep(Duration::from_secs(seconds));
                server.signal("CONT");
            }
        }
    }

    fn kill_node(&mut self, node: usize) {
        self.nats.kill(node).unwrap();
        self.nats.start_node(node).unwrap();
    }

    /// The stream of the log, by the name that a checkpoint says.
    fn log_stream(&self) -> String {
        let file = self.servers[0].folder.join("data/cluster.json");
        let told: serde_json::Value =
            serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        format!("PORTOLAN_LOG_{:x}", told["epoch"].as_u64().unwrap())
    }

    /// Waits until all servers answer and tell the same versions of these hosts.
    pub(crate) fn wait_until_level<'a>(&mut self, hosts: impl Iterator<Item = &'a String>) {
        for server in &mut self.servers {
            server.start_if_ended();
        }
        let (client, hosts): (_, Vec<_>) = (client(), hosts.collect());
        let version = |url: &str, host: &str| {
            let told = native(&client, url, &format!("/hosts/{host}"))?;
            Some((told["sequence"].clone(), told["committed_at"].clone()))
        };
        eventually("all servers tell the same", || {
            hosts.iter().all(|host| {
                let told: Vec<_> = self.urls().iter().map(|url| version(url, host)).collect();
                told[0].is_some() && told.iter().all(|version| *version == told[0])
            })
        });
    }
}

impl Server {
    /// Starts, and again where the cluster is not ready for it yet, as a service manager does.
    fn start(&mut self) {
        let until = Instant::now() + PATIENCE;
        while !self.try_start() {
            assert!(Instant::now() < until, "{}: it does not start", self.listen);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn start_if_ended(&mut self) {
        let ended = self.process.as_mut().map(|p| p.try_wait().unwrap());
        if !matches!(ended, Some(None)) {
            self.start();
        }
    }

    fn try_start(&mut self) -> bool {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_portolan"))
            .args(["serve", "--listen", &self.listen, "--data-dir"])
            .arg(self.folder.join("data"))
            .arg("--credentials")
            .arg(self.credentials())
            .args(&self.store)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        if line.starts_with("listening on ") {
            self.process = Some(child);
            return true;
        }
        child.wait().unwrap();
        false
    }

    fn credentials(&self) -> PathBuf {
        let path = self.folder.join("credentials.toml");
        let entry = |secret: &str, role: &str| {
            format!(
                "[[token]]\nsecret = \"{secret}\"\nproject_id = \"{PROJECT}\"\n\
                 enterprise_projects = [\"all_granted_eps\"]\nrole = \"{role}\"\n"
            )
        };
        std::fs::write(&path, entry(READER, "reader") + &entry(AGENT, "agent")).unwrap();
        path
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.process.as_ref().unwrap().id().to_string();
        let mut kill = Command::new("kill");
        let sent = kill.args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Waits until `holds`.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
