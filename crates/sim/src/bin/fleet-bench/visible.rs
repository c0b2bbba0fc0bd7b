//! From `listen()` to the count: a server, a real agent on this machine, and a socket that comes and
//! goes.
//!
//! Holds: the moment of each socket falls anywhere between two looks of the agent. Limit: what else
//! runs on the machine is looked at as well, so a busy one makes the looks slower.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use portolan_sim::fleet::Fleet;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::agent::Agent;
use crate::args::VisibleArgs;
use crate::query;
use crate::run::{prepare, reader};
use crate::server::Running;
use portolan_sim::bench::machine;
use portolan_sim::bench::spread::quantile;
use portolan_sim::bench::table::Table;

/// Longest time that a change may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Every socket must be counted within this after it listens.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// And must be gone from the counts within this after its end.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Measures; the figures.
pub(crate) fn visible(runtime: &Runtime, args: &VisibleArgs) -> anyhow::Result<Table> {
    let fleet = Fleet::new(Default::default());
    let folder = args.own.folder()?;
    let place = prepare(folder.path(), &args.own.portolan, &fleet)?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    let running = Running::start(&place)?;
    let project = &fleet.options().project;
    let _agent = Agent::start(
        &args.agent,
        &running,
        project,
        folder.path(),
        ("visible", &[]),
    )?;
    let reader = reader(project, &running);
    let [seen, gone] = runtime.block_on(measure(&reader, args))?;
    tell(&mut table, seen, gone);
    running.stop()?;
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

fn tell(table: &mut Table, seen: Vec<u32>, gone: Vec<u32>) {
    for (name, mut micros, longest) in [
        ("from listen() to the count", seen, SEEN_WITHIN),
        ("from close() to its end in the count", gone, GONE_WITHIN),
    ] {
        let told = [500, 990, 999, 1_000].map(|part| f64::from(quantile(&mut micros, part)) / 1e6);
        let [p50, p99, p999, most] = told.map(seconds);
        let count = micros.len();
        let note = format!("median of {count}; p99 {p99}, p99.9 {p999}, longest {most}");
        table.figure(name, p50, note);
        let [.., most] = told;
        table.goal(name, most, longest.as_secs_f64(), seconds);
    }
}

fn seconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

async fn measure(reader: &query::Target, args: &VisibleArgs) -> anyhow::Result<[Vec<u32>; 2]> {
    // The agent is up once a socket is seen; that one does not count.
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..=args.rounds {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen = until(reader, port, 1).await?;
        // Another part of it each time, so that no look is favoured.
        sleep(pause(round, 379, args.pause_ms)).await;
        drop(listener);
        let gone = until(reader, port, 0).await?;
        sleep(pause(round, 613, args.pause_ms)).await;
        if round > 0 {
            for (all, one) in taken.iter_mut().zip([seen, gone]) {
                all.push(u32::try_from(one.as_micros())?);
            }
        }
    }
    Ok(taken)
}

fn pause(round: u32, step: u32, most: u32) -> Duration {
    Duration::from_millis(u64::from(round.wrapping_mul(step) % most))
}

/// How long it takes until so many rows of the port are counted.
async fn until(reader: &query::Target, port: u16, rows: u64) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let question = format!("enterprise_project_id=all_granted_eps&type=TCP&port={port}");
    while reader.statistics(&question).await?.0 != rows {
        ensure!(
            started.elapsed() < PATIENCE,
            "port {port} never had {rows} rows"
        );
        sleep(LOOK_AGAIN).await;
    }
    Ok(started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_socket_must_be_seen_within_3_seconds_and_gone_within_5() {
        let missed = |seen: &[u32], gone: &[u32]| {
            let mut table = Table::new();
            tell(&mut table, seen.to_vec(), gone.to_vec());
            table.missed().len()
        };
        assert_eq!(missed(&[3_000_000, 1], &[5_000_000, 1]), 0);
        assert_eq!(missed(&[3_000_001, 1], &[5_000_000]), 1);
        assert_eq!(missed(&[3_000_000], &[1, 5_000_001]), 1);
    }
}
