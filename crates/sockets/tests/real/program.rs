//! Programs that hold sockets.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::scene::{eventually, netns_inode};

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

/// `python3` in a namespace made by `ip netns add`.
pub(crate) fn python_in(netns: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", netns, "python3"]);
    command
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
