//! `store.json`: what the store is, and which parts must exist beside it.
//!
//! The database takes a missing part for a new one and goes on without a word: a missing manifest
//! is an empty keyspace, and a folder that the manifest does not name is deleted. So the list of
//! parts is kept outside of it and compared before the database is opened.
//!
//! Holds: the file is written last when a store is made; where it stands, the store is complete.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::layout::{DataDir, cannot_read, cannot_write, write_whole};
use crate::StoreError;

/// The format of everything in the data folder. It changes when an older program could no longer
/// read what a newer one wrote, or the other way round.
pub(crate) const FORMAT: u32 = 2;
/// The format before the history. It is read, and written anew as [`FORMAT`] when the store is used.
const WITHOUT_HISTORY: u32 = 1;

/// A random number that no other store has. It stands in the mark and in each commit record too,
/// so that files of two stores are never taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreId(pub(crate) u128);

impl StoreId {
    /// A new id.
    pub(crate) fn random() -> Result<Self, StoreError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|cause| StoreError::Write {
            what: format!("no random store id: {cause}"),
        })?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// What of it stands in the ids of changes: its low half.
    pub(crate) const fn epoch(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The content of `store.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Which store this is.
    pub(crate) store: StoreId,
    /// Files that must exist, by their paths below the data folder.
    pub(crate) parts: Vec<String>,
    /// Which history is kept; `None` in a store of format 1.
    pub(crate) history: Option<HistoryKept>,
}

/// Which history is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HistoryKept {
    /// Answers about moments from here on are complete; microseconds since 1970.
    pub(crate) from: i64,
    /// The days that have a keyspace, ascending.
    pub(crate) days: Vec<DayKept>,
}

/// A day of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DayKept {
    /// Whole days since 1970-01-01 UTC.
    pub(crate) day: u32,
    /// The commit of the last record before this day, whether it is kept or not; 0 where there was
    /// none. So a first or last record that is missing shows, of every day.
    pub(crate) after: u64,
}

#[derive(Serialize, Deserialize)]
struct OnDisk {
    format: u32,
    store_id: String,
    parts: Vec<String>,
    #[serde(default)]
    history: Option<HistoryKept>,
    /// Over all the others, since no other part of the store repeats where the history begins.
    #[serde(default)]
    sum: String,
}

impl OnDisk {
    fn sum(&self) -> Result<String, serde_json::Error> {
        let all = (self.format, &self.store_id, &self.parts, &self.history);
        Ok(format!("{:016x}", xxh3_64(&serde_json::to_vec(&all)?)))
    }
}

/// Only the part that every format has.
#[derive(Deserialize)]
struct FormatOnDisk {
    format: u32,
}

impl Identity {
    /// Reads `store.json`; `None` when there is no such file.
    pub(crate) fn read(dir: &DataDir) -> Result<Option<Self>, StoreError> {
        let path = dir.identity();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(cannot_read(&path)(cause)),
        };
        let unreadable = |cause| dir.damaged(format!("store.json is not readable: {cause}"));
        let FormatOnDisk { format } = serde_json::from_slice(&text).map_err(unreadable)?;
        if format != FORMAT && format != WITHOUT_HISTORY {
            let path = dir.path().to_path_buf();
            return Err(StoreError::Format {
                path,
                found: format,
                supported: FORMAT,
            });
        }
        let found: OnDisk = serde_json::from_slice(&text).map_err(unreadable)?;
        let store = u128::from_str_radix(&found.store_id, 16)
            .map_err(|_| dir.damaged("store.json is not readable: store_id is not hexadecimal"))?;
        let is_whole = match format {
            WITHOUT_HISTORY => found.history.is_none() && found.sum.is_empty(),
            _ => found.history.is_some() && found.sum().is_ok_and(|sum| sum == found.sum),
        };
        if !is_whole {
            return Err(
                dir.damaged("store.json is not readable: its checksum does not fit its content")
            );
        }
        Ok(Some(Self {
            store: StoreId(store),
            parts: found.parts,
            history: found.history,
        }))
    }

    /// Writes `store.json`, whole and durable.
    pub(crate) fn write(&self, dir: &DataDir) -> Result<(), StoreError> {
        let mut content = OnDisk {
            format: FORMAT,
            store_id: self.store.to_string(),
            parts: self.parts.clone(),
            history: Some(self.history.clone().unwrap_or_default()),
            sum: String::new(),
        };
        let path = dir.identity();
        let written = content.sum().and_then(|sum| {
            content.sum = sum;
            serde_json::to_vec_pretty(&content)
        });
        let mut text = written.map_err(|cause| cannot_write(&path)(cause.into()))?;
        text.push(b'\n');
        write_whole(&path, &text).map_err(cannot_write(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_json_reads_back_and_another_format_or_garbage_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::new(folder.path());
        assert_eq!(Identity::read(&dir).unwrap(), None);

        let identity = Identity {
            store: StoreId(0xfeed),
            parts: vec!["commit.mark".into()],
            history: Some(HistoryKept {
                from: 7,
                days: vec![DayKept { day: 3, after: 9 }],
            }),
        };
        identity.write(&dir).unwrap();
        assert_eq!(Identity::read(&dir).unwrap(), Some(identity));

        std::fs::write(dir.identity(), r#"{"format":3,"all":"else differs"}"#).unwrap();
        let refused = Identity::read(&dir).unwrap_err();
        assert!(
            matches!(
                refused,
                StoreError::Format {
                    found: 3,
                    supported: 2,
                    ..
                }
            ),
            "{refused}"
        );

        std::fs::write(
            dir.identity(),
            r#"{"format":1,"store_id":"xyz","parts":[]}"#,
        )
        .unwrap();
        let refused = Identity::read(&dir).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");

        std::fs::write(dir.identity(), r#"{"format":1"#).unwrap();
        let refused = Identity::read(&dir).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    }
}
