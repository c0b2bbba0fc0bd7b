//! Tokens of a Keystone elsewhere: a token that is unknown here is validated there.
//!
//! Holds: nothing is granted that Keystone has not said within `caps::KEYSTONE_KEPT_S` and before the
//! token's own end; a Keystone that cannot be asked refuses with 503, and grants nothing; of many
//! requests with one token one asks, and all get its answer.
//! Limits: `caps::KEYSTONE_*`, each with a counter.

mod answer;
mod client;
mod kept;
mod settings;
mod sharing;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portolan_store::Clock;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;
use tokio::sync::Semaphore;

use crate::credentials::external::client::Client;
use crate::credentials::external::kept::Kept;
use crate::credentials::external::sharing::Sharing;
use crate::credentials::{Entry, TokenHash};
use crate::error::ApiError;
use crate::limits::Limit;
use crate::metrics::Metrics;
use crate::places::address_of;
use crate::seldom::Seldom;
use crate::shares::Shares;

pub use settings::{
    ExternalKeystone, ExternalRoles, KeystonePassword, ServiceUser, SettingsMistake,
};

/// What Keystone said of a token.
#[derive(Clone, Debug)]
enum Said {
    /// It is good, and grants this, which may be nothing.
    Good(Arc<Entry>),
    /// It is not, or no longer.
    Bad,
}

/// Why Keystone could not be asked, for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Unavailable(String);

/// What is known here of a token of Keystone's.
pub(crate) enum Known {
    Good(Arc<Entry>),
    Bad,
    /// It was not asked for, or so long ago that it must be asked for again.
    Nothing,
}

/// A Keystone that tokens are validated by.
pub(crate) struct External {
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    good: Kept<Arc<Entry>>,
    bad: Kept<()>,
    sharing: Sharing<Result<Said, Unavailable>>,
    /// Those that wait for Keystone, by address, and of them those that ask.
    room: Arc<Shares>,
    turns: Arc<Semaphore>,
    asked: [AtomicU64; 3],
    failures: Seldom,
}

impl External {
    pub(crate) fn new(
        settings: ExternalKeystone,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            client: Arc::new(Client::new(settings)),
            clock,
            metrics,
            good: Kept::new(caps::KEYSTONE_TOKENS_MAX, caps::KEYSTONE_KEPT_S),
            bad: Kept::new(caps::KEYSTONE_TOKENS_MAX, caps::KEYSTONE_REFUSED_KEPT_S),
            sharing: Sharing::default(),
            room: Arc::new(Shares::new(
                caps::KEYSTONE_WAITING_MAX,
                caps::KEYSTONE_WAITING_MAX / caps::PART_OF_AN_ADDRESS,
            )),
            turns: Arc::new(Semaphore::new(caps::KEYSTONE_REQUESTS_MAX)),
            asked: Default::default(),
            failures: Seldom::default(),
        }
    }

    /// What is known of a token without asking.
    pub(crate) fn known(&self, token: &str) -> Known {
        if !may_be_a_token(token) {
            return Known::Bad;
        }
        let (hash, now) = (TokenHash::of(token), self.clock.now());
        if let Some(entry) = self.good.get(&hash, now) {
            return Known::Good(entry);
        }
        match self.bad.get(&hash, now) {
            Some(()) => Known::Bad,
            None => Known::Nothing,
        }
    }

    /// Asks Keystone about a token, unless it is known what it says. From then on it is.
    ///
    /// # Errors
    /// Keystone cannot be asked.
    pub(crate) async fn learn(self: &Arc<Self>, token: &str, from: IpAddr) -> Result<(), ApiError> {
        if !matches!(self.known(token), Known::Nothing) {
            return Ok(());
        }
        let Ok(_place) = self.room.place(&address_of(from).to_string()) else {
            return Err(unavailable().at(Limit::KeystoneWaiting));
        };
        let hash = TokenHash::of(token);
        let asking = self
            .sharing
            .share(hash, || self.ask(hash, token.to_owned()));
        let longest = Duration::from_secs(caps::KEYSTONE_ANSWER_S_MAX);
        match tokio::time::timeout(longest, asking).await {
            Ok(Ok(_said)) => Ok(()),
            Ok(Err(Unavailable(_))) | Err(_) => Err(unavailable()),
        }
    }

    async fn ask(self: &Arc<Self>, hash: TokenHash, token: String) -> Result<Said, Unavailable> {
        // The semaphore is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let external = Arc::clone(self);
        let work = move || {
            // Before it is asked: what it says is not newer.
            let now = external.clock.now();
            let said = external.client.validate(&hash, &token, now);
            external.note(&hash, &said, now);
            drop(turn);
            said
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| Err(Unavailable(error.to_string())))
    }

    /// Keeps an answer, and counts it.
    fn note(&self, hash: &TokenHash, said: &Result<Said, Unavailable>, now: UnixMicros) {
        let (place, is_full) = match said {
            Ok(Said::Good(entry)) => {
                self.bad.remove(hash);
                (0, self.good.insert(*hash, Arc::clone(entry), now))
            }
            Ok(Said::Bad) => {
                self.good.remove(hash);
                (1, self.bad.insert(*hash, (), now))
            }
            Err(Unavailable(why)) => {
                if let Some(untold) = self.failures.happens(self.clock.now_s()) {
                    tracing::error!(
                        error = why,
                        untold,
                        "the Keystone elsewhere cannot be asked: tokens that it made are refused until it can"
                    );
                }
                (2, false)
            }
        };
        if is_full {
            self.metrics.reached(Limit::KeystoneTokens);
        }
        if let Some(count) = self.asked.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often Keystone was asked, by what it said.
    pub(crate) fn asked_totals(&self) -> [(&'static str, u64); 3] {
        let [valid, refused, failed] = &self.asked;
        [("valid", valid), ("refused", refused), ("failed", failed)]
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    /// How many answers are kept, by what they say.
    pub(crate) fn kept(&self) -> [(&'static str, u64); 2] {
        [
            ("valid", self.good.len() as u64),
            ("refused", self.bad.len() as u64),
        ]
    }
}

/// Others are not worth a question.
fn may_be_a_token(token: &str) -> bool {
    let allowed = caps::TOKEN_CHARS_MIN..=caps::TOKEN_CHARS_MAX;
    allowed.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(crate) fn unavailable() -> ApiError {
    ApiError::of(ErrorCode::IamUnavailable)
}
