//! The committer's thread: takes what waits, commits it, answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use portolan_wire::caps;

use crate::StoreError;
use crate::committer::load::{Amount, Load};
use crate::committer::{Committer, Queue, Submission};

/// The running committer. It ends when every [`Queue`] is dropped, after all that waits.
pub struct Handle {
    thread: JoinHandle<()>,
}

impl Handle {
    /// Waits until it has ended.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the thread that commits has panicked");
        }
    }
}

/// Starts the thread. `on_fatal` is called once, after the waiting requests were answered, when a
/// write or a sync failed, or when the thread panicked: the process must end then, and the thread takes no more.
///
/// # Errors
/// The thread cannot be started.
pub fn start(
    committer: Committer,
    on_fatal: impl FnOnce(Arc<StoreError>) + Send + 'static,
) -> std::io::Result<(Queue, Handle)> {
    let (sender, receiver) = sync_channel(caps::COMMIT_QUEUE_MAX);
    let load = Arc::new(Load::default());
    let waiting = Arc::clone(&load);
    let store = Arc::clone(&committer.store);
    let thread = std::thread::Builder::new()
        .name("committer".into())
        .spawn(move || {
            // Nothing of the committer is used after a panic.
            let run = AssertUnwindSafe(|| run(committer, receiver, &waiting));
            match catch_unwind(run) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => on_fatal(error),
                Err(_) => {
                    let what = "the committer's thread panicked".into();
                    on_fatal(Arc::new(StoreError::Write { what }));
                }
            }
        })?;
    let mut queue = Queue {
        sender,
        load,
        open: None,
    };
    if let Some(shared) = store.shared() {
        shared.on_arrival(queue.waking());
    }
    Ok((queue, Handle { thread }))
}

/// Until every queue is dropped, or the store has failed for good.
fn run(
    mut committer: Committer,
    receiver: Receiver<Submission>,
    load: &Load,
) -> Result<(), Arc<StoreError>> {
    while let Ok(first) = receiver.recv() {
        let submissions = take_what_waits(first, &receiver);
        let taken = submissions.iter().map(Submission::amount);
        let taken: Amount = taken.sum();
        let begun = load.now();
        let outcome = committer.serve(submissions);
        load.measured(taken.reports, begun);
        load.remove(taken);
        if let Err(error) = outcome
            && error.is_fatal()
        {
            return Err(error);
        }
    }
    Ok(())
}

fn take_what_waits(first: Submission, receiver: &Receiver<Submission>) -> Vec<Submission> {
    let mut size = first.size();
    let mut submissions = vec![first];
    while size < caps::COMMIT_BATCH_MAX {
        let Ok(next) = receiver.try_recv() else { break };
        size += next.size();
        submissions.push(next);
    }
    submissions
}
