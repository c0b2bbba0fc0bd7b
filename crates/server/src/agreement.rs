//! The recount that goes on for as long as the server runs, and what recounts have found.
//!
//! Round after round it goes through all projects and hosts: the counts of a project against its hosts'
//! cells, and each host's cells against its stored set. What it finds is no client's fault, so it is
//! counted and told in the log; nothing is mended by it.
//! Holds: a project that is there for all of a round, and every host of it, is looked at in the round.
//! Limits: `caps::RECOUNT_HOSTS_A_SECOND`, off the threads that answer, one slice at a time.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portolan_census::{Difference, Recount, Selection};
use portolan_store::{RecountedHosts, StoreError, recount_hosts};
use portolan_wire::caps;
use portolan_wire::ids::{HostId, ProjectId};
use tokio::sync::watch;

use crate::accept::stopped;
use crate::app::App;
use crate::seldom::Seldom;

/// What recounts have found, those that clients ask for among them.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    /// Hosts that were compared in the background.
    pub(crate) hosts: AtomicU64,
    pub(crate) differences: AtomicU64,
    /// When the last round ended in which all could be compared; 0 for none.
    pub(crate) finished_s: AtomicU64,
    differ: Seldom,
    ended_early: Seldom,
}

impl Agreement {
    /// Counts what a recount of a project found to differ, and tells of it.
    pub(crate) fn note(&self, project_id: &str, differences: &[Difference], now_s: u32) {
        for difference in differences {
            self.differences.fetch_add(1, Ordering::Relaxed);
            let host = match difference {
                Difference::Host { host, .. } => Some(host.as_str()),
                Difference::Row { .. }
                | Difference::Posting { .. }
                | Difference::Listeners { .. } => None,
            };
            if let Some(untold) = self.differ.happens(now_s) {
                tracing::error!(
                    project.id = project_id,
                    host.id = host,
                    untold,
                    "a recount found counts that differ from the sets"
                );
            }
        }
    }

    fn ended_early(&self, error: &dyn Display, now_s: u32) {
        if let Some(untold) = self.ended_early.happens(now_s) {
            tracing::warn!(
                %error,
                untold,
                "the recount in the background had to leave out a project; it is tried again with the next round"
            );
        }
    }
}

/// The server is told to stop.
struct Stopped;

/// Recounts until the server is told to stop.
pub(crate) async fn recount(app: Arc<App>, stop: watch::Receiver<bool>) {
    let mut pace = Pace { stop, spent: 0 };
    loop {
        let Ok(complete) = round(&app, &mut pace).await else {
            return;
        };
        if complete {
            let now_s = u64::from(app.clock.now_s());
            app.agreement.finished_s.store(now_s, Ordering::Relaxed);
        }
        // A small fleet's round takes no time, and need not be gone again at once.
        if pace.rest(caps::RECOUNT_HOSTS_A_SECOND).await.is_err() {
            return;
        }
    }
}

/// Goes through all projects once; whether all could be compared.
async fn round(app: &Arc<App>, pace: &mut Pace) -> Result<bool, Stopped> {
    let mut complete = true;
    let mut last = None;
    loop {
        let state = app.published.state.load_full();
        let Some((id, _)) = state.project_after(last.as_ref()) else {
            return Ok(complete);
        };
        let id = id.clone();
        drop(state);
        complete &= counts(app, &id, pace).await?;
        complete &= hosts(app, &id, pace).await?;
        last = Some(id);
    }
}

/// Compares a project's counts with its hosts' cells; whether that could be done.
async fn counts(app: &Arc<App>, id: &ProjectId, pace: &mut Pace) -> Result<bool, Stopped> {
    let Some(project) = app.state().project(id.as_str()).map(Arc::clone) else {
        return Ok(true);
    };
    let hosts = u32::try_from(project.host_count()).unwrap_or(u32::MAX);
    // It takes seconds at a million hosts, needs nothing of the application, and is left behind.
    let counted = tokio::task::spawn_blocking(move || {
        let mut found = Recount::default();
        found.project(&project, &Selection::Whole);
        found.differences
    });
    let counted = tokio::select! {
        () = stopped(&mut pace.stop) => return Err(Stopped),
        counted = counted => counted,
    };
    let now_s = app.clock.now_s();
    match &counted {
        Ok(differences) => app.agreement.note(id.as_str(), differences, now_s),
        Err(panicked) => app.agreement.ended_early(panicked, now_s),
    }
    pace.spend(hosts / caps::RECOUNT_SUMMED_A_HOST).await?;
    Ok(counted.is_ok())
}

/// Compares a project's hosts with their stored sets, slice by slice; whether all could be.
async fn hosts(app: &Arc<App>, id: &ProjectId, pace: &mut Pace) -> Result<bool, Stopped> {
    let mut after = None;
    loop {
        let found = match slice(app, id, after).await {
            Ok(found) => found,
            Err(error) => {
                app.agreement.ended_early(&error, app.clock.now_s());
                return pace.spend(1).await.map(|()| false);
            }
        };
        let mut recount = Recount::default();
        for host in found.differing {
            recount.host_differs(id.clone(), host);
        }
        let now_s = app.clock.now_s();
        app.agreement.note(id.as_str(), &recount.differences, now_s);
        let hosts = &app.agreement.hosts;
        hosts.fetch_add(found.checked, Ordering::Relaxed);
        let checked = u32::try_from(found.checked).unwrap_or(u32::MAX);
        pace.spend(checked).await?;
        after = found.last;
        if after.is_none() {
            return Ok(true);
        }
    }
}

async fn slice(
    app: &Arc<App>,
    id: &ProjectId,
    after: Option<HostId>,
) -> Result<RecountedHosts, StoreError> {
    let (app, id) = (Arc::clone(app), id.clone());
    let work = move || {
        let limit = caps::RECOUNT_HOSTS_A_SECOND as usize;
        let (store, all) = (&*app.store, Selection::Whole);
        recount_hosts(store, &app.published, &id, &all, after.as_ref(), limit)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::Read {
        what: error.to_string(),
    })?
}

/// Spends no more hosts a second than there are to spend.
struct Pace {
    stop: watch::Receiver<bool>,
    spent: u32,
}

impl Pace {
    async fn spend(&mut self, hosts: u32) -> Result<(), Stopped> {
        self.spent = self.spent.saturating_add(hosts);
        if self.spent < caps::RECOUNT_HOSTS_A_SECOND {
            return Ok(());
        }
        let spent = std::mem::take(&mut self.spent);
        self.rest(spent).await
    }

    /// Waits as long as so many hosts take.
    async fn rest(&mut self, hosts: u32) -> Result<(), Stopped> {
        let second = Duration::from_secs(1) / caps::RECOUNT_HOSTS_A_SECOND;
        tokio::select! {
            () = stopped(&mut self.stop) => Err(Stopped),
            () = tokio::time::sleep(second * hosts) => Ok(()),
        }
    }
}
