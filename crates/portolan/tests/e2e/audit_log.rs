//! An audit log that cannot be written: what becomes of the acts.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::{PROJECT, Server, eventually, portolan, token};
use crate::small_disk::{disk, with_disk};

const ADMIN: &str = "admin-token-admin-token-admin-tok";
/// More acts than fit into the little that is left of a page.
const ATTEMPTS_MAX: usize = 100;

fn ask(server: &Server, arguments: &[&str]) -> Output {
    portolan()
        .args(arguments)
        .args([
            "--server",
            &server.url,
            "--token",
            ADMIN,
            "--project",
            PROJECT,
        ])
        .output()
        .unwrap()
}

/// The ids of the tokens that the server has made.
fn made(server: &Server) -> Vec<String> {
    let listed = ask(server, &["token", "list", "--output", "json"]);
    let rows: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let stored = rows.iter().filter(|row| row["source"] == "store");
    stored
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Tries to make a token; what was said where it failed.
fn create(server: &Server) -> Result<(), String> {
    let asked = ask(server, &["token", "create", "--role", "reader"]);
    match asked.status.code() {
        Some(0) => Ok(()),
        _ => Err(String::from_utf8(asked.stderr).unwrap()),
    }
}

/// Invariant 1 for acts: every token that is there was recorded before it was made.
fn assert_recorded(disk: &Path, made: &[String]) {
    let log = std::fs::read_to_string(disk.join("audit.log")).unwrap();
    for id in made {
        let begun = |line: &str| line.contains(id) && line.contains("\"outcome\":\"begun\"");
        assert!(log.lines().any(begun), "{id} in {log}");
    }
}

#[test]
fn child_acts_on_a_full_audit_log() {
    let Some(disk) = disk() else {
        return;
    };
    let disk = disk.as_path();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // The log alone is on the small disk; the store has room.
    std::os::unix::fs::symlink(disk.join("audit.log"), data.join("audit.log")).unwrap();
    std::fs::write(
        folder.path().join("credentials.toml"),
        token(ADMIN, PROJECT, "admin"),
    )
    .unwrap();
    let server = Server::start(folder.path());
    create(&server).unwrap();
    let ballast = disk.join("ballast");
    let filled = std::fs::write(&ballast, vec![1; 64 << 10]);
    assert!(filled.is_err(), "nothing is left but what pages have left");
    let mut successes = 1;
    let refused = (0..ATTEMPTS_MAX).find_map(|_| match create(&server) {
        Ok(()) => {
            successes += 1;
            None
        }
        Err(told) => Some(told),
    });
    let refused = refused.expect("the log is full");
    assert!(refused.contains("503 PORTOLAN.0007"), "{refused}");
    // Either it was not begun, or it is recorded that it was.
    let there = made(&server);
    let only_begun = usize::from(refused.contains("the audit log holds only that it was begun"));
    assert_eq!(there.len(), successes + only_begun, "{refused}");
    assert_recorded(disk, &there);
    // From now on nothing is done, and nothing but acts is refused.
    for _ in 0..3 {
        let told = create(&server).unwrap_err();
        assert!(
            told.contains("cannot be written, so nothing was done"),
            "{told}"
        );
        let revoked = ask(&server, &["token", "revoke", &there[0]]);
        assert_eq!(revoked.status.code(), Some(1));
    }
    assert_eq!(made(&server), there);
    assert!(server.metric("portolan_audit_errors_total") > 0);
    std::fs::remove_file(&ballast).unwrap();
    eventually("it goes on by itself", || create(&server).is_ok());
    let there = made(&server);
    assert_recorded(disk, &there);
    server.stop();
    let verified = portolan()
        .args(["audit", "verify", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    let told = String::from_utf8(verified.stderr).unwrap();
    assert_eq!(verified.status.code(), Some(0), "{told}");
    // What was owed is there as well: every act has its outcome.
    let log = std::fs::read_to_string(disk.join("audit.log")).unwrap();
    for id in there {
        let done = |line: &str| line.contains(&id) && line.contains("\"outcome\":\"done\"");
        assert!(log.lines().any(done), "{id} in {log}");
    }
}

#[test]
fn nothing_is_done_while_the_audit_log_cannot_be_written() {
    with_disk("64k", "audit_log::child_acts_on_a_full_audit_log");
}
