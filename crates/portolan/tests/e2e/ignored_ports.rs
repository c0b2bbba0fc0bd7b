//! kill -9 right behind the answer to what an operator ignores, again and again.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{AGENT, PROJECT, READER, Server, token};

const ADMIN: &str = "admin-token-admin-token-admin-to";
const ROUNDS: usize = 10;

fn write_credentials(folder: &Path) {
    let roles = [(READER, "reader"), (AGENT, "agent"), (ADMIN, "admin")];
    let entries = roles.map(|(secret, role)| token(secret, PROJECT, role));
    std::fs::write(folder.join("credentials.toml"), entries.concat()).unwrap();
}

fn post(server: &Server, token: &str, path: &str, body: &Value) -> Value {
    let mut answer = ureq::post(format!("{}{path}", server.url))
        .header("X-Auth-Token", token)
        .send_json(body)
        .unwrap();
    answer.body_mut().read_json().unwrap()
}

fn report(server: &Server, sequence: usize) {
    let body = json!({"reports": [{
        "host": {"host_id": "h"},
        "generation": 1, "sequence": sequence, "observed_at": "2026-11-24T02:13:00Z",
        "coverage": {"privileged": true},
        "open_ports": [{"type": "TCP", "laddr": "0.0.0.0", "port": 6379}],
    }]});
    let path = format!("/portolan/v1/projects/{PROJECT}/reports");
    let answer = post(server, AGENT, &path, &body);
    assert_eq!(answer["results"][0]["status"], "accepted", "{answer}");
}

/// Invariants 1 and 10.
#[test]
fn ten_kills_right_behind_an_answer_lose_no_choice() {
    let folder = tempfile::tempdir().unwrap();
    write_credentials(folder.path());
    let mut expected = "danger";
    for round in 1..=ROUNDS {
        let mut server = Server::start(folder.path());
        if round == 1 {
            report(&server, round);
        }
        let rows = server.native("/statistics?status_field=true");
        assert_eq!(
            rows["data_list"][0]["status"], expected,
            "round {round}: {rows}"
        );
        server.assert_recount();
        // Every other report is behind the choice, so both orders are replayed.
        let operate_type = if expected == "danger" {
            "ignore"
        } else {
            "not_ignore"
        };
        if round % 4 < 2 {
            report(&server, round + 1);
        }
        let item = json!({"host_id": "h", "port": 6379, "port_type": "TCP"});
        let body = json!({"operate_type": operate_type, "data_list": [item]});
        let path = format!("/v5/{PROJECT}/asset/batch-modify-port-status");
        assert_eq!(post(&server, ADMIN, &path, &body), json!({}));
        if round % 4 >= 2 {
            report(&server, round + 1);
        }
        server.process.0.kill().unwrap();
        server.process.wait();
        expected = if expected == "danger" {
            "normal"
        } else {
            "danger"
        };
    }
    let server = Server::start(folder.path());
    let rows = server.native("/statistics?status_field=true");
    assert_eq!(rows["data_list"][0]["status"], expected);
    server.stop();
}
