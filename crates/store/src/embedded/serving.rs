//! A store in use: one batch after the other, each durable before it returns.
//!
//! The order within a commit is the promise: the batch is written and synced, then the mark is
//! written, then the caller may answer. A commit that fails anywhere ends the store's use: after a
//! failed sync the kernel may have dropped the pages, and trying again would only look like success.
//!
//! Holds: count and sum in memory are those of the last durable commit record.

use parking_lot::Mutex;

use super::EmbeddedOptions;
use super::engine::{Change, Durability, Engine, Mode, Trouble};
use super::identity::StoreId;
use super::journals;
use super::kinds::{CommitRecord, host_key, host_value};
use super::layout::DataDir;
use super::mark::{Mark, MarkKeeper};
use crate::{Batch, HostWrite, StoreError};

/// An open store that takes commits.
pub(crate) struct Serving {
    engine: Engine,
    mark: MarkKeeper,
    log: Mutex<Log>,
}

struct Log {
    head: CommitRecord,
    /// A write failed: nothing is written any more.
    failed: bool,
}

impl Serving {
    /// Clears the clean flag and opens the database for use. No other may have it open.
    pub(crate) fn start(
        dir: &DataDir,
        head: CommitRecord,
        options: &EmbeddedOptions,
    ) -> Result<Self, StoreError> {
        // Before the workers run: they rotate journals, which a clean mark would contradict.
        let mark = MarkKeeper::start(dir, &mark_of(head.store, head.number))?;
        let engine =
            Engine::open(&dir.engine(), options, Mode::Serving).map_err(
                |trouble| match trouble {
                    Trouble::Damaged(what) => dir.damaged(what),
                    Trouble::Failed(what) => StoreError::Read { what },
                },
            )?;
        Ok(Self {
            engine,
            mark,
            log: Mutex::new(Log {
                head,
                failed: false,
            }),
        })
    }

    /// The open database.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes a batch durable.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        if log.failed {
            return Err(not_written(
                "an earlier write failed, and the process must end",
            ));
        }
        let head = head_after(&log.head, batch)?;
        let mut changes = Vec::with_capacity(batch.hosts.len() + 1);
        for write in &batch.hosts {
            changes.push(host_change(write)?);
        }
        changes.push(Change::Put(CommitRecord::KEY.to_vec(), head.encode()));
        let written = self
            .engine
            .write(changes, Durability::Synced)
            .map_err(|trouble| not_written(trouble.into_text()))
            .and_then(|()| {
                let mark = mark_of(head.store, head.number);
                self.mark
                    .set(&mark)
                    .map_err(|cause| not_written(format!("commit.mark: {cause}")))
            });
        match &written {
            Ok(()) => log.head = head,
            Err(_) => log.failed = true,
        }
        written
    }

    /// Syncs everything and leaves the clean flag.
    pub(crate) fn close(self, dir: &DataDir) -> Result<(), StoreError> {
        let Self { engine, mark, log } = self;
        let Log { head, failed } = log.into_inner();
        if failed {
            return Err(not_written(
                "an earlier write failed, so the store is not closed cleanly",
            ));
        }
        engine
            .settle()
            .map_err(|trouble| not_written(trouble.into_text()))?;
        // Ends the workers: from here on the journals stay as they are.
        drop(engine);
        let closed_with = Some(journals::present(dir)?);
        mark.finish(&Mark {
            closed_with,
            ..mark_of(head.store, head.number)
        })
        .map_err(|cause| not_written(format!("commit.mark: {cause}")))
    }
}

fn mark_of(store: StoreId, commit: u64) -> Mark {
    Mark {
        store,
        commit,
        closed_with: None,
    }
}

/// Where the log stands after `batch`; an error if the batch does not fit on it.
fn head_after(head: &CommitRecord, batch: &Batch) -> Result<CommitRecord, StoreError> {
    if Some(batch.commit) != head.number.checked_add(1) {
        let (found, last) = (batch.commit, head.number);
        return Err(not_written(format!(
            "commit {found} does not follow commit {last}"
        )));
    }
    let totals = head.totals.after(&batch.hosts).ok_or_else(|| {
        not_written(format!(
            "commit {} takes away more hosts than there are",
            batch.commit
        ))
    })?;
    Ok(CommitRecord {
        store: head.store,
        number: batch.commit,
        at: batch.at,
        totals,
    })
}

fn host_change(write: &HostWrite) -> Result<Change, StoreError> {
    let key = host_key(&write.key).ok_or_else(|| {
        let len = write.key.project.as_str().len();
        not_written(format!("a project id of {len} bytes is too long for a key"))
    })?;
    Ok(match &write.value {
        Some(value) => Change::Put(key, host_value(value)),
        None => Change::Remove(key),
    })
}

pub(crate) fn not_written(what: impl Into<String>) -> StoreError {
    StoreError::Write { what: what.into() }
}
