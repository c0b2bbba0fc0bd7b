//! What waits for the committer: bounded in submissions and in bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};

use parking_lot::Mutex;
use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::StoreError;
use crate::committer::load::{Amount, Load};
use crate::committer::round::Round;
use crate::committer::{Decision, Ignoring, IgnoringDone, Prepared, Retirement};
use crate::record::RecordChange;
use crate::store::Wake;

/// How a submission is answered, once what it asks for is durable and visible. The call comes from
/// the committer's thread and must not block.
pub(super) type Reply<T> = Box<dyn FnOnce(Result<T, Arc<StoreError>>) + Send>;

/// What one request wants committed, and what to call with the outcome.
pub struct Submission {
    wanted: Wanted,
    pub(super) bytes: usize,
    /// Reports of somebody who was told to come again, and does.
    comes_again: bool,
}

enum Wanted {
    Reports(Reports, Asked<Vec<Decision>>),
    Records(Vec<RecordChange>, Asked<()>),
    Checked(Vec<RecordChange>, u64, Asked<Checked>),
    Retirement(HostKey, Selection, Asked<Retirement>),
    Silence(HostKey, u32, Asked<bool>),
    Forgetting(UnixMicros, Asked<u64>),
    Ignoring(Ignoring, Asked<IgnoringDone>),
    Freshness,
    Following,
    Tick(UnixMicros),
}

/// What became of changes of records that rest on a check made before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// They are durable and visible.
    Made,
    /// Another server changed records since the check: nothing was changed, and it is to be made again.
    Again,
}

/// Reports, the first of which may be decided and durable.
struct Reports {
    left: VecDeque<Prepared>,
    decided: Vec<Decision>,
    /// As they were before the write that is being made, where it may be overtaken.
    before: Option<(VecDeque<Prepared>, usize)>,
}

/// Who asks, and what is to be answered once the write is durable.
struct Asked<T> {
    reply: Reply<T>,
    decided: Option<T>,
}

impl<T> Asked<T> {
    fn by(reply: Reply<T>) -> Self {
        Self {
            reply,
            decided: None,
        }
    }

    fn decide(&mut self, decided: Result<T, StoreError>) -> Result<(), StoreError> {
        self.decided = Some(decided?);
        Ok(())
    }

    fn answer(self, made: Result<(), Arc<StoreError>>) {
        match (made, self.decided) {
            (Ok(()), Some(decided)) => (self.reply)(Ok(decided)),
            // Its round failed with it, so it is not answered as made.
            (Ok(()), None) => {}
            (Err(error), _) => (self.reply)(Err(error)),
        }
    }
}

impl Submission {
    /// Reports; they are answered in their order, once all are durable. Many that change much may take
    /// several writes.
    pub fn new(reports: Vec<Prepared>, reply: Reply<Vec<Decision>>) -> Self {
        let bytes = reports.iter().map(Prepared::bytes).sum();
        let reports = Reports {
            decided: Vec::with_capacity(reports.len()),
            left: reports.into(),
            before: None,
        };
        Self {
            wanted: Wanted::Reports(reports, Asked::by(reply)),
            bytes,
            comes_again: false,
        }
    }

    /// The same, of somebody who was refused before and told when to come again.
    #[must_use]
    pub fn coming_again(self, comes_again: bool) -> Self {
        Self {
            comes_again,
            ..self
        }
    }

    /// Changes of records beside the hosts, all or none of which become durable. Of several changes
    /// of one record the last counts.
    pub fn records(changes: Vec<RecordChange>, reply: Reply<()>) -> Self {
        let bytes = changes.iter().map(RecordChange::bytes).sum();
        Self {
            wanted: Wanted::Records(changes, Asked::by(reply)),
            bytes,
            comes_again: false,
        }
    }

    /// The same, which are made only if no other server has changed a record since
    /// [`Published::records_mark`](crate::Published::records_mark) was `mark`: what was checked after
    /// that call still holds.
    pub fn checked_records(changes: Vec<RecordChange>, mark: u64, reply: Reply<Checked>) -> Self {
        let bytes = changes.iter().map(RecordChange::bytes).sum();
        Self {
            wanted: Wanted::Checked(changes, mark, Asked::by(reply)),
            bytes,
            comes_again: false,
        }
    }

    /// The retirement of a host, if it is in an enterprise project of `granted`.
    pub fn retire(host: HostKey, granted: Selection, reply: Reply<Retirement>) -> Self {
        Self {
            wanted: Wanted::Retirement(host, granted, Asked::by(reply)),
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// The retirement of a host, if it was not heard since the second `silent_since_s`: the reply says
    /// whether it is retired by that.
    pub fn retire_silent(host: HostKey, silent_since_s: u32, reply: Reply<bool>) -> Self {
        Self {
            wanted: Wanted::Silence(host, silent_since_s, Asked::by(reply)),
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// The end of what is kept of hosts that were retired before `before`, at most
    /// `caps::FORGOTTEN_MAX` of them; the reply says how many that were.
    pub fn forget_retired(before: UnixMicros, reply: Reply<u64>) -> Self {
        Self {
            wanted: Wanted::Forgetting(before, Asked::by(reply)),
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// That the census take in which hosts have become fresh or stale.
    pub fn freshness() -> Self {
        Self {
            wanted: Wanted::Freshness,
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// That what others committed be taken in, which comes before all that is submitted anyway.
    pub fn following() -> Self {
        Self {
            wanted: Wanted::Following,
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// A commit that changes nothing, so that the state is known to be complete up to it; none where
    /// there is one at `since` or later.
    pub fn tick(since: UnixMicros) -> Self {
        Self {
            wanted: Wanted::Tick(since),
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// Whether it is about freshness, which needs no write.
    pub(super) fn is_freshness(&self) -> bool {
        matches!(self.wanted, Wanted::Freshness)
    }

    /// Ports of hosts that are to be ignored, or no longer; all of them or none.
    pub fn ignore(wanted: Ignoring, reply: Reply<IgnoringDone>) -> Self {
        // An item is three short ids at most.
        const ITEM_BYTES: usize = 512;
        Self {
            bytes: size_of::<Self>() + wanted.items.len() * ITEM_BYTES,
            wanted: Wanted::Ignoring(wanted, Asked::by(reply)),
            comes_again: false,
        }
    }

    /// Whether it only asks that others' commits be taken in.
    pub(super) fn is_following(&self) -> bool {
        matches!(self.wanted, Wanted::Following)
    }

    /// What it adds to a batch: reports, or as much as one.
    pub(super) fn size(&self) -> usize {
        match &self.wanted {
            Wanted::Reports(reports, _) => reports.left.len(),
            Wanted::Records(changes, _) | Wanted::Checked(changes, ..) => changes.len(),
            Wanted::Retirement(..) | Wanted::Silence(..) => 1,
            Wanted::Forgetting(..) => caps::FORGOTTEN_MAX,
            Wanted::Ignoring(wanted, _) => wanted.items.len().max(1),
            Wanted::Freshness | Wanted::Following | Wanted::Tick(_) => 1,
        }
    }

    /// What it adds to what waits.
    pub(super) fn amount(&self) -> Amount {
        Amount {
            bytes: self.bytes,
            submissions: 1,
            reports: self.size(),
        }
    }

    /// Whether others may go before it: only reports come in crowds.
    fn is_of_reports(&self) -> bool {
        matches!(self.wanted, Wanted::Reports(..))
    }

    /// The reports in it that are not decided.
    pub(super) fn reports(&mut self) -> &mut [Prepared] {
        match &mut self.wanted {
            Wanted::Reports(reports, _) => reports.left.make_contiguous(),
            Wanted::Records(..)
            | Wanted::Checked(..)
            | Wanted::Retirement(..)
            | Wanted::Silence(..)
            | Wanted::Forgetting(..)
            | Wanted::Ignoring(..)
            | Wanted::Freshness
            | Wanted::Following
            | Wanted::Tick(_) => &mut [],
        }
    }

    /// Decides it as part of a round, as far as the round takes more; says whether that is all of it.
    /// An error is for the whole round.
    pub(super) fn decide(&mut self, round: &mut Round<'_>) -> Result<bool, StoreError> {
        if round.is_full() {
            return Ok(false);
        }
        match &mut self.wanted {
            Wanted::Reports(reports, asked) => {
                if round.may_be_overtaken() {
                    reports.before = Some((reports.left.clone(), reports.decided.len()));
                }
                round.reports(&mut reports.left, &mut reports.decided)?;
                if !reports.left.is_empty() {
                    return Ok(false);
                }
                asked.decided = Some(reports.decided.clone());
            }
            Wanted::Records(changes, asked) => asked.decide(round.records(changes.clone()))?,
            Wanted::Checked(_, mark, asked) if *mark != round.foreign_records => {
                asked.decide(Ok(Checked::Again))?;
            }
            Wanted::Checked(changes, _, asked) => {
                let made = round.records(changes.clone());
                asked.decide(made.map(|()| Checked::Made))?;
            }
            Wanted::Retirement(host, granted, asked) => {
                asked.decide(round.retire(host.clone(), granted))?;
            }
            Wanted::Silence(host, silent_since_s, asked) => {
                asked.decide(round.retire_silent(host.clone(), *silent_since_s))?;
            }
            Wanted::Forgetting(before, asked) => asked.decide(Ok(round.forget_retired(*before)))?,
            Wanted::Ignoring(wanted, asked) => asked.decide(round.ignore(wanted))?,
            Wanted::Tick(since) => round.tick(*since),
            // It is no part of a write.
            Wanted::Freshness | Wanted::Following => {}
        }
        Ok(true)
    }

    /// Takes back what was decided for a write that another server's commit overtook.
    pub(super) fn undecide(&mut self) {
        if let Wanted::Reports(reports, _) = &mut self.wanted
            && let Some((left, decided)) = reports.before.take()
        {
            reports.left = left;
            reports.decided.truncate(decided);
        }
    }

    /// Answers, once it is durable and visible or the store has failed.
    pub(super) fn answer(self, made: Result<(), Arc<StoreError>>) {
        match self.wanted {
            Wanted::Reports(_, asked) => asked.answer(made),
            Wanted::Records(_, asked) => asked.answer(made),
            Wanted::Checked(_, _, asked) => asked.answer(made),
            Wanted::Retirement(_, _, asked) => asked.answer(made),
            Wanted::Silence(_, _, asked) => asked.answer(made),
            Wanted::Forgetting(_, asked) => asked.answer(made),
            Wanted::Ignoring(_, asked) => asked.answer(made),
            Wanted::Freshness | Wanted::Following | Wanted::Tick(_) => {}
        }
    }
}

/// Too much waits already, or the committer has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// Too many submissions or bytes wait, or others who were told to come again are expected.
    #[error("the committer's queue is full for {retry_after_s} s")]
    Full {
        /// When there is a place, in seconds.
        retry_after_s: u32,
    },
    /// The committer takes no more.
    #[error("the committer has ended")]
    Ended,
}

/// The queue's end for those who submit.
#[derive(Clone)]
pub struct Queue {
    pub(super) sender: SyncSender<Submission>,
    pub(super) load: Arc<Load>,
    pub(super) open: Option<Arc<Open>>,
}

/// Goes with the last queue: the committer ends then, though somebody might still wake it.
pub(super) struct Open(Arc<Mutex<Option<SyncSender<Submission>>>>);

impl Drop for Open {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

impl Queue {
    /// What wakes the committer when something of other servers has come in.
    pub(super) fn waking(&mut self) -> Wake {
        let waker = Arc::new(Mutex::new(Some(self.sender.clone())));
        self.open = Some(Arc::new(Open(Arc::clone(&waker))));
        let load = Arc::clone(&self.load);
        Box::new(move || {
            if let Some(sender) = &*waker.lock() {
                let following = Submission::following();
                let amount = following.amount();
                load.add(amount);
                // A full queue is work, and before any of it the committer looks by itself.
                if sender.try_send(following).is_err() {
                    load.remove(amount);
                }
            }
        })
    }

    /// Submits.
    ///
    /// # Errors
    /// The queue is full, or the committer has ended. The submission is dropped unanswered.
    pub fn submit(&self, submission: Submission) -> Result<(), QueueFull> {
        let amount = submission.amount();
        if submission.is_of_reports() && self.load.keeps_out(submission.comes_again) {
            return Err(self.full(amount));
        }
        let waiting = self.load.add(amount);
        // One submission may exceed the cap, when nothing else waits: it has to go through some time.
        let too_many = waiting.saturating_add(amount.bytes) > caps::COMMIT_QUEUE_BYTES_MAX;
        if waiting > 0 && too_many {
            self.load.remove(amount);
            return Err(self.full(amount));
        }
        self.sender.try_send(submission).map_err(|error| {
            self.load.remove(amount);
            match error {
                TrySendError::Full(_) => self.full(amount),
                TrySendError::Disconnected(_) => QueueFull::Ended,
            }
        })
    }

    fn full(&self, amount: Amount) -> QueueFull {
        QueueFull::Full {
            retry_after_s: self.load.turn(amount.reports),
        }
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.load.bytes.load(Ordering::Acquire)
    }
}
