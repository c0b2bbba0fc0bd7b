//! What a real agent costs this machine, and what it misses: a server and agents on loopback, at rest,
//! under connections that come and go, and beside sockets that live a millisecond.
//!
//! Run inside the scene of the collector's bench, it measures that scene
//! (`cargo bench -p portolan-sockets --bench collector -- --run fleet-bench agent …`).
//! Holds: an agent with the kernel's events and one without are at rest at the same time, so the same
//! happens to both; the kernel's own measuring of programs is on only while they are at rest and under
//! load. Limits: CPU of a process comes in ticks of 10 ms; the kernel's events are of the whole
//! machine, so what others open on it costs the agent as well.

mod connections;
mod passing;
mod process;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use portolan_sim::bench::machine::{self, rss_bytes};
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, megabytes, micros, times, whole};
use portolan_sim::fleet::Fleet;
use tokio::runtime::Runtime;

use crate::args::AgentArgs;
use crate::query::Target;
use crate::run::{prepare, reader};
use crate::server::Running;
use connections::{Connections, Made};
pub(crate) use passing::listen;
pub(crate) use process::Agent;
use process::{Measuring, Used, percent};

/// At rest an agent has looked everywhere once, and processes are no longer young.
const SETTLES_IN: Duration = Duration::from_secs(45);
/// A part of the time at rest, so that a spread can be told: two looks of an agent with events.
const PART: Duration = Duration::from_secs(60);
/// The host of the agent with the kernel's events, and of the one without.
const WATCHED: (&str, &[&str]) = ("watched", &[]);
const POLLING: (&str, &[&str]) = ("polling", &["--events", "off"]);
/// Longest time until a first report has arrived.
const REPORTED_WITHIN: Duration = Duration::from_secs(60);

/// What must not be passed even on a busy machine, in per cent of a core: what the agent allows itself.
const CPU_MAX: f64 = 2.0;
const MEMORY_MAX: u64 = 64 << 20;

/// Measures; the figures.
pub(crate) fn measure(runtime: &Runtime, args: &AgentArgs) -> anyhow::Result<Table> {
    let fleet = Fleet::new(Default::default());
    let folder = args.own.folder()?;
    let place = prepare(folder.path(), &args.own.portolan, &fleet)?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    load(&mut table, "when it begins");
    let size = std::fs::metadata(&args.agent).context("the agent's program")?;
    table.figure("size of the program", megabytes(size.len()), "");
    let running = Running::start(&place)?;
    let project = &fleet.options().project;
    let host = |what| Agent::start(&args.agent, &running, project, folder.path(), what);
    let reader = reader(project, &running);

    let measuring = Measuring::start()?;
    let watched = host(WATCHED)?;
    let polling = host(POLLING)?;
    watched.wait_until_attached()?;
    runtime.block_on(reported(&reader, &["watched", "polling"]))?;
    at_rest(&mut table, [&watched, &polling], args.seconds)?;
    drop(polling);
    under_load(&mut table, &watched, args)?;
    drop(measuring);
    passing::tell(&mut table, runtime, &reader)?;
    tell_lost(&mut table, runtime, &reader)?;
    drop(watched);
    in_turns(&mut table, args, || {
        let agent = host(WATCHED)?;
        agent.wait_until_attached()?;
        Ok(agent)
    })?;
    load(&mut table, "when it ends");
    running.stop()?;
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

/// What else runs on the machine.
fn load(table: &mut Table, when: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = load.split(' ').next().unwrap_or_default();
    table.figure("load of the machine", minute, when);
}

/// Waits until those hosts have reported.
async fn reported(reader: &Target, hosts: &[&str]) -> anyhow::Result<()> {
    let start = Instant::now();
    let path = format!("/portolan/v1/projects/{}/hosts", reader.project);
    loop {
        let (answer, _) = reader.json(&path).await?;
        let total = answer.get("total_num").and_then(serde_json::Value::as_u64);
        if total == Some(hosts.len() as u64) {
            return Ok(());
        }
        ensure!(
            start.elapsed() < REPORTED_WITHIN,
            "not all of {hosts:?} reported"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn at_rest(table: &mut Table, agents: [&Agent; 2], seconds: u64) -> anyhow::Result<()> {
    // What a machine that nothing happens on costs is what is measured.
    std::thread::sleep(SETTLES_IN);
    let [watched, polling] = agents;
    let used = || -> anyhow::Result<[Used; 2]> { Ok([watched.used()?, polling.used()?]) };
    let (start, first) = (Instant::now(), used()?);
    let (mut parts, mut before) = ([Vec::new(), Vec::new()], first);
    let mut part_began = start;
    while start.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(PART.min(Duration::from_secs(seconds)));
        let now = used()?;
        for ((part, now), before) in parts.iter_mut().zip(now).zip(before) {
            part.push(now.since(before).percent(part_began.elapsed()));
        }
        (before, part_began) = (now, Instant::now());
    }
    let (last, span) = (used()?, start.elapsed());
    for (which, name) in ["at rest, with events", "at rest, without"]
        .iter()
        .enumerate()
    {
        let (Some(last), Some(first)) = (last.get(which), first.get(which)) else {
            continue;
        };
        let used = last.since(*first);
        let part = parts.get(which).cloned().unwrap_or_default();
        let range = Spread::of(part).map_or((0.0, 0.0), |it| (it.lowest, it.highest));
        let note = format!(
            "of a core, over {} s; parts of 60 s {} to {}; in the kernel's programs {}; woken {} times",
            span.as_secs(),
            share(range.0),
            share(range.1),
            share(percent(used.kernel, span)),
            whole(used.wakes as f64),
        );
        table.figure(*name, share(used.percent(span)), note);
        table.goal(name, used.percent(span), CPU_MAX, share);
    }
    for (agent, name) in agents.iter().zip(["with events", "without"]) {
        let resident = rss_bytes(agent.pid())?;
        table.figure(format!("resident, {name}"), megabytes(resident), "");
        let shown = |bytes: f64| megabytes(bytes as u64);
        table.goal("resident", resident as f64, MEMORY_MAX as f64, shown);
    }
    Ok(())
}

fn share(percent: f64) -> String {
    format!("{percent:.3} %")
}

fn under_load(table: &mut Table, agent: &Agent, args: &AgentArgs) -> anyhow::Result<()> {
    let mut connections = Connections::new()?;
    let before = agent.used()?;
    let made = connections.pace(args.connections, Duration::from_secs(args.load_seconds))?;
    let used = agent.used()?.since(before);
    let name = format!("under {} connections/s", whole(f64::from(args.connections)));
    let note = format!(
        "of a core, over {} s at {} connections/s; in the kernel's programs {}",
        made.time.as_secs(),
        whole(made.rate()),
        share(percent(used.kernel, made.time)),
    );
    table.figure(name.clone(), share(used.percent(made.time)), note);
    table.goal(&name, used.percent(made.time), CPU_MAX, share);
    Ok(())
}

fn tell_lost(table: &mut Table, runtime: &Runtime, reader: &Target) -> anyhow::Result<()> {
    let path = format!("/portolan/v1/projects/{}/hosts/watched", reader.project);
    let (host, _) = runtime.block_on(reader.json(&path))?;
    let lost = host.pointer("/coverage/events_lost");
    let lost = lost.and_then(serde_json::Value::as_u64);
    let lost = lost.context("the host is woken by events")?;
    table.figure("events lost", whole(lost as f64), "");
    Ok(())
}

/// A loop of connect and accept, with an agent and without, turn by turn; who begins changes.
fn in_turns(
    table: &mut Table,
    args: &AgentArgs,
    start: impl Fn() -> anyhow::Result<Agent>,
) -> anyhow::Result<()> {
    let mut connections = Connections::new()?;
    connections.make(args.turn)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for pair in 0..args.pairs {
        let mut turn = |watched: bool| -> anyhow::Result<()> {
            let agent = if watched { Some(start()?) } else { None };
            let made = connections.make(args.turn)?;
            if watched { &mut with } else { &mut without }.push(made);
            drop(agent);
            Ok(())
        };
        let first = pair % 2 == 0;
        turn(first)?;
        turn(!first)?;
    }
    let cpu = |all: &[Made]| Spread::of(all.iter().map(Made::cpu_micros));
    table.spread("CPU a connection, without an agent", cpu(&without), micros);
    table.spread("CPU a connection, with events", cpu(&with), micros);
    let ratios = |of: fn(&Made) -> f64| {
        let both = with.iter().zip(&without);
        Spread::of(both.map(move |(with, without)| of(with) / of(without)))
    };
    let named = "with events against without";
    table.spread(
        format!("CPU a connection, {named}"),
        ratios(Made::cpu_micros),
        times,
    );
    table.spread(format!("connections/s, {named}"), ratios(Made::rate), times);
    Ok(())
}
