//! Sockets that live a millisecond, and how many of them arrive in the history, with their owner.
//!
//! Each has an address of its own, so that what else runs on the machine is told apart.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use portolan_sim::bench::table::Table;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::query::Target;

/// Sockets of each kind.
const COUNT: u16 = 1_000;
const LIFE: Duration = Duration::from_millis(1);
/// What lives longer because the machine was busy may be told as opened and closed.
const SHORT: Duration = Duration::from_millis(8);
/// Below every ephemeral range.
const UDP_PORT: u16 = 7_777;
/// Longest time until the last one has arrived.
const ARRIVED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Whose sockets they are, and the second number of their addresses.
#[derive(Clone, Copy)]
enum Kind {
    Tcp = 77,
    Udp = 78,
    /// Of processes that end with their socket.
    Gone = 80,
}

/// Listens at `address` for a millisecond: what a process that is gone did.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)?;
    std::thread::sleep(LIFE);
    drop(listener);
    Ok(())
}

/// Lets all kinds of them pass, and tells how many arrived.
pub(crate) fn tell(table: &mut Table, runtime: &Runtime, reader: &Target) -> anyhow::Result<()> {
    for (kind, name) in [
        (Kind::Tcp, "listeners of 1 ms, their process lives on"),
        (Kind::Udp, "UDP binds of 1 ms, their process lives on"),
        (Kind::Gone, "listeners of 1 ms whose process ends with them"),
    ] {
        let passed = pass(kind).context(name)?;
        let arrived = runtime.block_on(arrived(reader, kind, &passed))?;
        arrived.tell(table, name);
    }
    Ok(())
}

/// A socket that has passed.
struct Passed {
    pid: u32,
    /// It lived longer than it should have.
    slow: bool,
}

fn pass(kind: Kind) -> anyhow::Result<BTreeMap<String, Passed>> {
    let program = std::env::current_exe()?;
    let mut passed = BTreeMap::new();
    for n in 1..=COUNT {
        let address = address(kind, n);
        let opened = Instant::now();
        let mut pid = std::process::id();
        match kind {
            Kind::Tcp => listen(address)?,
            Kind::Udp => {
                let _socket = UdpSocket::bind(address)?;
                std::thread::sleep(LIFE);
            }
            Kind::Gone => {
                let word = address.to_string();
                let mut child = Command::new(&program).args(["listen", &word]).spawn()?;
                pid = child.id();
                ensure!(child.wait()?.success(), "{word} was not listened at");
            }
        }
        let slow = opened.elapsed() > SHORT;
        passed.insert(address.ip().to_string(), Passed { pid, slow });
    }
    Ok(passed)
}

fn address(kind: Kind, n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    let port = match kind {
        Kind::Udp => UDP_PORT,
        // One that no other has.
        Kind::Tcp | Kind::Gone => 7_778,
    };
    SocketAddr::from((Ipv4Addr::new(127, kind as u8, high, low), port))
}

/// What came of sockets that passed.
#[derive(Default)]
struct Arrived {
    of: usize,
    /// As transients.
    transient: usize,
    /// With the right process and executable.
    owned: usize,
    /// Lived long enough to be told as opened, and were.
    opened: usize,
    /// Neither.
    missing: usize,
}

impl Arrived {
    fn tell(&self, table: &mut Table, name: &str) {
        let Self {
            of,
            transient,
            owned,
            opened,
            missing,
        } = self;
        let note = format!(
            "of {of} as transients; {owned} with process and executable; {opened} that lived over \
             8 ms as opened; {missing} missing"
        );
        table.figure(name, transient.to_string(), note);
        let number = |number: f64| format!("{number:.0}");
        let missing = (*missing) as f64;
        table.goal(&format!("missing {name}"), missing, 0.0, number);
    }
}

async fn arrived(
    reader: &Target,
    kind: Kind,
    passed: &BTreeMap<String, Passed>,
) -> anyhow::Result<Arrived> {
    let start = Instant::now();
    loop {
        let arrived = count(&changes(reader, kind).await?, passed)?;
        if arrived.missing == 0 || start.elapsed() > ARRIVED_WITHIN {
            return Ok(arrived);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// All changes of that kind's addresses.
async fn changes(reader: &Target, kind: Kind) -> anyhow::Result<Vec<Value>> {
    let prefix = format!("127.{}.", kind as u8);
    let (project, mut cursor) = (&reader.project, String::new());
    let mut found = Vec::new();
    loop {
        let path = format!("/portolan/v1/projects/{project}/changes?limit=200{cursor}");
        let (page, _) = reader.json(&path).await?;
        let changes = page.get("changes").and_then(Value::as_array);
        let changes = changes.context("a page of changes has them")?;
        let is_here = |change: &&Value| text(change, "laddr").starts_with(&prefix);
        found.extend(changes.iter().filter(is_here).cloned());
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

fn text<'a>(change: &'a Value, name: &str) -> &'a str {
    change.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn count(changes: &[Value], passed: &BTreeMap<String, Passed>) -> anyhow::Result<Arrived> {
    let program = std::env::current_exe()?;
    let of_kind = |kind: &str| -> BTreeMap<&str, &Value> {
        let these = changes.iter().filter(|it| text(it, "kind") == kind);
        these.map(|it| (text(it, "laddr"), it)).collect()
    };
    let (transients, openings) = (of_kind("transient"), of_kind("opened"));
    let is_owned = |(address, change): &(&&str, &&Value)| {
        let pid = change.get("pid").and_then(Value::as_u64);
        let right = passed.get(**address).map(|it| u64::from(it.pid));
        pid == right && Some(text(change, "path")) == program.to_str()
    };
    let is_told_otherwise = |address: &&String| {
        let slow = passed.get(*address).is_some_and(|it| it.slow);
        slow && openings.contains_key(address.as_str())
    };
    let others = passed
        .keys()
        .filter(|it| !transients.contains_key(it.as_str()));
    let (opened, missing): (Vec<_>, Vec<_>) = others.partition(is_told_otherwise);
    Ok(Arrived {
        of: passed.len(),
        transient: transients.len(),
        owned: transients.iter().filter(is_owned).count(),
        opened: opened.len(),
        missing: missing.len(),
    })
}
