//! The command line: what is printed where, and the exit codes.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Process, READER, Server, portolan};

fn stdout(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn demo_prints_the_answer_for_the_ports_of_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (code, data, talk) = stdout(portolan().args(["demo", "--once", "--listen", "127.0.0.1:0"]));
    assert_eq!(code, Some(0), "{talk}");
    let answer: Value = serde_json::from_str(&data).unwrap();
    let rows = answer["data_list"].as_array().unwrap();
    assert_eq!(
        answer["total_num"].as_u64(),
        Some(rows.len() as u64),
        "a machine's ports fit on a page of 200"
    );
    let row = rows.iter().find(|row| row["port"] == port).unwrap();
    assert_eq!(
        row,
        &serde_json::json!({"num": 1, "port": port, "type": "TCP"})
    );
}

#[test]
fn scan_lists_a_listener_with_its_program_in_every_form() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (code, data, talk) = stdout(portolan().args(["scan", "--output", "json"]));
    assert_eq!(code, Some(0), "{talk}");
    let document: Value = serde_json::from_str(&data).unwrap();
    let rows = document["open_ports"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["port"] == port && row["type"] == "TCP")
        .unwrap();
    let own = std::env::current_exe().unwrap();
    assert_eq!(row["pid"], std::process::id());
    assert_eq!(row["path"].as_str(), own.to_str());
    assert_eq!(
        (&row["category"], &row["laddr"]),
        (&Value::from("host"), &Value::from("127.0.0.1"))
    );
    assert_eq!(row["exposure"], "loopback");
    let (_, csv, _) = stdout(portolan().args(["scan", "--output", "csv"]));
    assert!(csv.starts_with(
        "category,type,laddr,port,exposure,pid,path,user,container,container_name,netns,note\r\n"
    ));
    assert!(csv.contains(&format!(
        "host,TCP,127.0.0.1,{port},loopback,{},{}",
        std::process::id(),
        own.display()
    )));
    let (_, table, _) = stdout(portolan().arg("scan"));
    assert!(
        table
            .lines()
            .any(|line| line.contains(&format!("{port}  loopback"))
                && line.contains(own.to_str().unwrap()))
    );
}

#[test]
fn bad_usage_exits_2_and_tells_all_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials.toml");
    std::fs::write(&credentials, "[[token]]\nrole = \"root\"\n[[user]]\n").unwrap();
    let (code, data, talk) = stdout(portolan().args([
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--tls-cert",
        "/nowhere/cert.pem",
        "--credentials",
        credentials.to_str().unwrap(),
    ]));
    assert_eq!((code, data.as_str()), (Some(2), ""));
    for part in [
        "--insecure-http",
        "--tls-key",
        "token 1: role",
        "user 1: name",
    ] {
        assert!(talk.contains(part), "{part} is not in {talk}");
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing was made"
    );
    let (code, data, talk) = stdout(portolan().args([
        "serve",
        "--listen",
        "nope",
        "--tls-cert",
        "/nowhere/cert.pem",
    ]));
    assert_eq!((code, data.as_str()), (Some(2), ""));
    for part in ["--listen must be", "--tls-key"] {
        assert!(talk.contains(part), "{part} is not in {talk}");
    }
    assert_eq!(stdout(portolan().arg("nonsense")).0, Some(2));
    assert_eq!(stdout(portolan().arg("--version")).0, Some(0));
}

#[test]
fn every_command_that_asks_a_server_tells_all_mistakes_about_it_and_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let token = "short secret";
    for command in [
        &["ports"][..],
        &["hosts"],
        &["host", "h"],
        &["recount"],
        &["export", "--rows", "changes"],
        &["backup", file.to_str().unwrap()],
        &["token", "create", "--role", "reader"],
        &["token", "list"],
        &["access-key", "create", "--role", "reader"],
        &["access-key", "revoke", "id"],
        &["user", "list"],
    ] {
        let mut asking = portolan();
        asking.args(command).args(["--server", "ftp://x"]);
        let mistaken = asking.args(["--token", token, "--ca-file", "/nowhere/ca.pem"]);
        let (code, data, talk) = stdout(mistaken);
        assert_eq!((code, data.as_str()), (Some(2), ""), "{command:?}: {talk}");
        for part in [
            "--server: a server is http:// or https://",
            "--token: a token is 32 to 4096 characters",
            "/nowhere/ca.pem",
        ] {
            assert!(talk.contains(part), "{command:?}: {part} is not in {talk}");
        }
        assert!(!talk.contains(token), "{talk}");
    }
    let broken = format!("{}\nX-Other: 1", "x".repeat(32));
    let ask = |token: &str| stdout(portolan().args(["hosts", "--token", token]));
    assert_eq!(ask(&broken).0, Some(2));
    // One that could be a server's, where none is, is no bad usage.
    let (code, _, talk) = stdout(
        portolan()
            .args(["ports", "--server", "http://127.0.0.1:1", "--token"])
            .arg("x".repeat(32)),
    );
    assert_eq!(code, Some(1), "{talk}");
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let data = folder.path().join("data");
    let (code, _, talk) = stdout(
        portolan()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data),
    );
    assert_eq!(code, Some(1));
    assert!(talk.contains("in use by another server"), "{talk}");
    server.stop();
}

#[test]
fn the_first_start_without_credentials_writes_an_admin_token_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let child = portolan()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let mut line = String::new();
    let out = process.0.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    let file = folder.path().join("admin-token");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let token = std::fs::read_to_string(file).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let (code, data, talk) = stdout(portolan().args([
        "ports",
        "--server",
        url,
        "--project",
        "any",
        "--output",
        "json",
        "--token",
        token.trim(),
    ]));
    assert_eq!((code, data.trim()), (Some(0), "[]"), "{talk}");
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_refused_question_exits_1_and_tells_the_servers_words() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ask = |token: &str, arguments: &[&str]| {
        stdout(
            portolan()
                .args(arguments)
                .args(["--server", &server.url, "--token", token]),
        )
    };
    let (code, data, talk) = ask(&"x".repeat(32), &["ports"]);
    assert_eq!((code, data.as_str()), (Some(1), ""));
    assert!(talk.contains("401 APIGW.0301"), "{talk}");
    let (code, _, talk) = ask(READER, &["ports", "--port", "70000"]);
    assert_eq!(code, Some(1));
    assert!(
        talk.contains("Invalid parameter. port must be 1 to 65535, got 70000"),
        "{talk}"
    );
    let (code, _, talk) = ask(READER, &["ports", "--exposure", "all"]);
    assert_eq!(code, Some(1));
    assert!(talk.contains("exposure must be loopback, "), "{talk}");
    let (code, data, _) = ask(READER, &["recount"]);
    assert_eq!(code, Some(0));
    assert_eq!(serde_json::from_str::<Value>(&data).unwrap()["equal"], true);
    server.stop();
}

#[test]
fn credentials_are_read_again_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let token = "z".repeat(40);
    let file = folder.path().join("credentials.toml");
    let more = format!(
        "[[token]]\nsecret = \"{token}\"\nproject_id = \"p1\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n"
    );
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, before + &more).unwrap();
    let ask = || {
        stdout(portolan().args([
            "ports",
            "--server",
            &server.url,
            "--enterprise-project",
            "0",
            "--token",
            &token,
        ]))
        .0
    };
    assert_eq!(ask(), Some(1));
    server.process.signal("HUP");
    crate::harness::eventually("the new token is taken", || ask() == Some(0));
    server.stop();
}
