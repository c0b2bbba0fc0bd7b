//! Starts `portolan serve` and `portolan-agent` as processes, and asks the server.

use std::io::{BufRead as _, BufReader, Read as _};
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
    pub(crate) url: String,
    client: ureq::Agent,
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
        let credentials = folder.join("credentials.toml");
        if !credentials.exists() {
            let entry = |secret: &str, role: &str| {
                format!(
                    "[[token]]\nsecret = \"{secret}\"\nproject_id = \"{PROJECT}\"\nenterprise_projects = [\"all_granted_eps\"]\nrole = \"{role}\"\n"
                )
            };
            std::fs::write(
                &credentials,
                entry(READER, "reader") + &entry(AGENT, "agent"),
            )
            .unwrap();
        }
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
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build();
        Self {
            process,
            url,
            client: config.into(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let mut answer = self
            .client
            .get(format!("{}{path}", self.url))
            .header("X-Auth-Token", READER)
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
        let answer = self.get(&path);
        answer
            .pointer("/data_list/0/num")
            .and_then(Value::as_u64)
            .unwrap_or(0)
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

/// Starts `portolan-agent` for a server, with a state folder of its own.
pub(crate) fn agent(server: &Server, folder: &Path, host_id: &str) -> Process {
    agent_with(server, folder, host_id, &[])
}

/// The same with more arguments.
pub(crate) fn agent_with(server: &Server, folder: &Path, host_id: &str, more: &[&str]) -> Process {
    let token = folder.join("agent-token");
    std::fs::write(&token, AGENT).unwrap();
    let child = Command::new(sibling("portolan-agent"))
        .args([
            "--server",
            &server.url,
            "--project",
            PROJECT,
            "--host-id",
            host_id,
        ])
        .arg("--token-file")
        .arg(&token)
        .arg("--state-dir")
        .arg(folder.join(format!("agent-{host_id}")))
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Process(child)
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
