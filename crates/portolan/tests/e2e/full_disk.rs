//! A disk that fills up under a running server.

use serde_json::json;

use crate::harness::{AGENT, PROJECT, Server};
use crate::small_disk::{disk, with_disk};

/// Sends a report; gives the status, the error code if there is one, and Retry-After.
fn report(server: &Server, sequence: u64) -> (u16, String, Option<String>) {
    let body = json!({"reports": [{
        "host": {"host_id": "h"}, "generation": 1, "sequence": sequence,
        "observed_at": "2026-11-24T02:13:00Z", "coverage": {"privileged": true},
        "open_ports": [{"type": "TCP", "laddr": "0.0.0.0", "port": 1000 + sequence}],
    }]});
    let client: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = client
        .post(format!(
            "{}/portolan/v1/projects/{PROJECT}/reports",
            server.url
        ))
        .header("X-Auth-Token", AGENT)
        .send_json(body)
        .unwrap();
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    let told: serde_json::Value = answer.body_mut().read_json().unwrap();
    let code = told["error_code"].as_str().unwrap_or("").to_owned();
    (answer.status().as_u16(), code, retry_after)
}

#[test]
fn child_serves_on_a_small_disk() {
    let Some(disk) = disk() else {
        return;
    };
    let disk = disk.as_path();
    let taken = (200, String::new(), None);
    let mut server = Server::start(disk);
    assert_eq!(report(&server, 1), taken);
    for sequence in [2, 4] {
        // Less is left than the server leaves to be safe.
        std::fs::write(disk.join("ballast"), vec![1; 150 << 20]).unwrap();
        let refused = (503, "PORTOLAN.0007".to_owned(), Some("1".to_owned()));
        assert_eq!(report(&server, sequence), refused);
        assert_eq!(report(&server, sequence), refused);
        // Nothing of it is visible, and reads go on.
        assert_eq!(server.num("host", 1000 + sequence as u16, "TCP"), 0);
        assert_eq!(server.num("host", 999 + sequence as u16, "TCP"), 1);
        std::fs::remove_file(disk.join("ballast")).unwrap();
        assert_eq!(report(&server, sequence), taken, "it recovers by itself");
        assert_eq!(server.num("host", 1000 + sequence as u16, "TCP"), 1);
        assert_eq!(report(&server, sequence + 1), taken);
    }
    // Four reports were refused in two spells: told when each began and when it was over.
    let log = std::fs::read_to_string(disk.join("serve.log")).unwrap();
    let count = |words: &str| log.matches(words).count();
    assert_eq!(
        count("reports are refused until the disk has room"),
        2,
        "{log}"
    );
    assert_eq!(count("the disk has room again"), 2, "{log}");
    assert_eq!(count(" ERROR "), 2, "{log}");
    server.process.0.kill().unwrap();
    server.process.wait();
    let server = Server::start(disk);
    assert_eq!(server.num("host", 1005, "TCP"), 1);
    server.stop();
}

/// Invariants 1 and 7: what is refused for want of space was not acknowledged, what was acknowledged
/// is there, and the server goes on when there is room.
#[test]
fn a_server_without_space_refuses_reports_and_takes_them_again_when_there_is_room() {
    with_disk("400m", "full_disk::child_serves_on_a_small_disk");
}
