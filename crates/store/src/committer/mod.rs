//! The one writer: decides what was submitted, makes a batch durable by one sync, publishes, answers.
//!
//! One fsync a report would cap the server at a few thousand a second; the committer takes all that
//! waits (while one sync runs, the next batch gathers) and makes it one durable write. Reports,
//! removals of hosts and records beside them share it, so one log orders them all.
//! Holds: nothing is answered before it is durable and visible; everything is decided against
//! everything before it, in the same batch too; an older report never wins; what a batch did to hosts
//! is in the history with it, and moments never decrease along that.
//! Limits: `caps::COMMIT_QUEUE_MAX` submissions and `caps::COMMIT_QUEUE_BYTES_MAX` bytes wait,
//! `caps::COMMIT_BATCH_MAX` reports make a batch; what they change goes into as many commits as it
//! takes, of `caps::COMMIT_HISTORY_ROWS_MAX` changes and `caps::COMMIT_HISTORY_BYTES_MAX` bytes.

mod batch;
mod compare;
mod decide;
mod follow;
mod ignoring;
mod load;
mod published;
mod queue;
mod recent;
mod retiring;
mod round;
mod thread;
mod turns;

use std::collections::VecDeque;
use std::sync::Arc;

use portolan_census::{Commit, Selection, State};
use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

pub use decide::{Decision, Prepared, Retirement};
pub use follow::OnRecords;
pub use ignoring::{Ignoring, IgnoringDone};
pub use published::{OnHistory, OnHistorySlot, Published};
pub use queue::{Checked, Queue, QueueFull, Submission};
pub use recent::{Recent, RecentCommit};
pub use thread::{Handle, start};
pub use turns::Turns;

use crate::committer::batch::Moments;
use crate::committer::round::Round;
use crate::record::RecordChange;
use crate::{Clock, Counters, Loaded, Store, StoreError};

/// The committer's logic, without its thread: the same calls give the same answers.
pub struct Committer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    published: Arc<Published>,
    working: State,
    last_commit: u64,
    /// When that was made: no later commit is earlier, whatever the clock does.
    last_at: UnixMicros,
    /// Writes in a row that found too little room on the disk.
    without_room: u64,
    /// Told of records that commits changed.
    on_records: Option<OnRecords>,
}

impl Committer {
    /// A committer that goes on where the log of the store stands, from the state that `published`
    /// holds.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        published: Arc<Published>,
        loaded: &Loaded,
    ) -> Self {
        let working = State::clone(&published.state.load());
        Self {
            store,
            clock,
            published,
            working,
            last_commit: loaded.commit,
            last_at: loaded.at,
            without_room: 0,
            on_records: None,
        }
    }

    /// Decides reports in the order given, makes them durable, by one write unless they change too much
    /// for one, and publishes.
    ///
    /// # Errors
    /// The store failed: none of the reports was acknowledged. Of several writes the first ones may be
    /// made; the published view is as the last of them left it.
    pub fn commit(&mut self, reports: Vec<Prepared>) -> Result<Vec<Decision>, StoreError> {
        let (mut left, mut decided) = (VecDeque::from(reports), Vec::new());
        loop {
            compare::compare_all(&*self.store, &self.working, left.iter_mut().collect());
            let shared = self.store.shared().is_some();
            let before = shared.then(|| (left.clone(), decided.len()));
            self.until_first(|round| {
                if let Some((reports, known)) = &before {
                    left.clone_from(reports);
                    decided.truncate(*known);
                }
                round.reports(&mut left, &mut decided)
            })?;
            if left.is_empty() {
                return Ok(decided);
            }
        }
    }

    /// Makes changes of records durable by one write, all or none. Of several changes of one record
    /// the last counts.
    ///
    /// # Errors
    /// The store failed: nothing was changed.
    pub fn change_records(&mut self, changes: Vec<RecordChange>) -> Result<(), StoreError> {
        self.until_first(|round| round.records(changes.clone()))
    }

    /// Retires a host that is in an enterprise project of `granted`: by one recorded commit its ports
    /// leave the counts. A later report brings it back.
    ///
    /// # Errors
    /// The store failed: the host is still there.
    pub fn retire(&mut self, host: HostKey, granted: &Selection) -> Result<Retirement, StoreError> {
        self.until_first(|round| round.retire(host.clone(), granted))
    }

    /// Takes into the census which hosts have become fresh or stale, up to
    /// [`caps::FRESHNESS_CHANGES_MAX`] of them, and publishes. It changes no truth, so nothing is written.
    pub fn freshen(&mut self) {
        let liveness = &self.published.liveness;
        let changed = liveness.take_changed(caps::FRESHNESS_CHANGES_MAX);
        if !changed.is_empty() {
            self.working.apply(Commit::Fresh(changed));
            self.published.state.store(Arc::new(self.working.clone()));
        }
    }

    /// Retires a host that was not heard since the second `silent_since_s`; says whether it was so.
    ///
    /// # Errors
    /// The store failed: the host is still there.
    pub fn retire_silent(
        &mut self,
        host: HostKey,
        silent_since_s: u32,
    ) -> Result<bool, StoreError> {
        self.until_first(|round| round.retire_silent(host.clone(), silent_since_s))
    }

    /// Forgets hosts that were retired before `before`, at most `caps::FORGOTTEN_MAX` of them: a
    /// later report makes each a new host. Says how many that were.
    ///
    /// # Errors
    /// The store failed: none is forgotten.
    pub fn forget_retired(&mut self, before: UnixMicros) -> Result<u64, StoreError> {
        self.until_first(|round| Ok(round.forget_retired(before)))
    }

    /// Makes ports of hosts ignored, or ignored no longer, by one write: all or none of them.
    ///
    /// # Errors
    /// The store failed: nothing was changed.
    pub fn ignore(&mut self, wanted: &Ignoring) -> Result<IgnoringDone, StoreError> {
        self.until_first(|round| round.ignore(wanted))
    }

    /// Makes all submissions durable, in their order, by one write unless they change too much for one.
    /// Every one is answered, whatever becomes of it.
    ///
    /// # Errors
    /// The store failed, as every submission was told that was not answered before: nothing of that
    /// write, and of those that would have followed it, was changed.
    pub fn serve(&mut self, mut submissions: Vec<Submission>) -> Result<(), Arc<StoreError>> {
        let all = submissions.len();
        submissions.retain(|submission| !submission.is_freshness());
        // IMPORTANT: apart from the write, which may fail: what was taken out waits no more.
        if submissions.len() < all {
            self.freshen();
        }
        submissions.retain(|submission| !submission.is_following());
        let mut left = VecDeque::from(submissions);
        loop {
            let made = match self.follow() {
                Ok(()) if left.is_empty() => Ok(()),
                Ok(()) => self.serve_some(&mut left),
                Err(error) => Err(Arc::new(error)),
            };
            match made {
                Ok(()) if left.is_empty() => return Ok(()),
                Ok(()) => {}
                Err(error) => {
                    for submission in left {
                        submission.answer(Err(Arc::clone(&error)));
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Makes as many submissions durable as go into one write, and answers them; none where a commit
    /// of another server came first.
    fn serve_some(&mut self, left: &mut VecDeque<Submission>) -> Result<(), Arc<StoreError>> {
        let reports = left.iter_mut().flat_map(Submission::reports);
        compare::compare_all(&*self.store, &self.working, reports.collect());
        let mut taken = Vec::with_capacity(left.len());
        let made = self.in_one_write(|round| {
            while let Some(mut submission) = left.pop_front() {
                match submission.decide(round) {
                    Ok(true) => taken.push(submission),
                    Ok(false) => {
                        left.push_front(submission);
                        break;
                    }
                    Err(error) => {
                        taken.push(submission);
                        return Err(error);
                    }
                }
            }
            Ok(())
        });
        if let Err(StoreError::Overtaken) = made {
            for submission in taken.into_iter().rev() {
                left.push_front(submission);
            }
            left.iter_mut().for_each(Submission::undecide);
            return Ok(());
        }
        let made = made.map_err(Arc::new);
        for submission in taken {
            submission.answer(made.clone());
        }
        made
    }

    /// The same as [`in_one_write`](Self::in_one_write), again and again behind what other servers
    /// commit, until nothing comes first.
    fn until_first<T>(
        &mut self,
        mut decide: impl FnMut(&mut Round<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            self.follow()?;
            match self.in_one_write(&mut decide) {
                Err(StoreError::Overtaken) => {}
                made => return made,
            }
        }
    }

    /// Lets `decide` gather a batch, makes it durable by one write, and publishes.
    fn in_one_write<T>(
        &mut self,
        decide: impl FnOnce(&mut Round<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // IMPORTANT: before the moment that its commits get; see `Published::as_of`.
        self.published.open_round(self.clock.now());
        let moments = Moments::new(self.clock.now(), self.last_at);
        let commit = self.last_commit + 1;
        let mut round = Round::new(&*self.store, &mut self.working, moments, commit);
        round.foreign_records = self.published.records_mark();
        let decided = decide(&mut round);
        let is_full = round.is_full();
        let (gathered, outcome) = round.end();
        let mut history = None;
        let made = decided.and_then(|decided| {
            if let Some(batch) = gathered.into_batch(commit) {
                self.store.commit(&batch)?;
                (self.last_commit, self.last_at) = (commit, batch.at);
                self.working.note_commit(commit, batch.at);
                let counters = &self.published.counters;
                Counters::add(&counters.commits, 1);
                Counters::add(&counters.commits_full, u64::from(is_full));
                tell_room(&mut self.without_room);
                if let Some(on_records) = &mut self.on_records
                    && !batch.records.is_empty()
                {
                    // What they do to who is awaited was decided with them.
                    let _decided = on_records(&batch.records);
                }
                history = batch.history.map(|write| RecentCommit {
                    commit,
                    at: batch.at,
                    record: write.value,
                });
            }
            Ok(decided)
        });
        match &made {
            Ok(_) => {
                self.published.state.store(Arc::new(self.working.clone()));
                outcome.tell(&self.published, &self.working, self.clock.now_s());
                if let Some(record) = history {
                    self.published.tell_history(record);
                }
            }
            Err(error) => {
                let counters = &self.published.counters;
                match error {
                    StoreError::NoSpace { .. } => {
                        Counters::add(&counters.commits_without_space, 1);
                        tell_no_room(&mut self.without_room, error);
                    }
                    StoreError::Overtaken => Counters::add(&counters.commits_overtaken, 1),
                    StoreError::Unavailable { .. } => {
                        Counters::add(&counters.commits_unanswered, 1);
                    }
                    _ => {}
                }
                self.working = State::clone(&self.published.state.load());
            }
        }
        self.published.close_round();
        made
    }
}

/// A full disk refuses everything for as long as it lasts: it is told when it begins, here, and not
/// by each request that it meets.
fn tell_no_room(without_room: &mut u64, error: &StoreError) {
    *without_room += 1;
    if *without_room == 1 {
        tracing::error!(%error, "reports are refused until the disk has room");
    }
}

fn tell_room(without_room: &mut u64) {
    let commits_refused = std::mem::take(without_room);
    if commits_refused > 0 {
        tracing::info!(
            commits_refused,
            "the disk has room again, and reports are taken"
        );
    }
}
