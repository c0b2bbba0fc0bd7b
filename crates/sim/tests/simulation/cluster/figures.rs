//! What happened in a world of a cluster, in numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use portolan_store::Counters;

use crate::disk::Interruption;
use crate::sweep::{self, assert_all, sum};

use super::faults::Fault;
use super::folder::SimulatedFolder;

#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(super) faults: BTreeMap<Fault, u64>,
    pub(super) interruptions: BTreeMap<Interruption, u64>,
    pub(super) decisions: BTreeMap<&'static str, u64>,
    pub(super) heartbeats: BTreeMap<&'static str, u64>,
    pub(super) duplicates: u64,
    pub(super) moved: u64,
    pub(super) starts_unanswered: u64,
    pub(super) killed_beginning: u64,
    pub(super) begun_empty: u64,
    pub(super) begun_of_base: u64,
    pub(super) torn: u64,
    pub(super) came_late: u64,
    pub(super) unanswered: u64,
    pub(super) without_space: u64,
    pub(super) trimmed_under: u64,
    /// The log begins behind its first commit.
    pub(super) trimmed: bool,
    pub(super) bases: u64,
    pub(super) bases_unanswered: u64,
    pub(super) commits: u64,
    pub(super) followed: u64,
    pub(super) overtaken: u64,
    pub(super) transients: u64,
    pub(super) returned: u64,
    pub(super) moments_compared: u64,
}

impl Figures {
    /// What a process counted in its life.
    pub(super) fn counted(&mut self, counters: &Counters) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.commits += count(&counters.commits);
        self.followed += count(&counters.commits_followed);
        self.overtaken += count(&counters.commits_overtaken);
    }

    /// What became of a folder.
    pub(super) fn begun(&mut self, folder: &SimulatedFolder) {
        self.begun_empty += folder.empty.get();
        self.begun_of_base += folder.of_base.get();
        self.torn += u64::from(folder.torn.get() > 0);
    }
}

impl sweep::Figures for Figures {
    fn add(&mut self, other: &Self) {
        sum(&mut self.faults, &other.faults);
        sum(&mut self.interruptions, &other.interruptions);
        sum(&mut self.decisions, &other.decisions);
        sum(&mut self.heartbeats, &other.heartbeats);
        self.duplicates += other.duplicates;
        self.moved += other.moved;
        self.starts_unanswered += other.starts_unanswered;
        self.killed_beginning += other.killed_beginning;
        self.begun_empty += other.begun_empty;
        self.begun_of_base += other.begun_of_base;
        self.torn += other.torn;
        self.came_late += other.came_late;
        self.unanswered += other.unanswered;
        self.without_space += other.without_space;
        self.trimmed_under += other.trimmed_under;
        self.trimmed |= other.trimmed;
        self.bases += other.bases;
        self.bases_unanswered += other.bases_unanswered;
        self.commits += other.commits;
        self.followed += other.followed;
        self.overtaken += other.overtaken;
        self.transients += other.transients;
        self.returned += other.returned;
        self.moments_compared += other.moments_compared;
    }

    fn assert_everything_happened(&self) {
        assert_all(&Fault::ALL, &self.faults);
        assert_all(&Interruption::ALL, &self.interruptions);
        assert_all(&["accepted", "repeated", "stale"], &self.decisions);
        assert_all(&["ok", "report needed"], &self.heartbeats);
        let others = [
            self.duplicates,
            self.moved,
            self.starts_unanswered,
            self.killed_beginning,
            self.begun_empty,
            self.begun_of_base,
            self.torn,
            self.came_late,
            self.unanswered,
            self.without_space,
            self.trimmed_under,
            self.bases,
            self.bases_unanswered,
            self.overtaken,
            self.followed,
            self.transients,
            self.returned,
            self.moments_compared,
        ];
        let is_all = others.iter().all(|count| *count > 0) && self.trimmed;
        assert!(is_all, "{self:#?}");
    }
}
