use super::super::facts::read_varz;
use super::*;

fn node(name: &str, version: &str, jetstream: &str) -> Monitored {
    let varz = format!(
        r#"{{"server_id":"{name}","server_name":"{name}","version":"{version}","max_payload":8388608,"jetstream":{jetstream}}}"#
    );
    Monitored {
        url: format!("http://{name}:8222"),
        told: read_varz(varz.as_bytes()),
    }
}

const SYNCS: &str = r#"{"config":{"sync_always":true},"meta":{"cluster_size":3}}"#;

fn facts(versions: [&str; 3]) -> Facts {
    let nodes = ["a", "b", "c"].into_iter().zip(versions);
    Facts {
        disabled: None,
        connected: ("a".to_owned(), versions[0].to_owned(), 8 << 20),
        replicas: 3,
        streams: Vec::new(),
        monitored: nodes
            .map(|(name, version)| node(name, version, SYNCS))
            .collect(),
    }
}

fn told(facts: &Facts) -> Vec<String> {
    let judged = judge(facts, false);
    judged.refused.iter().map(ToString::to_string).collect()
}

#[test]
fn each_node_must_be_new_enough() {
    assert_eq!(told(&facts(["2.15.0", "2.16.1-RC.2", "3.0.0"])), [""; 0]);
    assert_eq!(
        told(&facts(["2.15.0", "2.14.9", "?"])),
        [
            "node b runs nats-server 2.14.9: before 2.15 it does not sync a replicated stream's messages together before it acknowledges them. Install nats-server 2.15 or later on node b",
            "node c runs nats-server ?: before 2.15 it does not sync a replicated stream's messages together before it acknowledges them. Install nats-server 2.15 or later on node c",
        ]
    );
}

#[test]
fn a_node_that_is_connected_to_and_not_monitored_is_looked_at_too() {
    let mut facts = facts(["2.15.0"; 3]);
    facts.connected = ("d".to_owned(), "2.9.1".to_owned(), 100);
    let told = told(&facts);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("node d runs nats-server 2.9.1"));
    assert!(told[1].starts_with("node d takes messages of 100 bytes"));
}

#[test]
fn a_node_that_is_monitored_twice_does_not_stand_for_two() {
    let mut facts = facts(["2.15.0"; 3]);
    facts.monitored[2] = facts.monitored[1].clone();
    let told = told(&facts);
    assert_eq!(
        told,
        [
            "2 of the cluster's 3 nodes are monitored: whether each node syncs before it acknowledges, and is of this version, cannot be seen. Give the monitoring address of every node, such as http://a.example:8222, and set `http: 8222` in nats-server.conf of each"
        ]
    );
}

#[test]
fn an_answer_that_is_no_varz_is_an_error() {
    assert!(read_varz(b"{}").is_err());
    assert!(read_varz(b"<html>").is_err());
}
