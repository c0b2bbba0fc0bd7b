//! Bytes of what is kept: of the records as the committer gives them, and of the days' tables.

use std::ops::ControlFlow;

use anyhow::Context;
use portolan_sim::bench::spread::Spread;
use portolan_sim::bench::table::{Table, whole};
use portolan_store::{HistoryOrder, Store, history};

use crate::days::Lived;

/// Writes the figures of the two last days into the table.
pub(crate) fn tell(table: &mut Table, store: &dyn Store, lived: &Lived) -> anyhow::Result<()> {
    let span = store.history_span()?;
    let [.., before, last] = span.days.as_slice() else {
        anyhow::bail!("there are fewer than two days");
    };
    let [.., reports_before, reports] = lived.reports.as_slice() else {
        anyhow::bail!("fewer than two days were lived");
    };
    let (mut records, mut bytes, mut rows) = (0_u64, 0_u64, 0_u64);
    store.history(
        last.first..=span.last,
        HistoryOrder::Ascending,
        &mut |commit, record| {
            records += 1;
            bytes += record.len() as u64;
            rows += history::changes_of(commit, record)?.len() as u64;
            Ok(ControlFlow::Continue(()))
        },
    )?;
    crate::must_be("records of the last day", records, *reports)?;
    let rows = rows.max(1) as f64;
    let each = |bytes: f64, of: f64| format!("{:.0}", bytes / of);
    let note = format!("{} reports, {} changes", whole(records as f64), whole(rows));
    table.figure("records of a day", whole(records as f64), note);
    let of_report = each(bytes as f64, records as f64);
    table.figure(
        "bytes of history a change, raw",
        each(bytes as f64, rows),
        format!("as given to the store; {of_report} a report"),
    );
    let of_report = each(last.bytes as f64, records as f64);
    table.figure(
        "bytes of history a change, on disk",
        each(last.bytes as f64, rows),
        format!("of a day that is over; {of_report} a report"),
    );
    let spread = Spread::of(lived.checkpoint_bytes.iter().map(|bytes| *bytes as f64));
    table.spread("bytes of a checkpoint, raw", spread, whole);
    let of_records = last.bytes as f64 * *reports_before as f64 / *reports as f64;
    table.figure(
        "bytes of a checkpoint, on disk",
        whole(before.bytes as f64 - of_records),
        "what the day before the last has more, for as many records",
    );
    let all: u64 = span.days.iter().map(|day| day.bytes).sum();
    let first = span.days.first().context("there are days")?;
    let note = format!(
        "{} of them the first day's, with first reports",
        whole(first.bytes as f64)
    );
    table.figure("bytes of all days", whole(all as f64), note);
    Ok(())
}
