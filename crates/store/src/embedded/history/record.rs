//! What a day's keyspace holds: every key and value of it is made and read here.
//!
//! Holds: the first byte of a key is its kind, the first byte of a value its version; numbers are
//! big-endian.

use std::ops::{Bound, RangeInclusive};

use crate::CheckpointAt;
use crate::bytes::Fields;
use crate::embedded::engine::Keys;
use crate::embedded::kinds::{Unread, VERSION};
use crate::embedded::trouble::Trouble;
use portolan_wire::time::UnixMicros;

/// What a record of a day is. The numbers stand on disk: never change or reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum DayKind {
    /// One a commit that changed a host.
    ///
    /// Key: kind, commit (u64).
    /// Value: version 1, commit of the record before it (u64, 0 where there is none), xxh3-64 of
    /// the two commits and what follows (u64), the bytes that the store was given.
    Record = 1,
    /// A part of a checkpoint.
    ///
    /// Key: kind, generation (u32), name.
    /// Value: version 1, place among the parts from 0 (u32), xxh3-64 of key, place and what follows
    /// (u64), the bytes that the store was given.
    Part = 2,
    /// At most one: the checkpoint that counts. Parts of another generation belong to none.
    ///
    /// Key: kind.
    /// Value: version 1, generation (u32), number of parts (u32), commit (u64), moment (i64), xxh3-64
    /// of all that (u64).
    Checkpoint = 3,
}

/// The key of a record.
pub(crate) fn record_key(commit: u64) -> Vec<u8> {
    let mut key = vec![DayKind::Record as u8];
    key.extend(commit.to_be_bytes());
    key
}

/// The keys of records.
pub(crate) fn record_keys(commits: RangeInclusive<u64>) -> Keys {
    let (first, last) = commits.into_inner();
    (
        Bound::Included(record_key(first)),
        Bound::Included(record_key(last)),
    )
}

/// Reads a key of [`record_key`].
pub(crate) fn parse_record_key(key: &[u8]) -> Result<u64, Trouble> {
    let altered = || Trouble::Damaged("the key of a history record is altered".into());
    let mut fields = Fields(key);
    let (kind, commit) = (fields.u8(), fields.u64());
    let is_one = kind == Some(DayKind::Record as u8) && fields.0.is_empty();
    commit.filter(|_| is_one).ok_or_else(altered)
}

/// A record as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    /// The commit of the record before it; 0 where there is none.
    pub(crate) previous: u64,
    /// The bytes that the store was given.
    pub(crate) payload: &'a [u8],
}

impl<'a> Link<'a> {
    pub(crate) fn encode(&self, commit: u64) -> Vec<u8> {
        let mut value = Vec::with_capacity(17 + self.payload.len());
        value.push(VERSION);
        value.extend(self.previous.to_be_bytes());
        value.extend(
            sum_of(&[
                &commit.to_be_bytes(),
                &self.previous.to_be_bytes(),
                self.payload,
            ])
            .to_be_bytes(),
        );
        value.extend(self.payload);
        value
    }

    /// Reads a value; one that is not what was written for `commit` is named.
    pub(crate) fn decode(commit: u64, value: &'a [u8]) -> Result<Self, Trouble> {
        let read = || {
            let mut fields = Fields(Unread::unless_version(value)?);
            let (Some(previous), Some(sum)) = (fields.u64(), fields.u64()) else {
                return Err(Unread::Altered);
            };
            let payload = fields.0;
            let found = sum_of(&[&commit.to_be_bytes(), &previous.to_be_bytes(), payload]);
            // A chain that does not go back would never end.
            if sum != found || previous >= commit {
                return Err(Unread::Altered);
            }
            Ok(Self { previous, payload })
        };
        read().map_err(|unread| unread.of(&format!("the history record of commit {commit}")))
    }
}

/// The head of a checkpoint, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) generation: u32,
    pub(crate) parts: u32,
    pub(crate) commit: u64,
    pub(crate) at: UnixMicros,
}

impl Head {
    pub(crate) const KEY: [u8; 1] = [DayKind::Checkpoint as u8];

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.extend(self.generation.to_be_bytes());
        value.extend(self.parts.to_be_bytes());
        value.extend(self.commit.to_be_bytes());
        value.extend(self.at.0.to_be_bytes());
        value.extend(sum_of(&[value.get(1..).unwrap_or_default()]).to_be_bytes());
        value
    }

    pub(crate) fn decode(day: u32, value: &[u8]) -> Result<Self, Trouble> {
        let read = || {
            let rest = Unread::unless_version(value)?;
            let (body, sum) = rest.split_last_chunk().ok_or(Unread::Altered)?;
            if u64::from_be_bytes(*sum) != sum_of(&[body]) {
                return Err(Unread::Altered);
            }
            Self::fields(body).ok_or(Unread::Altered)
        };
        read().map_err(|unread| unread.of(&format!("the checkpoint of day {day}")))
    }

    fn fields(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let head = Self {
            generation: fields.u32()?,
            parts: fields.u32()?,
            commit: fields.u64()?,
            at: UnixMicros(fields.i64()?),
        };
        fields.0.is_empty().then_some(head)
    }

    /// The same for those above the store.
    pub(crate) fn told(&self, day: u32) -> CheckpointAt {
        CheckpointAt {
            day,
            commit: self.commit,
            at: self.at,
        }
    }
}

/// The key of a part, or what the keys of all with names that begin with `name` begin with.
pub(crate) fn part_key(generation: u32, name: &[u8]) -> Vec<u8> {
    let mut key = vec![DayKind::Part as u8];
    key.extend(generation.to_be_bytes());
    key.extend(name);
    key
}

/// The keys of the parts of these generations.
pub(crate) fn part_keys(generations: RangeInclusive<u32>) -> Keys {
    let (first, last) = generations.into_inner();
    let end = match last.checked_add(1) {
        Some(next) => part_key(next, &[]),
        None => Head::KEY.to_vec(),
    };
    (Bound::Included(part_key(first, &[])), Bound::Excluded(end))
}

/// The keys of the parts of a generation whose names are at least `name`.
pub(crate) fn part_keys_from(generation: u32, name: &[u8]) -> Keys {
    let (_, end) = part_keys(generation..=generation);
    (Bound::Included(part_key(generation, name)), end)
}

/// The keys of the parts of a generation whose names are less than `name`.
pub(crate) fn part_keys_before(generation: u32, name: &[u8]) -> Keys {
    (
        Bound::Included(part_key(generation, &[])),
        Bound::Excluded(part_key(generation, name)),
    )
}

/// Generation and name of a part.
pub(crate) fn parse_part_key(key: &[u8]) -> Option<(u32, &[u8])> {
    let mut fields = Fields(key);
    let kind = fields.u8()?;
    let generation = fields.u32()?;
    (kind == DayKind::Part as u8).then_some((generation, fields.0))
}

/// The value of a part.
pub(crate) fn part_value(key: &[u8], place: u32, bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(13 + bytes.len());
    value.push(VERSION);
    value.extend(place.to_be_bytes());
    value.extend(sum_of(&[key, &place.to_be_bytes(), bytes]).to_be_bytes());
    value.extend(bytes);
    value
}

/// Place and bytes of a part.
pub(crate) fn parse_part<'a>(key: &[u8], value: &'a [u8]) -> Result<(u32, &'a [u8]), Unread> {
    let mut fields = Fields(Unread::unless_version(value)?);
    let (Some(place), Some(sum)) = (fields.u32(), fields.u64()) else {
        return Err(Unread::Altered);
    };
    let fits = sum == sum_of(&[key, &place.to_be_bytes(), fields.0]);
    fits.then_some((place, fields.0)).ok_or(Unread::Altered)
}

fn sum_of(parts: &[&[u8]]) -> u64 {
    let mut sum = xxhash_rust::xxh3::Xxh3::new();
    parts.iter().for_each(|part| sum.update(part));
    sum.digest()
}
