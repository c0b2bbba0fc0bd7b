//! Three `portolan serve` on a NATS JetStream cluster of three nodes: reports to any, the same counts
//! from all, and none is missed that ends.

use std::path::Path;

use portolan_store::jetstream::{ClusterOptions, NatsCluster};
use serde_json::{Value, json};

use crate::harness::{AGENT, PROJECT, READER, Server, agent, eventually, portolan};

/// Sends one report of a host with port 22.
fn report(server: &Server, host: &str) {
    let body = json!({"reports": [{
        "host": {"host_id": host},
        "generation": 1, "sequence": 1, "observed_at": "2026-11-24T02:13:00Z",
        "coverage": {"privileged": true},
        "open_ports": [{"type": "TCP", "laddr": "0.0.0.0", "port": 4_222, "path": "/usr/bin/x"}],
    }]});
    let mut answer = ureq::post(format!(
        "{}/portolan/v1/projects/{PROJECT}/reports",
        server.url
    ))
    .header("X-Auth-Token", AGENT)
    .send_json(body)
    .unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    assert_eq!(answer["results"][0]["status"], "accepted", "{answer}");
}

fn num(server: &Server) -> u64 {
    server.num("host", 4_222, "TCP")
}

fn server(cluster: &NatsCluster, folder: &Path, key: &Path) -> Server {
    std::fs::create_dir_all(folder).unwrap();
    let (url, monitors) = (cluster.url(), cluster.monitors().join(","));
    let key = key.to_str().unwrap();
    let more = [
        "--store",
        &url,
        "--nats-monitor",
        &monitors,
        "--secret-key-file",
        key,
    ];
    Server::start_with(folder, "127.0.0.1:0", &more)
}

#[test]
fn servers_of_a_cluster_count_the_same_and_come_back_from_any_end() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = NatsCluster::start(&folder.path().join("nats"), &ClusterOptions::default());
    let cluster = cluster.unwrap();
    let key = folder.path().join("secret-key");
    std::fs::write(&key, "5".repeat(64)).unwrap();
    let home = |number: usize| folder.path().join(number.to_string());
    let begin = |number: usize| server(&cluster, &home(number), &key);
    let mut servers = vec![begin(0), begin(1), begin(2)];
    for (number, server) in servers.iter().enumerate() {
        report(server, &format!("h{number}"));
    }
    for server in &servers {
        eventually("every report counts on every server", || num(server) == 3);
        server.assert_recount();
    }
    let _agent = agent(&servers[0], folder.path(), "real");
    let hosts = |server: &Server| server.native("/hosts")["total_num"].clone();
    eventually("the agent's host is known elsewhere", || {
        hosts(&servers[1]) == 4
    });
    let asked = portolan()
        .args(["ports", "--port", "4222", "--output", "json"])
        .args(["--server", &servers[2].url, "--token", READER])
        .output()
        .unwrap();
    let asked: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert!(asked.to_string().contains("4222"), "{asked}");
    // One ends as by a crash; the others go on, and it comes back of its checkpoint.
    servers.remove(1).process.signal("KILL");
    report(&servers[0], "h3");
    eventually("the others go on", || num(&servers[1]) == 4);
    let again = begin(1);
    assert_eq!(num(&again), 4, "it is ready once it has caught up");
    again.assert_recount();
    again.stop();
    // And with nothing at all.
    std::fs::remove_dir_all(home(1).join("data")).unwrap();
    report(&servers[1], "h4");
    let anew = begin(1);
    assert_eq!(num(&anew), 5);
    anew.assert_recount();
    report(&anew, "h5");
    eventually("all count what the new one took", || num(&servers[0]) == 6);
    anew.stop();
    servers.into_iter().for_each(Server::stop);
}

#[test]
fn a_store_of_one_server_becomes_a_cluster_by_a_reseed() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("0");
    std::fs::create_dir_all(&home).unwrap();
    let alone = Server::start(&home);
    report(&alone, "h0");
    alone.stop();
    let cluster = NatsCluster::start(&folder.path().join("nats"), &ClusterOptions::default());
    let cluster = cluster.unwrap();
    let data = home.join("data");
    let done = portolan()
        .args(["reseed", "--store", &cluster.url(), "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(done.stdout.is_empty());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.contains("1 hosts"), "{said}");
    let key = data.join("secret-key");
    let (first, second) = (
        server(&cluster, &home, &key),
        server(&cluster, &folder.path().join("1"), &key),
    );
    assert_eq!((num(&first), num(&second)), (1, 1));
    report(&second, "h1");
    eventually("the first counts it", || num(&first) == 2);
    first.stop();
    second.stop();
    let verified = portolan()
        .args(["store", "verify", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success(), "{said}");
    // Alone it would acknowledge what the cluster never gets.
    let alone = portolan()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert_eq!(alone.status.code(), Some(1), "{said}");
    assert!(said.contains("give --store"), "{said}");
}
