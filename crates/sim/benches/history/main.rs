//! What the history costs: bytes of a change and of a checkpoint, and the CPU of asking about the past.
//!
//! The generated fleet lives some days in this process, through the real committer on a real store, by a
//! clock that is set by hand: `cargo bench -p portolan-sim --bench history -- --hosts 100000 --days 30`.
//! In process, since no request of a server can be made to ask about a month that has not passed.
//! Holds: the counts of a past noon are compared with the generator's own before anything is timed.
//! Limits: each change is a commit of its own, as of hosts that report when something happens; the
//! CPU is that of the whole process, so it is measured when the store has nothing left to compact.
#![forbid(unsafe_code)]

mod asked;
mod days;
mod in_flight;
mod kept;
mod stored;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Parser;
use portolan_sim::bench::machine;
use portolan_sim::bench::table::{Table, whole};
use portolan_sim::fleet::{Fleet, Options};

use days::Lived;
use stored::Stored;

/// Lets a fleet live some days in a store, and measures what its history costs.
#[derive(Debug, Parser)]
struct Args {
    /// Number of hosts.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=16_777_215))]
    hosts: u32,
    /// Days that the fleet lives.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(4..=365))]
    days: u32,
    /// Of these, so many at either end are lived whole; of those between only the first hour is: no
    /// question reads more than half a day beside its moment.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=365))]
    whole_days: u32,
    /// Turns of each question.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Times that the store is opened anew and each question is asked of what is not in memory.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    cold_rounds: u32,
    /// Where the data folder is made and removed; on tmpfs a sync costs nothing.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    work_dir: PathBuf,
    /// Cargo gives this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let fleet = Fleet::new(Options {
        hosts: args.hosts,
        ..Options::default()
    });
    let folder = tempfile::Builder::new()
        .prefix("history-bench-")
        .tempdir_in(&args.work_dir)
        .with_context(|| format!("could not make a folder in {}", args.work_dir.display()))?;
    let mut table = Table::new();
    machine::describe(&mut table, Some(folder.path()));
    measure(&mut table, &args, &fleet, folder.path())?;
    table.print()?;
    folder.close().context("could not remove the data folder")
}

fn measure(table: &mut Table, args: &Args, fleet: &Fleet, folder: &Path) -> anyhow::Result<()> {
    let data = folder.join("data");
    let mut stored = Stored::new(&data, fleet.options().started_at)?;
    let lived = Lived::live(&mut stored, fleet, args.days, args.whole_days)?;
    lived.tell(table);
    let state = stored.published.state.load_full();
    stored.close()?;
    let asking = asked::Asking::new(&state, fleet, args.days)?;
    for _ in 0..args.cold_rounds {
        let stored = Stored::open(&data, &state, lived.until)?;
        stored.rest()?;
        stored::forget_pages(&data)?;
        asking.ask(&stored, asked::Temper::Cold)?;
        stored.close()?;
    }
    let mut stored = Stored::open(&data, &state, lived.until)?;
    stored.rest()?;
    kept::tell(table, &*stored.store, &lived)?;
    asking.compare(&stored, fleet)?;
    for _ in 0..args.rounds {
        asking.ask(&stored, asked::Temper::Warm)?;
    }
    asking.tell(table);
    in_flight::measure(table, &mut stored, fleet, args)?;
    stored.close()
}

/// The step that many hours after the start.
fn step_of_hour(hour: u32) -> u32 {
    hour * portolan_sim::fleet::STEPS_PER_HOUR
}

/// Fails unless a number is what it must be.
fn must_be(what: &str, is: u64, must: u64) -> anyhow::Result<()> {
    let (is_told, must_told) = (whole(is as f64), whole(must as f64));
    ensure!(is == must, "{what}: {is_told}, must be {must_told}");
    Ok(())
}
