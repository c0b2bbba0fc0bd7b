//! What the committer shares with readers.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use portolan_census::{Liveness, State};
use portolan_wire::time::UnixMicros;

use crate::committer::recent::{Recent, RecentCommit};
use crate::{Counters, Loaded};

/// What is called with the newest commit of the history. From the committer's thread: it must not
/// block.
pub type OnHistory = Box<dyn Fn(u64) + Send + Sync>;

/// The published view, up to when it is complete, what was committed lately, who was heard when, and
/// what was counted.
#[derive(Debug)]
pub struct Published {
    /// The newest durable state.
    pub state: ArcSwap<State>,
    /// Which hosts are fresh.
    pub liveness: Liveness,
    /// What has been counted since the start.
    pub counters: Counters,
    /// The newest records of the history.
    pub recent: Recent,
    /// Called after each publication that added to the history.
    pub on_history: OnHistorySlot,
    /// A moment no later than that of any commit under way; `NO_ROUND` where none is.
    round: AtomicI64,
    /// Goes up by one when a round begins and again when it ends: odd while one is under way.
    turns: AtomicU64,
    /// Other servers write to the same log.
    is_shared: bool,
    /// How many commits of other servers changed records.
    foreign_records: AtomicU64,
}

/// A place for an [`OnHistory`], filled at most once.
#[derive(Default)]
pub struct OnHistorySlot(OnceLock<OnHistory>);

impl OnHistorySlot {
    /// Calls `what` from now on.
    ///
    /// # Errors
    /// There is one already.
    pub fn set(&self, what: OnHistory) -> Result<(), OnHistory> {
        self.0.set(what)
    }
}

impl fmt::Debug for OnHistorySlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnHistorySlot")
            .field(&self.0.get().is_some())
            .finish()
    }
}

const NO_ROUND: i64 = i64::MAX;

impl Published {
    /// A state that nobody has changed yet, of a store whose log stands at `loaded`.
    pub fn new(state: State, liveness: Liveness, loaded: &Loaded) -> Self {
        Self {
            state: ArcSwap::from_pointee(state),
            liveness,
            counters: Counters::default(),
            recent: Recent::new(loaded.commit),
            on_history: OnHistorySlot::default(),
            round: AtomicI64::new(NO_ROUND),
            turns: AtomicU64::new(0),
            is_shared: false,
            foreign_records: AtomicU64::new(0),
        }
    }

    /// The same of a log that other servers write to as well.
    #[must_use]
    pub fn shared(self) -> Self {
        Self {
            is_shared: true,
            ..self
        }
    }

    /// Rises with each commit of another server that changes records. What is looked up of records
    /// after this call is as it was then, or newer; see
    /// [`Submission::checked_records`](crate::Submission::checked_records).
    pub fn records_mark(&self) -> u64 {
        self.foreign_records.load(Ordering::SeqCst)
    }

    pub(super) fn foreign_records_came(&self) {
        self.foreign_records.fetch_add(1, Ordering::SeqCst);
    }

    /// The moment up to which the state is complete that is loaded after this call: a commit that
    /// is not in it is later. A commit gets its moment before its write and is visible after it, so
    /// `now` alone would promise what is still being written. Of a shared log it is that of the newest
    /// commit: others may be writing.
    pub fn as_of(&self, now: UnixMicros) -> UnixMicros {
        let round = self.round.load(Ordering::SeqCst);
        // Moments of commits rise: where the clock was set back they are ahead of it, and none that
        // comes is as early as the newest.
        let newest = self.state.load().at();
        if self.is_shared || newest > now {
            return newest;
        }
        UnixMicros(now.0.min(round).saturating_sub(1))
    }

    /// A number that is the same at two moments between which no commit was under way; `None` while
    /// one is. Then what is stored and what is published are of the same version.
    pub(crate) fn at_rest(&self) -> Option<u64> {
        let turns = self.turns.load(Ordering::SeqCst);
        turns.is_multiple_of(2).then_some(turns)
    }

    /// A record of the history is visible: who follows it is told.
    pub(super) fn tell_history(&self, record: RecentCommit) {
        let commit = record.commit;
        self.recent.push(record);
        if let Some(on_history) = self.on_history.0.get() {
            on_history(commit);
        }
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
