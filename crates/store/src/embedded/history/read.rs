//! Reads records along their chain: each names the one before it, so that none can be missing
//! without being named.

use std::ops::{ControlFlow, RangeInclusive};

use super::days::{Days, missing};
use super::record::{self, Link};
use crate::embedded::engine::Order;
use crate::embedded::entry::Stop;
use crate::embedded::trouble::Trouble;
use crate::{EachRecord, HistoryOrder};

const NOT_FOLLOWED: &str = "the one after it names another";

impl Days {
    /// Hands out the records of `commits`. `last` is the commit of the newest record.
    pub(crate) fn read(
        &self,
        last: u64,
        commits: RangeInclusive<u64>,
        order: HistoryOrder,
        each: EachRecord<'_>,
    ) -> Result<(), Stop> {
        let Some(before) = self.all.first().map(|day| day.kept.after) else {
            return Ok(());
        };
        let first = (*commits.start()).max(before.saturating_add(1));
        let end = (*commits.end()).min(last);
        if first > end {
            return Ok(());
        }
        let newest = self.newest_until(end, last)?;
        match order {
            HistoryOrder::Ascending => self.ascend(first..=end, newest, each),
            HistoryOrder::Descending => self.descend(first..=end, newest, each),
        }
    }

    /// One record.
    pub(crate) fn record(&self, last: u64, commit: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let mut days = self.all.iter().rev();
        let Some(day) = days.find(|day| day.kept.after < commit) else {
            return Ok(None);
        };
        if commit > last {
            return Ok(None);
        }
        let found = day.keyspace.get(&record::record_key(commit));
        let named =
            |trouble: Trouble| trouble.of(&format!("the history record of commit {commit}"));
        if let Some(value) = found.map_err(named)? {
            let link = Link::decode(commit, &value)?;
            return Ok(Some(link.payload.to_vec()));
        }
        // That there never was one is what the next one says.
        let newest = self.newest_until(commit, last).map_err(trouble)?;
        if newest < commit {
            return Ok(None);
        }
        Err(missing(newest, "it is not in its day"))
    }

    /// The commit of the newest record whose commit is at most `end`, by what the next one names.
    fn newest_until(&self, end: u64, last: u64) -> Result<u64, Stop> {
        if end >= last {
            return Ok(last);
        }
        let mut found = None;
        let _ended = self.links(end + 1..=last, Order::Ascending, |_, link| {
            found = Some(link.previous);
            Ok(ControlFlow::Break(()))
        })?;
        // What lies between is missing as well then.
        found.ok_or_else(|| missing(last, "it is the newest").into())
    }

    fn ascend(
        &self,
        commits: RangeInclusive<u64>,
        newest: u64,
        each: EachRecord<'_>,
    ) -> Result<(), Stop> {
        let first = *commits.start();
        let mut reached = None;
        let flow = self.links(commits, Order::Ascending, |commit, link| {
            let follows = match reached {
                Some(reached) => link.previous == reached,
                None => link.previous < first,
            };
            if !follows {
                return Err(missing(link.previous, NOT_FOLLOWED).into());
            }
            reached = Some(commit);
            each(commit, link.payload).map_err(Stop::Refused)
        })?;
        if flow.is_continue() && newest >= first && reached != Some(newest) {
            return Err(missing(newest, NOT_FOLLOWED).into());
        }
        Ok(())
    }

    fn descend(
        &self,
        commits: RangeInclusive<u64>,
        newest: u64,
        each: EachRecord<'_>,
    ) -> Result<(), Stop> {
        let first = *commits.start();
        let mut expected = newest;
        let flow = self.links(commits, Order::Descending, |commit, link| {
            if commit != expected {
                return Err(missing(expected, NOT_FOLLOWED).into());
            }
            expected = link.previous;
            each(commit, link.payload).map_err(Stop::Refused)
        })?;
        if flow.is_continue() && expected >= first {
            return Err(missing(expected, NOT_FOLLOWED).into());
        }
        Ok(())
    }

    /// Hands out what is there of `commits`, whether it is all or not.
    pub(super) fn links(
        &self,
        commits: RangeInclusive<u64>,
        order: Order,
        mut each: impl FnMut(u64, Link<'_>) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<ControlFlow<()>, Stop> {
        let begins = |day: usize| self.all.get(day).map(|day| day.kept.after);
        let in_order: Vec<usize> = match order {
            Order::Ascending => (0..self.all.len()).collect(),
            Order::Descending => (0..self.all.len()).rev().collect(),
        };
        for place in in_order {
            let Some(day) = self.all.get(place) else {
                continue;
            };
            let ended = begins(place + 1).is_some_and(|end| end < *commits.start());
            if ended || day.kept.after >= *commits.end() {
                continue;
            }
            let near =
                |trouble: Trouble| trouble.of(&format!("day {} of the history", day.kept.day));
            let keys = record::record_keys(commits.clone());
            let mut records = day.keyspace.range(keys).map_err(near)?;
            while let Some((key, value)) = records.next(order).map_err(near)? {
                let commit = record::parse_record_key(&key)?;
                if each(commit, Link::decode(commit, &value)?)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Nobody refuses in a reading that hands out nothing.
pub(super) fn trouble(stop: Stop) -> Trouble {
    match stop {
        Stop::Trouble(trouble) => trouble,
        Stop::Refused(error) => Trouble::Failed(error.to_string()),
    }
}
