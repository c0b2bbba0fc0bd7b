//! An open that may still be refused, and leaves no trace if it is.
//!
//! Opening the database changes it even without workers: a journal is cut at its torn end. The attempt copies the journals before and puts them back when it ends in any other way
//! than [`Attempt::succeed`], so that a refusal can be repeated and a backup of the journals put in.
//!
//! Holds: after a refusal journals, mark and `store.json` are as they were; tables and manifests
//! that nothing names, left by a crash, may be gone. The first refusal's copy stays as evidence.

use super::EmbeddedOptions;
use super::engine::{Engine, Mode};
use super::journals::{self, Cut, JournalCopy};
use super::layout::DataDir;
use super::trouble::Trouble;
use crate::StoreError;

/// An open database whose journals can be put back.
pub(crate) struct Attempt {
    dir: DataDir,
    /// Both are there until the attempt ends.
    engine: Option<Engine>,
    copy: Option<JournalCopy>,
    /// Damage was found: the copy is evidence.
    refused: bool,
}

impl Attempt {
    /// Copies the journals aside, named after `commit`, and opens the database without workers. Journals are cut before
    /// as `cuts` says.
    pub(crate) fn open(
        dir: &DataDir,
        commit: u64,
        closed_cleanly: bool,
        cuts: &[Cut],
        options: &EmbeddedOptions,
    ) -> Result<Self, StoreError> {
        // After a clean close nothing is torn, and the copy only has to outlive this attempt.
        let copy = JournalCopy::take(dir, commit, !closed_cleanly)?;
        let mut attempt = Self {
            dir: dir.clone(),
            engine: None,
            copy: Some(copy),
            refused: false,
        };
        for cut in cuts {
            journals::cut(dir, *cut)?;
        }
        let opened = Engine::open(&dir.engine(), options, Mode::Looking);
        attempt.engine = Some(opened.map_err(|trouble| attempt.refuse_trouble(trouble))?);
        Ok(attempt)
    }

    /// The database; `None` never shows while the attempt lives.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// The error that refuses this store for a failure of the database.
    pub(crate) fn refuse_trouble(&mut self, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::Damaged(what) => self.refuse(&what),
            other => other.not_read(&self.dir),
        }
    }

    /// The error that refuses this store.
    pub(crate) fn refuse(&mut self, what: &str) -> StoreError {
        self.refused = true;
        let copy = "a copy of the journals is in journal-copies";
        self.dir.damaged(format!("{what} ({copy})"))
    }

    /// Closes the database, all found to agree, and leaves the journals as the open cut them.
    pub(crate) fn succeed(mut self) {
        self.engine = None;
        self.copy = None;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.engine = None;
        let Some(copy) = self.copy.take() else { return };
        let ended = copy.put_back().and_then(|()| {
            if self.refused {
                copy.keep_if_first()
            } else {
                copy.discard()
            }
        });
        if let Err(error) = ended {
            tracing::error!(%error, "the journals could not be put back as they were");
        }
    }
}
