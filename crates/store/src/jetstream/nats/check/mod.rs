//! What of a cluster would break a promise: a pure judgement of facts.
//!
//! A server acknowledges a report once a majority has its commit synced. A cluster that syncs later,
//! keeps fewer copies or drops messages by itself makes that untrue, and nothing shows it until the
//! day of the loss; so it is looked at when a server starts.

mod streams;

use portolan_wire::caps;

use super::facts::{Monitored, Varz};
pub use streams::StreamFacts;

/// The first version whose replicated streams sync before they acknowledge, many messages at a time.
const VERSION_MIN: (u32, u32) = (2, 15);
/// Copies of which one can be lost while the others agree.
const REPLICAS_MIN: usize = 3;

/// What a cluster is like.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Why JetStream cannot be used, if it cannot.
    pub disabled: Option<String>,
    /// The node that is connected to: its name, version and `max_payload` in bytes.
    pub connected: (String, String, u64),
    /// Copies that streams are made with.
    pub replicas: usize,
    /// Streams that are there already.
    pub streams: Vec<StreamFacts>,
    /// What the monitors tell.
    pub monitored: Vec<Monitored>,
}

/// Something that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is found, and where.
    pub found: String,
    /// What it breaks.
    pub breaks: String,
    /// The setting to change.
    pub change: String,
    /// Whether a server can work on it all the same, at the price of what it breaks.
    pub can_be_accepted: bool,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}: {}. {}", self.found, self.breaks, self.change)
    }
}

/// What is done about findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Why the server does not start.
    pub refused: Vec<Finding>,
    /// What it warns of for as long as it runs.
    pub accepted: Vec<Finding>,
}

/// Judges a cluster. With `accepts_data_loss` all that a server can work on is accepted.
pub fn judge(facts: &Facts, accepts_data_loss: bool) -> Judged {
    let found = findings(facts);
    let (accepted, refused) = found
        .into_iter()
        .partition(|finding| accepts_data_loss && finding.can_be_accepted);
    Judged { refused, accepted }
}

fn findings(facts: &Facts) -> Vec<Finding> {
    if let Some(why) = &facts.disabled {
        return vec![Finding {
            found: format!("JetStream cannot be used: {why}"),
            breaks: "nothing can be kept".to_owned(),
            change: "Add `jetstream { store_dir: \"/var/lib/nats\", sync_interval: always }` to nats-server.conf of every node, and `jetstream: enabled` to the account".to_owned(),
            can_be_accepted: false,
        }];
    }
    let mut found = Vec::new();
    let told: Vec<(&str, &Varz)> = facts.monitored.iter().filter_map(told).collect();
    nodes(facts, &told, &mut found);
    monitors(facts, &told, &mut found);
    if facts.replicas < REPLICAS_MIN {
        found.push(finding(
            format!("streams are to have {} replicas", facts.replicas),
            "what one node acknowledged is lost with it",
            format!("Let them have {REPLICAS_MIN} or 5, on as many nodes"),
        ));
    }
    for stream in &facts.streams {
        streams::findings(stream, &mut found);
    }
    found
}

fn told(monitored: &Monitored) -> Option<(&str, &Varz)> {
    let varz = monitored.told.as_ref().ok()?;
    Some((&monitored.url, varz))
}

fn finding(found: String, breaks: impl Into<String>, change: String) -> Finding {
    Finding {
        found,
        breaks: breaks.into(),
        change,
        can_be_accepted: true,
    }
}

/// Version, length of messages and sync of each node.
fn nodes(facts: &Facts, told: &[(&str, &Varz)], found: &mut Vec<Finding>) {
    let (name, version, takes) = &facts.connected;
    if !told.iter().any(|(_, varz)| varz.server_name == *name) {
        check_version(name, version, found);
        check_payload(name, *takes, found);
    }
    for (_, varz) in told {
        let name = &varz.server_name;
        check_version(name, &varz.version, found);
        check_payload(name, varz.max_payload, found);
        if !varz.jetstream.config.sync_always {
            let seconds = varz.jetstream.config.sync_interval / 1_000_000_000;
            found.push(finding(
                format!("node {name} syncs its disk every {seconds} s"),
                "reports that were acknowledged since then are lost when the nodes lose power",
                format!("Set `sync_interval: always` in the block `jetstream` of nats-server.conf on node {name}"),
            ));
        }
    }
}

fn check_version(name: &str, version: &str, found: &mut Vec<Finding>) {
    let mut words = version.split('.').map(|word| word.parse::<u32>().ok());
    let read = words.next().flatten().zip(words.next().flatten());
    if read.is_some_and(|read| read >= VERSION_MIN) {
        return;
    }
    let (major, minor) = VERSION_MIN;
    found.push(finding(
        format!("node {name} runs nats-server {version}"),
        format!("before {major}.{minor} it does not sync a replicated stream's messages together before it acknowledges them"),
        format!("Install nats-server {major}.{minor} or later on node {name}"),
    ));
}

fn check_payload(name: &str, takes: u64, found: &mut Vec<Finding>) {
    if takes >= caps::NATS_MESSAGE_BYTES as u64 {
        return;
    }
    found.push(finding(
        format!("node {name} takes messages of {takes} bytes at most"),
        format!(
            "commits are sent in messages of up to {} bytes, which it would refuse",
            caps::NATS_MESSAGE_BYTES
        ),
        format!("Set `max_payload: 8MB` in nats-server.conf on node {name}"),
    ));
}

/// Whether every node was asked.
fn monitors(facts: &Facts, told: &[(&str, &Varz)], found: &mut Vec<Finding>) {
    const UNSEEN: &str =
        "whether each node syncs before it acknowledges, and is of this version, cannot be seen";
    for monitored in &facts.monitored {
        if let Err(why) = &monitored.told {
            let url = &monitored.url;
            found.push(finding(
                format!("the monitor of NATS at {url} does not tell: {why}"),
                UNSEEN,
                format!("Let {url} be reached: `http: 8222` in nats-server.conf of that node"),
            ));
        }
    }
    let mut nodes: Vec<&str> = told.iter().map(|(_, varz)| &*varz.server_id).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let cluster = told.iter().map(|(_, varz)| varz.cluster_size()).max();
    if cluster.is_some_and(|cluster| nodes.len() >= cluster) {
        return;
    }
    found.push(finding(
        match cluster {
            None => "no node of the cluster is monitored".to_owned(),
            Some(cluster) => format!(
                "{} of the cluster's {cluster} nodes are monitored",
                nodes.len()
            ),
        },
        UNSEEN,
        "Give the monitoring address of every node, such as http://a.example:8222, and set `http: 8222` in nats-server.conf of each".to_owned(),
    ));
}

#[cfg(test)]
mod tests;
