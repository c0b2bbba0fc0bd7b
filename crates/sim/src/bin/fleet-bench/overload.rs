//! What a reader pays for clients that misbehave: its answer times without them and with them, in
//! turns, on a server of its own.
//!
//! Holds: a turn with them begins only when the server holds as many connections as it must, and a
//! turn without them only when they are gone.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::args::{LoadHow, OverloadArgs};
use crate::crowd::Crowd;
use crate::http::ServerUrl;
use crate::load::load;
use crate::run::{AGENT_TOKEN, READER_TOKEN, agent, prepare};
use crate::server::Running;
use crate::turn::Turn;
use portolan_sim::bench::machine;
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, micros, times, whole};

/// Four of the five ways to misbehave hold their connections; some of them come again just now.
const HELD_PART: f64 = 0.7;
/// Until the crowd has sent what it sends at first.
const SETTLE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(120);
/// What a reader's p99 beside the crowd may be of its p99 without.
const P99_TIMES_MAX: f64 = 3.0;
const OPEN: &str = "portolan_http_connections";
const REACHED: &str = "portolan_limits_reached_total";

/// One turn without the crowd, and one with it.
struct Round {
    quiet: Turn,
    crowded: Turn,
    held: f64,
}

/// Runs it all; the figures.
pub(crate) fn overload(runtime: &Runtime, args: &OverloadArgs) -> anyhow::Result<Table> {
    let fleet = args.fleet.fleet();
    let folder = args.own.folder()?;
    let place = prepare(folder.path(), &args.own.portolan, &fleet)?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    let running = Running::start(&place)?;
    let target = agent(&running);
    let how = LoadHow {
        batch: 100,
        in_flight: 16,
        step: 0,
    };
    runtime.block_on(load(&target, &fleet, &how))?;
    runtime.block_on(measure(&mut table, args, &running))?;
    running.stop()?;
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

async fn measure(table: &mut Table, args: &OverloadArgs, running: &Running) -> anyhow::Result<()> {
    let server = &running.url;
    let project = &args.fleet.project;
    let get = server.get(
        &format!("/v5/{project}/asset/port/statistics"),
        READER_TOKEN,
    );
    let post = format!(
        "POST /portolan/v1/projects/{project}/reports HTTP/1.1\r\nHost: x\r\n\
         X-Auth-Token: {AGENT_TOKEN}\r\nContent-Length: 60000\r\n\r\n{{\"reports\":["
    );
    let (rounds, seconds) = args.how.turns();
    let length = Duration::from_secs(seconds);
    let turn = || {
        Turn::run(
            server,
            Some(running.pid()),
            &get,
            args.how.connections,
            length,
        )
    };
    turn().await?;
    let before = metrics(server).await?;
    let mut done = Vec::new();
    for round in 1..=rounds {
        let quiet = turn().await?;
        let crowd = Crowd::start(server, args.misbehaving, post.clone().into(), get.clone())?;
        let least = f64::from(args.misbehaving) * HELD_PART;
        wait_until(server, "the crowd is there", |held| held >= least).await?;
        sleep(SETTLE).await;
        let crowded = turn().await?;
        let held = sample(&metrics(server).await?, OPEN);
        ensure!(
            held >= least,
            "the server holds {held} connections of {}; the crowd says {}",
            args.misbehaving,
            crowd.connected()
        );
        drop(crowd);
        wait_until(server, "the crowd is gone", |held| held < 2.0).await?;
        done.push(Round {
            quiet,
            crowded,
            held,
        });
        eprintln!("measured round {round} of {rounds}");
    }
    let misbehaving = whole(f64::from(args.misbehaving));
    table.figure("hosts", whole(f64::from(args.fleet.hosts)), "");
    table.figure("misbehaving clients", misbehaving, "a fifth of each kind");
    tell(table, &done);
    tell_limits(table, &before, &metrics(server).await?);
    Ok(())
}

fn tell(table: &mut Table, rounds: &[Round]) {
    let held = Spread::of(rounds.iter().map(|round| round.held));
    table.spread("connections that the server held", held, whole);
    for (name, pick) in [
        (
            "without them",
            (|round| &round.quiet) as fn(&Round) -> &Turn,
        ),
        ("with them", |round| &round.crowded),
    ] {
        let of = |figure: fn(&Turn) -> f64| Spread::of(rounds.iter().map(pick).map(figure));
        let figure = |what: &str| format!("{what}, {name}");
        table.spread(figure("requests/s"), of(Turn::rate), whole);
        table.spread(
            figure("answer time p50"),
            of(|t| f64::from(t.p50_micros)),
            micros,
        );
        table.spread(
            figure("answer time p99"),
            of(|t| f64::from(t.p99_micros)),
            micros,
        );
        let cpu = rounds.iter().map(pick).filter_map(Turn::server_micros);
        table.spread(figure("server CPU a request"), Spread::of(cpu), micros);
    }
    let ratio = rounds.iter().map(|round| {
        f64::from(round.crowded.p99_micros) / f64::from(round.quiet.p99_micros.max(1))
    });
    let ratio = Spread::of(ratio);
    let name = "p99 with them against without";
    table.spread(name, ratio, times);
    // The median: one bad second of the machine is no fault of the server.
    let median = ratio.map_or(f64::INFINITY, |ratio| ratio.median);
    table.goal(name, median, P99_TIMES_MAX, times);
}

/// What the server counted of them.
fn tell_limits(table: &mut Table, before: &str, after: &str) {
    for line in after.lines().filter(|line| line.starts_with(REACHED)) {
        let Some((name, _)) = line.rsplit_once(' ') else {
            continue;
        };
        let count = sample(after, name) - sample(before, name);
        if count > 0.0 {
            table.figure(name, whole(count), "over all rounds");
        }
    }
}

async fn wait_until(
    server: &ServerUrl,
    what: &str,
    holds: impl Fn(f64) -> bool,
) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let held = sample(&metrics(server).await?, OPEN);
        if holds(held) {
            return Ok(());
        }
        ensure!(
            Instant::now() < until,
            "not within {PATIENCE:?}: {what}; the server holds {held} connections"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

async fn metrics(server: &ServerUrl) -> anyhow::Result<String> {
    let mut connection = server.connect().await?;
    let answer = connection.exchange(&server.get("/metrics", "")).await?;
    ensure!(answer.status == 200, "/metrics: {}", answer.summary());
    String::from_utf8(answer.body.to_vec()).context("/metrics is no text")
}

/// A sample by its name and labels; 0 where there is none.
fn sample(page: &str, name: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(quiet_p99: u32, crowded_p99: u32) -> Round {
        let turn = |p99_micros| Turn {
            requests: 1,
            seconds: 1.0,
            server_cpu: None,
            client_cpu: Duration::ZERO,
            p50_micros: 1,
            p99_micros,
        };
        Round {
            quiet: turn(quiet_p99),
            crowded: turn(crowded_p99),
            held: 1.0,
        }
    }

    #[test]
    fn three_times_the_p99_is_allowed_to_a_crowd_and_more_is_not() {
        let missed = |rounds: &[Round]| {
            let mut table = Table::new();
            tell(&mut table, rounds);
            table.missed().to_vec()
        };
        assert!(missed(&[round(100, 300), round(100, 900), round(100, 100)]).is_empty());
        let told = "p99 with them against without: 3.01x, must be at most 3.00x";
        assert_eq!(missed(&[round(100, 301)]), [told]);
    }

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        let page = "a_total 3\na{x=\"1\"} 4\na 5\n";
        assert_eq!(sample(page, "a"), 5.0);
        assert_eq!(sample(page, "a{x=\"1\"}"), 4.0);
        assert_eq!(sample(page, "b"), 0.0);
    }
}
