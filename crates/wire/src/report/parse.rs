//! Reads the body of `POST …/reports`, after decompression.

use super::explain::Item;
use super::form::REPORT;
use super::shape::ReportShape;
use super::{Fault, Report, RequestFault};
use crate::open_port::canonicalise;
use crate::time::UnixMicros;
use crate::{caps, json};

/// The reports of a request in the order sent, each in canonical form or with its fault.
///
/// # Errors
/// A fault of the whole request: [`NotJson`](crate::error::ErrorCode::NotJson) or
/// [`BatchSize`](crate::error::ErrorCode::BatchSize).
pub fn parse(body: &[u8], now: UnixMicros) -> Result<Vec<Result<Report, Fault>>, RequestFault> {
    let items = json::items(body, REPORT.list, 1..=caps::BATCH_MAX)?;
    let reports = items.iter().enumerate().map(|(index, raw)| {
        report(
            Item {
                form: &REPORT,
                index: Some(index),
                text: raw.get(),
            },
            now,
        )
    });
    Ok(reports.collect())
}

fn report(item: Item<'_>, now: UnixMicros) -> Result<Report, Fault> {
    let mut report = item.read::<ReportShape>()?;
    // A generation far ahead would make every report to come an older one.
    let latest = now.seconds().max(0).unsigned_abs() + caps::GENERATION_AHEAD_S_MAX;
    if report.generation > latest {
        let hours = caps::GENERATION_AHEAD_S_MAX / 3_600;
        let must = format_args!("be at most {latest}, {hours} h ahead of the server's clock");
        return Err(item.fault("generation", must));
    }
    canonicalise(&mut report.open_ports);
    Ok(report)
}
