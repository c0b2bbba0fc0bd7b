//! The fixed ends of a backup: header and trailer. See the parent module for their layout.

use portolan_wire::time::UnixMicros;
use xxhash_rust::xxh3::xxh3_64;

use crate::bytes::Fields;
use crate::{Entry, Loaded};

const MAGIC: [u8; 16] = *b"PORTOLAN BACKUP\n";
const END_MAGIC: [u8; 8] = *b"END BACK";

/// The format that this program writes.
pub(super) const FORMAT: u16 = 2;
/// The oldest that it reads: the same without the history.
const OLDEST: u16 = 1;

pub(super) const HEADER_BYTES: usize = 76;
pub(super) const TRAILER_BYTES: usize = 56;
/// The checksum at the end of the trailer.
pub(super) const CHECKSUM_BYTES: usize = 16;

/// How the body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Codec {
    Plain = 0,
    Zstd = 1,
}

/// The first bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) codec: Codec,
    pub(super) store_id: u128,
    pub(super) at: Loaded,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    NotABackup,
    Format { found: u16, codec: u8 },
    Altered,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_be_bytes());
        bytes.extend([self.codec as u8, 0]);
        bytes.extend(self.store_id.to_be_bytes());
        bytes.extend(self.at.commit.to_be_bytes());
        bytes.extend(self.at.at.0.to_be_bytes());
        bytes.extend(self.at.hosts.to_be_bytes());
        bytes.extend(self.at.records.to_be_bytes());
        bytes.extend(xxh3_64(&bytes).to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, NoHeader> {
        let (before, sum) = bytes.split_at(HEADER_BYTES - 8);
        let mut fields = Fields(before);
        if fields.fixed() != Some(MAGIC) {
            return Err(NoHeader::NotABackup);
        }
        let format = fields.u16().ok_or(NoHeader::Altered)?;
        let codec = fields.u8().ok_or(NoHeader::Altered)?;
        let known = match codec {
            0 => Some(Codec::Plain),
            1 => Some(Codec::Zstd),
            _ => None,
        };
        let (OLDEST..=FORMAT, Some(known)) = (format, known) else {
            return Err(NoHeader::Format {
                found: format,
                codec,
            });
        };
        if sum != xxh3_64(before).to_be_bytes() {
            return Err(NoHeader::Altered);
        }
        let _reserved = fields.u8();
        Self::decode_rest(known, &mut fields).ok_or(NoHeader::Altered)
    }

    fn decode_rest(codec: Codec, fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            codec,
            store_id: fields.u128()?,
            at: Loaded {
                commit: fields.u64()?,
                at: UnixMicros(fields.i64()?),
                hosts: fields.u64()?,
                records: fields.u64()?,
            },
        })
    }
}

/// What the body came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) hosts: u64,
    pub(super) records: u64,
    pub(super) sum: u128,
}

impl Counted {
    pub(super) fn add(&mut self, entry: &Entry<'_>, hash: u128) {
        match entry {
            Entry::Host(..) => self.hosts = self.hosts.saturating_add(1),
            Entry::Record(..) => self.records = self.records.saturating_add(1),
        }
        self.sum = self.sum.wrapping_add(hash);
    }

    /// The trailer without its checksum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TRAILER_BYTES);
        bytes.extend(END_MAGIC);
        bytes.extend(self.hosts.to_be_bytes());
        bytes.extend(self.records.to_be_bytes());
        bytes.extend(self.sum.to_be_bytes());
        bytes
    }

    /// Reads a trailer: the counts and the checksum; `None` if it is none.
    pub(super) fn decode(bytes: &[u8; TRAILER_BYTES]) -> Option<(Self, u128)> {
        let mut fields = Fields(bytes);
        let magic = fields.fixed()?;
        let counted = Self {
            hosts: fields.u64()?,
            records: fields.u64()?,
            sum: fields.u128()?,
        };
        let checksum = fields.u128()?;
        (magic == END_MAGIC).then_some((counted, checksum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_read_back_and_have_the_length_that_is_told() {
        let header = Header {
            codec: Codec::Zstd,
            store_id: 7,
            at: Loaded {
                commit: 1,
                at: UnixMicros(-2),
                hosts: 3,
                records: 4,
            },
        };
        let bytes = header.encode().try_into().unwrap();
        assert_eq!(Header::decode(&bytes), Ok(header));
        let counted = Counted {
            hosts: 1,
            records: 2,
            sum: 3,
        };
        let mut bytes = counted.encode();
        bytes.extend(4_u128.to_be_bytes());
        assert_eq!(
            Counted::decode(&bytes.try_into().unwrap()),
            Some((counted, 4))
        );
    }

    #[test]
    fn a_header_with_any_byte_altered_is_none_and_a_newer_format_says_so() {
        let header = Header {
            codec: Codec::Plain,
            store_id: u128::MAX,
            at: Loaded::default(),
        };
        let sound: [u8; HEADER_BYTES] = header.encode().try_into().unwrap();
        for at in 0..HEADER_BYTES {
            let mut bytes = sound;
            bytes[at] ^= 0x40;
            let expected = match at {
                0..16 => NoHeader::NotABackup,
                16 => NoHeader::Format {
                    found: 0x4002,
                    codec: 0,
                },
                17 => NoHeader::Format {
                    found: 0x42,
                    codec: 0,
                },
                18 => NoHeader::Format {
                    found: 2,
                    codec: 0x40,
                },
                _ => NoHeader::Altered,
            };
            assert_eq!(Header::decode(&bytes), Err(expected), "byte {at}");
        }
    }
}
