//! What would break a promise is found on real nodes, and named with the setting to change.

use portolan_store::jetstream::{
    ClusterOptions, Finding, Log, LogError, Monitored, NatsLog, judge,
};

use super::{Running, eventually};

/// What is found, without where it is.
fn found(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| &*finding.found).collect()
}

#[test]
fn a_cluster_as_it_is_demanded_has_no_findings() {
    let cluster = Running::of_three();
    let log = cluster.log_of(1, 1);
    let judged = judge(&cluster.facts(&log, &[0, 1, 2]), false);
    assert_eq!(found(&judged.refused), [""; 0]);
    assert_eq!(found(&judged.accepted), [""; 0]);

    let judged = judge(&cluster.facts(&log, &[0, 2, 2]), false);
    assert_eq!(
        found(&judged.refused),
        ["2 of the cluster's 3 nodes are monitored"]
    );
    let judged = judge(&cluster.facts(&log, &[]), false);
    assert_eq!(
        found(&judged.refused),
        ["no node of the cluster is monitored"]
    );
    assert_eq!(judged.accepted, []);
}

/// One node as the package of a distribution configures it.
fn plain() -> ClusterOptions {
    ClusterOptions {
        nodes: 1,
        jetstream: Some(String::new()),
        lines: String::new(),
    }
}

#[test]
fn a_plain_node_is_refused_or_accepted_with_warnings() {
    let running = Running::start(&plain());
    let log = NatsLog::connect(&running.settings(1)).unwrap();
    eventually("JetStream", || log.prepare().ok());
    log.make(1, 1).unwrap();
    let facts = running.facts(&log, &[0]);
    let judged = judge(&facts, false);
    let told: Vec<String> = judged.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "node n0 takes messages of 1048576 bytes at most: commits are sent in messages of up to 4194304 bytes, which it would refuse. Set `max_payload: 8MB` in nats-server.conf on node n0",
            "node n0 syncs its disk every 120 s: reports that were acknowledged since then are lost when the nodes lose power. Set `sync_interval: always` in the block `jetstream` of nats-server.conf on node n0",
            "streams are to have 1 replicas: what one node acknowledged is lost with it. Let them have 3 or 5, on as many nodes",
            "stream PORTOLAN has `num_replicas: 1`: what one node acknowledged is lost with it. Set `num_replicas: 3` with `nats stream edit PORTOLAN`",
            "stream PORTOLAN_LOG_0000000000000001 has `num_replicas: 1`: what one node acknowledged is lost with it. Set `num_replicas: 3` with `nats stream edit PORTOLAN_LOG_0000000000000001`",
        ]
    );
    assert_eq!(judged.accepted, []);
    let accepting = judge(&facts, true);
    assert_eq!(accepting.accepted, judged.refused);
    assert_eq!(accepting.refused, []);
}

/// Makes a stream otherwise than we do.
fn make(running: &Running, name: &str, config: &str) {
    let answer = running.request(&format!("$JS.API.STREAM.CREATE.{name}"), config);
    assert!(answer.contains("\"did_create\":true"), "{answer}");
}

#[test]
fn each_wrong_setting_of_a_stream_is_named() {
    let running = Running::start(&ClusterOptions {
        jetstream: Some("sync_interval: always".to_owned()),
        ..plain()
    });
    let log = NatsLog::connect(&running.settings(3)).unwrap();
    make(
        &running,
        "PORTOLAN",
        r#"{"name":"PORTOLAN","subjects":["portolan.named.>","other"],"retention":"limits","storage":"memory","num_replicas":1,"discard":"old","max_msgs":5,"max_bytes":1000,"max_age":60000000000,"max_msgs_per_subject":3,"max_msg_size":100,"max_consumers":2,"deny_purge":true}"#,
    );
    make(
        &running,
        "PORTOLAN_LOG_0000000000000001",
        r#"{"name":"PORTOLAN_LOG_0000000000000001","subjects":["portolan.log.0000000000000001"],"retention":"workqueue","storage":"file","num_replicas":1,"discard":"new","discard_new_per_subject":true,"max_msgs_per_subject":1,"no_ack":true,"persist_mode":"async","subject_transform":{"src":">","dest":"x.>"}}"#,
    );
    let judged = judge(&running.facts(&log, &[0]), true);
    let of_streams = |findings: &[Finding]| -> Vec<String> {
        let texts = findings.iter().map(|finding| finding.found.clone());
        texts.filter(|text| text.starts_with("stream ")).collect()
    };
    let named = |setting: &str| format!("stream PORTOLAN has `{setting}`");
    let of_log = |setting: &str| format!("stream PORTOLAN_LOG_0000000000000001 has `{setting}`");
    assert_eq!(
        of_streams(&judged.accepted),
        [
            named("num_replicas: 1"),
            named("max_msgs: 5"),
            named("max_bytes: 1000"),
            named("max_age: 60s"),
            named("max_msgs_per_subject: 3"),
            named("max_msg_size: 100"),
            named("max_consumers: 2"),
            named("discard: old"),
            named("storage: memory"),
            named("deny_purge: true"),
            of_log("num_replicas: 1"),
            of_log("max_msgs_per_subject: 1"),
            of_log("retention: workqueue"),
            of_log("persist_mode: async"),
        ]
    );
    assert_eq!(
        of_streams(&judged.refused),
        [
            named(r#"subjects: ["portolan.named.>", "other"]"#),
            of_log("discard_new_per_subject: true"),
            of_log("subject_transform: set"),
            of_log("no_ack: true"),
        ]
    );
}

#[test]
fn a_node_without_jetstream_is_refused_whatever_is_accepted() {
    let running = Running::start(&ClusterOptions {
        jetstream: None,
        ..plain()
    });
    let log = NatsLog::connect(&running.settings(3)).unwrap();
    let judged = judge(&running.facts(&log, &[0]), true);
    assert_eq!(judged.refused.len(), 1);
    let told = judged.refused[0].to_string();
    assert!(told.starts_with("JetStream cannot be used: "), "{told}");
    assert_eq!(judged.accepted, []);
}

#[test]
fn a_monitor_that_does_not_answer_is_named() {
    let running = Running::start(&plain());
    let log = NatsLog::connect(&running.settings(3)).unwrap();
    let facts = log.facts(vec![Monitored {
        url: "http://127.0.0.1:1".to_owned(),
        told: Err("connection refused".to_owned()),
    }]);
    let judged = judge(&facts.unwrap(), true);
    assert!(
        found(&judged.accepted).contains(
            &"the monitor of NATS at http://127.0.0.1:1 does not tell: connection refused"
        )
    );
}

#[test]
fn a_wrong_password_is_refused_and_no_node_is_unanswered() {
    let running = Running::start(&ClusterOptions {
        lines: "authorization { user: portolan, password: right }".to_owned(),
        ..plain()
    });
    let connect = |user: &str| {
        let url = running.cluster.url().replace("//", &format!("//{user}@"));
        NatsLog::connect(&super::settings(url)).map(|_| ())
    };
    assert_eq!(connect("portolan:right"), Ok(()));
    let refused = connect("portolan:wrong");
    assert!(
        matches!(&refused, Err(LogError::Refused { what }) if !what.contains("wrong")),
        "{refused:?}"
    );
    drop(running);
    let gone = NatsLog::connect(&super::settings("nats://127.0.0.1:1".to_owned())).map(|_| ());
    assert!(matches!(gone, Err(LogError::Unanswered { .. })), "{gone:?}");
}
