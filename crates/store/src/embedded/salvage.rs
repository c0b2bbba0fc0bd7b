//! Reads what can be read from a damaged database.
//!
//! Journals are cut behind their intact front, which is more than the database itself would keep of
//! one whose last batch is broken. Tables are read from the first key up until a block that is
//! damaged, and from the last key down until one: with one damaged block only its neighbourhood is
//! lost, with several also what lies between the first and the last.
//!
//! Holds: the damaged database is left as it was found.
//! Limit: a host in a lost stretch of a newer table may come back with an older value; its agent
//! sends again what differs. So may a record, and one that was removed: a credential that was
//! revoked may be valid again, and somebody has to look.

use std::path::Path;

use super::EmbeddedOptions;
use super::attempt::Attempt;
use super::engine::{Engine, Order};
use super::entry;
use super::history::DaysAside;
use super::journals::Cut;
use super::kinds::{CommitRecord, Kind};
use super::layout::DataDir;
use super::parts;
use super::scan::{self, Rest};
use super::seen;
use super::trouble::Trouble;
use crate::{EachEntry, SeenAt, StoreError};

/// A damaged database, open for reading what is left of it.
pub(crate) struct Salvage {
    attempt: Attempt,
    /// Last, so that they are put back when the database is closed.
    _days: DaysAside,
}

impl Salvage {
    /// Opens a damaged database. `commit` names the copy of its journals.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: it cannot be opened at all.
    pub(crate) fn open(dir: &DataDir, commit: u64) -> Result<Self, StoreError> {
        // The keyspace made first has the number 1. Those of days may be damaged.
        parts::check(dir, &parts::of_engine(Path::new("1")))?;
        let days = DaysAside::take(dir)?;
        let broken = scan::fronts(dir)?
            .into_iter()
            .filter(|(_, front)| front.rest != Rest::Empty);
        let cuts: Vec<Cut> = broken
            .map(|(journal, front)| Cut {
                journal,
                len: front.len,
            })
            .collect();
        let attempt = Attempt::open(dir, commit, false, &cuts, &EmbeddedOptions::default())?;
        Ok(Self {
            attempt,
            _days: days,
        })
    }

    /// The commit record, if it can be read.
    pub(crate) fn head(&self) -> Result<Option<CommitRecord>, StoreError> {
        let read = |engine: &Engine| match engine.records().get(&CommitRecord::KEY)? {
            Some(bytes) => CommitRecord::decode(&bytes)
                .map(Some)
                .map_err(|unread| unread.of("the commit record")),
            None => Ok(None),
        };
        self.unless_damaged(read)
    }

    /// When hosts were last heard, as far as it can be read.
    pub(crate) fn seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        self.unless_damaged(seen::load)
    }

    /// What can be read, or nothing; another version's is no damage, and must not be left out.
    fn unless_damaged<T: Default>(
        &self,
        read: impl FnOnce(&Engine) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        match self.engine().map(read) {
            Some(Ok(found)) => Ok(found),
            Some(Err(Trouble::OtherVersion(what))) => Err(StoreError::OtherVersion { what }),
            Some(Err(Trouble::Damaged(_) | Trouble::Failed(_))) | None => Ok(T::default()),
        }
    }

    /// Hands out each host and record that can be read, once.
    pub(crate) fn entries(&self, each: EachEntry<'_>) -> Result<(), StoreError> {
        match self.engine() {
            Some(engine) => entry::KINDS
                .into_iter()
                .try_for_each(|kind| entries_of(engine, kind, each)),
            None => Ok(()),
        }
    }

    /// The open database; `None` never shows while this lives.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.attempt.engine()
    }
}

fn entries_of(engine: &Engine, kind: Kind, each: EachEntry<'_>) -> Result<(), StoreError> {
    let prefix = [kind as u8];
    let mut reached = Vec::new();
    let result = engine
        .records()
        .scan(&prefix, Order::Ascending, |key, value| {
            reached.clear();
            reached.extend(key);
            hand_out(key, value, each)
        });
    if !ended_at_damage(result)? {
        return Ok(());
    }
    let result = engine
        .records()
        .scan(&prefix, Order::Descending, |key, value| {
            if key <= reached.as_slice() {
                return Err(End::Damage);
            }
            hand_out(key, value, each)
        });
    ended_at_damage(result).map(|_| ())
}

/// Why a scan ended early.
enum End {
    /// Here is damage, or the other scan has been.
    Damage,
    Failed(StoreError),
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Damaged(_) => Self::Damage,
            Trouble::OtherVersion(what) => Self::Failed(StoreError::OtherVersion { what }),
            Trouble::Failed(what) => Self::Failed(StoreError::Read { what }),
        }
    }
}

fn ended_at_damage(result: Result<(), End>) -> Result<bool, StoreError> {
    match result {
        Ok(()) => Ok(false),
        Err(End::Damage) => Ok(true),
        Err(End::Failed(error)) => Err(error),
    }
}

/// Hands out one entry; what is none is left out, but not what another version wrote.
fn hand_out(key: &[u8], value: &[u8], each: EachEntry<'_>) -> Result<(), End> {
    match entry::parse(key, value) {
        Ok(entry) => each(entry).map_err(End::Failed),
        Err(Trouble::OtherVersion(what)) => Err(End::Failed(StoreError::OtherVersion { what })),
        Err(Trouble::Damaged(_) | Trouble::Failed(_)) => Ok(()),
    }
}
