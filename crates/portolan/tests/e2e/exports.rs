//! `portolan export`: to a file, to the standard output, and of what does not come whole.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::{AGENT, PROJECT, READER, Server, portolan};

const PORTS: usize = 2_000;

/// A server with one host of many ports.
fn server(folder: &Path) -> Server {
    let server = Server::start(folder);
    let ports: Vec<Value> = (1..=PORTS)
        .map(|port| json!({"type": "TCP", "laddr": "0.0.0.0", "port": port, "path": "/bin/x"}))
        .collect();
    let body = json!({"reports": [{
        "host": {"host_id": "h", "host_name": "=1+1"}, "generation": 1, "sequence": 1,
        "observed_at": "2026-11-24T02:13:00Z", "coverage": {"privileged": true}, "open_ports": ports,
    }]});
    let target = format!("{}/portolan/v1/projects/{PROJECT}/reports", server.url);
    let mut answer = ureq::post(target)
        .header("X-Auth-Token", AGENT)
        .send_json(body)
        .unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    assert_eq!(answer["results"][0]["status"], "accepted", "{answer}");
    server
}

fn export(url: &str) -> Command {
    let mut command = portolan();
    command.args(["export", "--server", url, "--token", READER]);
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_export_goes_to_a_file_or_to_the_standard_output_and_says_nothing_where_nobody_looks() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = server(folder.path());
    let file = out.path().join("ports.csv");
    let csv = ["--rows", "open-ports", "--format", "csv"];
    let (code, data, talk) = run(export(&server.url).args(csv).arg(&file));
    assert_eq!((code, data.as_str(), talk.as_str()), (Some(0), "", ""));
    assert_eq!(files(out.path()), ["ports.csv"]);
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written.lines().count(), PORTS + 1);
    // Data stays as it is, also where a spreadsheet would take it for a formula.
    assert!(written.contains("\r\nh,=1+1,"));
    let (code, data, talk) = run(export(&server.url).args(csv));
    assert_eq!((code, talk.as_str()), (Some(0), ""));
    assert!(data == written);
    let one = [
        "--rows",
        "open-ports",
        "--port",
        "7",
        "--exposure",
        "any,public",
    ];
    let (_, data, _) = run(export(&server.url).args(one));
    let row: Value = serde_json::from_str(&data).unwrap();
    assert_eq!((&row["host_id"], &row["port"]), (&json!("h"), &json!(7)));
    let changes = ["--rows", "changes", "--kind", "baseline"];
    let (_, data, _) = run(export(&server.url).args(changes));
    let row: Value = serde_json::from_str(&data).unwrap();
    assert_eq!(row["open_ports"], PORTS);
    server.stop();
}

#[test]
fn a_refusal_is_told_and_leaves_no_file() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = server(folder.path());
    let file = out.path().join("ports");
    let before = ["--rows", "open-ports", "--as-of", "2001-01-01T00:00:00Z"];
    let (code, data, talk) = run(export(&server.url).args(before).arg(&file));
    assert_eq!((code, data.as_str()), (Some(1), ""));
    assert!(talk.contains("400 PORTOLAN.0020"), "{talk}");
    assert_eq!(
        run(&mut export(&server.url)).0,
        Some(2),
        "--rows is required"
    );
    let rows = ["--rows", "open-ports", "/dev/null"];
    let (code, _, talk) = run(export(&server.url).args(rows));
    assert_eq!(code, Some(1));
    assert!(talk.contains("is no ordinary file"), "{talk}");
    assert!(files(out.path()).is_empty());
    server.stop();
}

/// Passes one request on, and so much of its answer.
fn cut_after(server: &Server, bytes: usize) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let to = server.url.strip_prefix("http://").unwrap().to_owned();
    let passing = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(to).unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        server.write_all(&request).unwrap();
        let mut part = vec![0; bytes];
        server.read_exact(&mut part).unwrap();
        client.write_all(&part).unwrap();
    });
    (url, passing)
}

#[test]
fn an_export_that_is_cut_is_no_file_and_a_failure() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = server(folder.path());
    let file = out.path().join("ports");
    let rows = ["--rows", "open-ports", "--project", PROJECT];
    for to_file in [true, false] {
        let (url, passing) = cut_after(&server, 100_000);
        let mut command = export(&url);
        command.args(rows);
        if to_file {
            command.arg(&file);
        }
        let (code, data, talk) = run(&mut command);
        assert_eq!(code, Some(1), "{talk}");
        assert_eq!(data.is_empty(), to_file);
        assert!(talk.contains("the export was cut"), "{talk}");
        passing.join().unwrap();
    }
    assert!(files(out.path()).is_empty());
    server.stop();
}
