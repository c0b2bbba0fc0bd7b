//! The program as people start it: exit codes, streams, signals, and real sockets of this machine.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{PATIENCE, Request, Response, Server};
use tempfile::TempDir;

/// A started agent; it does not outlive the test.
struct Started(Option<Child>);

impl Started {
    fn with(args: &[&str]) -> Self {
        Self::with_environment(args, &[])
    }

    fn with_environment(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_portolan-agent"))
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(Some(child))
    }

    /// An agent that reports to `server` under the id `binary-test`.
    fn against(server: &Server, folder: &Folder) -> Self {
        Self::with(&[
            "--server",
            &server.url(),
            "--token-file",
            &folder.token(),
            "--project",
            "p1",
            "--state-dir",
            &folder.state(),
            "--host-id",
            "binary-test",
        ])
    }

    fn signal(&self, signal: Signal) {
        let id = self.0.as_ref().unwrap().id();
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    fn output(mut self) -> Output {
        let mut child = self.0.take().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("it did not end: {:?}", child.wait_with_output());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.wait_with_output().unwrap()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A folder with a token file and room for the state.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.0.path().join("token"), "t".repeat(32)).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn token(&self) -> String {
        self.path("token")
    }

    fn state(&self) -> String {
        self.path("state")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn bad_usage_exits_2_and_tells_all_mistakes_on_stderr() {
    let output =
        Started::with(&["--server", "h", "--token-file", "/none", "--host-id", ""]).output();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let told = text(&output.stderr);
    assert!(
        told.starts_with("portolan-agent: 4 mistakes in the configuration:\n"),
        "{told}"
    );
    for flag in ["--server", "--token-file", "--project", "--host-id"] {
        assert!(told.contains(&format!("\n  {flag}: ")), "{flag} in {told}");
    }
    assert_eq!(Started::with(&["--sever"]).output().status.code(), Some(2));
    assert_eq!(Started::with(&["--help"]).output().status.code(), Some(0));
}

#[test]
fn a_state_folder_that_cannot_be_made_exits_1_and_is_named() {
    let folder = Folder::new();
    let state = format!("{}/state", folder.token());
    let output = Started::with(&[
        "--server",
        "http://127.0.0.1:1",
        "--token-file",
        &folder.token(),
        "--project",
        "p1",
        "--state-dir",
        &state,
    ])
    .output();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains(&state) && told.contains("--state-dir"),
        "{told}"
    );
    assert_eq!(text(&output.stdout), "");
}

/// By generation: a last message of the start before may come late.
fn first_report_of_a_start_not_in(starts: &[Request], server: &Server) -> Request {
    let is_new = |request: &&Request| {
        let known = starts
            .iter()
            .any(|start| start.pair().0 == request.pair().0);
        request.is_report() && !known
    };
    let requests = server.wait("a report", |requests| requests.iter().any(|r| is_new(&r)));
    requests.iter().find(is_new).unwrap().clone()
}

#[test]
fn it_reports_a_listener_of_this_machine_and_ends_on_a_signal_with_0() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = u64::from(listener.local_addr().unwrap().port());
    let server = Server::fine();
    let folder = Folder::new();
    let mut starts = Vec::new();
    for signal in [Signal::TERM, Signal::INT] {
        let agent = Started::against(&server, &folder);
        let report = first_report_of_a_start_not_in(&starts, &server);
        agent.signal(signal);
        let output = agent.output();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(
            text(&output.stdout),
            "",
            "data goes to stdout, talk to stderr"
        );
        assert!(
            report.ports().contains(&port),
            "{port} in {:?}",
            report.ports()
        );
        starts.push(report);
    }
    let host = |index: usize| starts[index].item()["host"].clone();
    assert_eq!(host(0)["host_id"], "binary-test");
    assert_eq!(
        host(0)["agent_id"],
        host(1)["agent_id"],
        "kept in the state folder"
    );
    assert_eq!(host(0)["os_type"], "Linux");
    assert!(
        starts[1].pair().0 > starts[0].pair().0,
        "the generation rises with each start"
    );
}

#[test]
fn two_agents_on_one_state_folder_refuse() {
    let server = Server::fine();
    let folder = Folder::new();
    let _first = Started::against(&server, &folder);
    server.wait("the first agent", |requests| !requests.is_empty());
    let output = Started::against(&server, &folder).output();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("in use by another agent"),
        "{}",
        text(&output.stderr)
    );
    assert!(Path::new(&folder.state()).join("agent.json").exists());
}

/// The packaged unit has a file of variables; each line of it, also those that are examples.
fn packaged_environment() -> Vec<(&'static str, &'static str)> {
    include_str!("../../../deploy/debian/agent/agent.conf")
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .filter(|(name, _)| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        .collect()
}

#[test]
fn it_is_told_by_the_variables_of_the_package_and_the_command_line_wins() {
    let packaged = packaged_environment();
    let help = text(&Started::with(&["--help"]).output().stdout);
    for (name, _) in &packaged {
        let known = *name == "RUST_LOG" || help.contains(&format!("[env: {name}=]"));
        assert!(known, "{name} is none of its variables: {help}");
    }
    let server = Server::fine();
    let folder = Folder::new();
    let (url, token, state) = (server.url(), folder.token(), folder.state());
    let mut environment: Vec<_> = packaged
        .iter()
        .copied()
        .filter(|(name, _)| {
            // Files that are not there; and a key beside a token.
            !["PORTOLAN_CA_FILE", "PORTOLAN_ENROL_KEY_FILE"].contains(name)
                && !name.starts_with("PORTOLAN_TLS_")
        })
        .collect();
    environment.extend([
        ("PORTOLAN_SERVER", url.as_str()),
        ("PORTOLAN_TOKEN_FILE", token.as_str()),
        ("PORTOLAN_STATE_DIR", state.as_str()),
    ]);
    for (args, host_id) in [
        ([].as_slice(), "web-17"),
        (["--host-id", "web-18"].as_slice(), "web-18"),
    ] {
        let _agent = Started::with_environment(args, &environment);
        let requests = server.wait("a report of the host", |requests| {
            let of_the_host = |request: &Request| request.item()["host"]["host_id"] == host_id;
            requests.iter().any(|r| r.is_report() && of_the_host(r))
        });
        assert_eq!(requests[0].item()["host"]["enterprise_project_id"], "0");
        assert!(requests[0].path.contains("/projects/p1/"));
    }
}

#[test]
fn what_lasts_is_in_the_log_when_it_begins_and_when_it_is_over() {
    let refusals = 4;
    let mut seen = 0;
    let server = Server::start(move |request| {
        seen += 1;
        let starting = serde_json::json!({
            "error_code": "PORTOLAN.0006", "error_msg": "starting", "request_id": seen.to_string(),
        });
        Some(if seen <= refusals {
            Response::json(503, &starting)
        } else {
            Response::fine(request)
        })
    });
    let folder = Folder::new();
    let agent = Started::against(&server, &folder);
    server.wait("a report that was taken", |requests| {
        requests.len() > refusals
    });
    // It sends the next one only after it has read the answer.
    let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
    server.wait("a report after it", |requests| {
        requests.len() > refusals + 1
    });
    agent.signal(Signal::TERM);
    let log = text(&agent.output().stderr);
    let count = |words: &str| log.matches(words).count();
    assert_eq!(count("the server cannot take it now"), 1, "{log}");
    assert_eq!(
        count("the server takes what it is sent again failures=4"),
        1,
        "{log}"
    );
}

/// What a server answers that gives out tokens, and loses the first answer to each question.
fn enrolling(request: &Request, asked: &mut Vec<String>) -> Option<Response> {
    let question = ["/enrol", "/enrol/rotate"]
        .into_iter()
        .find(|question| request.path.ends_with(question));
    let Some(question) = question else {
        return Some(Response::fine(request));
    };
    asked.push(question.to_owned());
    let times = asked.iter().filter(|other| *other == question).count();
    let letter = if question == "/enrol" { "e" } else { "r" };
    let token = serde_json::json!({
        "project_id": "p1", "enterprise_project_id": "0", "host_id": "binary-test",
        "role": "agent", "token": letter.repeat(40),
    });
    (times > 1).then(|| Response::json(201, &token))
}

#[test]
fn a_lost_answer_to_an_enrolment_or_a_rotation_costs_no_token() {
    let mut asked = Vec::new();
    let server = Server::start(move |request| enrolling(request, &mut asked));
    let folder = Folder::new();
    let (url, key, state) = (server.url(), folder.token(), folder.state());
    let start = || {
        Started::with(&[
            "--server",
            &url,
            "--enrol-key-file",
            &key,
            "--project",
            "p1",
            "--state-dir",
            &state,
            "--host-id",
            "binary-test",
        ])
    };
    let of = |requests: &[Request], question: &str| -> Vec<Request> {
        let those = requests.iter().filter(|r| r.path.ends_with(question));
        those.cloned().collect()
    };
    let says = |request: &Request, token: &str| request.header("x-auth-token") == Some(token);
    let (enrolled, rotated) = ("e".repeat(40), "r".repeat(40));
    let agent = start();
    let requests = server.wait("a report by the host's token", |requests| {
        requests.iter().any(|r| r.is_report() && says(r, &enrolled))
    });
    let enrolments = of(&requests, "/enrol");
    assert_eq!(enrolments.len(), 2);
    assert!(
        enrolments.iter().all(|r| says(r, &"t".repeat(32))),
        "by the enrol key"
    );
    let retry_key = enrolments[0].body["retry_key"].as_str().unwrap();
    assert_eq!(retry_key.len(), 64);
    assert_eq!(
        enrolments[1].body, enrolments[0].body,
        "the same question again"
    );
    agent.signal(Signal::TERM);
    assert_eq!(agent.output().status.code(), Some(0));
    // The token is older than any may become.
    let path = Path::new(&folder.state()).join("credential.json");
    let mut kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    kept["made_at_s"] = serde_json::json!(1);
    std::fs::write(&path, kept.to_string()).unwrap();
    // Of the first rotation the answer is lost, so the token stays; the next start asks again.
    let mut before = server.requests().len();
    for expected in [&enrolled, &rotated] {
        let agent = start();
        let requests = server.wait("a report by the token in use", |requests| {
            let new = requests.iter().skip(before);
            new.clone().any(|r| r.is_report() && says(r, expected))
        });
        let rotations = of(&requests[before..], "/enrol/rotate");
        assert_eq!(rotations.len(), 1);
        assert!(says(&rotations[0], &enrolled), "by the token that is good");
        agent.signal(Signal::TERM);
        let log = text(&agent.output().stderr);
        assert!(!log.contains(&enrolled) && !log.contains(&rotated), "{log}");
        before = server.requests().len();
    }
    assert_eq!(
        of(&server.requests(), "/enrol").len(),
        2,
        "it enrolled once"
    );
}
