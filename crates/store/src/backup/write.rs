//! Writes a backup while the store goes on.

use std::io::{self, Write};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};
use zstd::stream::write::Encoder;

use super::Summary;
use super::head::{Codec, Counted, Header};
use crate::{CheckpointAt, CopyOut, Entry, HistoryPart, Loaded, SeenAt, Store, StoreError};

/// Three quarters of what higher levels save, at several times their speed.
const LEVEL: i32 = 3;

/// Hosts in one entry of moments.
const SEEN_PER_ENTRY: usize = 65_536;

/// Writes everything that a store holds at the moment of the call to `out`, and flushes it.
///
/// # Errors
/// [`StoreError::Copy`]: `out` takes no more. Else what the store says.
pub fn write(store: &dyn Store, out: &mut dyn Write) -> Result<Summary, StoreError> {
    let mut writing = Writing::Before(Summed::new(out));
    store.copy_out(&mut writing)?;
    let Writing::Body(body) = writing else {
        return Err(copy("the store handed out nothing"));
    };
    body.finish(&store.load_seen()?)
}

fn copy(what: impl Into<String>) -> StoreError {
    StoreError::Copy { what: what.into() }
}

fn cannot_copy(cause: io::Error) -> StoreError {
    copy(cause.to_string())
}

enum Writing<'a> {
    Before(Summed<'a>),
    Body(Body<'a>),
    /// Only while it goes from one to the other, and after that failed.
    Failed,
}

struct Body<'a> {
    header: Header,
    packed: Encoder<'static, Summed<'a>>,
    counted: Counted,
}

impl CopyOut for Writing<'_> {
    fn begin(&mut self, store_id: u128, at: &Loaded) -> Result<(), StoreError> {
        let Self::Before(mut out) = std::mem::replace(self, Self::Failed) else {
            return Err(copy("the store began twice"));
        };
        let header = Header {
            codec: Codec::Zstd,
            store_id,
            at: *at,
        };
        out.write_all(&header.encode()).map_err(cannot_copy)?;
        let packed = Encoder::new(out, LEVEL).map_err(cannot_copy)?;
        *self = Self::Body(Body {
            header,
            packed,
            counted: Counted::default(),
        });
        Ok(())
    }

    fn entry(&mut self, entry: Entry<'_>) -> Result<(), StoreError> {
        match self {
            Self::Body(body) => body.entry(&entry).map_err(cannot_copy),
            Self::Before(_) | Self::Failed => Err(copy("the store did not begin")),
        }
    }

    fn history(&mut self, part: HistoryPart<'_>) -> Result<(), StoreError> {
        match self {
            Self::Body(body) => body.history(&part).map_err(cannot_copy),
            Self::Before(_) | Self::Failed => Err(copy("the store did not begin")),
        }
    }
}

impl Body<'_> {
    fn entry(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let hash = entry.hash();
        self.counted.add(entry, hash);
        let value = match entry {
            Entry::Host(key, value) => {
                self.packed.write_all(&[1])?;
                self.id(key.project.as_str())?;
                self.id(key.host.as_str())?;
                value
            }
            Entry::Record(key, value) => {
                self.packed.write_all(&[2, key.kind as u8])?;
                self.id(&key.id)?;
                value
            }
        };
        self.value(value, hash)
    }

    fn history(&mut self, part: &HistoryPart<'_>) -> io::Result<()> {
        match part {
            HistoryPart::Begin { from, after, last } => {
                self.packed.write_all(&[4])?;
                self.packed.write_all(&from.0.to_be_bytes())?;
                self.packed.write_all(&after.to_be_bytes())?;
                self.packed.write_all(&last.to_be_bytes())
            }
            HistoryPart::Record { day, commit, value } => {
                self.packed.write_all(&[5])?;
                self.packed.write_all(&day.to_be_bytes())?;
                self.packed.write_all(&commit.to_be_bytes())?;
                self.value(value, xxh3_128(value))
            }
            HistoryPart::Checkpoint(CheckpointAt { day, commit, at }) => {
                self.packed.write_all(&[6])?;
                self.packed.write_all(&day.to_be_bytes())?;
                self.packed.write_all(&commit.to_be_bytes())?;
                self.packed.write_all(&at.0.to_be_bytes())
            }
            HistoryPart::CheckpointPart(name, bytes) => {
                self.packed.write_all(&[7])?;
                self.name(name)?;
                self.value(bytes, xxh3_128(bytes))
            }
        }
    }

    fn id(&mut self, id: &str) -> io::Result<()> {
        self.name(id.as_bytes())
    }

    fn name(&mut self, name: &[u8]) -> io::Result<()> {
        let len = u16::try_from(name.len()).map_err(io::Error::other)?;
        self.packed.write_all(&len.to_be_bytes())?;
        self.packed.write_all(name)
    }

    fn value(&mut self, value: &[u8], hash: u128) -> io::Result<()> {
        let len = u32::try_from(value.len()).map_err(io::Error::other)?;
        self.packed.write_all(&len.to_be_bytes())?;
        self.packed.write_all(value)?;
        self.packed.write_all(&hash.to_be_bytes())
    }

    fn seen(&mut self, seen: &[SeenAt]) -> io::Result<()> {
        for hosts in seen.chunks(SEEN_PER_ENTRY) {
            let mut value = Vec::with_capacity(hosts.len() * 12);
            for SeenAt { host, second } in hosts {
                value.extend(host.to_be_bytes());
                value.extend(second.to_be_bytes());
            }
            self.packed.write_all(&[3])?;
            self.value(&value, xxh3_128(&value))?;
        }
        Ok(())
    }

    fn finish(mut self, seen: &[SeenAt]) -> Result<Summary, StoreError> {
        let Header { store_id, at, .. } = self.header;
        let counted = self.counted;
        if (counted.hosts, counted.records) != (at.hosts, at.records) {
            return Err(copy(format!(
                "the store told of {} hosts and {} records, and handed out {} and {}",
                at.hosts, at.records, counted.hosts, counted.records
            )));
        }
        self.seen(seen).map_err(cannot_copy)?;
        self.packed.write_all(&[0]).map_err(cannot_copy)?;
        let bytes = self
            .packed
            .finish()
            .and_then(|out| out.finish(&counted))
            .map_err(cannot_copy)?;
        Ok(Summary {
            store_id,
            at,
            bytes,
        })
    }
}

/// Sums what goes through.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Box<Xxh3>,
    bytes: u64,
}

impl<'a> Summed<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            sum: Box::default(),
            bytes: 0,
        }
    }

    /// Writes the trailer. Returns the size of the whole file.
    fn finish(mut self, counted: &Counted) -> io::Result<u64> {
        self.write_all(&counted.encode())?;
        let checksum = self.sum.digest128().to_be_bytes();
        self.out.write_all(&checksum)?;
        self.out.flush()?;
        Ok(self.bytes + checksum.len() as u64)
    }
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
