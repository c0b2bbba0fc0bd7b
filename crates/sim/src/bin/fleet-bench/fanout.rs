//! From a report to the last of many readers who follow the changes.
//!
//! One host reports at a steady pace, with one change each time; the readers have a thread of their own.
//! Holds: every reader got every change, once, or the bench ends.
//! Limit: the readers share the machine with the server, so on few cores their own reading is most of
//! the delay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use portolan_sim::bench::machine::{self, cpu};
use portolan_sim::bench::spread::quantile;
use portolan_sim::bench::table::{Table, micros, whole};
use portolan_sim::fleet::Fleet;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Report, ReportsRequest};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::args::{FanoutArgs, LoadHow};
use crate::http::{Connection, ServerUrl};
use crate::load::load;
use crate::run::{AGENT_TOKEN, READER_TOKEN, agent, prepare};
use crate::server::Running;

/// Longest time that readers may take to be there, and behind the last change.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a change has and nothing else.
const CHANGE: &[u8] = b"event: change\n";
/// How much later than its report the last reader may have a change, of 99 in a hundred.
const LATE_MS_MAX: f64 = 250.0;

/// What the readers have of each change.
struct Arrived {
    begun: Instant,
    /// Readers that follow.
    following: AtomicU32,
    /// For each change, how many have it, and when the last one got it, in microseconds.
    changes: Vec<(AtomicU32, AtomicU64)>,
}

/// Measures; the figures.
pub(crate) fn fanout(runtime: &Runtime, args: &FanoutArgs) -> anyhow::Result<Table> {
    let fleet = args.fleet.fleet();
    let folder = args.own.folder()?;
    let place = prepare(folder.path(), &args.own.portolan, &fleet)?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    let running = Running::start(&place)?;
    let how = LoadHow {
        batch: 100,
        in_flight: 16,
        step: 0,
    };
    runtime.block_on(load(&agent(&running), &fleet, &how))?;
    let arrived = Arc::new(Arrived {
        begun: Instant::now(),
        following: AtomicU32::new(0),
        changes: (0..args.changes).map(|_| Default::default()).collect(),
    });
    let readers = follow(&running.url, &fleet, args.readers, &arrived);
    let before = cpu(running.pid())?;
    let sent = runtime.block_on(report(&running.url, &fleet, args, &arrived));
    if sent.is_ok() || readers.is_finished() {
        // Where a reader failed, that is why the reports waited in vain.
        readers.join().ok().context("the readers died")??;
    }
    let sent = sent?;
    let spent = cpu(running.pid())?.saturating_sub(before);
    tell(&mut table, args, &arrived, &sent);
    let events = f64::from(args.changes) * f64::from(args.readers);
    table.figure(
        "server CPU a change and reader",
        micros(spent.as_secs_f64() * 1e6 / events),
        format!("{} events, the readers' coming included", whole(events)),
    );
    running.stop()?;
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

/// Starts readers in a thread; it ends when each has all changes.
fn follow(
    server: &ServerUrl,
    fleet: &Fleet,
    readers: u32,
    arrived: &Arc<Arrived>,
) -> std::thread::JoinHandle<anyhow::Result<()>> {
    let project = &fleet.options().project;
    let target = format!("/portolan/v1/projects/{project}/changes/stream");
    let (server, arrived) = (server.clone(), Arc::clone(arrived));
    let request = server.get(&target, READER_TOKEN);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut all = JoinSet::new();
            for connection in server.connections(readers).await? {
                all.spawn(read(connection, request.clone(), Arc::clone(&arrived)));
            }
            while let Some(read) = all.join_next().await {
                read.context("a reader died")??;
            }
            Ok(())
        })
    })
}

/// One reader, until it has all changes.
async fn read(
    mut connection: Connection,
    request: Vec<u8>,
    arrived: Arc<Arrived>,
) -> anyhow::Result<()> {
    connection.send(&request).await?;
    let (mut text, mut has) = (Vec::new(), 0);
    let mut follows = false;
    while has < arrived.changes.len() {
        timeout(PATIENCE, connection.receive_into(&mut text))
            .await
            .context("a stream fell silent")??;
        let at = u64::try_from(arrived.begun.elapsed().as_micros())?;
        if !follows {
            let told = String::from_utf8_lossy(&text);
            ensure!(told.starts_with("HTTP/1.1 200 "), "no stream: {told}");
            // The comment that comes first: from here on nothing is missed.
            follows = told.contains("the stream begins");
            if !follows {
                continue;
            }
            arrived.following.fetch_add(1, Ordering::SeqCst);
        }
        let new = take_changes(&mut text);
        let changes = arrived.changes.iter().skip(has).take(new);
        for (readers, last) in changes {
            last.fetch_max(at, Ordering::SeqCst);
            readers.fetch_add(1, Ordering::SeqCst);
        }
        has += new;
    }
    ensure!(has == arrived.changes.len(), "a reader got {has} changes");
    Ok(())
}

/// How many changes begin in a text; what may be the beginning of a further one is left in it.
fn take_changes(text: &mut Vec<u8>) -> usize {
    let begins = text.windows(CHANGE.len()).enumerate();
    let places = begins.filter(|(_, part)| *part == CHANGE);
    let (mut found, mut end) = (0, 0);
    for (place, _) in places {
        (found, end) = (found + 1, place + CHANGE.len());
    }
    let rest = text.len().saturating_sub(CHANGE.len() - 1).max(end);
    text.drain(..rest);
    found
}

/// When a report was sent and answered, in microseconds.
struct Sent {
    sent: u64,
    answered: u64,
}

/// Reports each change, and waits until every reader has it.
async fn report(
    server: &ServerUrl,
    fleet: &Fleet,
    args: &FanoutArgs,
    arrived: &Arrived,
) -> anyhow::Result<Vec<Sent>> {
    let all_have = |readers: &AtomicU32| readers.load(Ordering::SeqCst) >= args.readers;
    until("readers follow", || all_have(&arrived.following)).await?;
    let target = format!("/portolan/v1/projects/{}/reports", fleet.options().project);
    let mut connection = server.connect().await?;
    let now = || u64::try_from(arrived.begun.elapsed().as_micros());
    let mut all = Vec::new();
    for (number, (readers, _)) in (1_u32..).zip(&arrived.changes) {
        let reports = vec![changed(fleet, number)];
        let json = serde_json::to_string(&ReportsRequest { reports })?;
        let request = server.post_plain(&target, AGENT_TOKEN, &json);
        let next = Instant::now() + Duration::from_millis(args.every_ms);
        let sent = now()?;
        let answer = connection.exchange(&request).await?;
        let answered = now()?;
        let is_accepted = answer.summary().contains("accepted");
        ensure!(is_accepted, "a report was refused: {}", answer.summary());
        all.push(Sent { sent, answered });
        until("every reader has a change", || all_have(readers)).await?;
        sleep(next.saturating_duration_since(Instant::now())).await;
    }
    Ok(all)
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so() {
        ensure!(
            begun.elapsed() < PATIENCE,
            "it never came to pass that {what}"
        );
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The first host's report of that number: at every other one a port is open that is not at the others.
fn changed(fleet: &Fleet, number: u32) -> Report {
    let mut report = fleet.host(0);
    report.sequence += u64::from(number);
    if number % 2 == 1 {
        let any = std::net::Ipv4Addr::UNSPECIFIED.into();
        let is_free = |port: &u16| report.open_ports.iter().all(|open| open.port != *port);
        let port = (1..=u16::MAX).rev().find(is_free).unwrap_or(u16::MAX);
        report
            .open_ports
            .push(OpenPort::new(Transport::Tcp, any, port));
    }
    report
}

fn tell(table: &mut Table, args: &FanoutArgs, arrived: &Arrived, sent: &[Sent]) {
    let last = arrived
        .changes
        .iter()
        .map(|(_, last)| last.load(Ordering::SeqCst));
    let pairs: Vec<(u64, &Sent)> = last.zip(sent).collect();
    for (name, since) in [
        (
            "from the report to the last reader",
            (|sent| sent.sent) as fn(&Sent) -> u64,
        ),
        ("from its answer to the last reader", |sent| sent.answered),
    ] {
        let delays = pairs
            .iter()
            .map(|(last, sent)| last.saturating_sub(since(sent)));
        let mut delays: Vec<u32> = delays
            .map(|delay| u32::try_from(delay).unwrap_or(u32::MAX))
            .collect();
        let told = [500, 990, 1_000].map(|part| f64::from(quantile(&mut delays, part)) / 1e3);
        let [p50, p99, most] = told.map(millis);
        let note = format!(
            "median; p99 {p99}, longest {most}; {} readers, {} changes, one each {} ms",
            args.readers, args.changes, args.every_ms
        );
        table.figure(name, p50, note);
        table.goal(&format!("{name}, p99"), told[1], LATE_MS_MAX, millis);
    }
}

fn millis(millis: f64) -> String {
    format!("{millis:.1} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_found_once_however_its_text_is_cut() {
        let whole =
            b"id: 1\nevent: change\ndata: {}\n\n: ping\n\nid: 2\nevent: change\ndata: x\n\n";
        for cut in 0..whole.len() {
            let mut text = whole[..cut].to_vec();
            let first = take_changes(&mut text);
            text.extend_from_slice(&whole[cut..]);
            assert_eq!(first + take_changes(&mut text), 2, "cut at {cut}");
            assert!(text.len() < CHANGE.len());
        }
    }

    #[test]
    fn each_report_differs_from_the_one_before_by_one_port() {
        let fleet = Fleet::new(Default::default());
        let ports = |number| changed(&fleet, number).open_ports.len();
        assert_eq!(
            [ports(2), ports(3), ports(4)],
            [ports(0), ports(0) + 1, ports(0)]
        );
        assert!(changed(&fleet, 1).sequence > fleet.host(0).sequence);
    }
}
