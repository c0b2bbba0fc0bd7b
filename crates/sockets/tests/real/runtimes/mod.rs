//! Real containers, by real runtimes: docker, podman and containerd's ctr.
//!
//! Each test starts its runtime in its scene, with all state below /run, which ends with the scene.
//! The containers run this test's own executable, told what to hold (see [`holder`]).

mod ctr;
mod docker;
mod holder;
mod podman;
mod prove;
mod show;

use std::path::PathBuf;
use std::process::{Child, Command};

use crate::scene::{eventually, run};

/// Where a runtime keeps everything.
const STATE: &str = "/run/runtime";
/// Where they would keep some of it all the same.
const STUBBORN: [&str; 4] = [
    "/var/lib/containers",
    "/var/lib/cni",
    "/etc/docker",
    "/opt/containerd",
];

/// In which network namespace a container runs.
#[derive(Clone, Copy, Debug)]
enum Network<'a> {
    Own,
    Host,
    /// That of another container.
    Of(&'a Container),
}

/// A running container.
#[derive(Clone, Debug)]
struct Container {
    name: String,
    /// The runtime's own full id.
    id: String,
    /// Its first process, as the host sees it.
    pid: u32,
    /// Its image; none where the runtime writes down neither name nor image.
    image: Option<&'static str>,
}

/// What the tests ask of a runtime. Dropped, it ends with its containers.
trait Runtime {
    /// Starts a container that holds what it is told.
    fn start(&self, name: &str, network: Network<'_>, holds: &str) -> Container;
    /// Stops a container and starts it again.
    fn restart(&self, container: &Container) -> Container;
    /// Stops a container and removes it.
    fn remove(&self, name: &str);
}

/// A folder for the state of a runtime.
fn state() -> PathBuf {
    let stubborn = STUBBORN.join(" ");
    run(&format!(
        "mkdir -p {STATE} {stubborn} && for it in {stubborn}; do mount -t tmpfs tmpfs $it; done"
    ));
    PathBuf::from(STATE)
}

/// What a command says; it must succeed.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `cargo xtask test` installs what is missing")
    });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A server of a runtime: ended when dropped.
struct Server(Child);

impl Server {
    /// Starts it and waits until `is_up` succeeds. What it says goes to a file.
    #[track_caller]
    fn start(command: &mut Command, is_up: impl Fn() -> Command) -> Self {
        let log = std::fs::File::create(PathBuf::from(STATE).join("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}; `cargo xtask test` installs what is missing")
        });
        let mut server = Self(child);
        eventually("the runtime is up", || {
            let ended = server.0.try_wait().unwrap();
            let log = || std::fs::read_to_string(PathBuf::from(STATE).join("log")).unwrap();
            assert!(ended.is_none(), "the runtime ended: {ended:?}\n{}", log());
            is_up().output().is_ok_and(|output| output.status.success())
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked to, it takes down what it mounted; then it must be gone before the scene is.
        let _gone = Command::new("kill").arg(self.0.id().to_string()).status();
        let _reaped = self.0.wait();
    }
}
