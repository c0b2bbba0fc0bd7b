//! The form of a record: all that one commit adds to the history, an entry for each version of a host.
//!
//! Version (1 byte), moment of the first entry (8), number of entries (4), end of each (4 each), entries.
//! Numbers are little-endian; ends count from the first entry's beginning. An entry is a head, what it
//! does to the counts, and its detail, in postcard: who looks for a host skips counts and details, and
//! who counts skips details. Of some a [`Waypoint`] follows. Holds: no bytes make the reading panic or take memory beyond their own
//! length by more than a factor; moments of entries never decrease.

use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};

use super::HistoryError;
use super::detail::Detail;
use super::waypoint::Waypoint;

/// The version that this program writes.
pub(crate) const VERSION: u8 = 1;
/// Bytes before the ends.
const FIXED_BYTES: usize = 1 + 8 + 4;

/// What happened to a host. The order stands on disk: add at the end only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Its first report, or the first after a retirement that this one may know nothing of.
    Baseline,
    /// A report.
    Reported,
    /// A report of another enterprise project.
    Moved,
    /// A report after a retirement.
    Returned,
    /// A retirement.
    Retired,
    /// Ports were ignored, or ignored no longer: no version of the host, and not in its chain.
    Ignored,
}

/// The beginning of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head<'a> {
    pub(crate) project: &'a str,
    pub(crate) host: &'a str,
    pub(crate) kind: Kind,
    /// Microseconds since the record's first entry.
    since_first: u64,
    /// Microseconds since the host's version before; `None` where there was none.
    pub(crate) since_before: Option<u64>,
    /// The number of its first row within the commit.
    pub(crate) first_row: u32,
    /// The commit of the host's entry before; 0 where there is none.
    pub(crate) previous: u64,
    /// Bytes of the counts.
    counts_bytes: u32,
}

/// Numbers of cells, and how often each is there, or is there more often than before.
pub(crate) type Numbers = Vec<(u32, i32)>;

/// What an entry does to the counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Counts<'a> {
    /// The host stays in its enterprise project, and its numbers differ by these.
    Differs(#[serde(borrow)] Part<'a>),
    /// What the host counted goes, and this comes.
    Replaces {
        before: Option<Part<'a>>,
        after: Option<Part<'a>>,
    },
}

/// What a host counts in an enterprise project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part<'a> {
    pub(crate) enterprise_project: &'a str,
    pub(crate) cells: Numbers,
    pub(crate) ignored: Numbers,
}

/// What the writer needs of an entry.
pub(crate) struct NewEntry<'a> {
    pub(crate) key: &'a HostKey,
    pub(crate) kind: Kind,
    pub(crate) at: UnixMicros,
    /// When the host's version before was committed.
    pub(crate) before_at: Option<UnixMicros>,
    pub(crate) previous: u64,
    pub(crate) counts: Counts<'a>,
    /// Encoded.
    pub(crate) detail: &'a [u8],
    /// How many rows it has.
    pub(crate) rows: u32,
}

/// Gathers the entries of a commit.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    first_at: i64,
    rows: u32,
    ends: Vec<u32>,
    entries: Vec<u8>,
}

impl Writer {
    pub(crate) fn push(&mut self, entry: NewEntry<'_>) -> Result<(), HistoryError> {
        if self.ends.is_empty() {
            self.first_at = entry.at.0;
        }
        let counts = postcard::to_stdvec(&entry.counts)?;
        let head = Head {
            project: entry.key.project.as_str(),
            host: entry.key.host.as_str(),
            kind: entry.kind,
            since_first: entry.at.0.abs_diff(self.first_at),
            since_before: entry.before_at.map(|before| entry.at.0.abs_diff(before.0)),
            first_row: self.rows,
            previous: entry.previous,
            counts_bytes: u32::try_from(counts.len())
                .map_err(|_| HistoryError::TooLong(counts.len()))?,
        };
        self.entries = postcard::to_extend(&head, std::mem::take(&mut self.entries))?;
        self.entries.extend_from_slice(&counts);
        self.entries.extend_from_slice(entry.detail);
        let end = u32::try_from(self.entries.len());
        self.ends
            .push(end.map_err(|_| HistoryError::TooLong(self.entries.len()))?);
        self.rows = self.rows.saturating_add(entry.rows);
        Ok(())
    }

    /// Adds an entry, unless the record would pass its caps with it: then it is as before. The first one
    /// always fits.
    pub(crate) fn push_within(&mut self, entry: NewEntry<'_>) -> Result<bool, HistoryError> {
        let (bytes, rows) = (self.entries.len(), self.rows);
        self.push(entry)?;
        let is_over = self.entries.len() > caps::COMMIT_HISTORY_BYTES_MAX
            || self.rows > caps::COMMIT_HISTORY_ROWS_MAX;
        if is_over && self.ends.len() > 1 {
            self.entries.truncate(bytes);
            self.ends.pop();
            self.rows = rows;
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether it has reached its caps.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= caps::COMMIT_HISTORY_BYTES_MAX
            || self.rows >= caps::COMMIT_HISTORY_ROWS_MAX
    }

    /// The record, or `None` where there is nothing to tell.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        // An entry takes bytes, whose number fits: so does the number of entries.
        let count = u32::try_from(self.ends.len())
            .ok()
            .filter(|count| *count > 0)?;
        let ends_bytes = self.ends.len() * 4;
        let mut record = Vec::with_capacity(FIXED_BYTES + ends_bytes + self.entries.len());
        record.push(VERSION);
        record.extend_from_slice(&self.first_at.to_le_bytes());
        record.extend_from_slice(&count.to_le_bytes());
        for end in self.ends {
            record.extend_from_slice(&end.to_le_bytes());
        }
        record.extend_from_slice(&self.entries);
        Some(record)
    }
}

/// A record as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    first_at: i64,
    ends: &'a [u8],
    entries: &'a [u8],
}

impl<'a> Record<'a> {
    pub(crate) fn read(record: &'a [u8]) -> Result<Self, HistoryError> {
        let cut = HistoryError::Parts("it is cut short");
        let (version, rest) = record.split_first().ok_or(cut)?;
        if *version != VERSION {
            return Err(HistoryError::Version(*version));
        }
        let parts = || {
            let (first_at, rest) = rest.split_first_chunk()?;
            let (count, rest) = rest.split_first_chunk()?;
            let ends_bytes = (u32::from_le_bytes(*count) as usize).checked_mul(4)?;
            let (ends, entries) = rest.split_at_checked(ends_bytes)?;
            Some(Self {
                first_at: i64::from_le_bytes(*first_at),
                ends,
                entries,
            })
        };
        parts().ok_or(HistoryError::Parts("it is cut short"))
    }

    /// The moment of its first entry.
    pub(crate) fn first_at(&self) -> UnixMicros {
        UnixMicros(self.first_at)
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len() / 4
    }

    /// The entries, in their order.
    pub(crate) fn entries(
        self,
    ) -> impl DoubleEndedIterator<Item = Result<Entry<'a>, HistoryError>> {
        (0..self.len()).map(move |place| self.entry(place))
    }

    fn end(&self, place: usize) -> Option<usize> {
        let (end, _) = self.ends.get(place * 4..)?.split_first_chunk()?;
        Some(u32::from_le_bytes(*end) as usize)
    }

    /// One of the entries, by its place.
    pub(crate) fn entry(&self, place: usize) -> Result<Entry<'a>, HistoryError> {
        let bytes = || {
            let begin = match place.checked_sub(1) {
                Some(before) => self.end(before)?,
                None => 0,
            };
            self.entries.get(begin..self.end(place)?)
        };
        let bytes = bytes().ok_or(HistoryError::Parts("an entry is cut short"))?;
        let (head, rest): (Head<'a>, _) = postcard::take_from_bytes(bytes)?;
        let at = self.first_at.checked_add_unsigned(head.since_first);
        let (counts, detail) = rest
            .split_at_checked(head.counts_bytes as usize)
            .ok_or(HistoryError::Parts("counts are cut short"))?;
        Ok(Entry {
            head,
            at: UnixMicros(at.ok_or(HistoryError::Parts("a moment is beyond all"))?),
            counts,
            detail,
        })
    }
}

/// One entry of a record.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) head: Head<'a>,
    pub(crate) at: UnixMicros,
    counts: &'a [u8],
    detail: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Whether it is a version of the host, one of its chain.
    pub(crate) fn is_version_of(&self, key: &HostKey) -> bool {
        self.head.host == key.host.as_str()
            && self.head.project == key.project.as_str()
            && self.head.kind != Kind::Ignored
    }

    /// When the host's version before was committed.
    pub(crate) fn before_at(&self) -> Option<UnixMicros> {
        let since = self.head.since_before?;
        self.at.0.checked_sub_unsigned(since).map(UnixMicros)
    }

    pub(crate) fn counts(&self) -> Result<Counts<'a>, HistoryError> {
        Ok(postcard::from_bytes(self.counts)?)
    }

    pub(crate) fn detail(&self) -> Result<Detail<'a>, HistoryError> {
        Ok(postcard::take_from_bytes(self.detail)?.0)
    }

    /// What follows the detail where the entry is a waypoint.
    pub(crate) fn waypoint(&self) -> Result<Option<Waypoint<'a>>, HistoryError> {
        let (_, rest) = postcard::take_from_bytes::<Detail<'a>>(self.detail)?;
        if rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(postcard::from_bytes(rest)?))
    }
}
