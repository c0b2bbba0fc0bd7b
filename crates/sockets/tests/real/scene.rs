//! What the tests share: isolation, programs that hold sockets, namespaces, cgroups.

use std::fmt::{Debug, Write as _};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
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

/// A Python program that talks by lines; killed when dropped.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What every program starts with.
const PRELUDE: &str = "
import array, ctypes, os, socket, sys, time
from socket import *
def say(*words): print(*words, flush=True)
def hear(): return sys.stdin.readline().strip()
def tcp(address, port, family=AF_INET, **options):
    s = socket(family, SOCK_STREAM)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    if 'v6only' in options: s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, options['v6only'])
    s.bind((address, port)); s.listen(); return s
def udp(address, port, family=AF_INET, **options):
    s = socket(family, SOCK_DGRAM)
    if 'v6only' in options: s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, options['v6only'])
    s.bind((address, port)); return s
def setns(path):
    fd = os.open(path, os.O_RDONLY)
    assert ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) == 0, ctypes.get_errno()
    os.close(fd)
def enter_cgroup(path):
    with open(path + '/cgroup.procs', 'w') as f: f.write(str(os.getpid()))
";

impl Program {
    /// Starts a script and waits for it to say `ready`.
    pub(crate) fn start(script: &str) -> Self {
        Self::start_by(&mut Command::new("python3"), script)
    }

    /// The same, by a command to which `-c SCRIPT` can be added.
    pub(crate) fn start_by(command: &mut Command, script: &str) -> Self {
        let script = format!("{PRELUDE}\n{script}");
        command
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 must be installed");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut program = Self {
            child,
            input,
            output,
        };
        assert_eq!(program.hear(), "ready");
        program
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it says.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the program ended");
        line.trim_end().to_owned()
    }

    /// The next line it says, as a number.
    pub(crate) fn hear_number(&mut self) -> u32 {
        self.hear().parse().unwrap()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn end(mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        // Both fail when it has ended by itself.
        let _already_dead = self.child.kill();
        let _already_reaped = self.child.wait();
    }

    /// Its executable, as the kernel links it.
    pub(crate) fn exe(&self) -> String {
        let link = std::fs::read_link(format!("/proc/{}/exe", self.pid())).unwrap();
        link.into_os_string().into_string().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command that must succeed.
#[track_caller]
pub(crate) fn run(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
}

/// `python3` in a namespace made by `ip netns add`.
pub(crate) fn python_in(netns: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", netns, "python3"]);
    command
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

/// A program in a second namespace, which got the inode of a first one.
///
/// `open` starts a program in the namespace `blue` or `red`, `close` removes a namespace whose
/// program has ended, `look` is told the program in `blue` before it ends. An inode is free a moment
/// after its namespace is, and somebody else on the machine may take it: then all begins anew.
pub(crate) fn in_reused_inode(
    open: impl Fn(&str) -> Program,
    close: impl Fn(&str),
    mut look: impl FnMut(&Program),
) -> Program {
    let mut found = None;
    eventually("an inode is used again", || {
        let first = open("blue");
        let inode = netns_inode(first.pid());
        look(&first);
        first.end();
        close("blue");
        for _ in 0..10 {
            let second = open("red");
            if netns_inode(second.pid()) == inode {
                found = Some(second);
                break;
            }
            second.end();
            close("red");
        }
        found.is_some()
    });
    found.unwrap()
}

/// A cgroup below `docker/`, with an id as docker gives them; removed when dropped.
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
        let path = Path::new(root[1]).join("docker").join(&id);
        std::fs::create_dir_all(&path).expect("cgroups must be writable");
        Self { id, path }
    }

    /// The line of a script that enters it.
    pub(crate) fn enter(&self) -> String {
        format!("enter_cgroup('{}')", self.path.display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Fails while a process is in it; the test has then failed already. `docker` itself goes
        // with its last cgroup.
        let _busy = std::fs::remove_dir(&self.path);
        let _shared = std::fs::remove_dir(self.path.parent().unwrap());
    }
}
