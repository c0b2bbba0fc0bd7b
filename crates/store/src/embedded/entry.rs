//! Hosts and records as the database holds them: one way in, one way out, for all that reads or
//! fills a database whole.

use super::engine::{Change, Engine, Order, View};
use super::kinds::{
    Kind, Unread, host_key, parse_host_key, parse_record_key, parse_value, record_key, value_of,
};
use super::layout::DataDir;
use super::trouble::Trouble;
use crate::totals::Totals;
use crate::{Entry, StoreError};

/// The kinds that are counted and summed, in the order in which they are handed out.
pub(crate) const KINDS: [Kind; 2] = [Kind::Host, Kind::Record];

/// Reads one entry.
pub(crate) fn parse<'a>(key: &[u8], value: &'a [u8]) -> Result<Entry<'a>, Trouble> {
    if key.first() == Some(&(Kind::Host as u8)) {
        let key = parse_host_key(key).ok_or_else(|| Unread::Altered.of("the key of a host"))?;
        let value = parse_value(value).map_err(|unread| {
            unread.of(&format!(
                "the value of host {} of project {}",
                key.host, key.project
            ))
        })?;
        return Ok(Entry::Host(key, value));
    }
    let key = parse_record_key(key).map_err(|unread| unread.of("the key of a record"))?;
    let value = parse_value(value)
        .map_err(|unread| unread.of(&format!("the {} record {}", key.kind.as_str(), key.id)))?;
    Ok(Entry::Record(key, value))
}

/// The change that stores an entry; `None` if its key is too long to have been stored ever.
pub(crate) fn put(entry: &Entry<'_>) -> Option<Change> {
    Some(match entry {
        Entry::Host(key, value) => Change::Put(host_key(key)?, value_of(value)),
        Entry::Record(key, value) => Change::Put(record_key(key)?, value_of(value)),
    })
}

/// Why handing out ended early.
pub(crate) enum Stop {
    /// The database failed.
    Trouble(Trouble),
    /// Who took the entries takes no more.
    Refused(StoreError),
}

impl Stop {
    /// The error of who reads the store in `dir`.
    pub(crate) fn not_read(self, dir: &DataDir) -> StoreError {
        match self {
            Self::Trouble(trouble) => trouble.not_read(dir),
            Self::Refused(error) => error,
        }
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Hands out all entries of an open database. Returns what they come to.
pub(crate) fn all(
    engine: &Engine,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), StoreError>,
) -> Result<Totals, Stop> {
    let mut counting = Counting::new(each);
    for kind in KINDS {
        engine
            .records()
            .scan(&[kind as u8], Order::Ascending, |key, value| {
                counting.take(key, value)
            })?;
    }
    Ok(counting.found)
}

/// As [`all`], of one moment.
pub(crate) fn all_of(
    engine: &Engine,
    view: &View,
    each: &mut dyn FnMut(Entry<'_>) -> Result<(), StoreError>,
) -> Result<Totals, Stop> {
    let mut counting = Counting::new(each);
    for kind in KINDS {
        view.scan(engine.records(), &[kind as u8], |key, value| {
            counting.take(key, value)
        })?;
    }
    Ok(counting.found)
}

struct Counting<'a> {
    found: Totals,
    each: &'a mut dyn FnMut(Entry<'_>) -> Result<(), StoreError>,
}

impl<'a> Counting<'a> {
    fn new(each: &'a mut dyn FnMut(Entry<'_>) -> Result<(), StoreError>) -> Self {
        Self {
            found: Totals::default(),
            each,
        }
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let entry = parse(key, value)?;
        self.found.add(&entry);
        (self.each)(entry).map_err(Stop::Refused)
    }
}

/// In which way what was found differs from what a commit left.
pub(crate) fn unequal(commit: u64, expected: &Totals, found: &Totals) -> String {
    for (what, expected, found) in [
        ("hosts", expected.hosts, found.hosts),
        ("records beside them", expected.records, found.records),
    ] {
        if expected != found {
            return format!("commit {commit} left {expected} {what}, and {found} are there");
        }
    }
    let Totals { hosts, records, .. } = expected;
    format!(
        "of {hosts} hosts and {records} records at least one is altered: the sum of their hashes does not fit commit {commit}"
    )
}
