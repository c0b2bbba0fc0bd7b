//! A store in use: one batch after the other, each durable before it returns.
//!
//! The order within a commit is the promise: the batch is written and synced, then the mark is
//! written, then the caller may answer. A commit that fails anywhere ends the store's use: after a
//! failed sync the kernel may have dropped the pages, and trying again would only look like success.
//!
//! Holds: count and sum in memory are those of the last durable commit record.

use parking_lot::Mutex;

use super::EmbeddedOptions;
use super::engine::{Change, Durability, Engine, Mode};
use super::entry;
use super::history::{History, Link, record_key as record_key_of};
use super::identity::{Identity, StoreId};
use super::journals;
use super::kinds::{CommitRecord, host_key, record_key, value_of};
use super::layout::DataDir;
use super::mark::{Mark, MarkKeeper};
use super::seen;
use super::space;
use crate::{Batch, Checkpoint, CopyOut, SeenAt, StoreError};

/// An open store that takes commits.
pub(crate) struct Serving {
    dir: DataDir,
    options: EmbeddedOptions,
    engine: Engine,
    history: History,
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
        mut identity: Identity,
        head: CommitRecord,
        options: &EmbeddedOptions,
    ) -> Result<Self, StoreError> {
        journals::make_durable(dir)?;
        History::upgrade(dir, &mut identity, &head)?;
        // Before the workers run: they rotate journals, which a clean mark would contradict.
        let mark = MarkKeeper::start(dir, &mark_of(head.store, head.number))?;
        let engine = Engine::open(&dir.engine(), options, Mode::Serving)
            .map_err(|trouble| trouble.not_read(dir))?;
        let history = History::start(dir, &engine, identity, head.history, options)?;
        Ok(Self {
            dir: dir.clone(),
            options: *options,
            engine,
            history,
            mark,
            log: Mutex::new(Log {
                head,
                failed: false,
            }),
        })
    }

    /// The number of the last commit.
    pub(crate) fn last_commit(&self) -> u64 {
        self.log.lock().head.number
    }

    /// The open database.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes a batch durable, unless too little space is left.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut log = self.log.lock();
        if log.failed {
            return Err(not_written(
                "an earlier write failed, and the process must end",
            ));
        }
        let head = head_after(&log.head, batch)?;
        self.check_room(batch)?;
        let mut changes = Vec::with_capacity(batch.hosts.len() + batch.records.len() + 1);
        for write in &batch.hosts {
            changes.push(change(host_key(&write.key), write.value.as_deref())?);
        }
        for write in &batch.records {
            changes.push(change(record_key(&write.key), write.value.as_deref())?);
        }
        changes.push(Change::Put(CommitRecord::KEY.to_vec(), head.encode()));
        let written = self.write(&log.head, batch, changes).and_then(|()| {
            let mark = mark_of(head.store, head.number);
            self.mark
                .set(&mark)
                .map_err(|cause| not_written(format!("commit.mark: {cause}")))
        });
        match &written {
            Ok(()) => {
                log.head = head;
                self.history.committed(head.history);
            }
            Err(_) => log.failed = true,
        }
        written
    }

    /// Refuses a batch that the disk has too little room for.
    pub(crate) fn check_room(&self, batch: &Batch) -> Result<(), StoreError> {
        self.check_space(space::bytes_of(batch))
    }

    /// Writes a batch with what it adds to the history, as one.
    fn write(
        &self,
        before: &CommitRecord,
        batch: &Batch,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        let records = (self.engine.records(), changes);
        let Some(write) = &batch.history else {
            return self
                .engine
                .write_all([records], Durability::Synced)
                .map_err(|trouble| not_written(trouble.into_text()));
        };
        let day = self.history.day(&self.engine, write.day, before.history)?;
        let link = Link {
            previous: before.history,
            payload: &write.value,
        };
        let record = Change::Put(record_key_of(batch.commit), link.encode(batch.commit));
        self.engine
            .write_all([records, (&day, vec![record])], Durability::Synced)
            .map_err(|trouble| not_written(trouble.into_text()))
    }

    /// Keeps who was heard when, unless too little space is left.
    pub(crate) fn save_seen(&self, seen: &[SeenAt]) -> Result<(), StoreError> {
        self.check_space(size_of_val(seen) as u64)?;
        seen::save(&self.engine, seen).map_err(|trouble| not_written(trouble.into_text()))
    }

    fn check_space(&self, written: u64) -> Result<(), StoreError> {
        let tables = self.engine.records().table_bytes();
        let tables = tables.saturating_add(self.history.table_bytes());
        space::check(&self.dir, &self.options, tables, written)
    }

    /// Hands out everything of one moment, and compares it with that moment's commit record.
    pub(crate) fn copy_out(&self, to: &mut dyn CopyOut) -> Result<(), StoreError> {
        let view = self.engine.view();
        let days = self.history.days();
        let bytes = view
            .get(self.engine.records(), &CommitRecord::KEY)
            .map_err(|trouble| trouble.not_read(&self.dir))?
            .ok_or_else(|| self.dir.damaged("the commit record is missing"))?;
        let head = CommitRecord::decode(&bytes)
            .map_err(|unread| unread.of("the commit record").not_read(&self.dir))?;
        to.begin(head.store.0, &head.loaded())?;
        match entry::all_of(&self.engine, &view, &mut |entry| to.entry(entry)) {
            Ok(found) if found == head.totals => {}
            Ok(found) => {
                let what = entry::unequal(head.number, &head.totals, &found);
                return Err(self.dir.damaged(what));
            }
            Err(stop) => return Err(stop.not_read(&self.dir)),
        }
        days.copy_out(&view, head.history, to)
            .map_err(|stop| stop.not_read(&self.dir))
    }

    /// The history.
    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Keeps a checkpoint, unless too little space is left.
    pub(crate) fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let bytes = |(name, bytes): &(Vec<u8>, Vec<u8>)| (name.len() + bytes.len()) as u64;
        self.check_space(checkpoint.parts.iter().map(bytes).sum())?;
        self.history.save_checkpoint(&self.engine, checkpoint)
    }

    /// Syncs everything and leaves the clean flag.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        let Self {
            dir,
            engine,
            history,
            mark,
            log,
            options: _,
        } = self;
        drop(history);
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
        let closed_with = Some(journals::present(&dir)?);
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
    let totals = head.totals.after(batch).ok_or_else(|| {
        not_written(format!(
            "commit {} takes away more than there is",
            batch.commit
        ))
    })?;
    Ok(CommitRecord {
        store: head.store,
        number: batch.commit,
        at: batch.at,
        totals,
        history: match &batch.history {
            Some(_) => batch.commit,
            None => head.history,
        },
    })
}

/// Keys are checked long before: one that is too long is a mistake of the program.
fn change(key: Option<Vec<u8>>, value: Option<&[u8]>) -> Result<Change, StoreError> {
    let key = key.ok_or_else(|| not_written("an id is too long for a key"))?;
    Ok(match value {
        Some(value) => Change::Put(key, value_of(value)),
        None => Change::Remove(key),
    })
}

pub(crate) fn not_written(what: impl Into<String>) -> StoreError {
    StoreError::Write { what: what.into() }
}
