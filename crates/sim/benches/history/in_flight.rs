//! Reports a second of the committer in its thread, with as many in flight as a busy server has.

use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::{Context, ensure};
use portolan_sim::bench::machine::own_cpu;
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, micros, whole};
use portolan_sim::fleet::Fleet;
use portolan_store::{Decision, Prepared, Queue, Submission, start};

use crate::days::reports;
use crate::stored::Stored;
use crate::{Args, step_of_hour};

const IN_FLIGHT: usize = 256;
/// Hosts that report in a round.
const REPORTING: u32 = 20_000;

/// Measures; each round is an hour of the fleet, and in each the same hosts report once.
pub(crate) fn measure(
    table: &mut Table,
    stored: &mut Stored,
    fleet: &Fleet,
    args: &Args,
) -> anyhow::Result<()> {
    let reporting = fleet.options().hosts.min(REPORTING);
    let committer = stored.take_committer()?;
    let failed = |error| eprintln!("the committer has failed: {error}");
    let (queue, thread) = start(committer, failed)?;
    let mut rounds = Vec::new();
    for round in 1..=args.rounds {
        let step = step_of_hour(args.days * 24 + round);
        let made = reports(fleet, 0..reporting, step)?;
        let (begun, cpu) = (Instant::now(), own_cpu());
        submit_all(&queue, made)?;
        let (time, cpu) = (begun.elapsed(), own_cpu().saturating_sub(cpu));
        rounds.push((
            f64::from(reporting) / time.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / f64::from(reporting),
        ));
    }
    drop(queue);
    thread.join();
    let name = format!("reports/s of the committer, {IN_FLIGHT} in flight");
    table.spread(
        name,
        Spread::of(rounds.iter().map(|(rate, _)| *rate)),
        whole,
    );
    let cpu = Spread::of(rounds.iter().map(|(_, cpu)| *cpu));
    table.spread("CPU of a report there", cpu, micros);
    Ok(())
}

fn submit_all(queue: &Queue, reports: Vec<Prepared>) -> anyhow::Result<()> {
    let (answered, answers) = channel();
    let (mut waiting, mut left) = (reports.len(), reports.into_iter());
    let submit = |report: Prepared| {
        let answered = answered.clone();
        let reply = Box::new(move |decided: Result<Vec<Decision>, _>| {
            // Nobody waits for it where another report has failed.
            let _gone = answered.send(decided);
        });
        queue.submit(Submission::new(vec![report], reply))
    };
    left.by_ref().take(IN_FLIGHT).try_for_each(submit)?;
    while waiting > 0 {
        let decided = answers.recv().context("the committer is gone")?;
        let decided = decided.map_err(|error| anyhow::anyhow!("{error}"))?;
        let is_new = decided == [Decision::Accepted { fresh: true }];
        ensure!(is_new, "a report was {decided:?}");
        waiting -= 1;
        left.next().map_or(Ok(()), submit)?;
    }
    Ok(())
}
