//! Durable records beside hosts, and the hashes that find damage in both.
//!
//! A record is small and rare beside a host: a credential, a user, an operator's mark. It lives in
//! the same log, is written by the same batches and counted by the same sums, so that it is as
//! durable as a report and a backup holds both of one moment. What its bytes mean is its owner's to
//! know; a store sees a kind, an id and bytes.

use portolan_census::Commit;
use portolan_wire::caps;
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use xxhash_rust::xxh3::Xxh3;

/// What a record is about. The numbers stand on disk: never change or reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// A token. One a token that was made; replaced when it is changed, removed with it.
    Token = 1,
    /// An access key, with its secret encrypted. One an access key.
    AccessKey = 2,
    /// A user who may log in. One a user.
    User = 3,
    /// The ports that an operator chose to ignore of a host. One a host that has any; replaced by
    /// each change, removed with the host.
    Ignore = 4,
    /// What a log-in made: a token that ends by itself. One a log-in.
    Session = 5,
    /// An enrol key. One an enrol key.
    EnrolKey = 6,
    /// The credential of an enrolled host. One a host that is enrolled; replaced when its token is,
    /// removed when it is released.
    Enrolment = 7,
}

impl RecordKind {
    /// Every kind, by ascending number.
    pub const ALL: [Self; 7] = [
        Self::Token,
        Self::AccessKey,
        Self::User,
        Self::Ignore,
        Self::Session,
        Self::EnrolKey,
        Self::Enrolment,
    ];

    /// Reads a number from disk; `None` for one that this program does not know.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// The kind in words, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AccessKey => "access key",
            Self::User => "user",
            Self::Ignore => "ignored ports",
            Self::Session => "log-in",
            Self::EnrolKey => "enrol key",
            Self::Enrolment => "enrolment",
        }
    }
}

/// Names a record: unique within its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// What it is about.
    pub kind: RecordKind,
    /// Its name: 1 to [`caps::RECORD_ID_BYTES_MAX`] bytes, chosen by the owner of the kind.
    pub id: String,
}

/// A record too long to be kept, or without an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record needs an id of 1 to {} bytes and a value of at most {} bytes, got {id_bytes} and {value_bytes}",
    caps::RECORD_ID_BYTES_MAX,
    caps::RECORD_VALUE_BYTES_MAX
)]
pub struct RecordTooLarge {
    /// The bytes of the id.
    pub id_bytes: usize,
    /// The bytes of the value.
    pub value_bytes: usize,
}

/// A change of one record that waits to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    pub(crate) key: RecordKey,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) enrolment: Option<EnrolmentChange>,
}

/// What a changed record does to who is awaited, in the census of the same commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EnrolmentChange {
    Enrols(HostKey, EnterpriseProjectId),
    Releases(HostKey),
}

impl From<EnrolmentChange> for Commit {
    fn from(change: EnrolmentChange) -> Self {
        match change {
            EnrolmentChange::Enrols(host, enterprise_project) => {
                Self::Enrol(host, enterprise_project)
            }
            EnrolmentChange::Releases(host) => Self::Release(host),
        }
    }
}

impl RecordChange {
    /// The record gets this value, whether or not it had one.
    ///
    /// # Errors
    /// The id is empty, or the id or the value is longer than its cap.
    pub fn put(key: RecordKey, value: Vec<u8>) -> Result<Self, RecordTooLarge> {
        let (id_bytes, value_bytes) = (key.id.len(), value.len());
        let fits = (1..=caps::RECORD_ID_BYTES_MAX).contains(&id_bytes)
            && value_bytes <= caps::RECORD_VALUE_BYTES_MAX;
        if !fits {
            return Err(RecordTooLarge {
                id_bytes,
                value_bytes,
            });
        }
        Ok(Self {
            key,
            value: Some(value),
            enrolment: None,
        })
    }

    /// The record goes, if there is one.
    pub fn remove(key: RecordKey) -> Self {
        Self {
            key,
            value: None,
            enrolment: None,
        }
    }

    /// The same, and by it the host is enrolled: from this commit on it is awaited until its first
    /// report. What is enrolled at the start, the owner of the records tells the census.
    #[must_use]
    pub fn enrols(mut self, host: HostKey, enterprise_project: EnterpriseProjectId) -> Self {
        self.enrolment = Some(EnrolmentChange::Enrols(host, enterprise_project));
        self
    }

    /// The same, and by it the host's enrolment ends.
    #[must_use]
    pub fn releases(mut self, host: HostKey) -> Self {
        self.enrolment = Some(EnrolmentChange::Releases(host));
        self
    }

    /// About how much memory it holds while it waits, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.key.id.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

impl RecordKey {
    /// The 128-bit hash of this record with a value: the counterpart of [`record_hash`].
    pub fn hash_with(&self, value: &[u8]) -> u128 {
        // Four parts, where a host has three: no host and no record ever hash the same bytes.
        hash_of(&[b"record", &[self.kind as u8], self.id.as_bytes(), value])
    }
}

/// The 128-bit hash of one host's stored value. The sum of all of them and of the records' hashes,
/// wrapping, stands in each commit record, so that a lost or altered one shows at the next start.
/// It finds damage, not attackers.
pub fn record_hash(key: &HostKey, value: &[u8]) -> u128 {
    hash_of(&[
        key.project.as_str().as_bytes(),
        key.host.as_str().as_bytes(),
        value,
    ])
}

fn hash_of(parts: &[&[u8]]) -> u128 {
    let mut hash = Xxh3::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: RecordKind, id: &str) -> RecordKey {
        RecordKey {
            kind,
            id: id.into(),
        }
    }

    #[test]
    fn the_numbers_of_the_kinds_are_the_ones_on_disk() {
        assert_eq!(
            RecordKind::ALL.map(|kind| kind as u8),
            [1, 2, 3, 4, 5, 6, 7]
        );
        for kind in RecordKind::ALL {
            assert_eq!(RecordKind::from_number(kind as u8), Some(kind));
        }
        assert_eq!(RecordKind::from_number(0), None);
        assert_eq!(RecordKind::from_number(8), None);
    }

    #[test]
    fn a_records_hash_depends_on_each_part_and_is_never_a_hosts() {
        let one = key(RecordKind::Token, "ab").hash_with(b"c");
        assert_eq!(one, key(RecordKind::Token, "ab").hash_with(b"c"));
        for other in [
            key(RecordKind::User, "ab").hash_with(b"c"),
            key(RecordKind::Token, "a").hash_with(b"bc"),
            key(RecordKind::Token, "ab").hash_with(b""),
        ] {
            assert_ne!(one, other);
        }
        let host = HostKey {
            project: "record".into(),
            host: "\u{1}".into(),
        };
        assert_ne!(record_hash(&host, b"ab"), one);
    }

    #[test]
    fn a_record_is_kept_up_to_its_caps_and_not_beyond() {
        let put = |id: usize, value: usize| {
            RecordChange::put(key(RecordKind::Ignore, &"i".repeat(id)), vec![0; value])
        };
        let (id_max, value_max) = (caps::RECORD_ID_BYTES_MAX, caps::RECORD_VALUE_BYTES_MAX);
        assert!(put(1, 0).is_ok());
        assert!(put(id_max, value_max).is_ok());
        for (id_bytes, value_bytes) in [(0, 1), (id_max + 1, 1), (1, value_max + 1)] {
            let refused = put(id_bytes, value_bytes).unwrap_err();
            assert_eq!(
                refused,
                RecordTooLarge {
                    id_bytes,
                    value_bytes
                }
            );
        }
    }
}
