//! The log over real NATS nodes on loopback: it obeys the words of `Log` as its model does, also when
//! nodes die, and what would break a promise is found.
#![cfg(test)]

mod against_model;
mod checks;
mod crashes;
mod following;
mod races;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use portolan_store::jetstream::{
    ClusterOptions, Facts, Log, LogError, Monitored, NatsCluster, NatsGiven, NatsLog, NatsSettings,
    read_varz,
};

/// A cluster with its folder.
struct Running {
    cluster: NatsCluster,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start(options: &ClusterOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = NatsCluster::start(folder.path(), options).unwrap();
        Self {
            cluster,
            _folder: folder,
        }
    }

    /// Three nodes, and the streams made.
    fn of_three() -> Self {
        let running = Self::start(&ClusterOptions::default());
        let log = running.log();
        eventually("the stream of named values", || log.prepare().ok());
        running
    }

    fn settings(&self, replicas: usize) -> NatsSettings {
        NatsSettings::read(NatsGiven {
            url: self.cluster.url(),
            replicas: Some(replicas),
            ..NatsGiven::default()
        })
        .unwrap()
    }

    /// Asks the first node as another client would, and gives the line of the answer.
    fn request(&self, subject: &str, body: &str) -> String {
        let url = self.cluster.url();
        let first = url.trim_start_matches("nats://").split(',').next();
        let mut stream = TcpStream::connect(first.unwrap()).unwrap();
        let bytes = body.len();
        write!(
            stream,
            "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {bytes}\r\n{body}\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        lines.find(|line| line.starts_with("MSG ")).unwrap();
        lines.next().unwrap()
    }

    /// Another server's log.
    fn log(&self) -> NatsLog {
        NatsLog::connect(&self.settings(3)).unwrap()
    }

    /// What is found of the cluster, with these nodes' monitors.
    fn facts(&self, log: &NatsLog, nodes: &[usize]) -> Facts {
        let monitors = self.cluster.monitors();
        let monitored = nodes.iter().map(|node| Monitored {
            url: monitors[*node].clone(),
            told: read_varz(&self.cluster.ask(*node, "/varz").unwrap()),
        });
        log.facts(monitored.collect()).unwrap()
    }

    /// The same, in a new log that begins with `first`.
    fn log_of(&self, epoch: u64, first: u64) -> NatsLog {
        let log = self.log();
        log.make(epoch, first).unwrap();
        log.enter(epoch).unwrap();
        log
    }
}

fn settings(url: String) -> NatsSettings {
    NatsSettings::read(NatsGiven {
        url,
        ..NatsGiven::default()
    })
    .unwrap()
}

/// Looks for half a minute at most.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_500 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not within half a minute: {what}");
}

/// The message of that number, once it has come in.
fn come(log: &NatsLog, sequence: u64) -> Result<Vec<u8>, LogError> {
    eventually(&format!("message {sequence}"), || {
        log.arrived(sequence).transpose()
    })
}
