//! The scene: servers and connections in one network namespace, and small servers in others.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};

use crate::holder::{Held, ROLE};

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Servers in the bench's own namespace, and what each holds.
    pub(crate) servers: usize,
    pub(crate) held: Held,
    /// Processes that are connected with themselves, and connections of each.
    pub(crate) connected: usize,
    pub(crate) connections: usize,
    /// Further namespaces, with one server each.
    pub(crate) namespaces: usize,
    pub(crate) listeners_there: usize,
}

impl Size {
    /// A large host: 1,004 TCP and 300 UDP, 20,000 ends of connections, 50 more namespaces.
    pub(crate) const BIG: Self = Self {
        servers: 100,
        held: Held {
            tcp: 10,
            udp: 3,
            files: 20,
            connections: 0,
        },
        connected: 4,
        connections: 2_500,
        namespaces: 50,
        listeners_there: 10,
    };
    /// A small one.
    pub(crate) const SMALL: Self = Self {
        servers: 10,
        held: Held {
            tcp: 4,
            udp: 2,
            files: 20,
            connections: 0,
        },
        connected: 1,
        connections: 200,
        namespaces: 6,
        listeners_there: 2,
    };

    /// Open TCP and UDP ports in the bench's own namespace.
    pub(crate) fn own(&self) -> (usize, usize) {
        (
            self.servers * self.held.tcp + self.connected,
            self.servers * self.held.udp,
        )
    }

    /// Open ports in all the other namespaces.
    pub(crate) fn others(&self) -> usize {
        self.namespaces * self.listeners_there
    }
}

/// The processes of the scene; they end with it.
pub(crate) struct Scene {
    holders: Vec<Holder>,
    namespaces: usize,
}

impl Scene {
    pub(crate) fn make(size: &Size) -> anyhow::Result<Self> {
        let connected = Held {
            tcp: 1,
            connections: size.connections,
            ..Held::default()
        };
        let there = Held {
            tcp: size.listeners_there,
            ..Held::default()
        };
        let mut holders = Vec::new();
        for held in std::iter::repeat_n(size.held, size.servers)
            .chain(std::iter::repeat_n(connected, size.connected))
        {
            holders.push(Holder::start(Command::new(std::env::current_exe()?), held)?);
        }
        for _ in 0..size.namespaces {
            let mut command = Command::new("unshare");
            command.arg("--net").arg(std::env::current_exe()?);
            holders.push(Holder::start(command, there)?);
        }
        for holder in &mut holders {
            holder.hear("ready")?;
        }
        Ok(Self {
            holders,
            namespaces: size.namespaces,
        })
    }

    /// A server in the bench's own namespace.
    pub(crate) fn server(&mut self) -> anyhow::Result<&mut Holder> {
        self.holders.first_mut().context("a scene has servers")
    }

    /// A server in another namespace.
    pub(crate) fn server_elsewhere(&mut self) -> anyhow::Result<&mut Holder> {
        self.holders.last_mut().context("a scene has servers")
    }

    /// The pids of the servers in the other namespaces.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = u32> {
        let others = self.holders.iter().rev().take(self.namespaces);
        others.map(|holder| holder.child.id())
    }
}

/// A process that holds sockets, and does as it is told.
pub(crate) struct Holder {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(mut command: Command, held: Held) -> anyhow::Result<Self> {
        let mut child = command
            .arg(ROLE)
            .args(held.words())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a process of the scene")?;
        let output = child.stdout.take().context("its output is piped")?;
        Ok(Self {
            child,
            output: BufReader::new(output),
        })
    }

    /// Lets it open one more listener.
    pub(crate) fn open(&mut self) -> anyhow::Result<()> {
        self.tell("open")
    }

    /// Lets it close that one.
    pub(crate) fn close(&mut self) -> anyhow::Result<()> {
        self.tell("close")
    }

    /// The inode of its network namespace.
    pub(crate) fn netns(&self) -> anyhow::Result<u64> {
        netns_of(&self.child.id().to_string())
    }

    fn tell(&mut self, word: &str) -> anyhow::Result<()> {
        let input = self.child.stdin.as_mut().context("its input is piped")?;
        writeln!(input, "{word}")?;
        self.hear("done")
    }

    fn hear(&mut self, word: &str) -> anyhow::Result<()> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(
            line.trim_end() == word,
            "a process of the scene said {line:?}"
        );
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Both fail when it has ended by itself.
        let _already_dead = self.child.kill();
        let _already_reaped = self.child.wait();
    }
}

/// The inode of a process's network namespace.
pub(crate) fn netns_of(process: &str) -> anyhow::Result<u64> {
    let link = std::fs::read_link(format!("/proc/{process}/ns/net"))?;
    let text = link.to_string_lossy();
    let inode = text.trim_start_matches("net:[").trim_end_matches(']');
    Ok(inode.parse()?)
}
