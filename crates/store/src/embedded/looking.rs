//! A start before it is trusted: what is on disk is compared with what was acknowledged.
//!
//! What must agree, in this order: the parts that `store.json` names, and the tables that they name; the journals without a gap
//! (after a clean close, exactly the ones it left), and without damage; the commit record's number with the mark; the
//! number of hosts and of records, and the sum of their hashes, with the commit record; the ends of
//! each day of the history with `store.json` and the commit record.
//!
//! What that proves. A record behind the mark: acknowledged commits are gone. A record ahead of it is
//! right after a power loss (the mark is synced within a second) and after the end of a process
//! between batch and mark; after a clean close it is damage. Unequal count or sum: a record was
//! lost, altered or revived. Not proven: that a power loss took none of the last second's commits.

use super::EmbeddedOptions;
use super::attempt::Attempt;
use super::engine::Engine;
use super::entry::{self, Stop};
use super::history::Days;
use super::identity::{Identity, StoreId};
use super::journals;
use super::kinds::CommitRecord;
use super::layout::DataDir;
use super::mark::Mark;
use super::parts;
use super::scan;
use super::trouble::Trouble;
use crate::totals::Totals;
use crate::{EachEntry, StoreError};

/// A store that is being compared.
pub(crate) struct Looking {
    attempt: Attempt,
    identity: Identity,
    mark: Mark,
    head: CommitRecord,
}

impl Looking {
    /// Checks what can be checked without reading all records.
    pub(crate) fn open(
        dir: &DataDir,
        identity: &Identity,
        options: &EmbeddedOptions,
    ) -> Result<Self, StoreError> {
        parts::check(dir, &identity.parts)?;
        let mark = Mark::read(dir)?;
        if let Some(what) = another_store("commit.mark", mark.store, identity.store) {
            return Err(dir.damaged(what));
        }
        check_journals(dir, &mark)?;
        let closed_cleanly = mark.closed_with.is_some();
        let cut = scan::check(dir, closed_cleanly)?;
        let cuts = cut.as_slice();
        let mut attempt = Attempt::open(dir, mark.commit, closed_cleanly, cuts, options)?;
        let head = read_head(&mut attempt)?;
        if let Some(what) = contradiction(&mark, &head) {
            return Err(attempt.refuse(&what));
        }
        let mut looking = Self {
            attempt,
            identity: identity.clone(),
            mark,
            head,
        };
        looking.history(|days, _| days.check_ends(head.history))?;
        Ok(looking)
    }

    /// The number of the last commit.
    pub(crate) fn last_commit(&self) -> u64 {
        self.head.number
    }

    /// Reads the whole history. Returns how many records it has.
    pub(crate) fn walk_history(&mut self) -> Result<u64, StoreError> {
        let last = self.head.history;
        self.history(|days, engine| days.walk(&engine.view(), last))
    }

    fn history<T: Default>(
        &mut self,
        read: impl FnOnce(Days, &Engine) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let Some(engine) = self.attempt.engine() else {
            return Ok(T::default());
        };
        let found = Days::open(engine, &self.identity).and_then(|days| read(days, engine));
        found.map_err(|trouble| self.attempt.refuse_trouble(trouble))
    }

    /// What the mark said.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Where the log stands.
    pub(crate) fn head(&self) -> &CommitRecord {
        &self.head
    }

    /// The open database.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.attempt.engine()
    }

    /// Hands out all hosts and records and compares them with the commit record.
    pub(crate) fn scan(&mut self, each: EachEntry<'_>) -> Result<(), StoreError> {
        let found = match self.attempt.engine() {
            Some(engine) => entry::all(engine, each),
            None => Ok(Totals::default()),
        };
        let head = &self.head;
        match found {
            Ok(found) if found == head.totals => Ok(()),
            Ok(found) => {
                let what = entry::unequal(head.number, &head.totals, &found);
                Err(self.attempt.refuse(&what))
            }
            Err(Stop::Trouble(trouble)) => Err(self.attempt.refuse_trouble(trouble)),
            Err(Stop::Refused(error)) => Err(error),
        }
    }

    /// Closes the database after all was found to agree.
    pub(crate) fn succeed(self) -> (Identity, CommitRecord) {
        self.attempt.succeed();
        (self.identity, self.head)
    }
}

fn check_journals(dir: &DataDir, mark: &Mark) -> Result<(), StoreError> {
    let present = journals::present(dir)?;
    match mark.closed_with {
        Some(closed_with) if closed_with != present => Err(dir.damaged(format!(
            "the store was closed with the journals {} to {}, and {} to {} are there",
            closed_with.0, closed_with.1, present.0, present.1
        ))),
        _ => Ok(()),
    }
}

fn read_head(attempt: &mut Attempt) -> Result<CommitRecord, StoreError> {
    let found = attempt
        .engine()
        .map_or(Ok(None), |engine| engine.records().get(&CommitRecord::KEY));
    let bytes = found.map_err(|trouble| attempt.refuse_trouble(trouble))?;
    let Some(bytes) = bytes else {
        return Err(attempt.refuse("the commit record is missing"));
    };
    CommitRecord::decode(&bytes)
        .map_err(|unread| attempt.refuse_trouble(unread.of("the commit record")))
}

/// What the commit record says against the mark, if it does.
fn contradiction(mark: &Mark, head: &CommitRecord) -> Option<String> {
    let (number, acknowledged) = (head.number, mark.commit);
    if let Some(what) = another_store("the commit record", head.store, mark.store) {
        return Some(what);
    }
    if number < acknowledged {
        let first = number.saturating_add(1);
        return Some(format!(
            "commits {first} to {acknowledged} are gone: commit.mark says that {acknowledged} was acknowledged, and the database ends at {number}"
        ));
    }
    (number > acknowledged && mark.closed_with.is_some()).then(|| {
        format!("commit.mark says that the store was closed at commit {acknowledged}, and the database ends at {number}")
    })
}

fn another_store(part: &str, found: StoreId, expected: StoreId) -> Option<String> {
    (found != expected)
        .then(|| format!("{part} belongs to store {found}, and this is store {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_contradicts_a_mark_that_is_ahead_and_after_a_clean_close_any_other() {
        let said = |commit, closed: bool, number| {
            let closed_with = closed.then_some((0, 0));
            let mark = Mark {
                store: StoreId(1),
                commit,
                closed_with,
            };
            let head = CommitRecord {
                store: StoreId(1),
                number,
                at: Default::default(),
                totals: Totals::default(),
                history: 0,
            };
            contradiction(&mark, &head)
        };
        assert_eq!(said(5, false, 5), None);
        assert_eq!(said(5, false, 9), None);
        assert_eq!(said(5, true, 5), None);
        assert!(
            said(5, false, 3)
                .unwrap()
                .starts_with("commits 4 to 5 are gone")
        );
        assert!(
            said(5, true, 3)
                .unwrap()
                .starts_with("commits 4 to 5 are gone")
        );
        assert!(said(5, true, 6).unwrap().contains("closed at commit 5"));
    }
}
