//! What handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portolan_census::State;
use portolan_store::{Clock, Published, Queue, Store};
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;

use crate::audit::Audit;
use crate::credentials::{Directory, SealKey};
use crate::error::ApiError;
use crate::ingest::Room;
use crate::metrics::Metrics;

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
    pub(crate) credentials: Directory,
    pub(crate) seal_key: SealKey,
    pub(crate) audit: Arc<Audit>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) room: Room,
    pub(crate) draining: AtomicBool,
    /// Recounts read the whole store: one at a time.
    pub(crate) recounting: tokio::sync::Mutex<()>,
    /// Credentials are made and revoked one at a time: what is checked holds until it is done.
    pub(crate) changing_credentials: tokio::sync::Mutex<()>,
}

impl App {
    /// The newest durable state.
    pub(crate) fn state(&self) -> arc_swap::Guard<Arc<State>> {
        self.published.state.load()
    }

    pub(crate) fn now(&self) -> UnixMicros {
        self.clock.now()
    }

    /// Refuses while the server drains.
    pub(crate) fn serving(&self) -> Result<(), ApiError> {
        if self.draining.load(Ordering::Acquire) {
            return Err(ApiError::new(ErrorCode::NotServing, "it is shutting down"));
        }
        Ok(())
    }
}
