//! kill -9 in a stream of reports, again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::harness::{AGENT, PROJECT, Server};

const ROUNDS: usize = 20;
const WRITERS: usize = 8;
const HOSTS_A_WRITER: usize = 5;

/// host id -> the newest sequence that was acknowledged, and the digest of its set.
type Acknowledged = BTreeMap<String, (u64, String)>;

/// Invariants 1 and 2: nothing acknowledged is ever lost, and every count equals a recount.
#[test]
fn twenty_kills_in_a_stream_of_reports_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    for round in 1..=ROUNDS {
        let mut server = Server::start(folder.path());
        assert_nothing_is_lost(&server, &acknowledged);
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..WRITERS)
            .map(|w| writer(&server.url, w, round, &stop))
            .collect();
        // At an uneven moment: after as many reports as the round says.
        let enough = round * 37 % 400;
        while count(&server) < enough as u64 {
            std::thread::yield_now();
        }
        server.process.0.kill().unwrap();
        server.process.wait();
        stop.store(true, Ordering::Release);
        for writer in writers {
            acknowledged.extend(writer.join().unwrap());
        }
    }
    assert_eq!(
        acknowledged.len(),
        WRITERS * HOSTS_A_WRITER,
        "every host was acknowledged"
    );
    let server = Server::start(folder.path());
    assert_nothing_is_lost(&server, &acknowledged);
    server.stop();
}

fn count(server: &Server) -> u64 {
    let page = ureq::get(format!("{}/metrics", server.url))
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    let line = page
        .lines()
        .find_map(|l| l.strip_prefix("portolan_reports_total{result=\"accepted\"} "));
    line.unwrap().parse().unwrap()
}

/// Sends reports of its own hosts, one after the other, until the server is gone; gives what was
/// acknowledged. A report whose answer did not come may or may not be there: it is not counted.
fn writer(
    url: &str,
    writer: usize,
    round: usize,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<Acknowledged> {
    let url = format!("{url}/portolan/v1/projects/{PROJECT}/reports");
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let client: ureq::Agent = ureq::Agent::config_builder().build().into();
        let mut acknowledged = Acknowledged::new();
        for sequence in 1.. {
            for host in 0..HOSTS_A_WRITER {
                let id = format!("h-{writer}-{host}");
                let body = report(&id, round, sequence);
                let sent = client
                    .post(&url)
                    .header("X-Auth-Token", AGENT)
                    .content_type("application/json")
                    .send(body.to_string());
                let Ok(mut answer) = sent else {
                    return acknowledged;
                };
                let Ok(answer) = answer.body_mut().read_json::<Value>() else {
                    return acknowledged;
                };
                let result = &answer["results"][0];
                assert_eq!(result["status"], "accepted", "{result}");
                let digest = result["digest"].as_str().unwrap().to_owned();
                acknowledged.insert(id, (pair(round, sequence), digest));
                if stop.load(Ordering::Acquire) {
                    return acknowledged;
                }
            }
        }
        acknowledged
    })
}

/// One number that orders (generation, sequence) of this test.
fn pair(round: usize, sequence: u64) -> u64 {
    round as u64 * 1_000_000 + sequence
}

fn report(id: &str, round: usize, sequence: u64) -> Value {
    let port = |n: u64| json!({"type": "TCP", "laddr": "10.0.0.1", "port": 1 + (sequence * 7 + n * 13) % 60_000, "path": format!("/bin/{n}")});
    json!({"reports": [{
        "host": {"host_id": id}, "generation": round, "sequence": sequence,
        "observed_at": "2026-11-24T00:00:00Z", "coverage": {"privileged": true},
        "open_ports": (0..20).map(port).collect::<Vec<_>>(),
    }]})
}

fn assert_nothing_is_lost(server: &Server, acknowledged: &Acknowledged) {
    for (id, (newest, digest)) in acknowledged {
        let host = server.native(&format!("/hosts/{id}"));
        let held = pair(
            host["generation"].as_u64().unwrap() as usize,
            host["sequence"].as_u64().unwrap(),
        );
        assert!(held >= *newest, "{id}: acknowledged {newest}, held {held}");
        if held == *newest {
            assert_eq!(host["digest"], **digest, "{id}");
        }
    }
    let recount = server.native("/recount");
    assert_eq!(recount["equal"], true, "{recount}");
}
