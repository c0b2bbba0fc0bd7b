//! Reports and heartbeats beside what bounds them: the same requests read and thrown away by the null
//! handler, and a bare fsynced log.
//!
//! Each round is a step of the fleet's day: every host reports again, and few have changed, as in a
//! fleet that has been running. Holds: what is compared takes turns within a round.

use std::time::Duration;

use anyhow::Context;
use portolan_sim::fleet::Fleet;
use portolan_wire::digest::Digest;
use portolan_wire::heartbeat::{Heartbeat, HeartbeatsRequest};
use tokio::runtime::Runtime;

use crate::args::{CeilingsArgs, LoadHow};
use crate::bare_log;
use crate::load::{self, Loaded, load};
use crate::query;
use crate::run::{AGENT_TOKEN, agent, prepare};
use crate::server::Running;
use crate::turn::Turn;
use portolan_sim::bench::machine;
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, micros, times, whole};

/// Bytes of a stored host of the fleet, so much a record of the bare log has.
const RECORD_BYTES: usize = 1_500;
/// Who waits for the bare log, as many as reports are in flight.
const IN_FLIGHT: u32 = 256;
const CONNECTIONS: u32 = 16;

/// What was measured in one round.
struct Round {
    single: Loaded,
    single_read_only: Loaded,
    batched: Loaded,
    log_rate: f64,
    heartbeat: Turn,
    null: Turn,
}

/// Measures; the figures.
pub(crate) fn ceilings(runtime: &Runtime, args: &CeilingsArgs) -> anyhow::Result<Table> {
    let fleet = args.fleet.fleet();
    let folder = args.own.folder()?;
    let place = prepare(folder.path(), &args.own.portolan, &fleet)?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    let running = Running::start(&place)?;
    let server = agent(&running);
    runtime.block_on(load(&server, &fleet, &how(100, 0)))?;
    let reader = query::Target {
        server: running.url.clone(),
        token: AGENT_TOKEN.to_owned(),
        partial_token: None,
        access_key: None,
        project: args.fleet.project.clone(),
        pid: Some(running.pid()),
    };
    let log = folder.path();
    let length = Duration::from_secs(args.seconds);
    let mut rounds = Vec::new();
    for round in 0..args.rounds {
        // Two steps a round: one report each, then a hundred a request.
        let (single, batched) = (2 * round + 1, 2 * round + 2);
        rounds.push(runtime.block_on(async {
            let measured_single = load(&server, &fleet, &how(1, single)).await?;
            let path = format!("/portolan/v1/projects/{}/heartbeats", args.fleet.project);
            let json = heartbeat(&fleet, single)?;
            let beat = running.url.post_plain(&path, AGENT_TOKEN, &json);
            let null = reader.null_handler(&beat).await?;
            let nothing = null.running.url.post_plain(&path, AGENT_TOKEN, &json);
            let heartbeat = reader.turn(&beat, CONNECTIONS, length).await?;
            let null_turn = null.turn(&nothing, CONNECTIONS, length).await?;
            let read_only = load::Target {
                server: null.running.url.clone(),
                token: AGENT_TOKEN.to_owned(),
                pid: Some(null.running.pid()),
            };
            anyhow::Ok(Round {
                single: measured_single,
                single_read_only: load(&read_only, &fleet, &how(1, single)).await?,
                batched: load(&server, &fleet, &how(100, batched)).await?,
                log_rate: bare_log::rate(log, IN_FLIGHT, RECORD_BYTES, length)?,
                heartbeat,
                null: null_turn,
            })
        })?);
    }
    tell(&mut table, &rounds);
    running.stop()?;
    folder.close().context("could not remove the data folder")?;
    Ok(table)
}

fn how(batch: u32, step: u32) -> LoadHow {
    LoadHow {
        batch,
        // So many reports are in flight either way, that the queue takes what comes.
        in_flight: if batch == 1 { IN_FLIGHT } else { 16 },
        step,
    }
}

/// The heartbeat of the fleet's first host after its report of that step.
fn heartbeat(fleet: &Fleet, step: u32) -> anyhow::Result<String> {
    let mut report = fleet.host_at(0, step);
    portolan_wire::open_port::canonicalise(&mut report.open_ports);
    let beat = Heartbeat {
        host_id: report.host.host_id,
        generation: report.generation,
        sequence: report.sequence,
        digest: Digest::of(&report.open_ports),
    };
    let request = HeartbeatsRequest {
        heartbeats: vec![beat],
    };
    Ok(serde_json::to_string(&request)?)
}

fn tell(table: &mut Table, rounds: &[Round]) {
    let mut spread = |name: &str, of: &dyn Fn(&Round) -> f64, shown: fn(f64) -> String| {
        table.spread(name, Spread::of(rounds.iter().map(of)), shown);
    };
    let cpu = |loaded: &Loaded| loaded.server_micros().unwrap_or(f64::NAN);
    let turn = |turn: &Turn| turn.server_micros().unwrap_or(f64::NAN);
    spread("reports/s, one a request", &|r| r.single.rate(), whole);
    spread(
        "server CPU a report, one a request",
        &|r| cpu(&r.single),
        micros,
    );
    spread(
        "reports/s read and thrown away, one a request",
        &|r| r.single_read_only.rate(),
        whole,
    );
    spread(
        "CPU a report read and thrown away",
        &|r| cpu(&r.single_read_only),
        micros,
    );
    spread("records/s of the bare fsynced log", &|r| r.log_rate, whole);
    spread(
        "reports/s against read and thrown away",
        &|r| r.single.rate() / r.single_read_only.rate(),
        times,
    );
    spread(
        "reports/s against the bare log",
        &|r| r.single.rate() / r.log_rate,
        times,
    );
    spread("reports/s, 100 a request", &|r| r.batched.rate(), whole);
    spread(
        "server CPU a report, 100 a request",
        &|r| cpu(&r.batched),
        micros,
    );
    spread(
        "reports/s, 100 a request, against the bare log",
        &|r| r.batched.rate() / r.log_rate,
        times,
    );
    spread("server CPU a heartbeat", &|r| turn(&r.heartbeat), micros);
    spread(
        "CPU of the null handler beside it",
        &|r| turn(&r.null),
        micros,
    );
    spread(
        "heartbeat: CPU against the null handler",
        &|r| turn(&r.heartbeat) / turn(&r.null),
        times,
    );
}
