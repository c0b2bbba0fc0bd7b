//! Checking a password: in turns, since each costs tens of milliseconds of a core, and on the
//! blocking pool, where it holds up nobody else.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::credentials::{Entry, Kind, Proof, Secret, password_holds};
use crate::error::ApiError;
use crate::failures::{Failures, Rules, WhenFull};
use crate::keystone::request::{UserName, Wanted};
use crate::limits::Limit;
use crate::places::address_of;
use crate::shares::Shares;

/// What every refusal of a log-in says, whatever it was that did not hold.
pub(super) const REFUSED: &str = "The request you have made requires authentication.";

/// Passwords are easier to guess than secret keys: every guesser is slowed down, however many there are.
const RULES: Rules = Rules {
    locked_after: caps::LOGIN_FAILURES_MAX,
    lock_s: caps::LOGIN_LOCKED_S,
    kept_max: caps::LOGIN_FAILURES_TRACKED_MAX,
    when_full: WhenFull::ForgetsQuietest,
};

pub(super) fn refused() -> ApiError {
    ApiError::new(ErrorCode::Unauthenticated, REFUSED)
}

/// Turns for passwords, and who guessed wrongly.
#[derive(Debug)]
pub(crate) struct Logins {
    /// Those that wait, and those at work, by who they are for: one address must not take all places.
    room: Arc<Shares>,
    turns: Arc<Semaphore>,
    worked: AtomicU64,
    failures: Failures,
}

impl Default for Logins {
    fn default() -> Self {
        let room = caps::PASSWORD_CHECKS_MAX + caps::PASSWORD_CHECKS_WAITING_MAX;
        Self {
            room: Arc::new(Shares::new(room, room / caps::PART_OF_AN_ADDRESS)),
            turns: Arc::new(Semaphore::new(caps::PASSWORD_CHECKS_MAX)),
            worked: AtomicU64::new(0),
            failures: Failures::new(RULES),
        }
    }
}

impl Logins {
    /// Does expensive work with a password in its turn, for an address or a credential.
    ///
    /// # Errors
    /// Too many wait already.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        of: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let full = |_| {
            let detail = "Too many passwords wait for their check.";
            ApiError::new(ErrorCode::Throttled, detail).at(Limit::PasswordChecks)
        };
        let place = self.room.place(of).map_err(full)?;
        // The semaphore is never closed. Both go with the work, which goes on when the client goes.
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let work = move || {
            let done = work();
            drop((turn, place));
            done
        };
        self.worked.fetch_add(1, Ordering::Relaxed);
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(ApiError::internal)
    }

    /// How often a password was checked or hashed.
    pub(crate) fn worked_total(&self) -> u64 {
        self.worked.load(Ordering::Relaxed)
    }
}

/// The user whose password that is.
pub(super) async fn check(
    app: &App,
    from: IpAddr,
    named: UserName,
    password: Secret,
    scope: &Wanted,
) -> Result<Arc<Entry>, ApiError> {
    let failures = &app.logins.failures;
    let who = match &named {
        UserName::Id(id) => failures.pair(&[id], from),
        UserName::Name { name, domain } => failures.pair(&[domain, name], from),
    };
    let user = find(app, &named, scope);
    let locked = |seconds| {
        let detail = "Too many wrong passwords for this user from this address.";
        let error = ApiError::new(ErrorCode::Throttled, detail).at(Limit::LoginFailures);
        error.retry_after_s(seconds)
    };
    let locked_s = || failures.locked_s(who, app.clock.now_s());
    // Before a place is taken: a guesser must not hold up others.
    if let Some(seconds) = locked_s() {
        return Err(locked(seconds));
    }
    let hash = user.as_deref().and_then(hash_of).map(str::to_owned);
    let checking = move || password_holds(&password, hash.as_deref());
    let holds = app
        .logins
        .in_turn(&address_of(from).to_string(), checking)
        .await?;
    // Again: those who guessed beside it may have been the last that were allowed.
    if let Some(seconds) = locked_s() {
        return Err(locked(seconds));
    }
    let good = user
        .clone()
        .filter(|user| holds && !user.is_expired(app.now()));
    let Some(user) = good else {
        failures.add(who, app.clock.now_s());
        let error = refused();
        return Err(match user {
            Some(user) => error.told_to(&user.id),
            None => error,
        });
    };
    failures.forget(who);
    Ok(user)
}

/// The one user that can be meant. Of several of one name, in several projects, the scope tells.
fn find(app: &App, named: &UserName, scope: &Wanted) -> Option<Arc<Entry>> {
    let (name, domain) = match named {
        UserName::Id(id) => return app.credentials.get(Kind::User, id),
        UserName::Name { name, domain } => (name, domain),
    };
    let mut users = app.credentials.users_named(domain, name);
    if users.is_empty() && domain == "Default" {
        users = app.credentials.users_named("default", name);
    }
    match (users.as_slice(), scope) {
        ([one], _) => Some(Arc::clone(one)),
        (several, Wanted::Project { id, .. }) => {
            let is_theirs = |user: &&Arc<Entry>| user.grant.project_id == *id;
            several.iter().find(is_theirs).map(Arc::clone)
        }
        (_, Wanted::Nothing | Wanted::Domain(_)) => None,
    }
}

fn hash_of(user: &Entry) -> Option<&str> {
    match &user.proof {
        Proof::User {
            password_argon2, ..
        } => Some(password_argon2),
        Proof::Token(_) | Proof::AccessKey(_) | Proof::EnrolKey(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    /// Invariant 7: passwords are checked a few at once, and few wait.
    #[test]
    fn more_passwords_than_may_wait_are_told_to_come_again() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let logins = Arc::new(Logins::default());
        let (shut, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        runtime.block_on(async {
            let all = caps::PASSWORD_CHECKS_MAX + caps::PASSWORD_CHECKS_WAITING_MAX;
            let taken = all / caps::PART_OF_AN_ADDRESS;
            let works: Vec<_> = (0..taken)
                .map(|_| {
                    let (logins, gate) = (Arc::clone(&logins), Arc::clone(&gate));
                    // It ends when the other end is gone.
                    let work = move || drop(gate.lock().map(|gate| gate.recv()));
                    tokio::spawn(async move { logins.in_turn("a", work).await })
                })
                .collect();
            while logins.room.taken() < taken {
                tokio::task::yield_now().await;
            }
            let refused = logins.in_turn("a", || ()).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Throttled);
            assert_eq!(refused.limit(), Some(Limit::PasswordChecks));
            assert!(logins.worked_total() <= caps::PASSWORD_CHECKS_MAX as u64);
            // Another address has places of its own; it waits for its turn only.
            let other = tokio::spawn({
                let logins = Arc::clone(&logins);
                async move { logins.in_turn("b", || ()).await }
            });
            while logins.room.taken() == taken {
                tokio::task::yield_now().await;
            }
            drop(shut);
            other.await.unwrap().unwrap();
            for work in works {
                work.await.unwrap().unwrap();
            }
            logins.in_turn("a", || ()).await.unwrap();
        });
    }
}
