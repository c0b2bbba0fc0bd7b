//! `portolan backup` of a running server, and `portolan restore`: the same answers on a new folder.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{AGENT, PROJECT, READER, Server, portolan};

const ADMIN: &str = "admin-token-admin-token-admin-to";
const PROJECT_ADMIN: &str = "project-admin-token-project-admin";
const HOSTS: u64 = 200;

fn write_credentials(folder: &Path) {
    let tokens = [
        (READER, PROJECT, "reader"),
        (AGENT, PROJECT, "agent"),
        (PROJECT_ADMIN, PROJECT, "admin"),
        (ADMIN, "*", "admin"),
    ];
    let entries = tokens.map(|(secret, project, role)| {
        format!(
            "[[token]]\nsecret = \"{secret}\"\nproject_id = \"{project}\"\nenterprise_projects = [\"all_granted_eps\"]\nrole = \"{role}\"\n"
        )
    });
    std::fs::write(folder.join("credentials.toml"), entries.concat()).unwrap();
}

/// Sends one report; each host has port 22 and one of its own.
fn report(url: &str, host: u64, sequence: u64) {
    let ports = [22, 1000 + host]
        .map(|port| json!({"type": "TCP", "laddr": "0.0.0.0", "port": port, "path": "/usr/bin/x"}));
    let body = json!({"reports": [{
        "host": {"host_id": format!("h{host:03}")},
        "generation": 1, "sequence": sequence, "observed_at": "2026-11-24T02:13:00Z",
        "coverage": {"privileged": true}, "open_ports": ports,
    }]});
    let mut answer = ureq::post(format!("{url}/portolan/v1/projects/{PROJECT}/reports"))
        .header("X-Auth-Token", AGENT)
        .send_json(body)
        .unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    assert_eq!(answer["results"][0]["status"], "accepted", "{answer}");
}

/// Ignores the port of its own of one host.
fn ignore(url: &str, host: u64) {
    let item = json!({"host_id": format!("h{host:03}"), "port": 1000 + host, "port_type": "TCP"});
    let body = json!({"operate_type": "ignore", "data_list": [item]});
    let path = format!("/v5/{PROJECT}/asset/batch-modify-port-status");
    let answer = ureq::post(format!("{url}{path}"))
        .header("X-Auth-Token", PROJECT_ADMIN)
        .send_json(body)
        .unwrap();
    assert_eq!(answer.status(), 200);
}

/// Runs `portolan` and gives its exit code and what it said.
fn command(arguments: &[&str]) -> (Option<i32>, String) {
    let ended = portolan().args(arguments).output().unwrap();
    assert!(ended.stdout.is_empty(), "talk goes to stderr");
    (
        ended.status.code(),
        String::from_utf8_lossy(&ended.stderr).into_owned(),
    )
}

fn backup(server: &Server, token: &str, file: &Path) -> (Option<i32>, String) {
    let file = file.to_str().unwrap();
    command(&["backup", file, "--server", &server.url, "--token", token])
}

fn restore(file: &Path, folder: &Path) -> (Option<i32>, String) {
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    command(&["restore", file, "--data-dir", folder])
}

/// What the server says of everything it holds.
fn told(server: &Server) -> Vec<Value> {
    let mut told = vec![server.native("/hosts?limit=200")["data_list"].take()];
    told.push(server.native("/statistics?limit=200&status_field=true")["data_list"].take());
    for host in [0, HOSTS - 1] {
        told.push(server.native(&format!("/hosts/h{host:03}")));
    }
    // Who was heard when is kept once a minute, and an answer is of its own moment.
    for value in told.iter_mut().flat_map(|told| match told {
        Value::Array(list) => list.iter_mut().collect(),
        other => vec![other],
    }) {
        if let Value::Object(host) = value {
            host.remove("last_seen");
            host.remove("as_of");
        }
    }
    told
}

#[test]
fn a_server_on_a_restored_backup_gives_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    write_credentials(folder.path());
    let server = Server::start(folder.path());
    for host in 0..HOSTS {
        report(&server.url, host, 1);
    }
    // A port of danger by the table, which is told as normal from here on.
    ignore(&server.url, 99);
    let status = |server: &Server| {
        let path = "/statistics?port=1099&status_field=true";
        server.native(path)["data_list"][0]["status"].take()
    };
    assert_eq!(status(&server), "normal");
    let before = told(&server);
    let file = folder.path().join("backup");
    let (code, said) = backup(&server, ADMIN, &file);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("200 hosts, "), "{said}");
    assert!(said.contains("secret-key"), "what is not in it: {said}");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!folder.path().join("backup.part").exists());
    server.stop();

    let other = tempfile::tempdir().unwrap();
    write_credentials(other.path());
    let data = other.path().join("data");
    let (code, said) = restore(&file, &data);
    assert_eq!(code, Some(0), "{said}");
    let server = Server::start(other.path());
    assert_eq!(told(&server), before);
    assert_eq!(status(&server), "normal");
    assert_eq!(server.native("/recount")["equal"], true);
    // It goes on: a retry and a newer report of the same host.
    report(&server.url, 0, 1);
    report(&server.url, 0, 2);
    server.stop();

    let (code, said) = restore(&file, &data);
    assert_eq!(code, Some(1));
    assert!(said.contains("needs an empty or missing folder"), "{said}");
}

#[test]
fn a_backup_in_a_stream_of_reports_is_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    write_credentials(folder.path());
    let server = Server::start(folder.path());
    for host in 0..HOSTS {
        report(&server.url, host, 1);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (url, stopped) = (server.url.clone(), Arc::clone(&stop));
    let writer = std::thread::spawn(move || {
        for n in 0.. {
            if stopped.load(Ordering::Acquire) {
                return;
            }
            report(&url, n % HOSTS, 2 + n / HOSTS);
        }
    });
    let file = folder.path().join("backup");
    let done: Vec<_> = (0..5).map(|_| backup(&server, ADMIN, &file)).collect();
    stop.store(true, Ordering::Release);
    writer.join().unwrap();
    server.stop();
    for (code, said) in done {
        assert_eq!(code, Some(0), "{said}");
    }
    // Reading back compares number, hashes and sum of all hosts with the moment's commit.
    let (code, said) = restore(&file, &folder.path().join("restored"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("200 hosts, "), "{said}");
}

/// Invariant 8: a backup is everybody's data, so a credential of one project gets none.
#[test]
fn only_an_admin_of_the_whole_server_gets_a_backup_and_nothing_is_left_of_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    write_credentials(folder.path());
    let server = Server::start(folder.path());
    report(&server.url, 0, 1);
    let file = folder.path().join("backup");
    for (token, expected) in [
        (READER, "403 APIGW.0306"),
        (AGENT, "403 APIGW.0306"),
        (PROJECT_ADMIN, "403 APIGW.0306"),
        ("no-such-token-no-such-token-no-su", "401 APIGW.0301"),
    ] {
        let (code, said) = backup(&server, token, &file);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    server.stop();
    let left = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["credentials.toml", "data", "serve.log"]);
}

#[test]
fn a_truncated_backup_is_refused_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    write_credentials(folder.path());
    let server = Server::start(folder.path());
    report(&server.url, 0, 1);
    let file = folder.path().join("backup");
    assert_eq!(backup(&server, ADMIN, &file).0, Some(0));
    server.stop();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let data = folder.path().join("restored");
    let (code, said) = restore(&file, &data);
    assert_eq!(code, Some(1));
    assert!(said.contains("cut short"), "{said}");
    assert!(!data.exists());
}
