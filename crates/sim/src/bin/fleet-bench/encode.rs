//! Makes the requests that will be sent: reports as JSON under zstd, on all cores at once.
//!
//! A window of them at a time is made, then sent while the clock runs: all of them would take
//! gigabytes, and making them while sending would measure the client.
//! Limit: a window holds at most [`WINDOW_REPORTS_MAX`] reports, about 250 MB.

use std::ops::Range;

use anyhow::Context;
use portolan_sim::fleet::Fleet;
use portolan_wire::report::ReportsRequest;

use crate::http::ServerUrl;

/// Fewest and most reports made at a time.
const WINDOW_REPORTS_MIN: u32 = 20_000;
const WINDOW_REPORTS_MAX: u32 = 200_000;
/// The level that agents use: zstd's default.
const ZSTD_LEVEL: i32 = 3;

/// A request, and how many reports it carries.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) bytes: Vec<u8>,
    pub(crate) reports: usize,
}

/// How requests are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    pub(crate) server: &'a ServerUrl,
    pub(crate) token: &'a str,
    pub(crate) batch: u32,
    pub(crate) step: u32,
}

/// How many reports to make at a time: so many that the ends of windows, when fewer and fewer
/// requests are in flight, are a small part; and whole batches, or each would end in a smaller one.
pub(crate) fn window_reports(batch: u32, in_flight: u32) -> u32 {
    let batch = batch.max(1);
    let turns = batch.saturating_mul(in_flight).saturating_mul(8);
    turns
        .clamp(WINDOW_REPORTS_MIN, WINDOW_REPORTS_MAX)
        .next_multiple_of(batch)
}

/// The requests that carry the reports of `hosts`, in their order.
pub(crate) fn window(
    fleet: &Fleet,
    form: Form<'_>,
    hosts: Range<u32>,
) -> anyhow::Result<Vec<Prepared>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let batches: Vec<Range<u32>> = hosts
        .clone()
        .step_by(form.batch.max(1) as usize)
        .map(|first| first..first.saturating_add(form.batch.max(1)).min(hosts.end))
        .collect();
    let share = batches.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let makers: Vec<_> = batches
            .chunks(share)
            .map(|batches| scope.spawn(move || requests(fleet, form, batches)))
            .collect();
        let mut all = Vec::with_capacity(batches.len());
        for maker in makers {
            let made = maker
                .join()
                .map_err(|_| anyhow::anyhow!("a thread that makes requests died"))?;
            all.extend(made?);
        }
        Ok(all)
    })
}

fn requests(
    fleet: &Fleet,
    form: Form<'_>,
    batches: &[Range<u32>],
) -> anyhow::Result<Vec<Prepared>> {
    let target = format!("/portolan/v1/projects/{}/reports", fleet.options().project);
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).context("could not start zstd")?;
    let mut made = Vec::with_capacity(batches.len());
    for batch in batches {
        let reports: Vec<_> = batch
            .clone()
            .map(|host| fleet.host_at(host, form.step))
            .collect();
        let count = reports.len();
        let json = serde_json::to_vec(&ReportsRequest { reports })?;
        let body = compressor
            .compress(&json)
            .context("could not compress reports")?;
        let bytes = form.server.post(&target, form.token, &body);
        made.push(Prepared {
            bytes,
            reports: count,
        });
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_whole_batches_and_many_turns_of_all_senders() {
        assert_eq!(window_reports(1, 256), 20_000);
        assert_eq!(window_reports(10, 512), 40_960);
        assert_eq!(window_reports(100, 256), 200_000);
        assert_eq!(window_reports(999, 1), 20_979);
    }
}
