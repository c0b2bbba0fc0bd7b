//! Starts `portolan serve` and `portolan-agent` as processes, and asks the server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const PROJECT: &str = "p1";
pub(crate) const READER: &str = "reader-token-reader-token-reader";
pub(crate) const AGENT: &str = "agent-token-agent-token-agent-tok";

/// Longest wait for anything: far beyond what it takes, so that a busy machine fails no test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `portolan`.
pub(crate) fn portolan() -> Command {
    Command::new(env!("CARGO_BIN_EXE_portolan"))
}

/// A program of the workspace that another package builds, beside `portolan`.
pub(crate) fn sibling(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_portolan")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is not built: cargo build --workspace --bins",
        path.display()
    );
    path
}

/// A process that ends with the test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < until,
                "process {} did not end",
                self.0.id()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, or it must not outlive the test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `portolan serve`.
pub(crate) struct Server {
    pub(crate) process: Process,
    reads: Reads,
}

/// What a reader can ask of the server at an address.
pub(crate) struct Reads {
    pub(crate) url: String,
    client: ureq::Agent,
}

impl Deref for Server {
    type Target = Reads;

    fn deref(&self) -> &Reads {
        &self.reads
    }
}

impl Server {
    /// Starts on a data folder, on a free port of loopback, and waits until it is ready.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_on(folder, "127.0.0.1:0")
    }

    /// The same on an address.
    pub(crate) fn start_on(folder: &Path, listen: &str) -> Self {
        Self::start_with(folder, listen, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(folder: &Path, listen: &str, more: &[&str]) -> Self {
        Self::start_in(&[], folder, listen, more)
    }

    /// The same with more environment.
    pub(crate) fn start_in(
        environment: &[(&str, &str)],
        folder: &Path,
        listen: &str,
        more: &[&str],
    ) -> Self {
        let credentials = credentials(folder);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("serve.log"))
            .unwrap();
        let mut child = portolan()
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(folder.join("data"))
            .arg("--credentials")
            .arg(&credentials)
            .args(more)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim_end()
            .strip_prefix("listening on ")
            .map(str::to_owned);
        let process = Process(child);
        let url = url.unwrap_or_else(|| panic!("serve said {line:?} instead of where it listens"));
        let reads = Reads::of(url);
        Self { process, reads }
    }

    /// Asks the server to end, and waits.
    pub(crate) fn stop(mut self) {
        self.process.signal("TERM");
        assert_eq!(
            self.process.wait().code(),
            Some(0),
            "SIGTERM drains and exits 0"
        );
    }
}

/// The credentials file of a folder: a reader and an agent of the project, where it has none yet.
pub(crate) fn credentials(folder: &Path) -> PathBuf {
    let path = folder.join("credentials.toml");
    if !path.exists() {
        let tokens = token(READER, PROJECT, "reader") + &token(AGENT, PROJECT, "agent");
        std::fs::write(&path, tokens).unwrap();
    }
    path
}

/// An entry of a credentials file, for all enterprise projects.
pub(crate) fn token(secret: &str, project: &str, role: &str) -> String {
    format!(
        "[[token]]\nsecret = \"{secret}\"\nproject_id = \"{project}\"\n\
         enterprise_projects = [\"all_granted_eps\"]\nrole = \"{role}\"\n"
    )
}

/// The count of the only row of an answer; 0 where it has none.
pub(crate) fn first_num(statistics: &Value) -> u64 {
    let num = statistics.pointer("/data_list/0/num");
    num.and_then(Value::as_u64).unwrap_or(0)
}

impl Reads {
    pub(crate) fn of(url: String) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build();
        Self {
            url,
            client: config.into(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.get_as(READER, path)
    }

    /// The same with another token.
    pub(crate) fn get_as(&self, token: &str, path: &str) -> Value {
        let mut answer = self
            .client
            .get(format!("{}{path}", self.url))
            .header("X-Auth-Token", token)
            .call()
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.body_mut().read_json().unwrap()
    }

    pub(crate) fn native(&self, path: &str) -> Value {
        self.get(&format!("/portolan/v1/projects/{PROJECT}{path}"))
    }

    /// On how many assets (category, port, type) is open.
    pub(crate) fn num(&self, category: &str, port: u16, kind: &str) -> u64 {
        let path = format!(
            "/v5/{PROJECT}/asset/port/statistics?category={category}&port={port}&type={kind}"
        );
        first_num(&self.get(&path))
    }

    /// Invariant 4: every count of the project equals a recount from the sets.
    pub(crate) fn assert_recount(&self) {
        let recount = self.native("/recount");
        assert!(recount["counts_checked"].as_u64().unwrap() > 0, "{recount}");
        assert_eq!(
            (&recount["equal"], &recount["differences"]),
            (&Value::Bool(true), &Value::Array(vec![])),
            "{recount}"
        );
    }

    /// Removes a host as that administrator of the project.
    pub(crate) fn remove_host(&self, admin: &str, host_id: &str) {
        let target = format!(
            "{}/portolan/v1/projects/{PROJECT}/hosts/{host_id}",
            self.url
        );
        let request = self.client.delete(target).header("X-Auth-Token", admin);
        assert_eq!(request.call().unwrap().status(), 204);
    }

    /// The value of a metric, with its labels if it has any; 0 where it is not there.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut answer = self
            .client
            .get(format!("{}/metrics", self.url))
            .call()
            .unwrap();
        let page = answer.body_mut().read_to_string().unwrap();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

/// Starts `portolan-agent` for a server, with a state folder of its own.
pub(crate) fn agent(server: &Server, folder: &Path, host_id: &str) -> Process {
    agent_with(server, folder, host_id, &[])
}

/// The same with more arguments.
pub(crate) fn agent_with(server: &Server, folder: &Path, host_id: &str, more: &[&str]) -> Process {
    Speaker::of(PROJECT, AGENT).start(&server.url, folder, host_id, more)
}

/// For whom an agent speaks: its project and its token.
#[derive(Clone, Copy)]
pub(crate) struct Speaker<'a> {
    project: &'a str,
    token: &'a str,
}

impl<'a> Speaker<'a> {
    pub(crate) const fn of(project: &'a str, token: &'a str) -> Self {
        Self { project, token }
    }

    /// Starts `portolan-agent` for the server at `url`; the state folder is the host's.
    pub(crate) fn start(self, url: &str, folder: &Path, host_id: &str, more: &[&str]) -> Process {
        // A file for each, or the next one's write would leave this one with an empty file for a moment.
        let file = folder.join(format!("agent-token-{host_id}"));
        std::fs::write(&file, self.token).unwrap();
        let child = Command::new(sibling("portolan-agent"))
            .args(["--server", url, "--project", self.project])
            .args(["--host-id", host_id, "--token-file"])
            .arg(&file)
            .arg("--state-dir")
            .arg(folder.join(format!("agent-{host_id}")))
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Process(child)
    }
}

/// Waits until `holds`, looking again and again; fails with `what` when it never does.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program to its end; it must succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
    output
}

/// A Python program that listens and writes its port as its first line.
pub(crate) fn python(prefix: &[&str], program: &str) -> (Process, u16) {
    let words = [prefix, &["python3", "-u", "-c", program]].concat();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let Ok(port) = line.trim().parse() else {
        let mut told = String::new();
        let _ = child.stderr.take().unwrap().read_to_string(&mut told);
        panic!("{words:?} said {line:?} instead of its port: {told}");
    };
    (Process(child), port)
}

pub(crate) fn must_be_root() {
    let uid = run("id", &["-u"]).stdout;
    assert_eq!(
        uid, b"0\n",
        "this test makes network namespaces and needs root"
    );
}
