//! What has been counted since the start, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Decision;

/// Counters of the write path. They only rise.
#[derive(Debug, Default)]
pub struct Counters {
    /// Durable writes.
    pub commits: AtomicU64,
    /// Those whose part of the history was full: what else waited was left for the next one.
    pub commits_full: AtomicU64,
    /// Durable writes that were not begun, since too little space was left.
    pub commits_without_space: AtomicU64,
    /// Commits of other servers that were taken in.
    pub commits_followed: AtomicU64,
    /// Writes that another server's commit came before: they were decided anew.
    pub commits_overtaken: AtomicU64,
    /// Writes of which the cluster did not say what became.
    pub commits_unanswered: AtomicU64,
    /// Reports that made a new version of their host.
    pub reports_accepted: AtomicU64,
    /// Reports that repeated an accepted one.
    pub reports_repeated: AtomicU64,
    /// Reports older than what was held.
    pub reports_stale: AtomicU64,
    /// Reports of a second agent of a host.
    pub reports_in_conflict: AtomicU64,
    /// Reports that showed a second agent of a host, whatever became of them.
    pub identity_conflicts: AtomicU64,
    /// Reports whose enterprise project was not granted.
    pub reports_not_granted: AtomicU64,
    /// Hosts that an operator removed.
    pub hosts_retired: AtomicU64,
    /// Hosts that were retired for their silence.
    pub hosts_retired_silent: AtomicU64,
    /// Changes of records beside the hosts.
    pub records_changed: AtomicU64,
}

impl Counters {
    /// Raises a counter.
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn decided(&self, decision: &Decision) {
        let counter = match decision {
            Decision::Accepted { fresh: true } => &self.reports_accepted,
            Decision::Accepted { fresh: false } => &self.reports_repeated,
            Decision::Stale { .. } => &self.reports_stale,
            Decision::Conflict => &self.reports_in_conflict,
            Decision::NotGranted => &self.reports_not_granted,
        };
        Self::add(counter, 1);
    }
}
