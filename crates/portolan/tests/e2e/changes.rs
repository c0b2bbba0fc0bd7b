//! `portolan changes`, and `--follow` over a server that restarts.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::harness::{PATIENCE, Process, READER, Server, agent, eventually, portolan};

fn changes(server: &Server, more: &[&str]) -> Command {
    let mut command = portolan();
    command
        .args(["changes", "--server", &server.url, "--token", READER])
        .args(more);
    command
}

fn told(server: &Server, more: &[&str]) -> String {
    let output = changes(server, more).output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{talk}");
    String::from_utf8(output.stdout).unwrap()
}

fn follow(server: &Server, more: &[&str]) -> (Process, ChildStdout) {
    let mut child = changes(server, more)
        .arg("--follow")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    (Process(child), stdout)
}

fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    lines
}

fn baseline(lines: &Receiver<String>) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        let change: Value = serde_json::from_str(&line).unwrap();
        if change["kind"] == "baseline" {
            return change["host_id"].as_str().unwrap().to_owned();
        }
    }
}

#[test]
fn changes_are_listed_in_every_form_and_followed_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let listen = server.url.trim_start_matches("http://").to_owned();
    let _first = agent(&server, folder.path(), "h1");
    let only = ["--kind", "baseline", "--host-id", "h1"];
    eventually("the first host is there", || {
        told(&server, &only).contains("h1")
    });
    assert!(told(&server, &only).starts_with("AT"));
    let csv = told(&server, &[&only[..], &["--output", "csv"]].concat());
    assert!(
        csv.starts_with("at,kind,host_id,host_name,") && csv.contains(",baseline,h1,"),
        "{csv}"
    );
    let json = told(&server, &[&only[..], &["--output", "json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let since = json[0]["at"].as_str().unwrap();
    let (mut following, stdout) = follow(&server, &["--since", since, "--output", "json"]);
    let followed = lines(stdout);
    assert_eq!(baseline(&followed), "h1");
    server.stop();
    let server = Server::start_on(folder.path(), &listen);
    let _second = agent(&server, folder.path(), "h2");
    assert_eq!(baseline(&followed), "h2", "nothing comes twice");
    following.signal("INT");
    assert_eq!(following.wait().code(), Some(0));
    // Who stops reading ends it with the next change.
    let (mut following, mut stdout) = follow(&server, &["--since", since, "--output", "csv"]);
    let mut head = [0; 3];
    stdout.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"at,");
    drop(stdout);
    let _third = agent(&server, folder.path(), "h3");
    assert_eq!(following.wait().code(), Some(0));
    let wrong = changes(&server, &["--kind", "open"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    server.stop();
}
