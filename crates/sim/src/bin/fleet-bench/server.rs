//! Starts and stops a `portolan serve` of its own.
//!
//! Holds: a server that was started is ended when this is dropped, whatever went wrong.
//! Limits: 10 minutes to become ready, 2 minutes to drain.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::http::ServerUrl;
use portolan_sim::bench::machine::cpu;

const READY_MAX: Duration = Duration::from_secs(600);
const DRAIN_MAX: Duration = Duration::from_secs(120);
/// What `serve` prints before its address, once it is ready.
const LISTENING: &str = "listening on ";

/// Where a server's program, data and words are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) portolan: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) credentials: PathBuf,
    /// Takes what the server says on stderr.
    pub(crate) log: PathBuf,
}

/// A server that is ready.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
    pub(crate) url: ServerUrl,
    /// From the start of the process to its line on stdout.
    pub(crate) ready_after: Duration,
    /// CPU that it used until then.
    pub(crate) ready_cpu: Duration,
}

impl Running {
    pub(crate) fn start(place: &Place) -> anyhow::Result<Self> {
        let mut command = Command::new(&place.portolan);
        command.arg("serve").arg("--data-dir").arg(&place.data);
        command.arg("--credentials").arg(&place.credentials);
        command.args(["--listen", "127.0.0.1:0"]);
        Self::launch(command, &place.log)
    }

    /// This program as a null handler that gives the answer in `answer`.
    pub(crate) fn start_null(answer: &Path, log: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("null-server").arg("--answer").arg(answer);
        Self::launch(command, log)
    }

    fn launch(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(open_log(log)?);
        let started = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("could not start {command:?}"))?;
        // From here on the guard ends the process on every way out.
        let mut starting = Starting(Some(child));
        let url = starting.wait_for_address(log)?;
        let ready_after = started.elapsed();
        let child = starting.0.take().context("the server is gone")?;
        let ready_cpu = cpu(child.id())?;
        Ok(Self {
            child,
            log: log.to_owned(),
            url,
            ready_after,
            ready_cpu,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the server to end (SIGTERM) and waits until it has; how long that took.
    pub(crate) fn stop(mut self) -> anyhow::Result<Duration> {
        let asked = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        while asked.elapsed() < DRAIN_MAX {
            if let Some(status) = self.child.try_wait()? {
                let said = last_words(&self.log);
                ensure!(status.success(), "the server ended with {status}: {said}");
                return Ok(asked.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the server did not end within {DRAIN_MAX:?} of SIGTERM")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A server that has not said its address yet.
struct Starting(Option<Child>);

impl Starting {
    fn wait_for_address(&mut self, log: &Path) -> anyhow::Result<ServerUrl> {
        let stdout = self.0.as_mut().and_then(|child| child.stdout.take());
        let mut lines = BufReader::new(stdout.context("the server has no stdout")?).lines();
        let (address, said) = mpsc::channel();
        // The thread reads on after the address, so that the server never writes to a closed pipe.
        std::thread::spawn(move || {
            while let Some(Ok(line)) = lines.next() {
                if let Some(url) = line.strip_prefix(LISTENING) {
                    // Nobody waits any more once the limit is over.
                    let _gone = address.send(url.trim().to_owned());
                }
            }
        });
        match said.recv_timeout(READY_MAX) {
            Ok(url) => url.parse(),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the server ended before it was ready: {}", last_words(log))
            }
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "the server was not ready within {READY_MAX:?}: {}",
                    last_words(log)
                )
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

/// Neither can fail in a way that matters: the process is gone, or it is ours to end.
fn end(child: &mut Child) {
    let _gone = child.kill();
    let _reaped = child.wait();
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("could not open {}", path.display()))
}

/// The end of what the server said, for messages.
fn last_words(log: &Path) -> String {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    lines
        .get(lines.len().saturating_sub(8)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that stands in for `portolan`: a shell script, so a real process with real pipes.
    fn place(folder: &Path, script: &str) -> Place {
        let portolan = folder.join("portolan");
        std::fs::write(&portolan, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&portolan, std::fs::Permissions::from_mode(0o755)).unwrap();
        Place {
            portolan,
            data: folder.join("data"),
            credentials: folder.join("credentials.toml"),
            log: folder.join("log"),
        }
    }

    #[test]
    fn a_server_is_ready_with_its_line_and_ends_on_sigterm() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"echo "$@" > "$0.args"
            trap 'exit 0' TERM
            echo 'some other line'
            echo 'listening on http://127.0.0.1:4321'
            while :; do sleep 0.01; done"#;
        let place = place(folder.path(), script);
        let running = Running::start(&place).unwrap();
        assert_eq!(running.url.to_string(), "http://127.0.0.1:4321");
        assert!(cpu(running.pid()).is_ok());
        let pid = running.pid();
        running.stop().unwrap();
        assert!(cpu(pid).is_err(), "the process is gone and reaped");
        let args = std::fs::read_to_string(folder.path().join("portolan.args")).unwrap();
        let (data, credentials) = (place.data.display(), place.credentials.display());
        let expected =
            format!("serve --data-dir {data} --credentials {credentials} --listen 127.0.0.1:0\n");
        assert_eq!(args, expected);
    }

    #[test]
    fn a_server_that_fails_to_start_is_an_error_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(
            folder.path(),
            "echo 'the data folder is locked' >&2; exit 1",
        );
        let error = Running::start(&place).unwrap_err().to_string();
        assert!(error.contains("the data folder is locked"), "{error}");
    }

    #[test]
    fn a_server_that_ends_with_a_failure_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let script = r"trap 'echo no disk >&2; exit 1' TERM
            echo 'listening on http://127.0.0.1:1'
            while :; do sleep 0.01; done";
        let running = Running::start(&place(folder.path(), script)).unwrap();
        let error = running.stop().unwrap_err().to_string();
        assert!(
            error.contains("exit status: 1") && error.contains("no disk"),
            "{error}"
        );
    }

    #[test]
    fn a_server_that_is_forgotten_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo 'listening on http://127.0.0.1:1'; exec sleep 600";
        let running = Running::start(&place(folder.path(), script)).unwrap();
        let pid = running.pid();
        drop(running);
        assert!(cpu(pid).is_err());
    }
}
