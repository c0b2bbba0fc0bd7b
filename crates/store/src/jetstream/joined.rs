//! Which log the servers of a cluster share.
//!
//! The name `epoch` beside the log says it. It is set once by the first server, and again only when
//! the cluster is made anew of one server's checkpoint; who follows another epoch begins anew.

use portolan_wire::time::UnixMicros;
use serde::{Deserialize, Serialize};

use super::log::{Log, LogError, Named};
use super::place::not_answered;
use crate::StoreError;

pub(super) const NAME: &str = "epoch";
/// The format of everything in the cluster.
const FORMAT: u32 = 1;

/// A log that servers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    format: u32,
    /// Tells it from all others: in the ids of changes too.
    pub id: u64,
    /// When it was made. The history of a log without a base begins then.
    #[serde(with = "micros")]
    pub made_at: UnixMicros,
}

mod micros {
    use portolan_wire::time::UnixMicros;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &UnixMicros, to: S) -> Result<S::Ok, S::Error> {
        at.0.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixMicros, D::Error> {
        i64::deserialize(from).map(UnixMicros)
    }
}

impl Epoch {
    /// A new one.
    pub fn new(id: u64, made_at: UnixMicros) -> Self {
        Self {
            format: FORMAT,
            id,
            made_at,
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|cause| StoreError::Write {
            what: format!("an epoch does not encode: {cause}"),
        })
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, StoreError> {
        let another = |what| StoreError::AnotherLog { what };
        let epoch: Self = serde_json::from_slice(value)
            .map_err(|cause| another(format!("the cluster's epoch does not decode: {cause}")))?;
        if epoch.format != FORMAT {
            return Err(StoreError::OtherVersion {
                what: format!(
                    "the cluster has format {}, and this program reads {FORMAT}",
                    epoch.format
                ),
            });
        }
        Ok(epoch)
    }

    /// The one that the cluster has, if it has one.
    pub(super) fn of(log: &dyn Log) -> Result<Option<(u64, Self)>, StoreError> {
        let Some(Named { revision, value }) = log.get(NAME).map_err(not_answered)? else {
            return Ok(None);
        };
        Ok(Some((revision, Self::decode(&value)?)))
    }
}

/// Enters the log of the cluster, and makes `new` the first one where there is none.
///
/// # Errors
/// The cluster does not answer, or has a format that this program does not read.
pub fn joined(log: &dyn Log, new: Epoch) -> Result<Epoch, StoreError> {
    let epoch = loop {
        if let Some((_, epoch)) = Epoch::of(log)? {
            break epoch;
        }
        let made = || -> Result<bool, LogError> {
            log.make(new.id, 1)?;
            log.swap(NAME, 0, &new.encode().map_err(refused)?)
        };
        if made().map_err(not_answered)? {
            break new;
        }
        // Another server was first.
        log.drop_log(new.id).map_err(not_answered)?;
    };
    log.enter(epoch.id).map_err(not_answered)?;
    Ok(epoch)
}

fn refused(error: StoreError) -> LogError {
    LogError::Refused {
        what: error.to_string(),
    }
}
