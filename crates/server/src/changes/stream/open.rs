//! The streams that are open, and what they share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portolan_wire::error::ErrorCode;
use tokio::sync::{Notify, watch};

use super::decoded::Decoding;
use crate::app::App;
use crate::error::ApiError;
use crate::limits::Limit;

/// All streams.
pub(crate) struct Streams {
    /// Something was added to the history.
    pub(super) happens: Arc<Notify>,
    woken: watch::Sender<()>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) decoding: Decoding,
    open: Arc<Mutex<Open>>,
    stalled: AtomicU64,
    behind: AtomicU64,
    resets: AtomicU64,
}

/// How many are open.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_credential: HashMap<String, usize>,
}

/// Why a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its reader took nothing for too long.
    Stalled,
    /// Its reader took less than what came, until that was no longer in memory.
    Behind,
}

impl Cut {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Stalled => "stalled",
            Self::Behind => "behind",
        }
    }
}

impl Streams {
    pub(crate) fn new(stop: watch::Receiver<bool>) -> Self {
        Self {
            happens: Arc::default(),
            woken: watch::Sender::new(()),
            stop,
            decoding: Decoding::default(),
            open: Arc::default(),
            stalled: AtomicU64::new(0),
            behind: AtomicU64::new(0),
            resets: AtomicU64::new(0),
        }
    }

    pub(super) fn wake(&self) {
        self.woken.send_replace(());
    }

    pub(super) fn woken(&self) -> watch::Receiver<()> {
        self.woken.subscribe()
    }

    /// A place for one more stream of a credential.
    pub(super) fn enter(&self, app: &App, credential: &str) -> Result<Place, ApiError> {
        let full = |limit: Limit, detail: String| {
            Err(ApiError::new(ErrorCode::Throttled, detail).at(limit))
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let most = app.limits.streams;
        if open.all >= most {
            return full(
                Limit::Streams,
                format!("{most} streams of changes are open"),
            );
        }
        let most = app.limits.streams_of_a_credential;
        let own = open.by_credential.entry(credential.to_owned()).or_default();
        if *own >= most {
            let detail = format!("the credential has {most} streams of changes open");
            return full(Limit::StreamsOfACredential, detail);
        }
        *own += 1;
        open.all += 1;
        Ok(Place {
            open: Arc::clone(&self.open),
            credential: credential.to_owned(),
        })
    }

    pub(super) fn cut(&self, reason: Cut) {
        let count = match reason {
            Cut::Stalled => &self.stalled,
            Cut::Behind => &self.behind,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all
    }

    /// How many were cut, by reason.
    pub(crate) fn cuts(&self) -> [(&'static str, u64); 2] {
        [(Cut::Stalled, &self.stalled), (Cut::Behind, &self.behind)]
            .map(|(reason, count)| (reason.as_str(), count.load(Ordering::Relaxed)))
    }

    /// How many could not begin where they were asked to.
    pub(crate) fn resets(&self) -> u64 {
        self.resets.load(Ordering::Relaxed)
    }
}

/// The place of a stream, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    open: Arc<Mutex<Open>>,
    credential: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.by_credential.get_mut(&self.credential) {
            *own -= 1;
            if *own == 0 {
                open.by_credential.remove(&self.credential);
            }
        }
    }
}
