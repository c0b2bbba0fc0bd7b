//! The form of a commit in the log.
//!
//! One byte for the version, who wrote it, and the commit, packed with zstd and with a checksum; what
//! all hosts and records come to after it stands in it too, so that a server that has come to anything
//! else notices at once.
//! What is longer than the log takes is kept as parts beside it, under the name of the writer and the
//! try, and the message names them.
//! Holds: decoding gives what was encoded; unknown versions and cut bytes are errors.

use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::StoreError;
use crate::record::{RecordKey, RecordKind};
use crate::store::{Batch, HistoryWrite, Write};
use crate::totals::Totals;

/// The version that this program writes.
const VERSION: u8 = 1;
/// Enough for repeated paths and addresses; higher levels cost more than the network saves.
const LEVEL: i32 = 1;
/// Longest commit unpacked, in bytes: of a batch of the largest reports with what they change.
const UNPACKED_MAX: usize = 512 << 20;

/// A commit as it stands in the log.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) batch: Batch,
    /// What all hosts and records come to after it.
    pub(crate) after: Totals,
}

/// Who wrote a message, in which try: no two messages have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) writer: u64,
    pub(crate) number: u64,
}

#[derive(Serialize, Deserialize)]
struct Form<'a> {
    written: Written,
    /// xxh3-128 of the packed commit: the cluster's disks may alter what they keep.
    sum: u128,
    #[serde(borrow)]
    content: Content<'a>,
}

/// Where the packed commit is.
#[derive(Serialize, Deserialize)]
pub(crate) enum Content<'a> {
    /// Here.
    Whole(&'a [u8]),
    /// In so many parts beside the log.
    Parts(u32),
}

#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    commit: u64,
    at: i64,
    #[serde(borrow)]
    hosts: Vec<HostForm<'a>>,
    #[serde(borrow)]
    records: Vec<RecordForm<'a>>,
    #[serde(borrow)]
    history: Option<(u32, &'a [u8])>,
    after: (u64, u64, u128),
}

#[derive(Serialize, Deserialize)]
struct HostForm<'a> {
    project: &'a str,
    host: &'a str,
    #[serde(borrow)]
    write: WriteForm<'a>,
}

#[derive(Serialize, Deserialize)]
struct RecordForm<'a> {
    kind: u8,
    id: &'a str,
    #[serde(borrow)]
    write: WriteForm<'a>,
}

#[derive(Serialize, Deserialize)]
struct WriteForm<'a> {
    value: Option<&'a [u8]>,
    hash: u128,
    replaces: Option<u128>,
}

impl<'a> WriteForm<'a> {
    fn of<K>(write: &'a Write<K>) -> Self {
        Self {
            value: write.value.as_deref(),
            hash: write.hash,
            replaces: write.replaces,
        }
    }

    fn keyed<K>(self, key: K) -> Write<K> {
        Write {
            key,
            value: self.value.map(<[u8]>::to_vec),
            hash: self.hash,
            replaces: self.replaces,
        }
    }
}

/// A commit, packed.
pub(crate) fn pack(batch: &Batch, after: &Totals) -> Result<Vec<u8>, StoreError> {
    let packed = Packed {
        commit: batch.commit,
        at: batch.at.0,
        hosts: batch
            .hosts
            .iter()
            .map(|write| HostForm {
                project: write.key.project.as_str(),
                host: write.key.host.as_str(),
                write: WriteForm::of(write),
            })
            .collect(),
        records: batch
            .records
            .iter()
            .map(|write| RecordForm {
                kind: write.key.kind as u8,
                id: &write.key.id,
                write: WriteForm::of(write),
            })
            .collect(),
        history: batch.history.as_ref().map(|h| (h.day, h.value.as_slice())),
        after: (after.hosts, after.records, after.sum),
    };
    let bytes = postcard::to_stdvec(&packed).map_err(|e| not_encoded(&e))?;
    zstd::bulk::compress(&bytes, LEVEL).map_err(|e| not_encoded(&e))
}

/// A message that holds a packed commit.
pub(crate) fn whole(written: Written, packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    form(written, packed, Content::Whole(packed))
}

/// A message whose commit is in parts beside the log.
pub(crate) fn in_parts(written: Written, packed: &[u8], parts: u32) -> Result<Vec<u8>, StoreError> {
    form(written, packed, Content::Parts(parts))
}

fn form(written: Written, packed: &[u8], content: Content<'_>) -> Result<Vec<u8>, StoreError> {
    let form = Form {
        written,
        sum: xxh3_128(packed),
        content,
    };
    postcard::to_extend(&form, vec![VERSION]).map_err(|e| not_encoded(&e))
}

/// What a message says before its commit is unpacked.
pub(crate) struct Read<'a> {
    pub(crate) written: Written,
    pub(crate) sum: u128,
    pub(crate) content: Content<'a>,
}

/// Reads a message.
pub(crate) fn read(sequence: u64, message: &[u8]) -> Result<Read<'_>, StoreError> {
    let Some((&VERSION, rest)) = message.split_first() else {
        let found = message.first();
        return Err(StoreError::OtherVersion {
            what: format!(
                "message {sequence} of the cluster's log has version {found:?}, and this program reads {VERSION}"
            ),
        });
    };
    let form: Form<'_> = postcard::from_bytes(rest).map_err(|e| unread(sequence, &e))?;
    Ok(Read {
        written: form.written,
        sum: form.sum,
        content: form.content,
    })
}

/// Unpacks a commit whose checksum is `sum`.
pub(crate) fn unpack(sequence: u64, sum: u128, packed: &[u8]) -> Result<Message, StoreError> {
    if xxh3_128(packed) != sum {
        return Err(unread(sequence, &"its checksum does not fit"));
    }
    let bytes = zstd::stream::decode_all(packed).map_err(|e| unread(sequence, &e))?;
    if bytes.len() > UNPACKED_MAX {
        return Err(unread(sequence, &"it is too long"));
    }
    let packed: Packed<'_> = postcard::from_bytes(&bytes).map_err(|e| unread(sequence, &e))?;
    let mut records = Vec::with_capacity(packed.records.len());
    for form in packed.records {
        let kind = RecordKind::from_number(form.kind).ok_or_else(|| StoreError::OtherVersion {
            what: format!(
                "message {sequence} of the cluster's log has a record of kind {}",
                form.kind
            ),
        })?;
        let id = form.id.to_owned();
        records.push(form.write.keyed(RecordKey { kind, id }));
    }
    let hosts = packed.hosts.into_iter().map(|form| {
        let key = HostKey {
            project: form.project.into(),
            host: form.host.into(),
        };
        form.write.keyed(key)
    });
    let (hosts_after, records_after, sum) = packed.after;
    Ok(Message {
        batch: Batch {
            commit: packed.commit,
            at: UnixMicros(packed.at),
            hosts: hosts.collect(),
            records,
            history: packed.history.map(|(day, value)| HistoryWrite {
                day,
                value: value.to_vec(),
            }),
        },
        after: Totals {
            hosts: hosts_after,
            records: records_after,
            sum,
        },
    })
}

fn not_encoded(cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Write {
        what: format!("a commit does not encode: {cause}"),
    }
}

fn unread(sequence: u64, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::AnotherLog {
        what: format!("message {sequence} of the cluster's log does not decode: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record_hash;

    fn batch() -> Batch {
        let key = HostKey {
            project: "p".into(),
            host: "h".into(),
        };
        Batch {
            commit: 7,
            at: UnixMicros(11),
            hosts: vec![Write {
                hash: record_hash(&key, b"value"),
                key,
                value: Some(b"value".to_vec()),
                replaces: Some(3),
            }],
            records: vec![Write {
                key: RecordKey {
                    kind: RecordKind::Token,
                    id: "t".into(),
                },
                value: None,
                hash: 0,
                replaces: Some(5),
            }],
            history: Some(HistoryWrite {
                day: 4,
                value: b"record".to_vec(),
            }),
        }
    }

    const WRITTEN: Written = Written {
        writer: 1,
        number: 2,
    };

    #[test]
    fn a_commit_reads_back_as_it_was() {
        let after = Totals {
            hosts: 1,
            records: 2,
            sum: 3,
        };
        let batch = batch();
        let message = whole(WRITTEN, &pack(&batch, &after).unwrap()).unwrap();
        let form = read(7, &message).unwrap();
        assert_eq!(form.written, WRITTEN);
        let Content::Whole(packed) = form.content else {
            panic!("it is whole");
        };
        let message = unpack(7, form.sum, packed).unwrap();
        assert_eq!(message.after, after);
        assert_eq!(format!("{:?}", message.batch), format!("{batch:?}"));
    }

    #[test]
    fn another_version_and_cut_bytes_are_errors() {
        let message = whole(WRITTEN, &pack(&batch(), &Totals::default()).unwrap()).unwrap();
        for cut in 1..message.len() {
            let part = &message[..cut];
            let unpacked = read(7, part).and_then(|form| match form.content {
                Content::Whole(packed) => unpack(7, form.sum, packed),
                Content::Parts(_) => panic!("it is whole"),
            });
            let refused = unpacked.unwrap_err();
            assert!(
                matches!(refused, StoreError::AnotherLog { .. }),
                "{cut}: {refused}"
            );
        }
        let mut other = message;
        other[0] = 2;
        let Err(StoreError::OtherVersion { what }) = read(7, &other) else {
            panic!("it is of another version");
        };
        assert!(what.contains("version Some(2)"), "{what}");
    }
}
