//! The committer's queue, full because the disk is slow.

use std::thread::JoinHandle;

use portolan_server::credentials::read_file;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::app::{ALL, Token, metric};
use crate::client::{Connection, Request};
use crate::fleet::{Host, digest, tcp};
use crate::gated::start;
use crate::support::eventually;

const TARGET: &str = "/portolan/v1/projects/p1/reports";
const WAITING: &str = "portolan_commit_queue_bytes";
const MIB: u64 = 1 << 20;

/// The report of a host with so many paths that it waits with some 60 MiB.
fn large(host_id: &str) -> Vec<u8> {
    let path = format!("/opt/{}", "x".repeat(4_000));
    let ports = (1..=15_000).map(|port| tcp("::", port).program(1, &path));
    let host = Host::new(host_id, "0", ports.collect());
    serde_json::to_vec(&json!({"reports": [host.report()]})).unwrap()
}

/// Invariants 1 and 7: what waits for the disk has a cap; beyond it requests are told to come again,
/// reads go on, and all that waits is answered in the end.
#[test]
fn reports_beyond_what_may_wait_for_the_disk_are_told_to_come_again() {
    let (reader, agent) = (Token::reader("p1", ALL), Token::agent("p1", ALL));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.toml");
    std::fs::write(&file, Token::file(&[&reader, &agent])).unwrap();
    let runtime = Runtime::new().unwrap();
    let data = folder.path().join("data");
    let starting = start(&runtime, &data, read_file(&file).unwrap());
    starting.load.open();
    let running = runtime.block_on(starting.serving).unwrap().unwrap();
    let address = starting.address;
    let mut asking = Connection::open(address);
    let post = |body: Vec<u8>| {
        let zipped = crate::support::zstd(&body);
        let request = Request::post(TARGET, zipped).token(&agent);
        request.header("Content-Encoding", "zstd")
    };
    let small = post(serde_json::to_vec(&json!({"reports": [small_host().report()]})).unwrap());
    // The first is taken to the disk, which does not answer; the others wait behind it.
    let waiting: Vec<JoinHandle<Value>> = (0..4)
        .map(|n| {
            let request = post(large(&format!("h{n}")));
            let sent = std::thread::spawn(move || Connection::open(address).send(&request).ok());
            eventually("it waits", || {
                metric(&mut asking, WAITING) > (n + 1) * 55 * MIB
            });
            sent
        })
        .collect();
    let refused = Connection::open(address).send(&post(large("h4")));
    assert_eq!(refused.code(), (429, "PORTOLAN.0005".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let limit = "portolan_limits_reached_total{limit=\"commit_queue\"}";
    assert_eq!(metric(&mut asking, limit), 1);
    assert!(metric(&mut asking, WAITING) <= 256 * MIB);
    // A small one still fits, reads and heartbeats need no disk, and nothing is visible yet.
    let fits = {
        let small = small.clone();
        std::thread::spawn(move || Connection::open(address).send(&small).ok())
    };
    let get = |target: &str| Request::get(target).token(&reader);
    let read = asking.send(&get("/v5/p1/asset/port/statistics"));
    assert_eq!(read.ok()["total_num"], 0);
    let heartbeats = json!({"heartbeats": [small_host().heartbeat(&json!(digest(&[])))]});
    let heartbeat = Request::post(
        "/portolan/v1/projects/p1/heartbeats",
        serde_json::to_vec(&heartbeats).unwrap(),
    );
    assert_eq!(asking.send(&heartbeat.token(&agent)).status, 200);
    starting.commit.open();
    for answer in waiting.into_iter().chain([fits]) {
        assert_eq!(answer.join().unwrap()["results"][0]["status"], "accepted");
    }
    let hosts = asking.send(&get("/portolan/v1/projects/p1/hosts"));
    assert_eq!(hosts.ok()["total_num"], 5);
    eventually("nothing waits", || metric(&mut asking, WAITING) == 0);
    let again = Connection::open(address).send(&small);
    assert_eq!(again.ok()["results"][0]["status"], "accepted");
    drop(asking);
    runtime.block_on(running.stop()).unwrap();
}

fn small_host() -> Host {
    Host::new("small", "0", vec![])
}
