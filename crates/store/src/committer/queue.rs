//! What waits for the committer: bounded in submissions and in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use portolan_wire::caps;

use crate::StoreError;
use crate::committer::{Decision, Prepared};

/// How a submission is answered: in the order of its reports, once they are durable and visible.
pub(super) type Reply = Box<dyn FnOnce(Result<Vec<Decision>, Arc<StoreError>>) + Send>;

/// The reports of one request.
pub struct Submission {
    pub(super) reports: Vec<Prepared>,
    pub(super) reply: Reply,
    pub(super) bytes: usize,
}

impl Submission {
    /// Reports, and what to call with their decisions. The call comes from the committer's thread
    /// and must not block.
    pub fn new(reports: Vec<Prepared>, reply: Reply) -> Self {
        let bytes = reports.iter().map(Prepared::bytes).sum();
        Self {
            reports,
            reply,
            bytes,
        }
    }
}

/// Too much waits already, or the committer has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFull {
    /// Too many submissions or bytes wait: try again in a second.
    #[error("the committer's queue is full")]
    Full,
    /// The committer takes no more.
    #[error("the committer has ended")]
    Ended,
}

/// The queue's end for those who submit.
#[derive(Clone)]
pub struct Queue {
    pub(super) sender: SyncSender<Submission>,
    pub(super) bytes: Arc<AtomicUsize>,
}

impl Queue {
    /// Submits reports.
    ///
    /// # Errors
    /// The queue is full, or the committer has ended. The submission is dropped unanswered.
    pub fn submit(&self, submission: Submission) -> Result<(), QueueFull> {
        let bytes = submission.bytes;
        let waiting = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        // One submission may exceed the cap, when nothing else waits: it has to go through some time.
        let sent = if waiting > 0 && waiting.saturating_add(bytes) > caps::COMMIT_QUEUE_BYTES_MAX {
            Err(QueueFull::Full)
        } else {
            self.sender
                .try_send(submission)
                .map_err(|error| match error {
                    TrySendError::Full(_) => QueueFull::Full,
                    TrySendError::Disconnected(_) => QueueFull::Ended,
                })
        };
        if sent.is_err() {
            self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        }
        sent
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }
}
