//! What the tests share: isolation, waiting, scans, cgroups.

use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use portolan_sockets::{Collector, Options, Scan, Socket};

/// Set in the process that runs a test's body.
const INSIDE: &str = "PORTOLAN_TEST_INSIDE";
/// How long a condition may take to come true before the test fails. What a collector knows of a
/// process is renewed at once while that is young, and every 30 s should the machine have stalled.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `body` in its own pid, network and mount namespace: the test starts itself anew.
pub(crate) fn isolated(module: &str, test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    // An empty /run, so that `ip netns` and container runtimes leave no trace outside. The shell
    // stays and takes note of orphans that end, as an init does.
    let prepare = "umount -a -t nsfs; mount -t tmpfs tmpfs /run && mkdir /run/netns && \
                   ip link set lo up && \"$@\"; exit $?";
    let module = module.split_once("::").expect("a module of this crate").1;
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        .args(["sh", "-c", prepare, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("{module}::{test}"),
            "--nocapture",
            "--test-threads=1",
        ])
        .env(INSIDE, "1")
        .output()
        .expect("unshare (util-linux) must be installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(
        passed,
        "as root, with all that `cargo xtask test` installs?\n{said}\n{errors}"
    );
}

/// A collector with the default options.
pub(crate) fn collector() -> Collector {
    Collector::new(Options::default())
}

/// One scan by a new collector.
pub(crate) fn scan() -> Scan {
    collector().scan().unwrap()
}

/// The sockets on that port, of any transport and namespace.
pub(crate) fn on_port(scan: &Scan, port: u16) -> Vec<&Socket> {
    scan.sockets
        .iter()
        .filter(|socket| socket.port.port == port)
        .collect()
}

/// The only socket on that port.
#[track_caller]
pub(crate) fn only(scan: &Scan, port: u16) -> Socket {
    let found = on_port(scan, port);
    assert_eq!(found.len(), 1, "sockets on port {port}: {found:#?}");
    found[0].clone()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_equal(&(what, true), || (what, condition()));
}

/// Waits until `actual` is what it should be.
#[track_caller]
pub(crate) fn eventually_equal<T: PartialEq + Debug>(expected: &T, mut actual: impl FnMut() -> T) {
    let start = Instant::now();
    loop {
        let now = actual();
        if now == *expected {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "in vain: {now:#?}\nis not\n{expected:#?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command that must succeed.
#[track_caller]
pub(crate) fn run(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
}

/// The network namespace of a process (`self`, `thread-self`, a pid).
pub(crate) fn netns_inode(process: impl std::fmt::Display) -> u64 {
    let link = std::fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
    let link = link.to_str().unwrap();
    link.strip_prefix("net:[")
        .and_then(|it| it.strip_suffix(']'))
        .unwrap()
        .parse()
        .unwrap()
}

/// A cgroup called by an id as docker gives them; removed when dropped. It is at the root, so that
/// no test removes a folder in which another one, or a runtime, makes its own.
pub(crate) struct Cgroup {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
}

impl Cgroup {
    pub(crate) fn new(seed: u8) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let mut kinds = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let root = kinds
            .find(|it| it.get(2) == Some(&"cgroup2"))
            .expect("cgroup2 must be mounted");
        // Unique also among the tests that run at the same time outside this scene.
        let unique = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_nanos();
        let mut id = format!("{seed:02x}{unique:032x}");
        while id.len() < 64 {
            write!(id, "{seed:02x}").unwrap();
        }
        let path = Path::new(root[1]).join(&id);
        std::fs::create_dir(&path).expect("cgroups must be writable");
        Self { id, path }
    }

    /// The line of a script that enters it.
    pub(crate) fn enter(&self) -> String {
        format!("enter_cgroup('{}')", self.path.display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Fails while a process is in it; the test has then failed already.
        let _busy = std::fs::remove_dir(&self.path);
    }
}
