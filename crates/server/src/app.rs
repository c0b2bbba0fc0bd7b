//! What handlers share.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use portolan_census::State;
use portolan_store::{Clock, Published, Queue, Store};
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;
use tokio::sync::Semaphore;

use crate::agreement::Agreement;
use crate::audit::Audit;
use crate::changes::{Epoch, Streams};
use crate::cluster::Cluster;
use crate::counts::UnionPages;
use crate::credentials::{Directory, External, SealKey, Signatures};
use crate::error::ApiError;
use crate::ingest::Room;
use crate::keystone::Logins;
use crate::limits::{Limit, Limits};
use crate::metrics::Metrics;
use crate::past::PastCounts;
use crate::shares::Shares;

/// What an operator can set about answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `hss.status_field`: whether rows of the HSS statistics carry `status` unasked.
    pub status_field: bool,
    /// `throttle.calls_a_second`: how often one credential may make one call in a second, reports
    /// and heartbeats apart; without it, as often as it likes.
    pub calls_a_second: Option<NonZeroU32>,
}

/// The application.
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) published: Arc<Published>,
    pub(crate) queue: Queue,
    pub(crate) unions: UnionPages,
    /// Counts of past moments.
    pub(crate) past: PastCounts,
    pub(crate) credentials: Arc<Directory>,
    /// A Keystone elsewhere, where there is one.
    pub(crate) external: Option<Arc<External>>,
    pub(crate) signatures: Signatures,
    pub(crate) seal_key: Arc<SealKey>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) agreement: Agreement,
    /// Which log the ids of changes are of.
    pub(crate) epoch: Epoch,
    pub(crate) streams: Streams,
    pub(crate) room: Room,
    pub(crate) limits: Limits,
    pub(crate) draining: AtomicBool,
    /// Turns for requests that read from the store; see [`App::reading`].
    pub(crate) reads: Arc<Semaphore>,
    /// Turns for requests that look through the stored sets of many hosts; see [`App::scanning`].
    pub(crate) scans: Arc<Semaphore>,
    /// Places for exports, by credential.
    pub(crate) exports: Arc<Shares>,
    /// Recounts read the whole store: one at a time.
    pub(crate) recounting: tokio::sync::Mutex<()>,
    /// Credentials are made and revoked one at a time: what is checked holds until it is done.
    pub(crate) changing_credentials: tokio::sync::Mutex<()>,
    pub(crate) logins: Logins,
    /// Where it stands beside the other servers on its log, if there are any.
    pub(crate) cluster: Option<Cluster>,
    /// `http` or `https`: what it speaks itself, whatever a proxy before it does.
    pub(crate) scheme: &'static str,
}

/// Who waits for work on the blocking pool.
pub(crate) struct Asker(Weak<()>);

impl Asker {
    /// Whether the request has ended, as it does when its client goes away.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl App {
    /// The newest durable state.
    pub(crate) fn state(&self) -> arc_swap::Guard<Arc<State>> {
        self.published.state.load()
    }

    pub(crate) fn now(&self) -> UnixMicros {
        self.clock.now()
    }

    /// The moment up to which the state is complete that is loaded after this call.
    pub(crate) fn as_of(&self) -> UnixMicros {
        self.published.as_of(self.clock.now())
    }

    /// Lets `work` read from the store, where it blocks nobody else: a page of hosts is up to 200
    /// reads, and a thread that waits for the disk answers no other connection.
    pub(crate) async fn reading<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.in_turn(&self.reads, Limit::StoreReads, work).await
    }

    /// The same for `work` that looks through the sets of many hosts, perhaps of all: it takes no
    /// turn from those who read a few, and is told when nobody waits for it any more.
    pub(crate) async fn scanning<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Asker) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let waiting = Arc::new(());
        let asker = Asker(Arc::downgrade(&waiting));
        let work = move |app: &Self| work(app, &asker);
        let done = self.in_turn(&self.scans, Limit::StoreScans, work).await;
        drop(waiting);
        done
    }

    async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        turns: &Arc<Semaphore>,
        limit: Limit,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let app = Arc::clone(self);
        if turns.available_permits() == 0 {
            self.metrics.reached(limit);
        }
        // The semaphore is never closed, so a turn always comes. It goes with the work, which goes
        // on when the client goes away.
        let turn = Arc::clone(turns).acquire_owned().await;
        let work = move || {
            let done = work(&app);
            drop(turn);
            done
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(ApiError::internal)?
    }

    /// Refuses while the server drains.
    pub(crate) fn serving(&self) -> Result<(), ApiError> {
        if self.draining.load(Ordering::Acquire) {
            return Err(ApiError::new(ErrorCode::NotServing, "it is shutting down"));
        }
        Ok(())
    }
}
