//! What handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use portolan_census::State;
use portolan_store::{Clock, Published, Queue, Store};
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;

use crate::credentials::Credentials;
use crate::error::ApiError;
use crate::ingest::Room;
use crate::metrics::Metrics;
use crate::request_id::RequestIds;

/// What an operator can set about answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `hss.status_field`: whether rows of the HSS statistics carry `status` unasked.
    pub status_field: bool,
}

/// The application.
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) published: Arc<Published>,
    pub(crate) queue: Queue,
    pub(crate) credentials: Arc<ArcSwap<Credentials>>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) request_ids: RequestIds,
    pub(crate) room: Room,
    pub(crate) draining: AtomicBool,
    /// Recounts read the whole store: one at a time.
    pub(crate) recounting: tokio::sync::Mutex<()>,
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

    /// Refuses while the server drains.
    pub(crate) fn serving(&self) -> Result<(), ApiError> {
        if self.draining.load(Ordering::Acquire) {
            return Err(ApiError::new(ErrorCode::NotServing, "it is shutting down"));
        }
        Ok(())
    }
}
