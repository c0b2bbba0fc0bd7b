//! The body of a backup, entry by entry. See the parent module for the layout.

use std::io::{self, Read};

use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use xxhash_rust::xxh3::xxh3_128;

use super::head::Counted;
use crate::bytes::Fields;
use crate::{EachEntry, Entry, RecordKey, RecordKind, SeenAt, StoreError};

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
}

impl<R: Read> Entries<R> {
    pub(super) fn new(body: R) -> Self {
        Self {
            body,
            counted: Counted::default(),
            seen: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Hands out every entry. Returns what they came to, and who was heard when.
    pub(super) fn read(mut self, each: EachEntry<'_>) -> Result<(Counted, Vec<SeenAt>), Ended> {
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
                other => return Err(Ended::Altered(format!("an entry has the tag {other}"))),
            }
        }
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

    fn fixed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.body.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn id(&mut self) -> Result<String, Ended> {
        let len = u16::from_be_bytes(self.fixed()?);
        let mut bytes = vec![0; len.into()];
        self.body.read_exact(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| Ended::Altered("an id is not UTF-8".into()))
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
