//! The fleet lives: its first reports, then each host's report at every step at which it changed.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context;
use portolan_sim::bench::machine::own_cpu;
use portolan_sim::bench::table::{Table, micros, whole};
use portolan_sim::fleet::{Fleet, STEP_S, STEPS_PER_HOUR};
use portolan_store::{Prepared, Store, history};
use portolan_wire::time::UnixMicros;

use crate::stored::{Stored, prepared};

/// First reports of a commit.
const BASELINE_BATCH: u32 = 1_000;
const HOURS_PER_DAY: u32 = 24;
const STEP_MICROS: i64 = STEP_S as i64 * 1_000_000;

/// What was lived.
pub(crate) struct Lived {
    /// The moment after the last day.
    pub(crate) until: UnixMicros,
    /// Reports of each day, first reports left out.
    pub(crate) reports: Vec<u64>,
    /// Bytes of names and parts of each checkpoint; the last day has none.
    pub(crate) checkpoint_bytes: Vec<u64>,
    checkpoint_cpu: Duration,
    committing: Duration,
    committing_cpu: Duration,
}

impl Lived {
    /// Lets the fleet live.
    pub(crate) fn live(
        stored: &mut Stored,
        fleet: &Fleet,
        days: u32,
        whole_days: u32,
    ) -> anyhow::Result<Self> {
        let start = fleet.options().started_at;
        let steps = i64::from(days * HOURS_PER_DAY * STEPS_PER_HOUR);
        let mut lived = Self {
            until: start.plus_micros(steps * STEP_MICROS),
            reports: Vec::new(),
            checkpoint_bytes: Vec::new(),
            checkpoint_cpu: Duration::ZERO,
            committing: Duration::ZERO,
            committing_cpu: Duration::ZERO,
        };
        baseline(stored, fleet)?;
        for day in 0..days {
            let is_whole = day < whole_days || day + whole_days >= days;
            let hours = if is_whole { HOURS_PER_DAY } else { 1 };
            lived.reports.push(0);
            for hour in (day * HOURS_PER_DAY..).take(hours as usize) {
                lived.hour(stored, fleet, hour)?;
            }
            // The last day is left without, so that its records' bytes are known by themselves.
            if day + 1 < days {
                lived.checkpoint(stored)?;
            }
            eprintln!("lived day {} of {days}", day + 1);
        }
        stored.set_clock(lived.until);
        Ok(lived)
    }

    fn hour(&mut self, stored: &mut Stored, fleet: &Fleet, hour: u32) -> anyhow::Result<()> {
        let events = events(fleet, hour);
        let reports = in_threads(&events, |&(step, host)| {
            let report = fleet.host_at(host, step);
            prepared(&fleet.options().project, report)
        })?;
        let start = fleet.options().started_at;
        let moments: Vec<UnixMicros> = moments(&events)
            .map(|after| start.plus_micros(after))
            .collect();
        let (begun, cpu) = (Instant::now(), own_cpu());
        for (at, report) in moments.into_iter().zip(reports) {
            stored.set_clock(at);
            stored.commit(vec![report])?;
        }
        self.committing += begun.elapsed();
        self.committing_cpu += own_cpu().saturating_sub(cpu);
        if let Some(reports) = self.reports.last_mut() {
            *reports += events.len() as u64;
        }
        Ok(())
    }

    fn checkpoint(&mut self, stored: &Stored) -> anyhow::Result<()> {
        let cpu = own_cpu();
        let checkpoint = history::checkpoint(&stored.published.state.load())?;
        let parts = checkpoint.parts.iter();
        let bytes: usize = parts.map(|(name, part)| name.len() + part.len()).sum();
        stored.store.save_checkpoint(&checkpoint)?;
        self.checkpoint_cpu += own_cpu().saturating_sub(cpu);
        self.checkpoint_bytes.push(bytes as u64);
        Ok(())
    }

    pub(crate) fn tell(&self, table: &mut Table) {
        let reports: u64 = self.reports.iter().sum();
        let each = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count.max(1) as f64;
        let note = format!(
            "{} reports in {} days, the store's background work included",
            whole(reports as f64),
            self.reports.len()
        );
        let cpu = micros(each(self.committing_cpu, reports));
        table.figure("CPU of a commit of one changed host", cpu, note);
        let time = micros(each(self.committing, reports));
        table.figure("time of it", time, "one at a time, its sync included");
        let cpu = each(self.checkpoint_cpu, self.checkpoint_bytes.len() as u64) / 1e3;
        table.figure("CPU of a checkpoint", format!("{cpu:.0} ms"), "mean");
    }
}

/// The first report of every host, at the start.
fn baseline(stored: &mut Stored, fleet: &Fleet) -> anyhow::Result<()> {
    let hosts = fleet.options().hosts;
    for first in (0..hosts).step_by(BASELINE_BATCH as usize) {
        let batch: Vec<u32> = (first..hosts.min(first + BASELINE_BATCH)).collect();
        let reports = in_threads(&batch, |&host| {
            prepared(&fleet.options().project, fleet.host(host))
        })?;
        stored.commit(reports)?;
    }
    Ok(())
}

/// The steps of an hour at which hosts changed, and who, in their order.
fn events(fleet: &Fleet, hour: u32) -> Vec<(u32, u32)> {
    let mut events: Vec<(u32, u32)> = (0..fleet.options().hosts)
        .flat_map(|host| {
            let steps = fleet.changes_in_hour(host, hour).into_iter();
            steps.map(move |step| (step, host))
        })
        .collect();
    events.sort_unstable();
    events
}

/// When each of an hour's events comes, in microseconds after the start: those of a step are spread over
/// the minute before it.
fn moments(events: &[(u32, u32)]) -> impl Iterator<Item = i64> {
    let steps = events.chunk_by(|(step, _), (next, _)| step == next);
    steps.flat_map(|of_step| {
        let apart = STEP_MICROS / of_step.len() as i64;
        let before = move |(place, (step, _)): (i64, &(u32, u32))| {
            i64::from(step - 1) * STEP_MICROS + place * apart
        };
        (0..).zip(of_step).map(before)
    })
}

/// Makes one of each, on all cores, in the same order.
pub(crate) fn in_threads<T: Sync, R: Send>(
    of: &[T],
    make: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = of.len().div_ceil(cores).max(1);
    let make = &make;
    std::thread::scope(|scope| {
        let makers: Vec<_> = of
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(make).collect()))
            .collect();
        let mut all = Vec::with_capacity(of.len());
        for maker in makers {
            let made: anyhow::Result<Vec<R>> = maker.join().ok().context("a maker died")?;
            all.extend(made?);
        }
        Ok(all)
    })
}

/// The reports of some hosts at a step.
pub(crate) fn reports(
    fleet: &Fleet,
    hosts: Range<u32>,
    step: u32,
) -> anyhow::Result<Vec<Prepared>> {
    let hosts: Vec<u32> = hosts.collect();
    in_threads(&hosts, |&host| {
        prepared(&fleet.options().project, fleet.host_at(host, step))
    })
}
