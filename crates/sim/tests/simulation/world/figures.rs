//! What happened in a world, in numbers.

use std::collections::BTreeMap;

use crate::disk::Interruption;
use crate::odds::Fault;
use crate::sweep::{self, assert_all, sum};
use crate::timeline::Micros;

/// What happened in a world, in numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) faults: BTreeMap<Fault, u64>,
    pub(crate) interruptions: BTreeMap<Interruption, u64>,
    pub(crate) decisions: BTreeMap<&'static str, u64>,
    pub(crate) heartbeats: BTreeMap<&'static str, u64>,
    pub(crate) acknowledgements: u64,
    pub(crate) torn: u64,
    pub(crate) applied_untold: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused_writes: u64,
    pub(crate) stale_seconds: u64,
    pub(crate) clones_flagged: u64,
    pub(crate) clones_told_to_agents_only: u64,
    pub(crate) helped: u64,
    pub(crate) removed: u64,
    pub(crate) returned: u64,
    pub(crate) forgotten: u64,
    pub(crate) moments_compared: u64,
    pub(crate) healed_after: Micros,
}

impl sweep::Figures for Figures {
    fn add(&mut self, other: &Self) {
        sum(&mut self.faults, &other.faults);
        sum(&mut self.interruptions, &other.interruptions);
        sum(&mut self.decisions, &other.decisions);
        sum(&mut self.heartbeats, &other.heartbeats);
        self.acknowledgements += other.acknowledgements;
        self.torn += other.torn;
        self.applied_untold += other.applied_untold;
        self.duplicates += other.duplicates;
        self.refused_writes += other.refused_writes;
        self.stale_seconds += other.stale_seconds;
        self.clones_flagged += other.clones_flagged;
        self.clones_told_to_agents_only += other.clones_told_to_agents_only;
        self.helped += other.helped;
        self.removed += other.removed;
        self.returned += other.returned;
        self.forgotten += other.forgotten;
        self.moments_compared += other.moments_compared;
        self.healed_after = self.healed_after.max(other.healed_after);
    }

    fn assert_everything_happened(&self) {
        let sums = self;
        assert_all(&Fault::ALL, &sums.faults);
        assert_all(&Interruption::ALL, &sums.interruptions);
        let decisions = [
            "accepted",
            "repeated",
            "stale",
            "in conflict",
            "not granted",
            "refused",
        ];
        assert_all(&decisions, &sums.decisions);
        assert_all(&["ok", "report needed"], &sums.heartbeats);
        let others = [
            sums.torn,
            sums.applied_untold,
            sums.duplicates,
            sums.refused_writes,
            sums.returned,
            sums.forgotten,
            sums.moments_compared,
        ];
        assert!(others.iter().all(|count| *count > 0), "{sums:#?}");
        assert!(
            sums.stale_seconds > 0 && sums.clones_flagged > 0,
            "{sums:#?}"
        );
    }
}
