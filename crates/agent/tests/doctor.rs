//! `portolan-agent doctor` as people start it, with and without privilege and server.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::{Response, Server};

/// The program where everybody may run it.
fn program(folder: &Path) -> String {
    let everybody = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let path = folder.join("portolan-agent");
    // By a process of its own: a child that another test starts meanwhile would inherit the file, open
    // for writing, and a program that is written to cannot be started.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_portolan-agent"))
        .arg(&path)
        .status();
    assert!(copied.unwrap().success());
    everybody(folder);
    everybody(&path);
    path.to_str().unwrap().to_owned()
}

fn doctor(before: &[&str], more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path());
    let mut words = before.iter().copied().chain([&*program, "doctor"]);
    let output = Command::new(words.next().unwrap())
        .args(words)
        .args(more)
        .current_dir("/")
        .output();
    output.unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The sentences about something that is missing, or that is not.
fn sentences(document: &Value, about: &str, ok: bool) -> Vec<String> {
    let findings = document["findings"].as_array().unwrap().iter();
    let wanted = findings.filter(|it| it["about"] == about && it["ok"] == ok);
    wanted
        .map(|it| it["text"].as_str().unwrap().to_owned())
        .collect()
}

fn must_be_root() {
    let uid = rustix::process::geteuid();
    assert!(uid.is_root(), "this test changes its user, and needs root");
}

const ALL_BUT_ADMIN: &str = "--bounding-set=-sys_admin,-bpf,-perfmon";

#[test]
fn root_hears_that_nothing_is_missing() {
    must_be_root();
    // A socket of this process, so that there is an owner to be known.
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = doctor(&[], &["--output", "json"]);
    let document = document(&output);
    assert_eq!(sentences(&document, "capabilities", false), [] as [&str; 0]);
    assert_eq!(
        sentences(&document, "events", true).len(),
        1,
        "{document:#}"
    );
    assert_eq!(sentences(&document, "sockets", true).len(), 1);
    assert_eq!(sentences(&document, "server", true).len(), 1);
    let nothing_missing = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .all(|it| it["ok"] == json!(true));
    assert_eq!(document["ok"], nothing_missing);
    assert_eq!(output.status.code(), Some(i32::from(!nothing_missing)));
}

#[test]
fn nobody_hears_of_each_capability_and_what_it_is_for() {
    must_be_root();
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let output = doctor(&nobody, &["--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let document = document(&output);
    assert_eq!(document["ok"], false);
    let missing = sentences(&document, "capabilities", false);
    let names = [
        "CAP_SYS_PTRACE",
        "CAP_DAC_READ_SEARCH",
        "CAP_SYS_ADMIN",
        "CAP_BPF",
        "CAP_PERFMON",
        "CAP_NET_ADMIN",
    ];
    assert_eq!(missing.len(), names.len(), "{missing:?}");
    for (sentence, name) in missing.iter().zip(names) {
        assert!(sentence.starts_with(name), "{sentence}");
    }
    let events = sentences(&document, "events", false);
    assert!(events[0].contains("CAP_BPF"), "{events:?}");
    let unseen = sentences(&document, "sockets", false);
    assert!(
        unseen.iter().any(|it| it.contains("CAP_SYS_PTRACE")),
        "{unseen:?}"
    );
}

#[test]
fn one_without_the_capabilities_of_events_hears_of_those_and_may_do_without() {
    must_be_root();
    let with = |more: &[&str]| document(&doctor(&["setpriv", ALL_BUT_ADMIN], more));
    let told = with(&["--output", "json"]);
    let missing = sentences(&told, "capabilities", false);
    let named = |name: &str| missing.iter().any(|it| it.starts_with(name));
    assert_eq!(missing.len(), 3, "{missing:?}");
    assert!(named("CAP_SYS_ADMIN") && named("CAP_BPF") && named("CAP_PERFMON"));
    assert_eq!(sentences(&told, "events", false).len(), 1);
    let told = with(&["--output", "json", "--events", "off"]);
    assert_eq!(sentences(&told, "events", true).len(), 1);
}

#[test]
fn people_get_a_line_a_finding() {
    let output = doctor(&[], &["--events", "off"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() >= 5, "{text}");
    for line in text.lines() {
        assert!(
            line.starts_with("ok  ") || line.starts_with("MISSING  "),
            "{line}"
        );
    }
}

/// What doctor says of a server.
fn of_server(url: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "t".repeat(32)).unwrap();
    let token = token.to_str().unwrap();
    let more = [
        "--output",
        "json",
        "--events",
        "off",
        "--server",
        url,
        "--token-file",
        token,
        "--project",
        "p1",
    ];
    document(&doctor(&[], &more))
}

#[test]
fn a_server_that_takes_the_token_is_fine_and_any_other_is_told_with_what_to_check() {
    let fine = Server::start(|_| {
        let unknown = json!({"index": 0, "status": "report_needed", "reason": "unknown_host"});
        Some(Response::result(unknown))
    });
    let told = sentences(&of_server(&fine.url()), "server", true);
    assert!(told[0].contains("takes the token"), "{told:?}");
    let asked = fine.requests();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].is_report(), "it tells nothing");

    let refusing = Server::start(|_| Some(Response::json(401, &json!({}))));
    let told = sentences(&of_server(&refusing.url()), "server", false);
    assert!(told[0].contains("--token-file"), "{told:?}");

    // Port 1 (tcpmux) is below every ephemeral range; on loopback nothing listens there.
    let told = sentences(&of_server("http://127.0.0.1:1"), "server", false);
    assert!(told[0].contains("does not answer"), "{told:?}");
}

#[test]
fn a_server_without_a_token_is_bad_usage() {
    let output = doctor(&[], &["--server", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn the_records_of_runtimes_are_looked_for_where_the_host_is() {
    let host = tempfile::tempdir().unwrap();
    let docker = host.path().join("var/lib/docker/containers");
    for folder in [host.path().join("etc"), docker.clone()] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let root = host.path().to_str().unwrap();
    let output = doctor(&[], &["--output", "json", "--host-root", root]);
    let told = sentences(&document(&output), "runtimes", true);
    assert_eq!(told, [format!("docker: {} can be read.", docker.display())]);
}
