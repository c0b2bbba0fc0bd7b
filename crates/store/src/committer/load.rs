//! What waits for the committer and how fast it is, shared by all who submit and its thread.

use std::iter::Sum;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::turns::Turns;

/// Bytes, submissions and reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amount {
    pub(super) bytes: usize,
    pub(super) submissions: usize,
    pub(super) reports: usize,
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), |all, one| Self {
            bytes: all.bytes + one.bytes,
            submissions: all.submissions + one.submissions,
            reports: all.reports + one.reports,
        })
    }
}

#[derive(Debug)]
pub(super) struct Load {
    pub(super) bytes: AtomicUsize,
    submissions: AtomicUsize,
    reports: AtomicUsize,
    origin: Instant,
    turns: Mutex<Turns>,
}

impl Default for Load {
    #[expect(
        clippy::disallowed_methods,
        reason = "how fast the committer is and when a turn comes are times of this machine"
    )]
    fn default() -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            submissions: AtomicUsize::new(0),
            reports: AtomicUsize::new(0),
            origin: Instant::now(),
            turns: Mutex::default(),
        }
    }
}

impl Load {
    /// The bytes that waited before.
    pub(super) fn add(&self, amount: Amount) -> usize {
        self.submissions
            .fetch_add(amount.submissions, Ordering::AcqRel);
        self.reports.fetch_add(amount.reports, Ordering::AcqRel);
        self.bytes.fetch_add(amount.bytes, Ordering::AcqRel)
    }

    pub(super) fn remove(&self, amount: Amount) {
        self.bytes.fetch_sub(amount.bytes, Ordering::AcqRel);
        self.reports.fetch_sub(amount.reports, Ordering::AcqRel);
        self.submissions
            .fetch_sub(amount.submissions, Ordering::AcqRel);
    }

    /// The time since the start, for [`measured`](Self::measured).
    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// A batch that was begun then is served.
    pub(super) fn measured(&self, reports: usize, begun: Duration) {
        let took = self.now().saturating_sub(begun);
        self.turns.lock().measured(reports, took);
    }

    /// Whether reports have to wait elsewhere although there may be a place.
    pub(super) fn keeps_out(&self, comes_again: bool) -> bool {
        let submissions = self.submissions.load(Ordering::Acquire);
        let reports = self.reports.load(Ordering::Acquire);
        let now = self.origin.elapsed();
        self.turns
            .lock()
            .keep_out(now, comes_again, submissions, reports)
    }

    /// When somebody who is refused may come again, in seconds.
    pub(super) fn turn(&self, reports: usize) -> u32 {
        let waiting = self.reports.load(Ordering::Acquire);
        self.turns
            .lock()
            .give(self.origin.elapsed(), waiting, reports)
    }
}
