//! The days that are kept, and whether the ends of each are what must be there.

use std::sync::{Arc, OnceLock};

use portolan_wire::time::UnixMicros;

use super::record::{self, Link};
use crate::embedded::engine::{Engine, Keyspace, Order};
use crate::embedded::identity::{DayKept, HistoryKept, Identity};
use crate::embedded::parts;
use crate::embedded::trouble::Trouble;
use crate::{HistoryDay, HistorySpan};

/// One day that is kept.
#[derive(Clone)]
pub(crate) struct Day {
    pub(crate) kept: DayKept,
    pub(crate) keyspace: Keyspace,
    /// The commit of its first record, once there is one: it stays the first.
    first: Arc<OnceLock<u64>>,
}

/// All days that are kept.
#[derive(Clone)]
pub(crate) struct Days {
    pub(crate) from: UnixMicros,
    /// Ascending.
    pub(crate) all: Vec<Day>,
}

/// The refusal of a history in which a record is missing.
pub(super) fn missing(commit: u64, why: &str) -> Trouble {
    Trouble::Damaged(format!(
        "the history record of commit {commit} is missing: {why}"
    ))
}

impl Days {
    /// The days that `store.json` names.
    pub(crate) fn open(engine: &Engine, identity: &Identity) -> Result<Self, Trouble> {
        let HistoryKept { from, days } = identity.history.clone().unwrap_or_default();
        if days.windows(2).any(|pair| match pair {
            [a, b] => a.day >= b.day || a.after > b.after,
            _ => false,
        }) {
            let what = "store.json names the days of the history in no order";
            return Err(Trouble::Damaged(what.into()));
        }
        let open = |kept: DayKept| {
            let keyspace = engine.day(kept.day)?;
            let is_part = |keyspace: &Keyspace| {
                let part = parts::of_day(keyspace.folder());
                identity.parts.contains(&part)
            };
            let keyspace = keyspace.filter(is_part).ok_or_else(|| {
                Trouble::Damaged(format!(
                    "the database has no day {} of the history",
                    kept.day
                ))
            })?;
            Ok(Day::new(kept, keyspace))
        };
        Ok(Self {
            from: UnixMicros(from),
            all: days.into_iter().map(open).collect::<Result<_, _>>()?,
        })
    }

    /// Compares the ends of each day with what `store.json` and the commit record say. `last` is the
    /// commit of the newest record.
    pub(crate) fn check_ends(&self, last: u64) -> Result<(), Trouble> {
        if self.all.is_empty() && last != 0 {
            return Err(missing(last, "no day of the history is kept"));
        }
        let ends = self.all.iter().skip(1).map(|next| next.kept.after);
        for (day, end) in self.all.iter().zip(ends.chain([last])) {
            day.check_ends(end)
                .map_err(|trouble| trouble.of(&format!("day {} of the history", day.kept.day)))?;
        }
        Ok(())
    }

    /// What is told above.
    pub(crate) fn span(&self, last: u64) -> Result<HistorySpan, Trouble> {
        let mut days = Vec::with_capacity(self.all.len());
        for day in &self.all {
            if let Some(first) = day.first(last)? {
                days.push(HistoryDay {
                    day: day.kept.day,
                    first,
                    bytes: day.keyspace.table_bytes(),
                });
            }
        }
        Ok(HistorySpan {
            from: self.from,
            after: self.all.first().map_or(last, |day| day.kept.after),
            last,
            days,
        })
    }

    /// The same as `store.json` has it.
    pub(crate) fn kept(&self) -> HistoryKept {
        HistoryKept {
            from: self.from.0,
            days: self.all.iter().map(|day| day.kept).collect(),
        }
    }

    /// A day, if it is kept.
    pub(crate) fn day(&self, day: u32) -> Option<&Day> {
        self.all.iter().find(|kept| kept.kept.day == day)
    }
}

impl Day {
    pub(super) fn new(kept: DayKept, keyspace: Keyspace) -> Self {
        Self {
            kept,
            keyspace,
            first: Arc::default(),
        }
    }

    /// The commit of its first record, if that is durable: `last` is the newest that is.
    fn first(&self, last: u64) -> Result<Option<u64>, Trouble> {
        if let Some(first) = self.first.get() {
            return Ok(Some(*first));
        }
        let found = self.end(Order::Ascending)?.map(|(first, _)| first);
        let found = found.filter(|first| *first <= last);
        Ok(found.map(|first| *self.first.get_or_init(|| first)))
    }

    /// Its first record, or its last: commit and the commit before.
    fn end(&self, order: Order) -> Result<Option<(u64, u64)>, Trouble> {
        let mut all = self.keyspace.range(record::record_keys(0..=u64::MAX))?;
        let Some((key, value)) = all.next(order)? else {
            return Ok(None);
        };
        let commit = record::parse_record_key(&key)?;
        let Link { previous, .. } = Link::decode(commit, &value)?;
        Ok(Some((commit, previous)))
    }

    fn check_ends(&self, end: u64) -> Result<(), Trouble> {
        let after = self.kept.after;
        let (first, newest) = (self.end(Order::Ascending)?, self.end(Order::Descending)?);
        let (Some((first, previous)), Some((newest, _))) = (first, newest) else {
            return match end == after {
                true => Ok(()),
                false => Err(missing(end, "the day is empty")),
            };
        };
        if previous != after {
            let why = format!("the day begins with that of commit {first}");
            return Err(missing(previous, &why));
        }
        if newest != end {
            let why = format!("the day ends with that of commit {newest}");
            return Err(missing(end, &why));
        }
        Ok(())
    }
}
