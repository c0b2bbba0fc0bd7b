//! The newest records of the history in memory, for those who follow it: none of them reads the disk
//! for what has just been written.
//!
//! Limits: `caps::RECENT_COMMITS_MAX` records and `caps::RECENT_BYTES_MAX` bytes; the oldest go first,
//! and who is behind them reads the store.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::RwLock;
use portolan_wire::caps;
use portolan_wire::time::UnixMicros;

/// A record of the history that was published.
#[derive(Debug, PartialEq, Eq)]
pub struct RecentCommit {
    /// The commit.
    pub commit: u64,
    /// The greatest moment in it.
    pub at: UnixMicros,
    /// The record: [`changes_of`](crate::history::changes_of) reads it.
    pub record: Vec<u8>,
}

/// The newest records.
#[derive(Debug)]
pub struct Recent(RwLock<Ring>);

#[derive(Debug)]
struct Ring {
    /// All records of later commits are here.
    since: u64,
    bytes: usize,
    records: VecDeque<Arc<RecentCommit>>,
}

impl Recent {
    /// None yet, of a store whose last commit is `last_commit`.
    pub(super) fn new(last_commit: u64) -> Self {
        Self(RwLock::new(Ring {
            since: last_commit,
            bytes: 0,
            records: VecDeque::new(),
        }))
    }

    /// Says that the newest record of the history is that of `commit`: of the commits after it none
    /// has one, so that all records behind it are here before there is one.
    pub fn begin_after(&self, commit: u64) {
        let mut ring = self.0.write();
        if ring.records.is_empty() {
            ring.since = ring.since.min(commit);
        }
    }

    pub(super) fn push(&self, record: RecentCommit) {
        let mut ring = self.0.write();
        ring.bytes += record.record.len();
        ring.records.push_back(Arc::new(record));
        while ring.records.len() > caps::RECENT_COMMITS_MAX || ring.bytes > caps::RECENT_BYTES_MAX {
            let Some(oldest) = ring.records.pop_front() else {
                return;
            };
            ring.bytes -= oldest.record.len();
            ring.since = oldest.commit;
        }
    }

    /// The records of all commits after `commit`, ascending; `None` where some of them are no longer
    /// here.
    pub fn after(&self, commit: u64) -> Option<Vec<Arc<RecentCommit>>> {
        let ring = self.0.read();
        if commit < ring.since {
            return None;
        }
        let known = ring.records.partition_point(|held| held.commit <= commit);
        Some(ring.records.iter().skip(known).map(Arc::clone).collect())
    }

    /// The commit of the newest record since the start; `None` where there is none, or it was too
    /// large to be kept.
    pub fn newest(&self) -> Option<u64> {
        self.0.read().records.back().map(|newest| newest.commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(commit: u64, bytes: usize) -> RecentCommit {
        RecentCommit {
            commit,
            at: UnixMicros(0),
            record: vec![0; bytes],
        }
    }

    fn after(recent: &Recent, commit: u64) -> Option<Vec<u64>> {
        let records = recent.after(commit)?;
        Some(records.iter().map(|record| record.commit).collect())
    }

    #[test]
    fn all_after_a_commit_are_handed_out_or_none() {
        let recent = Recent::new(5);
        assert_eq!(after(&recent, 5), Some(vec![]));
        assert_eq!(after(&recent, 4), None, "before the start");
        recent.push(record(6, 1));
        recent.push(record(9, 1));
        assert_eq!(after(&recent, 5), Some(vec![6, 9]));
        assert_eq!(after(&recent, 6), Some(vec![9]));
        assert_eq!(after(&recent, 7), Some(vec![9]), "not each commit has one");
        assert_eq!(after(&recent, 9), Some(vec![]));
    }

    /// Of a store whose last commits made credentials only.
    #[test]
    fn who_is_at_the_newest_record_is_not_behind_commits_without_one() {
        let recent = Recent::new(9);
        assert_eq!(after(&recent, 5), None);
        recent.begin_after(5);
        assert_eq!(after(&recent, 5), Some(vec![]));
        assert_eq!(after(&recent, 4), None);
        recent.push(record(10, 1));
        recent.begin_after(1);
        assert_eq!(after(&recent, 4), None, "there are records already");
    }

    #[test]
    fn the_oldest_go_by_number_and_by_bytes() {
        let recent = Recent::new(0);
        for commit in 1..=caps::RECENT_COMMITS_MAX as u64 + 1 {
            recent.push(record(commit, 1));
        }
        assert_eq!(after(&recent, 0), None);
        assert_eq!(after(&recent, 1).unwrap().len(), caps::RECENT_COMMITS_MAX);
        let next = caps::RECENT_COMMITS_MAX as u64 + 2;
        recent.push(record(next, caps::RECENT_BYTES_MAX));
        assert_eq!(after(&recent, next - 1), Some(vec![next]));
        recent.push(record(next + 1, caps::RECENT_BYTES_MAX + 1));
        assert_eq!(
            after(&recent, next),
            None,
            "one that is too large is read from the store"
        );
        assert_eq!(after(&recent, next + 1), Some(vec![]));
    }
}
