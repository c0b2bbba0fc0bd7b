//! One process of the scene: opens what it is told, and more or less of it by lines on its input.

use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};

use anyhow::Context as _;

/// The first argument of such a process.
pub(crate) const ROLE: &str = "--hold";

/// What a process holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) tcp: usize,
    pub(crate) udp: usize,
    /// Open `/dev/null`.
    pub(crate) files: usize,
    /// Connections with its first listener, both ends.
    pub(crate) connections: usize,
}

impl Held {
    /// As arguments of the process.
    pub(crate) fn words(&self) -> [String; 4] {
        [self.tcp, self.udp, self.files, self.connections].map(|number| number.to_string())
    }

    fn parse(words: &[String]) -> anyhow::Result<Self> {
        let number = |at: usize| -> anyhow::Result<usize> {
            Ok(words.get(at).context("four numbers")?.parse()?)
        };
        Ok(Self {
            tcp: number(0)?,
            udp: number(1)?,
            files: number(2)?,
            connections: number(3)?,
        })
    }
}

/// Holds until its input ends.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let held = Held::parse(words)?;
    let tcp = |_| TcpListener::bind("0.0.0.0:0");
    let listeners: Vec<TcpListener> = (0..held.tcp).map(tcp).collect::<io::Result<_>>()?;
    let udp = |_| UdpSocket::bind("0.0.0.0:0");
    let _udp: Vec<UdpSocket> = (0..held.udp).map(udp).collect::<io::Result<_>>()?;
    let null = |_| File::open("/dev/null");
    let _files: Vec<File> = (0..held.files).map(null).collect::<io::Result<_>>()?;
    let mut ends: Vec<TcpStream> = Vec::new();
    if held.connections > 0 {
        let listener = listeners.first().context("connections need a listener")?;
        for _ in 0..held.connections {
            let port = listener.local_addr()?.port();
            ends.push(TcpStream::connect(("127.0.0.1", port))?);
            ends.push(listener.accept()?.0);
        }
    }
    let mut output = io::stdout();
    writeln!(output, "ready")?;
    let mut more = None;
    for line in io::stdin().lock().lines() {
        more = match line?.as_str() {
            "open" => Some(TcpListener::bind("0.0.0.0:0")?),
            _ => None,
        };
        writeln!(output, "done")?;
    }
    drop(more);
    Ok(())
}
