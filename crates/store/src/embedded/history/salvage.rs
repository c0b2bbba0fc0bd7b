//! Keeps of a damaged history what still leads back from now without a gap.
//!
//! Each record tells how it was before, so one that is lost makes all older ones worthless; and all
//! lead back from the hosts as the last commit left them, so where one of these is lost or may be
//! older, none is kept: no history is better than a wrong one.

use portolan_wire::time::UnixMicros;

use super::days::Day;
use super::fill::HistoryFilling;
use super::record::{self, Link};
use crate::embedded::engine::{Engine, Order};
use crate::embedded::entry::Stop;
use crate::embedded::identity::{DayKept, HistoryKept};
use crate::embedded::kinds::CommitRecord;
use crate::embedded::trouble::Trouble;
use crate::{Clock, HistoryPart, StoreError, SystemClock};

/// What a repair keeps of a history.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// How many records.
    pub(crate) records: u64,
    /// What else there was, if there was.
    pub(crate) lost: Option<String>,
}

/// The newest records that follow one another without a gap.
struct Run {
    first: u64,
    /// The commit of the record before the first.
    before: u64,
    day: u32,
}

/// Copies what can be kept, and says what. `kept` is what `store.json` says, if it can be read.
pub(crate) fn copy(
    engine: &Engine,
    kept: Option<&HistoryKept>,
    head: &CommitRecord,
    filling: &mut HistoryFilling<'_>,
) -> Result<Kept, StoreError> {
    let from = kept.map(|kept| UnixMicros(kept.from));
    let days = days(engine)?;
    let Some(run) = newest_run(&days, head.history)? else {
        begin(filling, from.unwrap_or_default().max(head.at), 0, 0)?;
        let lost = (head.history != 0).then(|| {
            let newest = head.history;
            format!("all of it: its newest record, of commit {newest}, cannot be read")
        });
        return Ok(Kept { records: 0, lost });
    };
    // Where the chain ends as `store.json` says, nothing is missing.
    let is_whole = |kept: &&HistoryKept| {
        let first = kept.days.first();
        first.is_some_and(|first| first.after == run.before)
    };
    let whole = kept.filter(is_whole).map(|kept| UnixMicros(kept.from));
    // The day of the first record may lack others.
    let next_day = UnixMicros::midnight(run.day.saturating_add(1));
    let begins = whole.unwrap_or_else(|| next_day.min(head.at).max(from.unwrap_or_default()));
    begin(filling, begins, run.before, head.history)?;
    let records = copy_records(&days, run.first..=head.history, filling)?;
    copy_checkpoints(engine, &days, run.before, filling)?;
    let lost = whole.is_none().then(|| {
        let before = run.first;
        format!("what was before {begins}: a record before that of commit {before} cannot be read")
    });
    Ok(Kept { records, lost })
}

/// Keeps nothing, since hosts or records were lost that it leads back from.
pub(crate) fn copy_nothing(filling: &mut HistoryFilling<'_>) -> Result<Kept, StoreError> {
    begin(filling, SystemClock.now(), 0, 0)?;
    let lost = "all of it: it does not fit what is left of the hosts and records";
    Ok(Kept {
        records: 0,
        lost: Some(lost.into()),
    })
}

fn begin(
    filling: &mut HistoryFilling<'_>,
    from: UnixMicros,
    after: u64,
    last: u64,
) -> Result<(), StoreError> {
    filling.add(&HistoryPart::Begin { from, after, last })
}

/// All days that can be opened, ascending.
fn days(engine: &Engine) -> Result<Vec<Day>, StoreError> {
    let mut days = Vec::new();
    for day in engine.days() {
        if let Some(Some(keyspace)) = unless_damaged(engine.day(day))? {
            let kept = DayKept { day, after: 0 };
            days.push(Day::new(kept, keyspace));
        }
    }
    Ok(days)
}

fn newest_run(days: &[Day], last: u64) -> Result<Option<Run>, StoreError> {
    let mut run = None;
    let mut expected = last;
    for day in days.iter().rev() {
        let keys = record::record_keys(0..=expected);
        let Some(mut records) = unless_damaged(day.keyspace.range(keys))? else {
            break;
        };
        loop {
            let read = records.next(Order::Descending).and_then(|found| {
                let Some((key, value)) = found else {
                    return Ok(None);
                };
                let commit = record::parse_record_key(&key)?;
                let previous = Link::decode(commit, &value)?.previous;
                Ok(Some((commit, previous)))
            });
            match unless_damaged(read)? {
                // Those before are in an earlier day.
                Some(None) => break,
                Some(Some((commit, previous))) if commit == expected => {
                    expected = previous;
                    let (first, before, day) = (commit, previous, day.kept.day);
                    run = Some(Run { first, before, day });
                }
                _ => return Ok(run),
            }
        }
    }
    Ok(run)
}

fn copy_records(
    days: &[Day],
    commits: std::ops::RangeInclusive<u64>,
    filling: &mut HistoryFilling<'_>,
) -> Result<u64, StoreError> {
    let mut copied = 0_u64;
    for day in days {
        let mut records = day
            .keyspace
            .range(record::record_keys(commits.clone()))
            .map_err(not_read)?;
        while let Some((key, value)) = records.next(Order::Ascending).map_err(not_read)? {
            let commit = record::parse_record_key(&key).map_err(not_read)?;
            let link = Link::decode(commit, &value).map_err(not_read)?;
            filling.add(&HistoryPart::Record {
                day: day.kept.day,
                commit,
                value: link.payload,
            })?;
            copied = copied.saturating_add(1);
        }
    }
    Ok(copied)
}

/// Copies the checkpoints that records lead on from; one that cannot be read is no loss of truth.
fn copy_checkpoints(
    engine: &Engine,
    days: &[Day],
    before: u64,
    filling: &mut HistoryFilling<'_>,
) -> Result<(), StoreError> {
    let view = engine.view();
    for day in days {
        let Some(Some(at)) = unless_damaged(day.checkpoint(&view))? else {
            continue;
        };
        if at.commit < before {
            continue;
        }
        filling.add(&HistoryPart::Checkpoint(at))?;
        let copied = day.checkpoint_parts(&view, &[], &mut |name, bytes| {
            filling.add(&HistoryPart::CheckpointPart(name, bytes))
        });
        match copied {
            Ok(()) => {}
            Err(Stop::Refused(error)) => return Err(error),
            Err(Stop::Trouble(trouble)) => {
                unless_damaged::<()>(Err(trouble))?;
                filling.forget_checkpoint();
            }
        }
    }
    Ok(())
}

/// What can be read; another version's is no damage, and must not be left out.
fn unless_damaged<T>(read: Result<T, Trouble>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(Trouble::Damaged(_)) => Ok(None),
        Err(other) => Err(not_read(other)),
    }
}

fn not_read(trouble: Trouble) -> StoreError {
    match trouble {
        Trouble::OtherVersion(what) => StoreError::OtherVersion { what },
        Trouble::Damaged(what) | Trouble::Failed(what) => StoreError::Read { what },
    }
}
