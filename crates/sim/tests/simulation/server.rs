//! A server's process without its sockets and threads: store, census, committer, queue.
//!
//! The parts are the program's own; that the process puts them together as `portolan-server` does
//! is what this file has to see to.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use portolan_census::{Liveness, Selection, State};
use portolan_store::{
    Clock, Committer, Decision, Ignoring, IgnoringDone, Prepared, Published, RecordChange,
    RecordKey, Retirement, Store, StoreError, Submission, rebuild, restore_liveness, seen,
};
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;

use crate::disk::Disk;
use crate::ingest::Asker;
use crate::log_store::LogStore;
use crate::model::Waiting;

/// The server's clock, which the world sets.
#[derive(Default)]
pub(crate) struct SimulatedClock(AtomicI64);

impl SimulatedClock {
    pub(crate) fn set(&self, now: UnixMicros) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::Relaxed))
    }
}

/// Something that waits for the committer.
pub(crate) enum Job {
    /// A report that was read.
    Report {
        prepared: Box<Prepared>,
        of: Reported,
    },
    /// An operator removes a host.
    Retire(HostKey),
    /// What is kept of hosts that were retired before then is to be forgotten.
    Forget(UnixMicros),
    /// An operator makes a token, or removes it.
    Record(RecordKey, Option<Vec<u8>>),
    /// An operator ignores one port of a host, or ignores it no longer.
    Ignore(Ignoring),
    /// A commit that changes nothing, where there was none since then.
    Tick(UnixMicros),
}

/// What is known of a report beside what the committer needs.
pub(crate) struct Reported {
    pub(crate) asker: Option<Asker>,
    pub(crate) node: usize,
    pub(crate) waiting: Waiting,
}

/// What became of a job.
pub(crate) enum Done {
    Report(Reported, Reply<Decision>),
    Retire(HostKey, Reply<Retirement>),
    Forget(UnixMicros, Reply<u64>),
    Record(RecordKey, Option<Vec<u8>>, Reply<()>),
    Ignore(Ignoring, Reply<IgnoringDone>),
}

/// What the committer answered, and how things stood at that very moment.
pub(crate) struct Reply<T> {
    pub(crate) told: Result<T, String>,
    /// How far things were durable: bytes of the journal, or commits of the cluster's log.
    pub(crate) durable: usize,
    /// What was visible.
    pub(crate) state: Arc<State>,
}

/// The committer's way to answer.
type AnswerTo<T> = Box<dyn FnOnce(Result<T, Arc<StoreError>>) + Send>;

/// Where an answer of the committer goes.
struct Slot<T>(Arc<Mutex<Option<Reply<T>>>>);

impl<T> Slot<T> {
    /// The answer, which must have come.
    fn take(self) -> Option<Reply<T>> {
        self.0.lock().unwrap().take()
    }
}

/// Says how far things were durable at a moment.
type HowFar = Arc<dyn Fn() -> usize + Send + Sync>;

/// A running server.
pub(crate) struct Process<S = LogStore> {
    pub(crate) store: Arc<S>,
    pub(crate) published: Arc<Published>,
    committer: Committer,
    clock: Arc<SimulatedClock>,
    durable: HowFar,
    /// What waits for the committer.
    pub(crate) queue: Vec<Job>,
    /// Whether a commit is planned.
    pub(crate) is_committing: bool,
}

impl Process<LogStore> {
    /// Starts over what is on the disk. Also says how many bytes of a torn batch were cut off.
    pub(crate) fn start(
        disk: &Arc<Mutex<Disk>>,
        clock: &Arc<SimulatedClock>,
    ) -> Result<(Self, usize), StoreError> {
        let (store, torn) = LogStore::open(Arc::clone(disk));
        let disk = Arc::clone(disk);
        let durable = move || disk.lock().unwrap().durable().len();
        let process = Self::over(Arc::new(store), clock, Arc::new(durable))?;
        Ok((process, torn))
    }
}

impl<S: Store + 'static> Process<S> {
    /// Starts over an open store. `durable` says how far things are durable.
    pub(crate) fn over(
        store: Arc<S>,
        clock: &Arc<SimulatedClock>,
        durable: HowFar,
    ) -> Result<Self, StoreError> {
        let (state, loaded) = rebuild(&*store, |_| {})?;
        let liveness = Liveness::new(clock.now_s());
        restore_liveness(&*store, &state, &liveness, clock.now_s())?;
        let published = Arc::new(Published::new(state, liveness, &loaded));
        let committer = Committer::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(clock) as Arc<dyn Clock>,
            Arc::clone(&published),
            &loaded,
        );
        if let Some(shared) = store.shared() {
            // The world says when something has come in.
            shared.on_arrival(Box::new(|| {}));
        }
        Ok(Self {
            store,
            published,
            committer,
            clock: Arc::clone(clock),
            durable,
            queue: Vec::new(),
            is_committing: false,
        })
    }

    /// Makes all that waits durable by one write. `None` where a job was not answered.
    pub(crate) fn serve(&mut self) -> (Vec<Option<Done>>, Result<(), Arc<StoreError>>) {
        let mut submissions = Vec::new();
        let mut answers: Vec<Box<dyn FnOnce() -> Option<Done>>> = Vec::new();
        for job in std::mem::take(&mut self.queue) {
            match job {
                Job::Report { prepared, of } => {
                    let (reply, slot) = self.slot();
                    let first = |decisions: Vec<Decision>| decisions.first().copied().unwrap();
                    let reply = Box::new(move |told: Result<_, _>| reply(told.map(first)));
                    submissions.push(Submission::new(vec![*prepared], reply));
                    answers.push(Box::new(|| Some(Done::Report(of, slot.take()?))));
                }
                Job::Retire(key) => {
                    let (reply, slot) = self.slot();
                    submissions.push(Submission::retire(key.clone(), Selection::Whole, reply));
                    answers.push(Box::new(|| Some(Done::Retire(key, slot.take()?))));
                }
                Job::Forget(before) => {
                    let (reply, slot) = self.slot();
                    submissions.push(Submission::forget_retired(before, reply));
                    answers.push(Box::new(move || Some(Done::Forget(before, slot.take()?))));
                }
                Job::Record(key, value) => {
                    let (reply, slot) = self.slot();
                    let change = match value.clone() {
                        Some(value) => RecordChange::put(key.clone(), value).unwrap(),
                        None => RecordChange::remove(key.clone()),
                    };
                    submissions.push(Submission::records(vec![change], reply));
                    answers.push(Box::new(|| Some(Done::Record(key, value, slot.take()?))));
                }
                Job::Ignore(wanted) => {
                    let (reply, slot) = self.slot();
                    submissions.push(Submission::ignore(wanted.clone(), reply));
                    answers.push(Box::new(|| Some(Done::Ignore(wanted, slot.take()?))));
                }
                Job::Tick(since) => submissions.push(Submission::tick(since)),
            }
        }
        let outcome = self.committer.serve(submissions);
        (
            answers.into_iter().map(|answer| answer()).collect(),
            outcome,
        )
    }

    fn slot<T: Send + 'static>(&self) -> (AnswerTo<T>, Slot<T>) {
        let slot = Arc::new(Mutex::new(None));
        let (durable, published) = (Arc::clone(&self.durable), Arc::clone(&self.published));
        let to = Arc::clone(&slot);
        let reply = move |told: Result<T, Arc<StoreError>>| {
            *to.lock().unwrap() = Some(Reply {
                told: told.map_err(|error| error.to_string()),
                durable: durable(),
                state: published.state.load_full(),
            });
        };
        (Box::new(reply), Slot(slot))
    }

    pub(crate) fn now_s(&self) -> u32 {
        self.clock.now_s()
    }

    /// What the server does each second.
    pub(crate) fn roll(&mut self) {
        self.published.liveness.roll(self.clock.now_s());
        self.committer.freshen();
    }

    /// What the server does each minute.
    pub(crate) fn keep_seen(&self) -> Result<(), StoreError> {
        self.store.save_seen(&seen(&self.published.state.load()))
    }
}
