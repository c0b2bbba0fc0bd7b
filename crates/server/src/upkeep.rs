//! What the history needs beside being written: counts of each day written down, days that are too
//! old dropped, and retired hosts that nothing leads back to forgotten.
//!
//! Once a minute and off the async threads. What fails is tried again the next minute.
//! Holds: the newest day is never dropped; a host is forgotten only when no moment that can be asked
//! about is from before its retirement.

use std::sync::Arc;
use std::time::Duration;

use portolan_census::{Host, State};
use portolan_store::history::checkpoint;
use portolan_store::{HistorySpan, StoreError, Submission, history_to_drop};
use portolan_wire::caps;
use portolan_wire::ids::HostKey;
use portolan_wire::time::UnixMicros;
use tokio::sync::{oneshot, watch};

use crate::accept::stopped;
use crate::app::App;
use crate::enrolment::note_reported;

const EVERY: Duration = Duration::from_secs(60);

/// How much of the history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Whole days, at least 1: a day goes when all of it is longer ago.
    pub days: u32,
    /// Bytes on disk: beyond them the oldest days go, but never the newest.
    pub bytes_max: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            days: caps::HISTORY_DAYS_DEFAULT,
            bytes_max: caps::HISTORY_BYTES_DEFAULT,
        }
    }
}

/// Keeps the history up until the server stops.
pub(crate) async fn keep_up(app: Arc<App>, retention: Retention, mut stop: watch::Receiver<bool>) {
    let mut minute = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = minute.tick() => {}
        }
        let working = Arc::clone(&app);
        let kept = tokio::task::spawn_blocking(move || on_disk(&working, retention)).await;
        match kept {
            Ok(Ok(from)) => forget(&app, from).await,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the history cannot be kept up; it is tried again each minute");
            }
            Err(error) => {
                tracing::warn!(%error, "the history cannot be kept up; it is tried again each minute");
            }
        }
    }
}

/// Writes counts down and drops days. Says from where the history is complete then.
fn on_disk(app: &App, retention: Retention) -> Result<UnixMicros, StoreError> {
    // What the cluster does not take now holds nothing else up.
    if let Some(shared) = app.store.shared()
        && let Err(error) = shared.keep_up()
    {
        tracing::warn!(%error, "no base is made for new servers; it is tried again each minute");
    }
    let state = app.published.state.load_full();
    let span = app.store.history_span()?;
    if needs_checkpoint(app, &span, &state)? {
        app.store.save_checkpoint(&checkpoint(&state)?)?;
    }
    let Retention { days, bytes_max } = retention;
    let Some(first) = history_to_drop(&span, app.now(), days, bytes_max) else {
        return Ok(span.from);
    };
    app.store.drop_history_before(first)?;
    let dropped = span.days.iter().filter(|day| day.day < first);
    let days_dropped = dropped.count();
    let from = app.store.history_span()?.from;
    tracing::info!(days_dropped, history.from = %from, "days of the history are dropped");
    Ok(from)
}

/// Whether the newest day has no counts yet, and the state is of that day.
fn needs_checkpoint(app: &App, span: &HistorySpan, state: &State) -> Result<bool, StoreError> {
    let Some(newest) = span.days.last().map(|day| day.day) else {
        return Ok(false);
    };
    let checkpoints = app.store.checkpoints()?;
    let has_one = checkpoints.last().is_some_and(|known| known.day >= newest);
    Ok(!has_one && state.at().day() == newest)
}

/// Forgets hosts that were retired before `from`: nothing of them can be asked about any more.
async fn forget(app: &App, from: UnixMicros) {
    loop {
        let old = retired_before(&app.state(), from);
        if old.is_empty() {
            return;
        }
        // Held until they are forgotten: none of them is enrolled in between.
        let _one_at_a_time = app.changing_credentials.lock().await;
        if let Err(error) = note_reported(app, old).await {
            let error = error.cause().unwrap_or_default();
            tracing::warn!(
                error,
                "the history cannot be kept up; it is tried again each minute"
            );
            return;
        }
        let (told, forgotten) = oneshot::channel();
        let reply = move |done: Result<u64, _>| {
            // Nobody listens only when the server is being taken down.
            let _gone = told.send(done.is_ok_and(|hosts| hosts > 0));
        };
        let submission = Submission::forget_retired(from, Box::new(reply));
        if app.queue.submit(submission).is_err() || forgotten.await != Ok(true) {
            return;
        }
    }
}

/// As many as are forgotten at once, or more.
fn retired_before(state: &State, from: UnixMicros) -> Vec<HostKey> {
    let is_old = |host: &&Arc<Host>| host.facts.retired_at.is_none_or(|at| at < from);
    let projects = state.projects();
    let old = projects.flat_map(|(id, project)| {
        let hosts = project.all_retired().filter(is_old);
        hosts.map(|host| HostKey {
            project: id.clone(),
            host: host.facts.id.clone(),
        })
    });
    old.take(caps::FORGOTTEN_MAX).collect()
}
