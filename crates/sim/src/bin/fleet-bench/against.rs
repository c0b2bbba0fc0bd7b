//! Reports a second of one server against those of another, such as of an older build, in turns.
//!
//! Both hold the same fleet, and each round is a step of its day that both are told: every host
//! reports again, and few have changed. Rates swing with the machine, so only a ratio of two
//! neighbouring turns counts, and who begins changes from round to round.
//! Holds: both get the same requests; an answer that is not `accepted` ends the bench.
//! Limit: what one server does in the background, such as compacting, falls into the other's turn too.

use std::fs;
use std::path::Path;

use anyhow::Context;
use portolan_sim::fleet::Fleet;
use tokio::runtime::Runtime;

use crate::args::{AgainstArgs, LoadHow};
use crate::load::{Loaded, load};
use crate::run::{agent, prepare};
use crate::server::{Place, Running};
use portolan_sim::bench::machine::{self, disk_bytes, rss_bytes};
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, megabytes, micros, times, whole};

/// Reports of a request, and requests in flight: as agents send them, and as relays do.
const FORMS: [(u32, u32); 2] = [(1, 256), (100, 16)];
/// A round of each form is this far from the one before, in steps: a quarter of an hour.
const STEPS: u32 = 15;

/// The turns of one form of one round: of the server, and of the other.
struct Pair([Loaded; 2]);

/// Measures; the figures.
pub(crate) fn against(runtime: &Runtime, args: &AgainstArgs) -> anyhow::Result<Table> {
    let fleet = args.fleet.fleet();
    let folder = args.own.folder()?;
    let programs = [&args.own.portolan, &args.against];
    let mut places = Vec::new();
    for (program, name) in programs.into_iter().zip(["first", "other"]) {
        places.push(place(&folder.path().join(name), program, &fleet)?);
    }
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    let servers: Vec<Running> = places
        .iter()
        .map(Running::start)
        .collect::<anyhow::Result<_>>()?;
    let [first, other] = servers.as_slice() else {
        anyhow::bail!("there are two servers");
    };
    let both = [first, other];
    let begun = round(runtime, &fleet, both, (100, 16), 0, 0)?;
    tell(
        &mut table,
        "first report of each host, 100 a request",
        &[begun],
    );
    let mut step = 0;
    let mut rounds = [const { Vec::new() }; 2];
    for number in 0..args.rounds {
        for (pairs, form) in rounds.iter_mut().zip(FORMS) {
            step += STEPS;
            pairs.push(round(runtime, &fleet, both, form, step, number)?);
        }
    }
    for (pairs, (batch, _)) in rounds.iter().zip(FORMS) {
        tell(&mut table, &format!("{batch} a request"), pairs);
    }
    for (server, name) in both.into_iter().zip(["", ", the other"]) {
        let resident = megabytes(rss_bytes(server.pid())?);
        table.figure(format!("resident{name}"), resident, "at the end");
    }
    servers
        .into_iter()
        .try_for_each(|server| server.stop().map(drop))?;
    for (place, name) in places.iter().zip(["", ", the other"]) {
        let disk = megabytes(disk_bytes(&place.data)?);
        table.figure(format!("bytes on disk{name}"), disk, "stopped");
    }
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

fn place(folder: &Path, program: &Path, fleet: &Fleet) -> anyhow::Result<Place> {
    fs::create_dir(folder).with_context(|| format!("could not make {}", folder.display()))?;
    prepare(folder, program, fleet)
}

/// All hosts report at `step`, to both servers.
fn round(
    runtime: &Runtime,
    fleet: &Fleet,
    both: [&Running; 2],
    (batch, in_flight): (u32, u32),
    step: u32,
    number: u32,
) -> anyhow::Result<Pair> {
    let how = LoadHow {
        batch,
        in_flight,
        step,
    };
    let turn = |server: &Running| runtime.block_on(load(&agent(server), fleet, &how));
    let [first, other] = both;
    // A B, B A, A B ...: what drifts falls on both.
    Ok(Pair(if number.is_multiple_of(2) {
        let first = turn(first)?;
        [first, turn(other)?]
    } else {
        let other = turn(other)?;
        [turn(first)?, other]
    }))
}

fn tell(table: &mut Table, form: &str, pairs: &[Pair]) {
    let mut spread = |name: &str, of: &dyn Fn(&Pair) -> f64, shown: fn(f64) -> String| {
        let name = format!("{name}; {form}");
        table.spread(name, Spread::of(pairs.iter().map(of)), shown);
    };
    let cpu = |loaded: &Loaded| loaded.server_micros().unwrap_or(f64::NAN);
    spread("reports/s", &|Pair([a, _])| a.rate(), whole);
    spread("reports/s of the other", &|Pair([_, b])| b.rate(), whole);
    spread(
        "reports/s against the other",
        &|Pair([a, b])| a.rate() / b.rate(),
        times,
    );
    spread("server CPU a report", &|Pair([a, _])| cpu(a), micros);
    spread(
        "server CPU a report, the other",
        &|Pair([_, b])| cpu(b),
        micros,
    );
    spread(
        "CPU of the other against it",
        &|Pair([a, b])| cpu(b) / cpu(a),
        times,
    );
}
