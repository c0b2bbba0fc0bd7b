//! The newest commits, decoded once for all streams, and each change rendered once for those who see
//! the same of it.
//!
//! Limits: `caps::STREAM_DECODED_MAX` changes beside the newest commit's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use portolan_census::Selection;
use portolan_store::RecentCommit;
use portolan_store::history::{Change, HistoryError, changes_of};
use portolan_wire::caps;

use super::events;
use crate::changes::ids::Epoch;
use crate::changes::shown::{ShownChange, is_one_for_all};
use crate::error::ApiError;

/// A commit's changes.
#[derive(Debug)]
pub(super) struct Decoded {
    commit: u64,
    pub(super) rows: Vec<Row>,
}

impl Decoded {
    pub(super) fn commit(&self) -> u64 {
        self.commit
    }
}

/// One change.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) change: Change,
    rendered: OnceLock<Bytes>,
}

impl Row {
    /// Its event, as who is granted these enterprise projects sees it.
    pub(super) fn event(&self, epoch: Epoch, granted: &Selection) -> Result<Bytes, ApiError> {
        if !is_one_for_all(&self.change) {
            return render(epoch, granted, &self.change);
        }
        if let Some(rendered) = self.rendered.get() {
            return Ok(rendered.clone());
        }
        let rendered = render(epoch, granted, &self.change)?;
        Ok(self.rendered.get_or_init(|| rendered).clone())
    }
}

fn render(epoch: Epoch, granted: &Selection, change: &Change) -> Result<Bytes, ApiError> {
    let shown = ShownChange::new(epoch, granted, change, None);
    events::change(&epoch.id(change.position), &shown).map_err(ApiError::internal)
}

/// Commits that are decoded.
#[derive(Debug, Default)]
pub(super) struct Decoding(Mutex<VecDeque<Arc<Decoded>>>);

impl Decoding {
    /// A commit that is decoded already. It does not wait for one that is being decoded.
    pub(super) fn known(&self, commit: u64) -> Option<Arc<Decoded>> {
        let known = self.0.try_lock().ok()?;
        known
            .iter()
            .rev()
            .find(|decoded| decoded.commit == commit)
            .map(Arc::clone)
    }

    /// Decodes a commit, unless somebody has meanwhile.
    pub(super) fn decode(&self, record: &RecentCommit) -> Result<Arc<Decoded>, HistoryError> {
        // Others who want the same wait for it, instead of doing it as well.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().rev().find(|it| it.commit == record.commit);
        if let Some(found) = found {
            return Ok(Arc::clone(found));
        }
        let rows = changes_of(record.commit, &record.record)?.into_iter();
        let decoded = Arc::new(Decoded {
            commit: record.commit,
            rows: rows
                .map(|change| Row {
                    change,
                    rendered: OnceLock::new(),
                })
                .collect(),
        });
        known.push_back(Arc::clone(&decoded));
        let mut changes: usize = known.iter().map(|decoded| decoded.rows.len()).sum();
        while changes > caps::STREAM_DECODED_MAX && known.len() > 1 {
            let oldest = known.pop_front();
            changes -= oldest.map_or(0, |oldest| oldest.rows.len());
        }
        Ok(decoded)
    }
}
