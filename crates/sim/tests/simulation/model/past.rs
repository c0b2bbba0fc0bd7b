//! Every version of every host that was durable, as the disk had them batch by batch.

use std::collections::BTreeMap;

use portolan_store::Snapshot;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

/// The versions of all hosts.
#[derive(Default)]
pub(crate) struct Past {
    hosts: BTreeMap<HostKey, Vec<Version>>,
    /// The moment of the batch before the one that is read.
    batch_at: UnixMicros,
}

/// A version, and until when the one before it held for sure: within a batch there may have been
/// others, which no disk has seen.
pub(crate) struct Version {
    pub(crate) snapshot: Snapshot,
    /// `None` where nobody knows what was before.
    pub(crate) before_until: Option<UnixMicros>,
}

impl Past {
    /// The host got that version by the batch that is read.
    pub(super) fn add(&mut self, key: &HostKey, snapshot: Snapshot) {
        let versions = self.hosts.entry(key.clone()).or_default();
        let begins_again = versions
            .last()
            .is_some_and(|last| last.snapshot.at == UNKNOWN);
        if begins_again {
            versions.clear();
        }
        versions.push(Version {
            snapshot,
            before_until: (!begins_again).then_some(self.batch_at),
        });
    }

    /// The batch that is read may have forgotten the host and taken it anew.
    pub(super) fn may_begin_again(&mut self, key: &HostKey) {
        if let Some(last) = self
            .hosts
            .get_mut(key)
            .and_then(|versions| versions.last_mut())
        {
            last.snapshot.at = UNKNOWN;
        }
    }

    pub(super) fn forget(&mut self, key: &HostKey) {
        self.hosts.remove(key);
    }

    pub(super) fn batch_ends(&mut self, at: UnixMicros) {
        self.batch_at = at;
    }

    /// The versions of each host that is not forgotten, the oldest first.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&HostKey, &Vec<Version>)> {
        self.hosts.iter()
    }
}

/// The moment of a version that the host may not have gone on from.
const UNKNOWN: UnixMicros = UnixMicros(i64::MIN);
