//! Hands out the history of one moment, for a backup.

use std::ops::ControlFlow;

use super::days::{Days, missing};
use super::record::{self, Link};
use crate::embedded::engine::View;
use crate::embedded::entry::Stop;
use crate::embedded::trouble::Trouble;
use crate::{CopyOut, HistoryPart};

impl Days {
    /// Hands out all records and checkpoints as the view has them. `last` is the commit of the newest record
    /// by the view's own commit record.
    pub(crate) fn copy_out(
        &self,
        view: &View,
        last: u64,
        to: &mut dyn CopyOut,
    ) -> Result<(), Stop> {
        let after = self.all.first().map_or(0, |first| first.kept.after);
        let begin = HistoryPart::Begin {
            from: self.from,
            after,
            last,
        };
        to.history(begin).map_err(Stop::Refused)?;
        let mut reached = after;
        for day in &self.all {
            let records = [record::DayKind::Record as u8];
            view.scan(&day.keyspace, &records, |key, value| {
                let commit = record::parse_record_key(key)?;
                let Link { previous, payload } = Link::decode(commit, value)?;
                if previous != reached {
                    return Err(missing(previous, "the one after it names it").into());
                }
                reached = commit;
                let record = HistoryPart::Record {
                    day: day.kept.day,
                    commit,
                    value: payload,
                };
                to.history(record).map_err(Stop::Refused)
            })?;
        }
        if !self.all.is_empty() && reached != last {
            return Err(missing(last, "it is the newest").into());
        }
        self.copy_checkpoints(view, to)
    }

    fn copy_checkpoints(&self, view: &View, to: &mut dyn CopyOut) -> Result<(), Stop> {
        for day in &self.all {
            let Some(at) = day.checkpoint(view)? else {
                continue;
            };
            to.history(HistoryPart::Checkpoint(at))
                .map_err(Stop::Refused)?;
            day.checkpoint_parts(view, &[], &mut |name, bytes| {
                to.history(HistoryPart::CheckpointPart(name, bytes))
            })?;
        }
        Ok(())
    }

    /// Reads all records and checkpoints, and compares the ends of the days. Returns how many records there are.
    pub(crate) fn walk(&self, view: &View, last: u64) -> Result<u64, Trouble> {
        self.check_ends(last)?;
        let mut records = 0_u64;
        let mut count = |_: u64, _: &[u8]| {
            records = records.saturating_add(1);
            Ok(ControlFlow::Continue(()))
        };
        let order = crate::HistoryOrder::Ascending;
        let read = self.read(last, 0..=u64::MAX, order, &mut count);
        read.map_err(super::read::trouble)?;
        for day in &self.all {
            day.checkpoint_parts(view, &[], &mut |_, _| Ok(()))
                .map_err(super::read::trouble)?;
        }
        Ok(records)
    }
}
