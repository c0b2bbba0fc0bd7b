//! The body of a backup, entry by entry. See the parent module for the layout.

use std::io::{self, Read};

use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use xxhash_rust::xxh3::xxh3_128;

use super::head::Counted;
use crate::bytes::Fields;
use crate::{
    CheckpointAt, EachEntry, EachHistoryPart, Entry, HistoryPart, RecordKey, RecordKind, SeenAt,
    StoreError,
};
use portolan_wire::time::UnixMicros;

/// Why reading ended early.
pub(super) enum Ended {
    Io(io::Error),
    Altered(String),
    Refused(StoreError),
}

impl From<io::Error> for Ended {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

/// The body of a backup, unpacked.
pub(super) struct Entries<R> {
    body: R,
    counted: Counted,
    seen: Vec<SeenAt>,
    value: Vec<u8>,
    history: Reached,
}

impl<R: Read> Entries<R> {
    pub(super) fn new(body: R) -> Self {
        Self {
            body,
            counted: Counted::default(),
            seen: Vec::new(),
            value: Vec::new(),
            history: Reached::default(),
        }
    }

    /// Hands out every entry. Returns what they came to, and who was heard when.
    pub(super) fn read(
        mut self,
        each: EachEntry<'_>,
        history: EachHistoryPart<'_>,
    ) -> Result<(Counted, Vec<SeenAt>), Ended> {
        loop {
            let [tag] = self.fixed()?;
            match tag {
                0 => break,
                1 => {
                    let key = HostKey {
                        project: self.id()?.into(),
                        host: self.id()?.into(),
                    };
                    let hash = self.value()?;
                    let entry = Entry::Host(key, &self.value);
                    hand_on(entry, hash, &mut self.counted, each)?;
                }
                2 => {
                    let [kind] = self.fixed()?;
                    let kind = RecordKind::from_number(kind).ok_or_else(|| {
                        Ended::Altered(format!("a record has the unknown kind {kind}"))
                    })?;
                    let key = RecordKey {
                        kind,
                        id: self.id()?,
                    };
                    let hash = self.value()?;
                    let entry = Entry::Record(key, &self.value);
                    hand_on(entry, hash, &mut self.counted, each)?;
                }
                3 => self.heard()?,
                4..=7 => self.history(tag, history)?,
                other => return Err(Ended::Altered(format!("an entry has the tag {other}"))),
            }
        }
        self.history.end()?;
        match self.body.read(&mut [0])? {
            0 => Ok((self.counted, self.seen)),
            _ => Err(Ended::Altered("something follows its last entry".into())),
        }
    }

    fn heard(&mut self) -> Result<(), Ended> {
        let altered = || Ended::Altered("what says who was heard when is altered".into());
        let hash = self.value()?;
        if xxh3_128(&self.value) != hash {
            return Err(altered());
        }
        let mut fields = Fields(&self.value);
        while !fields.0.is_empty() {
            self.seen.push(SeenAt {
                host: fields.u64().ok_or_else(altered)?,
                second: fields.u32().ok_or_else(altered)?,
            });
        }
        Ok(())
    }

    fn history(&mut self, tag: u8, each: EachHistoryPart<'_>) -> Result<(), Ended> {
        match tag {
            4 => {
                let from = UnixMicros(i64::from_be_bytes(self.fixed()?));
                let (after, last) = (self.u64()?, self.u64()?);
                self.history.begin(after, last)?;
                each(HistoryPart::Begin { from, after, last })
            }
            5 => {
                let day = u32::from_be_bytes(self.fixed()?);
                let commit = self.u64()?;
                self.history.record(day, commit)?;
                self.summed_value("a history record")?;
                let value = &self.value;
                each(HistoryPart::Record { day, commit, value })
            }
            6 => {
                let day = u32::from_be_bytes(self.fixed()?);
                let commit = self.u64()?;
                let at = UnixMicros(i64::from_be_bytes(self.fixed()?));
                each(HistoryPart::Checkpoint(CheckpointAt { day, commit, at }))
            }
            _ => {
                let name = self.name()?;
                self.summed_value("a part of a checkpoint")?;
                each(HistoryPart::CheckpointPart(&name, &self.value))
            }
        }
        .map_err(Ended::Refused)
    }

    /// Reads a value with the sum of it alone.
    fn summed_value(&mut self, what: &str) -> Result<(), Ended> {
        if self.value()? == xxh3_128(&self.value) {
            return Ok(());
        }
        Err(Ended::Altered(format!("{what} does not fit its hash")))
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.fixed().map(u64::from_be_bytes)
    }

    fn fixed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.body.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn id(&mut self) -> Result<String, Ended> {
        String::from_utf8(self.name()?).map_err(|_| Ended::Altered("an id is not UTF-8".into()))
    }

    fn name(&mut self) -> io::Result<Vec<u8>> {
        let len = u16::from_be_bytes(self.fixed()?);
        let mut bytes = vec![0; len.into()];
        self.body.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a value into `self.value`. Returns the hash that follows it.
    fn value(&mut self) -> Result<u128, Ended> {
        let len = u32::from_be_bytes(self.fixed()?);
        if len as usize > caps::BACKUP_VALUE_BYTES_MAX {
            return Err(Ended::Altered(format!("a value has {len} bytes")));
        }
        self.value.clear();
        // Grows by what is there, not by what the length promises.
        let mut read = self.body.by_ref().take(len.into());
        if read.read_to_end(&mut self.value)? < len as usize {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(u128::from_be_bytes(self.fixed()?))
    }
}

/// How far the history has been read.
#[derive(Default, PartialEq)]
struct Reached {
    day: u32,
    commit: u64,
    last: u64,
    records: bool,
}

impl Reached {
    fn begin(&mut self, after: u64, last: u64) -> Result<(), Ended> {
        if *self != Self::default() {
            return Err(Ended::Altered("its history begins twice".into()));
        }
        (self.commit, self.last) = (after, last);
        Ok(())
    }

    fn record(&mut self, day: u32, commit: u64) -> Result<(), Ended> {
        if day < self.day || commit <= self.commit || commit > self.last {
            return Err(Ended::Altered(format!(
                "the history record of commit {commit} is in no order"
            )));
        }
        (self.day, self.commit, self.records) = (day, commit, true);
        Ok(())
    }

    fn end(&self) -> Result<(), Ended> {
        if self.records && self.commit != self.last {
            let last = self.last;
            return Err(Ended::Altered(format!(
                "the history record of commit {last} is missing"
            )));
        }
        Ok(())
    }
}

fn hand_on(
    entry: Entry<'_>,
    hash: u128,
    counted: &mut Counted,
    each: EachEntry<'_>,
) -> Result<(), Ended> {
    if entry.hash() != hash {
        let what = match &entry {
            Entry::Host(key, _) => format!("host {} of project {}", key.host, key.project),
            Entry::Record(key, _) => format!("the {} record {}", key.kind.as_str(), key.id),
        };
        return Err(Ended::Altered(format!("{what} does not fit its hash")));
    }
    counted.add(&entry, hash);
    each(entry).map_err(Ended::Refused)
}
