//! Reads the stored values of a batch's hosts and compares its reports with them, before any is
//! decided: that needs no order, so many threads do it for a large batch, and the one that decides
//! only looks whether the value is still the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portolan_census::{Host, State};
use portolan_wire::caps;

use crate::committer::Prepared;
use crate::history::compare::{Compared, compare};
use crate::{Store, StoreError};

/// Compares each report that may be accepted and was not compared, until what differs is as much as one
/// commit takes. The rest, and what cannot be read or compared, is left to the one that decides.
pub(super) fn compare_all(store: &dyn Store, state: &State, mut reports: Vec<&mut Prepared>) {
    let compared = reports.iter().filter_map(|report| report.compared.as_ref());
    let bytes = compared.map(|(_, compared)| compared.bytes()).sum();
    let comparing = Comparing {
        store,
        state,
        bytes: AtomicUsize::new(bytes),
    };
    if reports.len() <= caps::COMPARED_ALONE_MAX {
        reports.into_iter().for_each(|r| comparing.one(r));
        return;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(caps::COMPARING_THREADS_MAX);
    let share = reports.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let (comparing, mut shares) = (&comparing, reports.chunks_mut(share));
        let own = shares.next();
        for share in shares {
            scope.spawn(move || share.iter_mut().for_each(|r| comparing.one(r)));
        }
        own.into_iter().flatten().for_each(|r| comparing.one(r));
    });
}

struct Comparing<'a> {
    store: &'a dyn Store,
    state: &'a State,
    /// What was compared and is held.
    bytes: AtomicUsize,
}

impl Comparing<'_> {
    fn one(&self, report: &mut Prepared) {
        let Some(before) = before(self.state, report) else {
            return;
        };
        let is_enough = self.bytes.load(Ordering::Relaxed) >= caps::COMMIT_HISTORY_BYTES_MAX;
        if is_enough || report.compared.is_some() || report.pair < before.facts.pair {
            return;
        }
        let hash = before.facts.record_hash;
        if let Ok(Some(value)) = self.store.host(&report.key)
            && let Ok(compared) = compare(Some(&value), report.next())
        {
            self.bytes.fetch_add(compared.bytes(), Ordering::Relaxed);
            report.compared = Some((Some(hash), compared));
        }
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
