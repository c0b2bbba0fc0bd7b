//! What the committer shares with readers.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use portolan_census::{Liveness, State};
use portolan_wire::time::UnixMicros;

use crate::Counters;

/// The published view, up to when it is complete, who was heard when, and what was counted.
#[derive(Debug)]
pub struct Published {
    /// The newest durable state.
    pub state: ArcSwap<State>,
    /// Which hosts are fresh.
    pub liveness: Liveness,
    /// What has been counted since the start.
    pub counters: Counters,
    /// A moment no later than that of any commit under way; `NO_ROUND` where none is.
    round: AtomicI64,
    /// Goes up by one when a round begins and again when it ends: odd while one is under way.
    turns: AtomicU64,
}

const NO_ROUND: i64 = i64::MAX;

impl Published {
    /// A state that nobody has changed yet.
    pub fn new(state: State, liveness: Liveness) -> Self {
        Self {
            state: ArcSwap::from_pointee(state),
            liveness,
            counters: Counters::default(),
            round: AtomicI64::new(NO_ROUND),
            turns: AtomicU64::new(0),
        }
    }

    /// The moment up to which the state is complete that is loaded after this call: a commit that
    /// is not in it is later. A commit gets its moment before its write and is visible after it, so
    /// `now` alone would promise what is still being written.
    pub fn as_of(&self, now: UnixMicros) -> UnixMicros {
        let round = self.round.load(Ordering::SeqCst);
        UnixMicros(now.0.min(round).saturating_sub(1))
    }

    /// A number that is the same at two moments between which no commit was under way; `None` while
    /// one is. Then what is stored and what is published are of the same version.
    pub(crate) fn at_rest(&self) -> Option<u64> {
        let turns = self.turns.load(Ordering::SeqCst);
        turns.is_multiple_of(2).then_some(turns)
    }

    pub(super) fn open_round(&self, now: UnixMicros) {
        self.turns.fetch_add(1, Ordering::SeqCst);
        self.round.store(now.0, Ordering::SeqCst);
    }

    pub(super) fn close_round(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
        self.round.store(NO_ROUND, Ordering::SeqCst);
    }
}
