//! Takes in what other servers committed to the same log, in its order.
//!
//! Holds: after it the state is what it would be if this server had made those commits; a commit is
//! visible as a whole, with what its records say of credentials.

use std::sync::Arc;

use portolan_census::{Commit, Host, HostCommit, Retired, State};
use portolan_wire::ids::HostKey;

use crate::committer::{Committer, RecentCommit};
use crate::record::{RecordKey, RecordKind};
use crate::store::{Batch, HostWrite, RecordWrite};
use crate::{Counters, Store, StoreError, ignoring, record_hash, snapshot};

/// What is called with the records that a commit changes, this server's own or another's, in the order
/// of commits and before they are visible: it says what they do to who is awaited. From the
/// committer's thread: it must not block.
pub type OnRecords = Box<dyn FnMut(&[RecordWrite]) -> Vec<Commit> + Send>;

impl Committer {
    /// Tells `on_records` of the records that commits change from now on.
    #[must_use]
    pub fn telling(mut self, on_records: OnRecords) -> Self {
        self.on_records = Some(on_records);
        self
    }

    /// Takes in all commits of other servers that have come in, and publishes after each.
    ///
    /// # Errors
    /// The store cannot hand them out, or a value does not decode.
    pub fn follow(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let Some(shared) = store.shared() else {
            return Ok(());
        };
        loop {
            // Who compares what is stored with what is published sees that they may differ.
            self.published.open_round(self.clock.now());
            let taken = shared.next().and_then(|next| match next {
                Some(batch) => self.take_in(batch).map(|()| true),
                None => Ok(false),
            });
            self.published.close_round();
            if !taken? {
                return Ok(());
            }
        }
    }

    /// What is stored already has to come into the state.
    fn take_in(&mut self, batch: Batch) -> Result<(), StoreError> {
        let commit = batch.commit;
        self.apply_foreign(batch)
            .map_err(|error| StoreError::Write {
                what: format!("commit {commit} of another server cannot be taken in: {error}"),
            })
    }

    fn apply_foreign(&mut self, batch: Batch) -> Result<(), StoreError> {
        let before = self.working.clone();
        for write in &batch.hosts {
            let commit = host_commit(&*self.store, write)?;
            self.working.apply(commit);
        }
        for write in &batch.records {
            self.ignored_ports(&batch, &write.key)?;
        }
        if let Some(on_records) = &mut self.on_records
            && !batch.records.is_empty()
        {
            for commit in on_records(&batch.records) {
                self.working.apply(commit);
            }
        }
        if !batch.records.is_empty() {
            // IMPORTANT: after they are entered: who sees the new mark checks what they say.
            self.published.foreign_records_came();
        }
        (self.last_commit, self.last_at) = (batch.commit, batch.at);
        self.working.note_commit(batch.commit, batch.at);
        self.freshen_written(&before, &batch);
        self.published.state.store(Arc::new(self.working.clone()));
        self.tell_heard(&before, &batch);
        Counters::add(&self.published.counters.commits_followed, 1);
        if let Some(write) = batch.history {
            self.published.tell_history(RecentCommit {
                commit: batch.commit,
                at: batch.at,
                record: write.value,
            });
        }
        Ok(())
    }

    /// What is ignored of a host whose choices changed without its set.
    fn ignored_ports(&mut self, batch: &Batch, record: &RecordKey) -> Result<(), StoreError> {
        if record.kind != RecordKind::Ignore {
            return Ok(());
        }
        let Some(key) = ignoring::host(&record.id) else {
            return Ok(());
        };
        let is_written = batch.hosts.iter().any(|write| write.key == key);
        let Some(host) = self.working.host(&key).filter(|_| !is_written) else {
            return Ok(());
        };
        let facts = host.facts.clone();
        let value = self.store.host(&key)?.ok_or_else(|| gone(&key))?;
        let ignored = ignoring::stored(&*self.store, &key, &value)?;
        self.working.apply(Commit::Put(HostCommit {
            project: key.project,
            facts,
            ignored,
        }));
        Ok(())
    }

    /// A host that another server has heard is fresh.
    fn freshen_written(&mut self, before: &State, batch: &Batch) {
        let stale = batch.hosts.iter().filter(|write| {
            let held = before.host(&write.key);
            held.is_some_and(|host| !host.is_fresh()) && self.working.host(&write.key).is_some()
        });
        let fresh: Vec<_> = stale.map(|write| (write.key.clone(), true)).collect();
        if !fresh.is_empty() {
            self.working.apply(Commit::Fresh(fresh));
        }
    }

    fn tell_heard(&self, before: &State, batch: &Batch) {
        let liveness = &self.published.liveness;
        let now_s = self.clock.now_s();
        for write in &batch.hosts {
            match self.working.host(&write.key) {
                Some(host) => {
                    let heard_s = u32::try_from(host.facts.at.seconds()).unwrap_or(0);
                    liveness.heard(&write.key.project, host, heard_s.min(now_s), now_s);
                }
                None => before
                    .host(&write.key)
                    .into_iter()
                    .for_each(|host: &Arc<Host>| liveness.forget(host)),
            }
        }
    }
}

fn host_commit(store: &dyn Store, write: &HostWrite) -> Result<Commit, StoreError> {
    let key = write.key.clone();
    let Some(value) = &write.value else {
        return Ok(Commit::Forget(key));
    };
    let facts = snapshot::facts(key.host.clone(), value, record_hash(&key, value))?;
    if facts.retired_at.is_some() {
        return Ok(Commit::Retire(Retired {
            project: key.project,
            facts,
        }));
    }
    let ignored = ignoring::stored(store, &key, value)?;
    Ok(Commit::Put(HostCommit {
        project: key.project,
        facts,
        ignored,
    }))
}

fn gone(key: &HostKey) -> StoreError {
    StoreError::Read {
        what: format!(
            "the host {} of {} is not in the store",
            key.host, key.project
        ),
    }
}
