//! `portolan token`, `access-key`, `user` and `audit`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Server, portolan};

/// A server of the first start, and its administrator's token.
fn first_start(folder: &Path) -> (Server, String) {
    std::fs::write(folder.join("credentials.toml"), "").unwrap();
    let server = Server::start(folder);
    let token = std::fs::read_to_string(folder.join("data/admin-token")).unwrap();
    (server, token.trim().to_owned())
}

fn ask(server: &Server, token: &str, arguments: &[&str]) -> Output {
    portolan()
        .args(arguments)
        .args(["--server", &server.url, "--token", token, "--project", "p1"])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_token_is_made_used_listed_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let (server, admin) = first_start(folder.path());
    let create = [
        "token",
        "create",
        "--role",
        "reader",
        "--name",
        "for-ci",
        "--expires-at",
        "2099-01-01T00:00:00Z",
    ];
    let made = ask(&server, &admin, &create);
    let secret = stdout(&made);
    assert_eq!(
        (secret.len(), secret.lines().count()),
        (65, 1),
        "the secret, alone on its line"
    );
    assert!(!String::from_utf8_lossy(&made.stderr).contains(secret.trim()));
    let secret = secret.trim();
    assert_eq!(
        stdout(&ask(&server, secret, &["hosts", "--output", "json"])).trim(),
        "[]"
    );
    let listed = stdout(&ask(
        &server,
        &admin,
        &["token", "list", "--output", "json"],
    ));
    assert!(!listed.contains(secret));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let row = &listed.as_array().unwrap()[0];
    assert_eq!(
        (&row["name"], &row["source"]),
        (&Value::from("for-ci"), &Value::from("store"))
    );
    assert_eq!(row["expires_at"], "2099-01-01T00:00:00Z");
    let id = row["id"].as_str().unwrap();
    stdout(&ask(&server, &admin, &["token", "revoke", id]));
    let refused = ask(&server, secret, &["hosts"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401 APIGW.0301"));
    let again = ask(&server, &admin, &["token", "revoke", id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("PORTOLAN.0015"));
    server.stop();
}

#[test]
fn an_access_key_is_two_lines_and_a_users_password_comes_from_the_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let (server, admin) = first_start(folder.path());
    let made = stdout(&ask(
        &server,
        &admin,
        &["access-key", "create", "--role", "reader"],
    ));
    let lines: Vec<&str> = made.lines().collect();
    assert_eq!(
        lines.iter().map(|line| line.len()).collect::<Vec<_>>(),
        [20, 40]
    );
    let listed = stdout(&ask(&server, &admin, &["access-key", "list"]));
    assert!(
        listed.contains(lines[0]) && !listed.contains(lines[1]),
        "{listed}"
    );
    let json = [
        "access-key",
        "create",
        "--role",
        "reader",
        "--output",
        "json",
    ];
    let made: Value = serde_json::from_str(&stdout(&ask(&server, &admin, &json))).unwrap();
    assert_eq!(made["sk"].as_str().map(str::len), Some(40));
    let temporary = ["access-key", "create", "--role", "reader", "--temporary"];
    let endless = ask(&server, &admin, &temporary);
    assert!(String::from_utf8_lossy(&endless.stderr).contains("expires_at is required"));
    let ends = ["--expires-at", "2099-01-01T00:00:00Z"];
    let made = stdout(&ask(&server, &admin, &[&temporary[..], &ends].concat()));
    let lengths: Vec<usize> = made.lines().map(str::len).collect();
    assert_eq!(lengths, [20, 40, 64]);
    let mut child = portolan()
        .args([
            "user",
            "create",
            "--name",
            "alice",
            "--role",
            "reader",
            "--project",
            "p1",
        ])
        .args(["--server", &server.url, "--token", &admin])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"correct horse battery\n")
        .unwrap();
    let id = stdout(&child.wait_with_output().unwrap());
    let listed = stdout(&ask(&server, &admin, &["user", "list"]));
    assert!(
        listed.contains("alice") && listed.contains(id.trim()),
        "{listed}"
    );
    stdout(&ask(&server, &admin, &["user", "revoke", id.trim()]));
    server.stop();
}

#[test]
fn the_first_starts_token_can_be_replaced_by_one_that_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let (server, first) = first_start(folder.path());
    let made = portolan()
        .args(["token", "create", "--role", "admin", "--project", "*"])
        .args(["--server", &server.url, "--token", &first])
        .output()
        .unwrap();
    let second = stdout(&made).trim().to_owned();
    std::fs::remove_file(folder.path().join("data/admin-token")).unwrap();
    server.process.signal("HUP");
    crate::harness::eventually("the first token is refused", || {
        ask(&server, &first, &["hosts"]).status.code() == Some(1)
    });
    stdout(&ask(&server, &second, &["hosts"]));
    server.stop();
    // Nor is it made again at the next start.
    let server = Server::start(folder.path());
    assert!(!folder.path().join("data/admin-token").exists());
    stdout(&ask(&server, &second, &["hosts"]));
    server.stop();
}

#[test]
fn audit_verify_tells_a_whole_log_and_names_the_line_that_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, admin) = first_start(folder.path());
    for _ in 0..3 {
        stdout(&ask(
            &server,
            &admin,
            &["token", "create", "--role", "reader"],
        ));
    }
    let data = folder.path().join("data");
    let verify = || {
        portolan()
            .args(["audit", "verify", "--data-dir"])
            .arg(&data)
            .output()
            .unwrap()
    };
    let told = String::from_utf8(verify().stderr).unwrap();
    assert!(told.contains("6 entries in 1 files"), "{told}");
    assert_eq!(verify().status.code(), Some(0), "while the server runs");
    server.stop();
    let file = data.join("audit.log");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&file, format!("{}\n{}\n", lines[0], lines[2])).unwrap();
    let found = verify();
    assert_eq!(found.status.code(), Some(1));
    let told = String::from_utf8(found.stderr).unwrap();
    assert!(
        told.contains("audit.log, line 2: it is entry 3, and entry 2 is next"),
        "{told}"
    );
}

#[test]
fn another_secret_key_file_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (server, admin) = first_start(folder.path());
    stdout(&ask(
        &server,
        &admin,
        &["access-key", "create", "--role", "reader"],
    ));
    server.stop();
    let data = folder.path().join("data");
    let key = data.join("secret-key");
    let right = std::fs::read_to_string(&key).unwrap();
    let start = || {
        portolan()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data)
            .output()
            .unwrap()
    };
    for (wrong, told) in [
        (Some("0".repeat(64)), "is encrypted under"),
        (None, "is missing"),
    ] {
        match wrong {
            Some(text) => std::fs::write(&key, text).unwrap(),
            None => std::fs::remove_file(&key).unwrap(),
        }
        let refused = start();
        let words = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(
            (refused.status.code(), refused.stdout.len()),
            (Some(1), 0),
            "{words}"
        );
        assert!(
            words.contains(told) && words.contains("--secret-key-file"),
            "{words}"
        );
    }
    std::fs::write(&key, right).unwrap();
    Server::start(folder.path()).stop();
}
