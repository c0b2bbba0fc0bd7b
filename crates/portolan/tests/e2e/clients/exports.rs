//! Exports, by the command and read by DuckDB.

use std::path::Path;

use serde_json::{Value, json};

use super::{all_held, python, root, server_with_fleet};
use crate::harness::{AGENT, PROJECT, READER, Server, portolan};

/// A report after the first: a port was closed, and one was opened by a program of an odd name.
fn change(server: &Server) {
    let ports = json!([
        {"type": "TCP", "laddr": "0.0.0.0", "port": 22},
        {"type": "TCP", "laddr": "::", "port": 8443},
        {"type": "UDP", "laddr": "::", "port": 5353, "path": "=1+1, \"x\"\r\n#y"},
    ]);
    let report = json!({
        "host": {"host_id": "web-2", "host_name": "web-two", "agent_id": "agent-of-web-2"},
        "generation": 1, "sequence": 2, "observed_at": "2026-11-24T02:14:00Z",
        "coverage": {"privileged": true}, "open_ports": ports,
    });
    let target = format!("{}/portolan/v1/projects/{PROJECT}/reports", server.url);
    let mut answer = ureq::post(target)
        .header("X-Auth-Token", AGENT)
        .send_json(json!({"reports": [report]}))
        .unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    assert_eq!(answer["results"][0]["status"], "accepted", "{answer}");
}

fn export(server: &Server, rows: &str, format: &str, file: &Path) {
    let done = portolan()
        .args(["export", "--rows", rows, "--format", format])
        .args(["--server", &server.url, "--token", READER])
        .arg(file)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    assert!(done.stdout.is_empty() && told.is_empty(), "{told}");
}

#[test]
fn duckdb_reads_exports_by_the_statements_of_the_document() {
    let python = python("clients", "cargo xtask clients");
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_fleet(folder.path(), &[]);
    change(&server);
    for rows in ["open-ports", "changes"] {
        for format in ["jsonl", "csv"] {
            let name = format!("{}.{format}", rows.replace('-', "_"));
            export(&server, rows, format, &folder.path().join(name));
        }
    }
    let document = root().join("docs/EXPORT.md");
    let (document, exports) = (document.to_str().unwrap(), folder.path().to_str().unwrap());
    all_held(&python, "exports.py", &[&server.url, document, exports]);
    server.stop();
}
