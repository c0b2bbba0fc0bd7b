//! Reads journals before the database does, to tell a torn end from damage.
//!
//! Opening takes any broken record for the torn end of a journal, cuts there and goes on, though
//! acknowledged batches may follow; or it fails for good over a last batch of which a power loss left
//! the end and not the middle, though nobody was ever told of that batch. Both are told apart
//! here, by reading alone: a broken batch that intact ones follow is damage; one at the very end of
//! the last journal is what a crash leaves, and is cut. Whether the cut batch had been acknowledged
//! is then the mark's to say.
//!
//! A batch may have items of several keyspaces; it is one batch all the same.
//!
//! Layout relied on, of fjall 3.1.13 (`journal/entry.rs`), numbers little-endian: a batch is tag 1,
//! count of items (u32), sequence number (u64); the items; tag 3, xxh3-64 of all items (u64), `FJL` and 3. An item is
//! tag 2, kind of value (1), compression (1), keyspace (8), length of the key (u16), of the value (u32), of the value as stored
//! (u32), key, value as stored. A new journal is 64 MiB of zeros. Keyspaces are never cleared, so tag 4
//! never comes.
//!
//! Limit: a journal is read whole, which takes 64 to 100 MB for the moment of a start.

use std::fs;

use xxhash_rust::xxh3::xxh3_64;

use super::journals::{self, Cut};
use super::layout::{DataDir, cannot_read};
use crate::StoreError;
use crate::bytes::Fields;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const END_MAGIC: [u8; 4] = *b"FJL\x03";

/// Sequence numbers are covered by no sum. One as high as this was never given out (100,000 a second
/// come to it in 20,000 years), and the database gives up at the first write after it.
const SEQUENCE_END: u64 = 1 << 56;
/// Between two batches, flushes and merges take some numbers, never as many as these.
const SEQUENCE_GAP_MAX: u64 = 1 << 32;

/// What follows the intact batches at the front of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing, or zeros.
    Empty,
    /// A broken batch, and no intact one after it.
    Torn,
    /// A broken batch, and intact ones after it, or an intact one that is out of order.
    Damaged,
}

/// The intact batches at the front of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Front {
    /// How many bytes they take.
    pub(crate) len: u64,
    /// What comes after.
    pub(crate) rest: Rest,
}

/// Refuses journals with damage. Returns the cut that the last one needs if its end is torn; after
/// a clean close nothing is torn, and a torn end is damage.
pub(crate) fn check(dir: &DataDir, closed_cleanly: bool) -> Result<Option<Cut>, StoreError> {
    let (_, last) = journals::present(dir)?;
    for (number, front) in fronts(dir)? {
        let may_be_torn = number == last && !closed_cleanly;
        match front.rest {
            Rest::Empty => {}
            Rest::Torn if may_be_torn => {
                return Ok(Some(Cut {
                    journal: number,
                    len: front.len,
                }));
            }
            Rest::Torn | Rest::Damaged => {
                let what = if front.rest == Rest::Damaged {
                    ", and intact commits follow"
                } else {
                    ""
                };
                let at = front.len;
                return Err(dir.damaged(format!(
                    "the journal fjall/{number}.jnl is damaged at byte {at}{what}"
                )));
            }
        }
    }
    Ok(None)
}

/// What each journal holds, by ascending number.
pub(crate) fn fronts(dir: &DataDir) -> Result<Vec<(u64, Front)>, StoreError> {
    let mut fronts = Vec::new();
    for (number, path) in journals::list(&dir.engine())? {
        let bytes = fs::read(&path).map_err(cannot_read(&path))?;
        fronts.push((number, front(&bytes)));
    }
    Ok(fronts)
}

fn front(bytes: &[u8]) -> Front {
    let mut rest = bytes;
    let mut last_sequence = None;
    while let Some(batch) = read_batch(rest) {
        if !may_follow(batch.sequence, last_sequence) {
            break;
        }
        last_sequence = Some(batch.sequence);
        rest = batch.rest;
    }
    let len = (bytes.len() - rest.len()) as u64;
    let rest = if rest.iter().all(|byte| *byte == 0) {
        Rest::Empty
    } else if holds_intact_batch(rest) {
        Rest::Damaged
    } else {
        Rest::Torn
    };
    Front { len, rest }
}

/// Writers take their sequence numbers under the lock of the journal, so the numbers rise.
fn may_follow(sequence: u64, last: Option<u64>) -> bool {
    let steps = match last {
        Some(last) => sequence.checked_sub(last),
        None => Some(1),
    };
    sequence < SEQUENCE_END && steps.is_some_and(|steps| (1..SEQUENCE_GAP_MAX).contains(&steps))
}

struct ReadBatch<'a> {
    sequence: u64,
    rest: &'a [u8],
}

/// Reads the batch at the front, if it is intact.
fn read_batch(bytes: &[u8]) -> Option<ReadBatch<'_>> {
    let mut fields = Fields(bytes);
    if fields.u8()? != START {
        return None;
    }
    let count = u32::from_le_bytes(fields.fixed()?);
    let sequence = u64::from_le_bytes(fields.fixed()?);
    let items = fields.0;
    for _ in 0..count {
        skip_item(&mut fields)?;
    }
    let items = items.get(..items.len() - fields.0.len())?;
    let is_end = fields.u8()? == END;
    let sum = u64::from_le_bytes(fields.fixed()?);
    let magic: [u8; 4] = fields.fixed()?;
    (is_end && magic == END_MAGIC && sum == xxh3_64(items)).then_some(ReadBatch {
        sequence,
        rest: fields.0,
    })
}

fn skip_item(fields: &mut Fields<'_>) -> Option<()> {
    if fields.u8()? != ITEM {
        return None;
    }
    let _kind_compression_keyspace: [u8; 10] = fields.fixed()?;
    let key_len = u16::from_le_bytes(fields.fixed()?);
    let _value_len: [u8; 4] = fields.fixed()?;
    let stored_len = u32::from_le_bytes(fields.fixed()?);
    fields.bytes(key_len.into())?;
    fields.bytes(stored_len.try_into().ok()?)?;
    Some(())
}

/// Whether an intact batch is anywhere in `bytes`. Its sum makes sure that it is one.
fn holds_intact_batch(mut bytes: &[u8]) -> bool {
    while let Some(at) = bytes.iter().position(|byte| *byte == START) {
        bytes = bytes.get(at..).unwrap_or_default();
        if read_batch(bytes).is_some() {
            return true;
        }
        bytes = bytes.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::embedded::EmbeddedOptions;
    use crate::embedded::engine::{Change, Durability, Engine, Mode};

    /// The keys of a batch with their values, or with none to remove them.
    type Written = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    /// What the database itself writes for these batches, and where each ends.
    fn written(batches: &[Written]) -> (Vec<u8>, Vec<usize>) {
        let folder = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions::default();
        let engine = Engine::open(folder.path(), &options, Mode::Looking).unwrap();
        let journal = || fs::read(folder.path().join("0.jnl")).unwrap();
        let mut ends = vec![0];
        for batch in batches {
            let changes = batch.iter().cloned().map(|(key, value)| match value {
                Some(value) => Change::Put(key, value),
                None => Change::Remove(key),
            });
            engine.write(changes.collect(), Durability::Synced).unwrap();
            // The last byte of a batch is its magic's 3, so zeros begin at its end.
            let end = journal().iter().rposition(|byte| *byte != 0).unwrap() + 1;
            ends.push(end);
        }
        let mut bytes = journal();
        bytes.truncate(ends[ends.len() - 1] + 100);
        (bytes, ends)
    }

    fn batches() -> Vec<Written> {
        let small = |byte: u8| (vec![byte; 9], Some(vec![byte; 50]));
        vec![
            vec![small(1), small(2)],
            // Compressed, empty, and removed.
            vec![
                (vec![3], Some(vec![3; 5000])),
                (vec![4], Some(Vec::new())),
                (vec![1; 9], None),
            ],
            vec![small(5)],
            vec![small(6), small(7)],
        ]
    }

    #[test]
    fn the_journal_of_the_pinned_database_reads_whole() {
        let (bytes, ends) = written(&batches());
        assert_eq!(
            front(&bytes),
            Front {
                len: ends[4] as u64,
                rest: Rest::Empty
            }
        );
        assert_eq!(
            front(&bytes[..ends[4]]),
            Front {
                len: ends[4] as u64,
                rest: Rest::Empty
            }
        );
        assert_eq!(
            front(&[]),
            Front {
                len: 0,
                rest: Rest::Empty
            }
        );
        assert_eq!(
            front(&[0; 9]),
            Front {
                len: 0,
                rest: Rest::Empty
            }
        );
    }

    #[test]
    fn batches_over_several_keyspaces_read_whole_while_days_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions::default();
        let engine = Engine::open(folder.path(), &options, Mode::Looking).unwrap();
        let put = |byte: u8| vec![Change::Put(vec![byte; 9], vec![byte; 5000])];
        let mut ended = None;
        for day in 1..=5_u8 {
            let keyspace = engine.make_day(day.into(), &options).unwrap();
            for n in 0..3 {
                let all = [(engine.records(), put(n)), (&keyspace, put(n))];
                engine.write_all(all, Durability::Synced).unwrap();
            }
            engine.flush(&keyspace).unwrap();
            if let Some(ended) = ended.replace(keyspace) {
                engine.remove_day(ended).unwrap();
            }
        }
        let bytes = fs::read(folder.path().join("0.jnl")).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
        let rest = Rest::Empty;
        assert_eq!(front(&bytes), Front { len: end, rest });
        // A part of a batch alone is torn, whichever keyspace it is of.
        let cut = front(&bytes[..usize::try_from(end).unwrap() - 20]);
        assert_eq!(cut.rest, Rest::Torn);
    }

    #[test]
    fn any_flipped_bit_before_the_last_batch_is_damage_and_in_the_last_one_a_torn_end() {
        let (bytes, ends) = written(&batches());
        for at in 0..ends[4] {
            let batch = ends.iter().rposition(|end| *end <= at).unwrap();
            for bit in [0, 3, 7] {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let found = front(&bytes);
                // A sequence number is covered by no sum: raised a little, it shows at the next
                // batch alone, and after the last batch not at all, nor does it harm there.
                let place = at - ends[batch];
                if (5..9).contains(&place) {
                    let shown = [ends[batch], ends[(batch + 1).min(4)]].map(|end| end as u64);
                    assert!(
                        shown.contains(&found.len),
                        "byte {at}, bit {bit}: {found:?}"
                    );
                    let unseen = Front {
                        len: ends[4] as u64,
                        rest: Rest::Empty,
                    };
                    let seen = found.rest == Rest::Damaged || found.rest == Rest::Torn;
                    assert!(
                        seen || batch == 3 && found == unseen,
                        "byte {at}, bit {bit}"
                    );
                    continue;
                }
                if batch == 0 && (9..12).contains(&place) {
                    // Nothing is before it, and what follows is lower.
                    let len = ends[1] as u64;
                    let rest = Rest::Damaged;
                    assert_eq!(found, Front { len, rest }, "byte {at}, bit {bit}");
                    continue;
                }
                // With an impossible number the last batch is whole and out of order.
                let rest = if batch == 3 && !(9..13).contains(&place) {
                    Rest::Torn
                } else {
                    Rest::Damaged
                };
                assert_eq!(
                    found,
                    Front {
                        len: ends[batch] as u64,
                        rest
                    },
                    "byte {at}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn a_journal_cut_anywhere_ends_torn_after_its_last_whole_batch() {
        let (bytes, ends) = written(&batches());
        for cut in 0..ends[4] {
            let last = ends.iter().rposition(|end| *end <= cut).unwrap();
            let whole = ends[last] == cut;
            let len = ends[last] as u64;
            let rest = if whole { Rest::Empty } else { Rest::Torn };
            assert_eq!(front(&bytes[..cut]), Front { len, rest }, "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0..400_usize) {
            static WRITTEN: LazyLock<Vec<u8>> = LazyLock::new(|| written(&batches()).0);
            let mut journal = WRITTEN.clone();
            front(&bytes);
            let at = at.min(journal.len());
            journal.splice(at..at, bytes);
            front(&journal);
        }
    }
}
