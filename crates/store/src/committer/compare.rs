//! Reads the stored values of a batch's hosts and compares its reports with them, before any is
//! decided: that needs no order, so many threads do it for a large batch, and the one that decides
//! only looks whether the value is still the same.

use std::sync::Arc;

use portolan_census::{Host, State};
use portolan_wire::caps;

use crate::committer::Prepared;
use crate::history::compare::{Compared, compare};
use crate::{Store, StoreError};

/// Compares each report that may be accepted. What cannot be read or compared is left to be told
/// when it is decided.
pub(super) fn compare_all(store: &dyn Store, state: &State, mut reports: Vec<&mut Prepared>) {
    if reports.len() <= caps::COMPARED_ALONE_MAX {
        reports
            .into_iter()
            .for_each(|r| compare_one(store, state, r));
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(caps::COMPARING_THREADS_MAX);
    let share = reports.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let mut shares = reports.chunks_mut(share);
        let own = shares.next();
        for share in shares {
            scope.spawn(move || {
                let reports = share.iter_mut();
                reports.for_each(|report| compare_one(store, state, report));
            });
        }
        for report in own.into_iter().flatten() {
            compare_one(store, state, report);
        }
    });
}

fn compare_one(store: &dyn Store, state: &State, report: &mut Prepared) {
    let Some(before) = before(state, report) else {
        return;
    };
    if report.pair < before.facts.pair {
        return;
    }
    let hash = before.facts.record_hash;
    if let Ok(Some(value)) = store.host(&report.key)
        && let Ok(compared) = compare(Some(&value), report.next())
    {
        report.compared = Some((Some(hash), compared));
    }
}

/// The host of a report, retired or not.
fn before(state: &State, report: &Prepared) -> Option<Arc<Host>> {
    let host = state.host(&report.key);
    host.or_else(|| state.retired(&report.key)).map(Arc::clone)
}

impl Prepared {
    /// What was compared with the value of that hash.
    pub(super) fn take_compared(&mut self, with: Option<u128>) -> Option<Compared> {
        let (hash, compared) = self.compared.take()?;
        (hash == with).then_some(compared)
    }

    /// What it makes of a host with the stored value `before`.
    pub(super) fn compare(&self, before: Option<&[u8]>) -> Result<Compared, StoreError> {
        Ok(compare(before, self.next())?)
    }
}
