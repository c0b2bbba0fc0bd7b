//! Where a server stands in the log, and how it goes on: its own commits and those of others.

use std::time::{Duration, Instant};

use super::log::{Appended, Log, LogError};
use super::message::{self, Content, Message, Written};
use crate::totals::Totals;
use crate::{Batch, Store, StoreError};

/// How long it is tried to learn what became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// In all.
    pub whole: Duration,
    /// Between two tries.
    pub pause: Duration,
}

impl Default for Patience {
    /// A cluster that loses its leader has another one within some five seconds.
    fn default() -> Self {
        Self {
            whole: Duration::from_secs(15),
            pause: Duration::from_millis(100),
        }
    }
}

/// Of a message's bytes, what its head may take: the rest is for a commit or its part.
const HEAD_BYTES: usize = 64;

/// The last commit that the checkpoint holds.
pub(super) struct Place {
    pub(super) patience: Patience,
    pub(super) commit: u64,
    pub(super) totals: Totals,
    /// The next number of a try of this server.
    pub(super) tries: u64,
    /// The next message is known to be there, whether it has come in or not.
    pub(super) must_take: bool,
}

/// What became of a try.
enum Tried {
    Appended,
    Overtaken,
}

impl Place {
    /// Appends the batch and puts it into the checkpoint.
    pub(super) fn commit(
        &mut self,
        log: &dyn Log,
        local: &dyn Store,
        writer: u64,
        batch: &Batch,
    ) -> Result<(), StoreError> {
        let after = self.after(batch)?;
        local.check_room(batch)?;
        self.tries += 1;
        let written = Written {
            writer,
            number: self.tries,
        };
        let packed = message::pack(batch, &after)?;
        let room = log.bytes_max().saturating_sub(HEAD_BYTES);
        let parts = packed.len().div_ceil(room);
        let message = if parts <= 1 {
            message::whole(written, &packed)?
        } else {
            put_parts(log, batch.commit, written, packed.chunks(room))?;
            message::in_parts(written, &packed, parts as u32)?
        };
        match append(log, self.patience, batch.commit, written, &message) {
            Ok(Tried::Appended) => {}
            Ok(Tried::Overtaken) => {
                if parts > 1 {
                    // What cannot be dropped now goes when the log is trimmed.
                    let _later = log.remove(&parts_name(batch.commit, written));
                }
                self.must_take = true;
                return Err(StoreError::Overtaken);
            }
            Err(error) => return Err(error),
        }
        local.commit(batch).map_err(to_be_ended)?;
        (self.commit, self.totals) = (batch.commit, after);
        Ok(())
    }

    /// The next commit, if it has come in, put into the checkpoint.
    pub(super) fn next(
        &mut self,
        log: &dyn Log,
        local: &dyn Store,
    ) -> Result<Option<Batch>, StoreError> {
        let sequence = self.commit + 1;
        let arrived = match log.arrived(sequence).map_err(not_answered)? {
            None if self.must_take => log.message(sequence).map_err(not_answered)?,
            arrived => arrived,
        };
        let Some(bytes) = arrived else {
            return Ok(None);
        };
        let message = unpacked(log, sequence, &bytes)?;
        let after = self.after(&message.batch)?;
        if after != message.after {
            return Err(StoreError::AnotherLog {
                what: format!(
                    "after commit {sequence} this server has {} hosts and {} records, and the one that wrote it had {} and {}, or others: start it again with an empty data folder",
                    after.hosts, after.records, message.after.hosts, message.after.records
                ),
            });
        }
        local.check_room(&message.batch)?;
        local.commit(&message.batch).map_err(to_be_ended)?;
        (self.commit, self.totals) = (sequence, after);
        self.must_take = false;
        Ok(Some(message.batch))
    }

    fn after(&self, batch: &Batch) -> Result<Totals, StoreError> {
        let follows = batch.commit == self.commit + 1;
        let after = self.totals.after(batch).filter(|_| follows);
        after.ok_or_else(|| StoreError::AnotherLog {
            what: format!(
                "commit {} does not fit on commit {}",
                batch.commit, self.commit
            ),
        })
    }
}

/// The commit of a message, its parts put together.
pub(super) fn unpacked(log: &dyn Log, sequence: u64, bytes: &[u8]) -> Result<Message, StoreError> {
    let form = message::read(sequence, bytes)?;
    let message = match form.content {
        Content::Whole(packed) => message::unpack(sequence, form.sum, packed),
        Content::Parts(parts) => {
            let packed = parts_of(log, sequence, form.written, parts)?;
            message::unpack(sequence, form.sum, &packed)
        }
    }?;
    if message.batch.commit == sequence {
        return Ok(message);
    }
    Err(StoreError::AnotherLog {
        what: format!(
            "message {sequence} of the cluster's log holds commit {}",
            message.batch.commit
        ),
    })
}

fn parts_of(
    log: &dyn Log,
    sequence: u64,
    written: Written,
    parts: u32,
) -> Result<Vec<u8>, StoreError> {
    let mut packed = Vec::new();
    for part in 0..parts {
        let name = format!("{}.{part}", parts_name(sequence, written));
        let found = log.get(&name).map_err(not_answered)?;
        let found = found.ok_or_else(|| StoreError::AnotherLog {
            what: format!("{name} of the cluster's log is missing"),
        })?;
        packed.extend_from_slice(&found.value);
    }
    Ok(packed)
}

/// The words that the names of a commit's parts begin with.
pub(super) const PARTS: &str = "part";

fn parts_name(commit: u64, written: Written) -> String {
    format!("{PARTS}.{commit}.{:x}-{}", written.writer, written.number)
}

fn put_parts<'a>(
    log: &dyn Log,
    commit: u64,
    written: Written,
    parts: impl Iterator<Item = &'a [u8]>,
) -> Result<(), StoreError> {
    let name = parts_name(commit, written);
    for (number, part) in parts.enumerate() {
        log.put(&format!("{name}.{number}"), part)
            .map_err(not_answered)?;
    }
    Ok(())
}

/// Appends, and finds out whether it did where nobody says so.
fn append(
    log: &dyn Log,
    patience: Patience,
    sequence: u64,
    written: Written,
    message: &[u8],
) -> Result<Tried, StoreError> {
    let until = Deadline::after(patience.whole);
    loop {
        let unanswered = match log.append(sequence, message) {
            Ok(Appended::AtItsPlace) => return Ok(Tried::Appended),
            Ok(Appended::NotLast) => None,
            Err(error @ LogError::Unanswered { .. }) => Some(error),
            Err(error) => return Err(not_answered(error)),
        };
        let found = match log.message(sequence) {
            Ok(Some(found)) => {
                let is_own = message::read(sequence, &found)?.written == written;
                return Ok(if is_own {
                    Tried::Appended
                } else {
                    Tried::Overtaken
                });
            }
            Ok(None) => ends_before(log, sequence),
            Err(error) => Err(not_answered(error)),
        };
        match found {
            Ok(()) if !until.is_over() => {}
            Err(error @ StoreError::AnotherLog { .. }) => return Err(error),
            Err(_) if !until.is_over() => {}
            Ok(()) | Err(_) => {
                let what = unanswered.map_or_else(
                    || "the log's end is not told".to_owned(),
                    |error| error.to_string(),
                );
                return Err(StoreError::Unavailable { what });
            }
        }
        std::thread::sleep(patience.pause);
    }
}

/// That nothing is missing before the place of a message that is not there, and nothing was trimmed
/// behind it.
fn ends_before(log: &dyn Log, sequence: u64) -> Result<(), StoreError> {
    let ends = log.ends().map_err(not_answered)?;
    if ends.last + 1 < sequence {
        return Err(lost(ends.last, sequence - 1));
    }
    if ends.first > sequence {
        return Err(trimmed(ends.first, sequence - 1));
    }
    Ok(())
}

/// The log begins behind what this server holds.
pub(super) fn trimmed(first: u64, held: u64) -> StoreError {
    StoreError::AnotherLog {
        what: format!(
            "the cluster's log begins at commit {first}, and this server holds {held}: it begins anew of the newest base with its next start"
        ),
    }
}

/// The cluster has lost what this server holds.
pub(super) fn lost(last: u64, held: u64) -> StoreError {
    StoreError::AnotherLog {
        what: format!(
            "the cluster's log ends at commit {last}, and this server holds {held}: the cluster has lost acknowledged commits. Stop all servers and run `portolan reseed` on the one that holds most"
        ),
    }
}

/// What the cluster does not answer may be tried again; what it refuses, only with another start.
pub(super) fn not_answered(error: LogError) -> StoreError {
    match error {
        LogError::Unanswered { what } => StoreError::Unavailable { what },
        LogError::Refused { what } => StoreError::AnotherLog { what },
    }
}

/// A commit that is in the log and not in the checkpoint: a start takes it in.
fn to_be_ended(error: StoreError) -> StoreError {
    match error {
        error if error.is_fatal() => error,
        error => StoreError::Write {
            what: format!("the checkpoint does not take a commit: {error}"),
        },
    }
}

struct Deadline(Instant);

impl Deadline {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long the cluster is asked is a time of this machine"
    )]
    fn after(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "how long the cluster is asked is a time of this machine"
    )]
    fn is_over(&self) -> bool {
        Instant::now() >= self.0
    }
}
