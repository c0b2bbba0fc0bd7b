//! The committer's thread: one queue and one writer for reports, records and retirements.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portolan_census::Selection;
use portolan_store::{
    Decision, Handle, Prepared, Published, Queue, QueueFull, RecordChange, RecordKey, RecordKind,
    Retirement, Store, StoreError, Submission, start,
};
use portolan_wire::caps;

use crate::bench::{Bench, PROJECT, host_key, report};
use crate::memory_store::MemoryStore;

struct Running {
    queue: Queue,
    handle: Handle,
    store: Arc<MemoryStore>,
    published: Arc<Published>,
    fatal: Arc<Mutex<Option<Arc<StoreError>>>>,
}

fn run(bench: Bench) -> Running {
    let fatal = Arc::new(Mutex::new(None));
    let told = Arc::clone(&fatal);
    let (committer, store, published) = bench.into_committer();
    let on_fatal = move |error| *told.lock().unwrap() = Some(error);
    let (queue, handle) = start(committer, on_fatal).unwrap();
    Running {
        queue,
        handle,
        store,
        published,
        fatal,
    }
}

type Answer<T> = Receiver<Result<T, Arc<StoreError>>>;

impl Running {
    fn reports(&self, host: &str, sequence: u64) -> Answer<Vec<Decision>> {
        let report = report(host, 1, sequence, &[22]);
        let prepared = Prepared::new(PROJECT.into(), &report, Selection::Whole).unwrap();
        let (sender, answer) = channel();
        let reply = Box::new(move |outcome| sender.send(outcome).unwrap());
        let submission = Submission::new(vec![prepared], reply);
        self.queue.submit(submission).unwrap();
        answer
    }

    fn token(&self, id: &str) -> Answer<()> {
        let change = RecordChange::put(token(id), vec![1]).unwrap();
        let (sender, answer) = channel();
        let reply = Box::new(move |outcome| sender.send(outcome).unwrap());
        let submission = Submission::records(vec![change], reply);
        self.queue.submit(submission).unwrap();
        answer
    }

    fn retire(&self, host: &str) -> Answer<Retirement> {
        let (sender, answer) = channel();
        let reply = Box::new(move |outcome| sender.send(outcome).unwrap());
        let submission = Submission::retire(host_key(host), Selection::Whole, reply);
        self.queue.submit(submission).unwrap();
        answer
    }
}

fn token(id: &str) -> RecordKey {
    RecordKey {
        kind: RecordKind::Token,
        id: id.into(),
    }
}

#[test]
fn submissions_of_every_kind_are_answered_in_order_and_share_writes() {
    let running = run(Bench::new());
    let store = Arc::clone(&running.store);
    let held = store.hold();
    let first = running.reports("h", 1);
    // What is submitted while a write is under way shares the next one.
    let mut rest = Vec::new();
    for n in 0..50 {
        rest.push((
            running.token(&n.to_string()),
            running.reports("g", n + 1),
            running.retire("h"),
            running.reports("h", n + 2),
        ));
    }
    assert!(first.try_recv().is_err(), "answered before it is durable");
    drop(held);
    let accepted = vec![Decision::Accepted { fresh: true }];
    assert_eq!(first.recv().unwrap().unwrap(), accepted);
    for (token, other, retired, again) in rest {
        token.recv().unwrap().unwrap();
        assert_eq!(other.recv().unwrap().unwrap(), accepted);
        assert_eq!(retired.recv().unwrap().unwrap(), Retirement::Retired);
        assert_eq!(again.recv().unwrap().unwrap(), accepted);
    }
    assert!(running.store.record(&token("49")).unwrap().is_some());
    assert!(
        running
            .published
            .state
            .load()
            .host(&host_key("h"))
            .is_some()
    );
    let writes = running.store.writes();
    assert!((1..=2).contains(&writes), "{writes} writes");
    let Running { queue, handle, .. } = running;
    // They are given back once all of a write have their answers, a moment after the last one has.
    let until = Instant::now() + Duration::from_secs(60);
    while queue.waiting_bytes() > 0 {
        assert!(Instant::now() < until, "bytes that nobody gives back");
        std::thread::yield_now();
    }
    drop(queue);
    handle.join();
}

/// Invariant 7: beside the one that is being written so many submissions wait, and not one more.
#[test]
fn the_queue_takes_16384_submissions_and_refuses_the_next_until_there_is_room() {
    let running = run(Bench::new());
    let ((started, has_started), (end, ended)) = (channel(), channel::<()>());
    running.store.during_next_commit(move || {
        started.send(()).unwrap();
        // Until the queue was filled; then the other end is gone.
        let _gone = ended.recv();
    });
    let first = running.token("t");
    has_started.recv().unwrap();
    let waiting: Vec<_> = (0..caps::COMMIT_QUEUE_MAX)
        .map(|_| running.retire("absent"))
        .collect();
    let bytes = running.queue.waiting_bytes();
    let submit = || {
        let reply = Box::new(|_| ());
        let one_more = Submission::retire(host_key("absent"), Selection::Whole, reply);
        running.queue.submit(one_more)
    };
    // So many submissions at a thousand a second, as nothing was measured yet.
    let full = QueueFull::Full { retry_after_s: 17 };
    assert_eq!(submit(), Err(full));
    assert_eq!(running.queue.waiting_bytes(), bytes, "it takes no room");
    drop(end);
    first.recv().unwrap().unwrap();
    assert_eq!(waiting.len(), 16_384);
    for answer in waiting {
        assert_eq!(answer.recv().unwrap().unwrap(), Retirement::Unknown);
    }
    assert_eq!(submit(), Ok(()));
    let Running { queue, handle, .. } = running;
    drop(queue);
    handle.join();
}

/// Without space nothing is written, everybody is told, and the next try with space succeeds.
#[test]
fn no_space_is_told_to_all_who_wait_and_ends_nothing() {
    let bench = Bench::new();
    bench.store.fail_next_commit_with(StoreError::NoSpace {
        path: "/data".into(),
        free: 1,
        needed: 2,
    });
    let running = run(bench);
    let refused = running.reports("h", 1).recv().unwrap().unwrap_err();
    assert!(matches!(*refused, StoreError::NoSpace { .. }), "{refused}");
    assert!(!refused.is_fatal());
    assert_eq!(running.store.writes(), 0);
    let counters = &running.published.counters;
    assert_eq!(counters.commits_without_space.load(Ordering::Relaxed), 1);
    assert_eq!(counters.reports_accepted.load(Ordering::Relaxed), 0);
    let accepted = running.reports("h", 1).recv().unwrap().unwrap();
    assert_eq!(accepted, [Decision::Accepted { fresh: true }]);
    assert_eq!(counters.commits_without_space.load(Ordering::Relaxed), 1);
    running.token("t").recv().unwrap().unwrap();
    assert!(running.fatal.lock().unwrap().is_none());
    drop(running.queue);
    running.handle.join();
}

#[test]
fn a_failed_write_is_told_to_all_kinds_and_ends_the_committer() {
    let bench = Bench::new();
    bench.store.fail_next_commit();
    let running = run(bench);
    let failed = running.token("t").recv().unwrap().unwrap_err();
    assert!(matches!(*failed, StoreError::Write { .. }), "{failed}");
    running.handle.join();
    let fatal = running.fatal.lock().unwrap().take().unwrap();
    assert!(fatal.is_fatal());
    let late = Submission::retire(host_key("h"), Selection::Whole, Box::new(|_| ()));
    assert!(running.queue.submit(late).is_err());
}
