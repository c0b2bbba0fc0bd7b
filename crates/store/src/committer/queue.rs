//! What waits for the committer: bounded in submissions and in bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};

use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::StoreError;
use crate::committer::load::{Amount, Load};
use crate::committer::round::Round;
use crate::committer::{Decision, Ignoring, IgnoringDone, Prepared, Retirement};
use crate::record::RecordChange;

/// How a submission is answered, once what it asks for is durable and visible. The call comes from
/// the committer's thread and must not block.
pub(super) type Reply<T> = Box<dyn FnOnce(Result<T, Arc<StoreError>>) + Send>;

/// A submission's answer that waits for the write: called with what became of it.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Arc<StoreError>>)>;

/// What one request wants committed, and what to call with the outcome.
pub struct Submission {
    wanted: Wanted,
    pub(super) bytes: usize,
    /// Reports of somebody who was told to come again, and does.
    comes_again: bool,
}

enum Wanted {
    Reports(Reports, Reply<Vec<Decision>>),
    Records(Vec<RecordChange>, Reply<()>),
    Retirement(HostKey, Selection, Reply<Retirement>),
    Silence(HostKey, u32, Reply<bool>),
    Forgetting(UnixMicros, Reply<u64>),
    Ignoring(Ignoring, Reply<IgnoringDone>),
    Freshness,
}

/// Reports, the first of which may be decided and durable.
struct Reports {
    left: VecDeque<Prepared>,
    decided: Vec<Decision>,
}

/// What a write makes of a submission.
pub(super) enum Step {
    /// All of it is in the write.
    Done(Answer),
    /// It, or what is left of it, is for the next write.
    Left(Submission),
}

impl Submission {
    /// Reports; they are answered in their order, once all are durable. Many that change much may take
    /// several writes.
    pub fn new(reports: Vec<Prepared>, reply: Reply<Vec<Decision>>) -> Self {
        let bytes = reports.iter().map(Prepared::bytes).sum();
        let reports = Reports {
            decided: Vec::with_capacity(reports.len()),
            left: reports.into(),
        };
        Self {
            wanted: Wanted::Reports(reports, reply),
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
            wanted: Wanted::Records(changes, reply),
            bytes,
            comes_again: false,
        }
    }

    /// The retirement of a host, if it is in an enterprise project of `granted`.
    pub fn retire(host: HostKey, granted: Selection, reply: Reply<Retirement>) -> Self {
        Self {
            wanted: Wanted::Retirement(host, granted, reply),
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// The retirement of a host, if it was not heard since the second `silent_since_s`: the reply says
    /// whether it is retired by that.
    pub fn retire_silent(host: HostKey, silent_since_s: u32, reply: Reply<bool>) -> Self {
        Self {
            wanted: Wanted::Silence(host, silent_since_s, reply),
            bytes: size_of::<Self>(),
            comes_again: false,
        }
    }

    /// The end of what is kept of hosts that were retired before `before`, at most
    /// `caps::FORGOTTEN_MAX` of them; the reply says how many that were.
    pub fn forget_retired(before: UnixMicros, reply: Reply<u64>) -> Self {
        Self {
            wanted: Wanted::Forgetting(before, reply),
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
            wanted: Wanted::Ignoring(wanted, reply),
            comes_again: false,
        }
    }

    /// What it adds to a batch: reports, or as much as one.
    pub(super) fn size(&self) -> usize {
        match &self.wanted {
            Wanted::Reports(reports, _) => reports.left.len(),
            Wanted::Records(changes, _) => changes.len(),
            Wanted::Retirement(..) | Wanted::Silence(..) => 1,
            Wanted::Forgetting(..) => caps::FORGOTTEN_MAX,
            Wanted::Ignoring(wanted, _) => wanted.items.len().max(1),
            Wanted::Freshness => 1,
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
            | Wanted::Retirement(..)
            | Wanted::Silence(..)
            | Wanted::Forgetting(..)
            | Wanted::Ignoring(..)
            | Wanted::Freshness => &mut [],
        }
    }

    /// Decides it as part of a round, as far as the round takes more. An error is for the whole round.
    pub(super) fn decide(self, round: &mut Round<'_>) -> (Step, Result<(), StoreError>) {
        if round.is_full() {
            return (Step::Left(self), Ok(()));
        }
        let (answer, decided) = match self.wanted {
            Wanted::Reports(mut reports, reply) => {
                let made = round.reports(&mut reports.left, &mut reports.decided);
                if made.is_ok() && !reports.left.is_empty() {
                    let wanted = Wanted::Reports(reports, reply);
                    return (Step::Left(Self { wanted, ..self }), Ok(()));
                }
                waiting(made.map(|()| reports.decided), reply)
            }
            Wanted::Records(changes, reply) => waiting(round.records(changes), reply),
            Wanted::Retirement(host, granted, reply) => {
                waiting(round.retire(host, &granted), reply)
            }
            Wanted::Silence(host, silent_since_s, reply) => {
                waiting(round.retire_silent(host, silent_since_s), reply)
            }
            Wanted::Forgetting(before, reply) => waiting(Ok(round.forget_retired(before)), reply),
            Wanted::Ignoring(wanted, reply) => waiting(round.ignore(&wanted), reply),
            // It is no part of a write.
            Wanted::Freshness => (Box::new(|_| {}) as Answer, Ok(())),
        };
        (Step::Done(answer), decided)
    }

    /// Answers that the store failed before it was durable.
    pub(super) fn fail(self, error: Arc<StoreError>) {
        match self.wanted {
            Wanted::Reports(_, reply) => reply(Err(error)),
            Wanted::Records(_, reply) => reply(Err(error)),
            Wanted::Retirement(_, _, reply) => reply(Err(error)),
            Wanted::Silence(_, _, reply) => reply(Err(error)),
            Wanted::Forgetting(_, reply) => reply(Err(error)),
            Wanted::Ignoring(_, reply) => reply(Err(error)),
            Wanted::Freshness => {}
        }
    }
}

fn waiting<T: 'static>(
    decided: Result<T, StoreError>,
    reply: Reply<T>,
) -> (Answer, Result<(), StoreError>) {
    match decided {
        Ok(decided) => {
            let answer = move |made: Result<(), _>| reply(made.map(|()| decided));
            (Box::new(answer), Ok(()))
        }
        Err(error) => {
            // Its round fails with it, so there is only an error to tell.
            let answer = move |made: Result<(), _>| {
                if let Err(error) = made {
                    reply(Err(error));
                }
            };
            (Box::new(answer), Err(error))
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
}

impl Queue {
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
