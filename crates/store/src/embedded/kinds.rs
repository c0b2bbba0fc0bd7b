//! The records of the database: every key and value of it is made and read here.
//!
//! All kinds share one keyspace; the records of the history have others (`history`). A journal is
//! freed only when every keyspace it touches has been flushed, and each more that is written to would
//! hold journals back.
//!
//! Holds: the first byte of a key is its kind, the first byte of a value its version; numbers are
//! big-endian. Limits: a key of 65,535 bytes, so a project id of 65,535 bytes less the host id;
//! `caps::RECORD_ID_BYTES_MAX` keeps the ids of records far below.

use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use super::identity::StoreId;
use super::trouble::Trouble;
use crate::bytes::Fields;
use crate::totals::Totals;
use crate::{Loaded, RecordKey, RecordKind, SeenAt};

/// What a record is. The numbers stand on disk: never change or reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// One a host; replaced by each changed report, removed with the host.
    ///
    /// Key: kind, length of the project id in bytes (u16), project id, host id.
    /// Value: version 1, then the bytes that the store was given.
    Host = 1,
    /// One in all; replaced by each commit, in the same batch as what it commits. Never absent.
    ///
    /// Key: kind.
    /// Value: version 2, store id (u128), number (u64), moment (i64, microseconds), hosts (u64),
    /// records (u64), sum of the hashes of both (u128), commit of the newest record of the history
    /// (u64, 0 where there is none). Version 1, of a store of format 1, ends before that.
    Commit = 2,
    /// One for each 65,536 hosts; all are replaced about once a minute, surplus ones removed.
    ///
    /// Key: kind, number of the chunk from 0 (u32).
    /// Value: version 1, then for each host its hash (u64) and the second it was heard (u32).
    Seen = 3,
    /// One a record beside the hosts (see [`RecordKind`] for when each kind is there); replaced by
    /// each change, removed with what it is about.
    ///
    /// Key: kind, [`RecordKind`] (u8), id.
    /// Value: version 1, then the bytes that the store was given.
    Record = 4,
    /// At most one; written with what goes to a day of the history alone (see
    /// [`Engine::write_all`](super::engine::Engine::write_all)).
    ///
    /// Key: kind.
    /// Value: empty.
    Touched = 5,
}

/// The key of [`Kind::Touched`].
pub(crate) const TOUCHED_KEY: [u8; 1] = [Kind::Touched as u8];

/// The version that this program writes and reads of everything but the commit record, of the mark as well.
pub(crate) const VERSION: u8 = 1;

/// Why bytes of the store cannot be read, though no sum of them is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// They begin with a version that this program does not read.
    Version {
        /// Theirs.
        found: u8,
        /// The newest that it reads.
        read: u8,
    },
    /// They are a record of a kind that it does not know.
    RecordKind(u8),
    /// They have no form that it ever had.
    Altered,
}

impl Unread {
    /// The same, told of what the bytes are.
    pub(crate) fn of(self, what: &str) -> Trouble {
        match self {
            Self::Version { found, read } => Trouble::OtherVersion(format!(
                "{what} has version {found}, and this program reads version {read}"
            )),
            Self::RecordKind(found) => Trouble::OtherVersion(format!(
                "{what} has kind {found}, which this program does not know"
            )),
            Self::Altered => Trouble::Damaged(format!("{what} is altered")),
        }
    }

    /// What follows the version that is the first of `bytes`, if it is this program's.
    pub(crate) fn unless_version(bytes: &[u8]) -> Result<&[u8], Self> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Ok(rest),
            Some((&found, _)) => Err(Self::Version {
                found,
                read: VERSION,
            }),
            None => Err(Self::Altered),
        }
    }
}

/// Hosts in one [`Kind::Seen`] record: 786 kB, so that a million hosts take 16.
pub(crate) const SEEN_PER_CHUNK: usize = 65_536;

/// The key of a host; `None` if its project id is too long for a key.
pub(crate) fn host_key(key: &HostKey) -> Option<Vec<u8>> {
    let (project, host) = (
        key.project.as_str().as_bytes(),
        key.host.as_str().as_bytes(),
    );
    let project_len = u16::try_from(project.len()).ok()?;
    let mut bytes = Vec::with_capacity(3 + project.len() + host.len());
    bytes.push(Kind::Host as u8);
    bytes.extend(project_len.to_be_bytes());
    bytes.extend(project);
    bytes.extend(host);
    (bytes.len() <= usize::from(u16::MAX)).then_some(bytes)
}

/// Reads a key of [`host_key`].
pub(crate) fn parse_host_key(bytes: &[u8]) -> Option<HostKey> {
    let mut fields = Fields(bytes);
    let kind = fields.u8()?;
    let project_len = fields.u16()?;
    let project = std::str::from_utf8(fields.bytes(project_len.into())?).ok()?;
    let host = std::str::from_utf8(fields.0).ok()?;
    (kind == Kind::Host as u8).then(|| HostKey {
        project: project.into(),
        host: host.into(),
    })
}

/// The key of a record.
pub(crate) fn record_key(key: &RecordKey) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(2 + key.id.len());
    bytes.extend([Kind::Record as u8, key.kind as u8]);
    bytes.extend(key.id.as_bytes());
    (bytes.len() <= usize::from(u16::MAX)).then_some(bytes)
}

/// Reads a key of [`record_key`].
pub(crate) fn parse_record_key(bytes: &[u8]) -> Result<RecordKey, Unread> {
    let Some(([kind, of], id)) = bytes.split_first_chunk() else {
        return Err(Unread::Altered);
    };
    if *kind != Kind::Record as u8 {
        return Err(Unread::Altered);
    }
    let kind = RecordKind::from_number(*of).ok_or(Unread::RecordKind(*of))?;
    let id = std::str::from_utf8(id).map_err(|_| Unread::Altered)?;
    Ok(RecordKey {
        kind,
        id: id.to_owned(),
    })
}

/// The value of a host or a record.
pub(crate) fn value_of(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + value.len());
    bytes.push(VERSION);
    bytes.extend(value);
    bytes
}

/// Reads a value of [`value_of`].
pub(crate) fn parse_value(bytes: &[u8]) -> Result<&[u8], Unread> {
    Unread::unless_version(bytes)
}

/// Where the log stands: what each batch leaves beside its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommitRecord {
    /// Whose it is.
    pub(crate) store: StoreId,
    /// The commit's number; 0 in a new store.
    pub(crate) number: u64,
    /// The newest moment in it.
    pub(crate) at: UnixMicros,
    /// What all hosts and records together must come to.
    pub(crate) totals: Totals,
    /// The commit of the newest record of the history; 0 where there is none.
    pub(crate) history: u64,
}

impl CommitRecord {
    pub(crate) const KEY: [u8; 1] = [Kind::Commit as u8];
    /// The version that this program writes. It reads 1 as well.
    const VERSION: u8 = 2;

    /// The same for those above the store.
    pub(crate) fn loaded(&self) -> Loaded {
        Loaded {
            commit: self.number,
            at: self.at,
            hosts: self.totals.hosts,
            records: self.totals.records,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        bytes.extend(self.store.0.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes.extend(self.at.0.to_be_bytes());
        bytes.extend(self.totals.hosts.to_be_bytes());
        bytes.extend(self.totals.records.to_be_bytes());
        bytes.extend(self.totals.sum.to_be_bytes());
        bytes.extend(self.history.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Unread> {
        let (&version, rest) = bytes.split_first().ok_or(Unread::Altered)?;
        if version == VERSION || version == Self::VERSION {
            return Self::fields(rest, version == Self::VERSION).ok_or(Unread::Altered);
        }
        Err(Unread::Version {
            found: version,
            read: Self::VERSION,
        })
    }

    fn fields(bytes: &[u8], has_history: bool) -> Option<Self> {
        let mut fields = Fields(bytes);
        let record = Self {
            store: StoreId(fields.u128()?),
            number: fields.u64()?,
            at: UnixMicros(fields.i64()?),
            totals: Totals {
                hosts: fields.u64()?,
                records: fields.u64()?,
                sum: fields.u128()?,
            },
            history: if has_history { fields.u64()? } else { 0 },
        };
        fields.0.is_empty().then_some(record)
    }
}

/// The key of one chunk of moments.
pub(crate) fn seen_key(chunk: u32) -> [u8; 5] {
    let [a, b, c, d] = chunk.to_be_bytes();
    [Kind::Seen as u8, a, b, c, d]
}

/// The value of one chunk of moments.
pub(crate) fn seen_value(seen: &[SeenAt]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + seen.len() * 12);
    bytes.push(VERSION);
    for SeenAt { host, second } in seen {
        bytes.extend(host.to_be_bytes());
        bytes.extend(second.to_be_bytes());
    }
    bytes
}

/// Reads a value of [`seen_value`], adding to `seen`.
pub(crate) fn parse_seen_value(bytes: &[u8], seen: &mut Vec<SeenAt>) -> Result<(), Unread> {
    let mut fields = Fields(Unread::unless_version(bytes)?);
    while !fields.0.is_empty() {
        let (Some(host), Some(second)) = (fields.u64(), fields.u32()) else {
            return Err(Unread::Altered);
        };
        seen.push(SeenAt { host, second });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_host_key_reads_back_whatever_the_project_id_holds(
            project in "\\PC{0,256}|[\u{0}-\u{10FFFF}]{0,256}",
            host in "[A-Za-z0-9._:-]{1,64}",
        ) {
            let key = HostKey { project: project.as_str().into(), host: host.as_str().into() };
            let bytes = host_key(&key).unwrap();
            prop_assert_eq!(parse_host_key(&bytes), Some(key));
        }

        #[test]
        fn a_record_key_reads_back_and_one_of_an_unknown_kind_does_not(
            id in "\\PC{0,64}",
            kind in 0..RecordKind::ALL.len(),
        ) {
            let key = RecordKey { kind: RecordKind::ALL[kind], id };
            let mut bytes = record_key(&key).unwrap();
            prop_assert_eq!(parse_record_key(&bytes), Ok(key));
            bytes[1] = 0;
            prop_assert_eq!(parse_record_key(&bytes), Err(Unread::RecordKind(0)));
            bytes[0] = 0;
            prop_assert_eq!(parse_record_key(&bytes), Err(Unread::Altered));
        }

        #[test]
        fn two_hosts_never_share_a_key(
            a in ("[a\u{0}:]{0,3}", "[a:]{1,3}"),
            b in ("[a\u{0}:]{0,3}", "[a:]{1,3}"),
        ) {
            let key = |(project, host): &(String, String)| {
                host_key(&HostKey { project: project.as_str().into(), host: host.as_str().into() })
            };
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }

        #[test]
        fn a_value_reads_back_and_another_version_does_not(value: Vec<u8>) {
            let mut bytes = value_of(&value);
            prop_assert_eq!(parse_value(&bytes), Ok(value.as_slice()));
            bytes[0] = 2;
            prop_assert_eq!(parse_value(&bytes), Err(Unread::Version { found: 2, read: 1 }));
            prop_assert_eq!(parse_value(&[]), Err(Unread::Altered));
        }

        #[test]
        fn a_commit_record_reads_back_and_none_of_another_length_does(
            store: u128, number: u64, at: i64, hosts: u64, records: u64, sum: u128, history: u64,
        ) {
            let totals = Totals { hosts, records, sum };
            let store = StoreId(store);
            let record = CommitRecord { store, number, at: UnixMicros(at), totals, history };
            let mut bytes = record.encode();
            let altered = Err(Unread::Altered);
            prop_assert_eq!(CommitRecord::decode(&bytes), Ok(record));
            prop_assert_eq!(CommitRecord::decode(&bytes[..bytes.len() - 1]), altered);
            bytes.push(0);
            prop_assert_eq!(CommitRecord::decode(&bytes), altered);
            bytes[0] = 3;
            let other = Err(Unread::Version { found: 3, read: 2 });
            prop_assert_eq!(CommitRecord::decode(&bytes), other);
            // As a store of format 1 has it.
            bytes[0] = 1;
            prop_assert_eq!(CommitRecord::decode(&bytes), altered);
            bytes.truncate(bytes.len() - 9);
            let older = CommitRecord { history: 0, ..record };
            prop_assert_eq!(CommitRecord::decode(&bytes), Ok(older));
        }

        #[test]
        fn a_chunk_of_moments_reads_back_and_none_of_a_broken_length_does(
            pairs: Vec<(u64, u32)>,
        ) {
            let seen: Vec<SeenAt> =
                pairs.iter().map(|&(host, second)| SeenAt { host, second }).collect();
            let bytes = seen_value(&seen);
            let mut back = Vec::new();
            prop_assert_eq!(parse_seen_value(&bytes, &mut back), Ok(()));
            prop_assert_eq!(&back, &seen);
            if !seen.is_empty() {
                let cut = parse_seen_value(&bytes[..bytes.len() - 1], &mut back);
                prop_assert_eq!(cut, Err(Unread::Altered));
            }
        }
    }

    #[test]
    fn a_project_id_that_no_key_can_hold_is_refused() {
        let key = |len| HostKey {
            project: "p".repeat(len).into(),
            host: "h".into(),
        };
        assert!(host_key(&key(65_531)).is_some());
        assert!(host_key(&key(65_532)).is_none());
        assert!(host_key(&key(65_536)).is_none());
    }

    #[test]
    fn the_numbers_of_the_kinds_are_the_ones_on_disk() {
        assert_eq!(
            [
                Kind::Host,
                Kind::Commit,
                Kind::Seen,
                Kind::Record,
                Kind::Touched
            ]
            .map(|kind| kind as u8),
            [1, 2, 3, 4, 5]
        );
        assert_eq!(seen_key(0x0102_0304), [3, 1, 2, 3, 4]);
    }
}
