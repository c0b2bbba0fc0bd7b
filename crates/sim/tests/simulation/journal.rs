//! The journal of the simulated store: each batch is one frame.
//!
//! Frame: length of the payload (4 bytes), xxh3 of it (8 bytes), payload in postcard. Holds: a batch
//! counts when its frame is whole; the first frame that is not whole ends the journal.

use portolan_store::{Batch, RecordKey, RecordKind};
use portolan_wire::ids::{HostId, HostKey, ProjectId};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a frame before its payload.
const HEAD_BYTES: usize = 12;

/// One write of a host, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostInFrame {
    project: ProjectId,
    host: HostId,
    /// `None` where the host is removed.
    pub(crate) value: Option<Vec<u8>>,
}

impl HostInFrame {
    pub(crate) fn key(&self) -> HostKey {
        HostKey {
            project: self.project.clone(),
            host: self.host.clone(),
        }
    }
}

/// One write of a record beside the hosts, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordInFrame {
    kind: u8,
    id: String,
    /// `None` where the record is removed.
    pub(crate) value: Option<Vec<u8>>,
}

impl RecordInFrame {
    pub(crate) fn key(&self) -> RecordKey {
        let kind = RecordKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == self.kind)
            .unwrap();
        RecordKey {
            kind,
            id: self.id.clone(),
        }
    }
}

/// One batch, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frame {
    pub(crate) commit: u64,
    pub(crate) at: i64,
    pub(crate) hosts: Vec<HostInFrame>,
    pub(crate) records: Vec<RecordInFrame>,
    /// What it adds to the history: day and record.
    pub(crate) history: Option<(u32, Vec<u8>)>,
}

impl Frame {
    pub(crate) fn of(batch: &Batch) -> Self {
        let hosts = batch.hosts.iter().map(|write| HostInFrame {
            project: write.key.project.clone(),
            host: write.key.host.clone(),
            value: write.value.clone(),
        });
        let records = batch.records.iter().map(|write| RecordInFrame {
            kind: write.key.kind as u8,
            id: write.key.id.clone(),
            value: write.value.clone(),
        });
        Self {
            commit: batch.commit,
            at: batch.at.0,
            hosts: hosts.collect(),
            records: records.collect(),
            history: batch
                .history
                .as_ref()
                .map(|write| (write.day, write.value.clone())),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let payload = postcard::to_stdvec(self).unwrap();
        let mut frame = Vec::with_capacity(HEAD_BYTES + payload.len());
        frame.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        frame.extend_from_slice(&xxh3_64(&payload).to_le_bytes());
        frame.extend_from_slice(&payload);
        frame
    }

    /// The frame at the beginning of `bytes` and its length, if it is whole.
    fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (hash, rest) = rest.split_first_chunk::<8>()?;
        let payload = rest.get(..u32::from_le_bytes(*len) as usize)?;
        // An empty payload is no batch: bytes that were never filled look like one.
        if payload.is_empty() || xxh3_64(payload) != u64::from_le_bytes(*hash) {
            return None;
        }
        Some((
            postcard::from_bytes(payload).ok()?,
            HEAD_BYTES + payload.len(),
        ))
    }
}

/// The whole frames of a journal, and how many bytes they take.
pub(crate) fn frames(bytes: &[u8]) -> (Vec<Frame>, usize) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some((frame, len)) = Frame::decode(&bytes[at..]) {
        frames.push(frame);
        at += len;
    }
    (frames, at)
}
