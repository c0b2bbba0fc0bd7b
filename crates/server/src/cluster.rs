//! What a server does for the log that it shares with others: it looks how far it is behind, lets the
//! newest moment move while nothing happens, and exchanges who was heard.
//!
//! Holds: a server that does not know the log's end for `max_lag` answers no read; while it does not
//! know whom the others hear, it retires nobody for silence.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use portolan_store::{StoreError, Submission, seen_here, take_in_seen};
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;
use tokio::sync::watch;

use crate::accept::stopped;
use crate::app::App;
use crate::error::ApiError;

/// How often the log's end is looked for, and a commit made where nobody has made one.
const SECOND: Duration = Duration::from_secs(1);
/// How often servers tell each other whom they heard.
const SEEN: Duration = Duration::from_secs(20);
/// Whom a server has not heard for so long it does not tell the others about.
const SEEN_S: u32 = 600;
/// After so long without word from the others, nobody is retired for silence.
const SEEN_UNKNOWN: Duration = Duration::from_secs(60);
/// How often it is said that a loss of data was accepted.
const WARN: Duration = Duration::from_secs(3_600);

const AS_OF: HeaderName = HeaderName::from_static("x-portolan-as-of");
const WARNING: HeaderName = HeaderName::from_static("x-portolan-warning");

/// What an operator can set about a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// How old the newest moment at which the log's end was known may be, before reads are refused.
    pub max_lag: Duration,
    /// Whether what the cluster promises was accepted as it is.
    pub accepts_data_loss: bool,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            max_lag: Duration::from_secs(10),
            accepts_data_loss: false,
        }
    }
}

/// Where a server stands beside the others.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) settings: ClusterSettings,
    /// All that was committed then is in the state.
    reached: Mutex<Instant>,
    /// The others' word of whom they hear came in then.
    seen: Mutex<Option<Instant>>,
    /// The cluster did not answer when it was last asked.
    is_silent: AtomicBool,
}

impl Cluster {
    /// Of a server that has just caught up.
    pub(crate) fn new(settings: ClusterSettings) -> Self {
        Self {
            settings,
            reached: Mutex::new(now()),
            seen: Mutex::new(None),
            is_silent: AtomicBool::new(false),
        }
    }

    /// How long ago the state was known to hold all that was committed.
    pub(crate) fn lag(&self) -> Duration {
        now().saturating_duration_since(*self.reached.lock())
    }

    /// Whether it is known whom the others hear.
    pub(crate) fn knows_who_is_heard(&self) -> bool {
        let seen = *self.seen.lock();
        seen.is_some_and(|at| now().saturating_duration_since(at) < SEEN_UNKNOWN)
    }

    /// # Errors
    /// The state may be older than what an answer may tell.
    pub(crate) fn close_enough(&self) -> Result<(), ApiError> {
        let (lag, most) = (self.lag(), self.settings.max_lag);
        if lag <= most {
            return Ok(());
        }
        let detail = format!(
            "it has not known the end of the cluster's log for {} s, and --max-lag is {} s",
            lag.as_secs(),
            most.as_secs_f64()
        );
        Err(ApiError::new(ErrorCode::NotServing, detail))
    }

    fn answers(&self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => {
                if self.is_silent.swap(false, Ordering::AcqRel) {
                    tracing::info!("the cluster answers again");
                }
            }
            Err(error) => {
                if !self.is_silent.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "the cluster does not answer; it is asked again each second");
                }
            }
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

/// Refuses reads of a server that is too far behind, and adds the standing warning to counts.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(cluster) = &app.cluster else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    let is_read = request.method() == Method::GET && !path.starts_with("/v3");
    if is_read && let Err(error) = cluster.close_enough() {
        return error.into_response();
    }
    let mut response = next.run(request).await;
    if cluster.settings.accepts_data_loss && response.headers().contains_key(AS_OF) {
        let warning = HeaderValue::from_static("data-loss-accepted");
        response.headers_mut().insert(WARNING, warning);
    }
    response
}

/// Looks each second how far the log goes, and lets the newest moment move.
pub(crate) async fn keep_close(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut second = tokio::time::interval(SECOND);
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = second.tick() => {}
        }
        tick(&app).await;
        look(&app).await;
    }
}

/// Where nobody has committed for a second, somebody does; not all at once.
async fn tick(app: &App) {
    let since = UnixMicros(app.now().0 - 1_000_000);
    if app.state().at() >= since {
        return;
    }
    tokio::time::sleep(jitter(Duration::from_millis(250))).await;
    if app.state().at() < since {
        // A full queue is work that moves it as well.
        let _moves = app.queue.submit(Submission::tick(since));
    }
}

fn jitter(most: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness they race, which costs one of them a try.
    let _same = getrandom::fill(&mut byte);
    most.mul_f64(f64::from(byte[0]) / 255.0)
}

/// Notes that the log's end is reached, once it is.
async fn look(app: &Arc<App>) {
    let Some(cluster) = &app.cluster else {
        return;
    };
    let asked = now();
    let asking = Arc::clone(app);
    let end = tokio::task::spawn_blocking(move || match asking.store.shared() {
        Some(shared) => shared.end(),
        None => Ok(0),
    });
    let end = match end.await {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => return cluster.answers(Err(error)),
        Err(_) => return,
    };
    cluster.answers(Ok(()));
    // What is behind comes in by itself; if it takes longer, the next look finds it.
    for _ in 0..20 {
        if app.state().commit() >= end {
            *cluster.reached.lock() = asked;
            return;
        }
        let _wakes = app.queue.submit(Submission::following());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Tells the others whom this server heard, and takes in whom they did.
pub(crate) async fn exchange_seen(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut each = tokio::time::interval(SEEN);
    each.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut elsewhere = HashMap::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = each.tick() => {}
        }
        let working = Arc::clone(&app);
        let before = std::mem::take(&mut elsewhere);
        let done = tokio::task::spawn_blocking(move || exchange(&working, &before)).await;
        match done {
            Ok(Ok(heard)) => {
                elsewhere = heard;
                if let Some(cluster) = &app.cluster {
                    *cluster.seen.lock() = Some(now());
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "who was heard is not exchanged with the other servers; it is tried again");
            }
            Err(error) => {
                tracing::warn!(%error, "who was heard is not exchanged with the other servers; it is tried again");
            }
        }
    }
}

fn exchange(app: &App, before: &HashMap<u64, u32>) -> Result<HashMap<u64, u32>, StoreError> {
    let Some(shared) = app.store.shared() else {
        return Ok(HashMap::new());
    };
    let now_s = app.clock.now_s();
    let seen = seen_here(&app.state(), before, now_s.saturating_sub(SEEN_S));
    shared.tell_seen(&seen, now_s)?;
    let heard = shared.seen_elsewhere(now_s)?;
    take_in_seen(&app.state(), &app.published.liveness, &heard, now_s);
    Ok(heard)
}

/// Says at the start and each hour that a loss of data was accepted.
pub(crate) async fn warn(mut stop: watch::Receiver<bool>) {
    let mut hour = tokio::time::interval(WARN);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = hour.tick() => {}
        }
        tracing::warn!(
            "the cluster may lose what was acknowledged when its nodes lose power, as --accept-data-loss allows"
        );
    }
}
