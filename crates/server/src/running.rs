//! A running server: what goes on beside requests, and how it ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portolan_census::Silent;
use portolan_store::{Handle, Published, Store, StoreError, Submission, seen};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::accept::stopped;
use crate::app::App;
use crate::audit::{Act, AuditThread};
use crate::cluster::Cluster;
use crate::credentials::Credentials;
use crate::keystone;
use crate::tls::{Tls, TlsError};

/// How often it is kept who was heard when.
const KEEP_SEEN: Duration = Duration::from_secs(60);

/// How often it is looked for log-ins that have expired.
const SWEEP: Duration = Duration::from_secs(60);

/// A running server.
pub struct Running {
    pub(crate) local_addr: SocketAddr,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) published: Arc<Published>,
    pub(crate) app: Arc<App>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) failed: mpsc::Receiver<Arc<StoreError>>,
    pub(crate) committer: Handle,
    pub(crate) audit: AuditThread,
    pub(crate) tasks: Vec<JoinHandle<()>>,
    pub(crate) first_token: Option<PathBuf>,
}

/// Each second: who has been silent too long becomes stale or is retired, and what was counted of
/// refused credentials in a minute that is over is written.
pub(crate) async fn roll(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = second.tick() => {
                roll_hosts(&app);
                app.audit.roll(app.now());
            }
        }
    }
}

/// What the committer does not take now, it is given again: freshness in the next second, a host that
/// is to be retired when the wheel finds it again.
fn roll_hosts(app: &App) {
    let liveness = &app.published.liveness;
    let silent = liveness.roll(app.clock.now_s());
    let freshness = (liveness.changed() > 0).then(Submission::freshness);
    let retirement = |Silent { key, heard_s }| {
        // Its change of the history tells of it.
        Submission::retire_silent(key, heard_s, Box::new(|_| {}))
    };
    let is_sure = app.cluster.as_ref().is_none_or(Cluster::knows_who_is_heard);
    let silent = silent.into_iter().filter(|_| is_sure);
    let submissions = freshness.into_iter().chain(silent.map(retirement));
    for submission in submissions {
        if app.queue.submit(submission).is_err() {
            return;
        }
    }
}

pub(crate) async fn keep_seen(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut minute = tokio::time::interval(KEEP_SEEN);
    minute.tick().await;
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = minute.tick() => {}
        }
        let app = Arc::clone(&app);
        let kept = tokio::task::spawn_blocking(move || app.store.save_seen(&seen(&app.state())));
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "who was heard when cannot be kept; it is tried again each minute")
            }
            Err(error) => {
                tracing::warn!(error = %error, "who was heard when cannot be kept; it is tried again each minute")
            }
        }
    }
}

/// Log-ins that have ended are let go, here and in the store: those of changed credentials at once, as
/// a credential that is put back must not bring them back.
pub(crate) async fn sweep(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut minute = tokio::time::interval(SWEEP);
    let mut stops = false;
    while !stops {
        tokio::select! {
            () = stopped(&mut stop) => stops = true,
            _ = minute.tick() => {}
            () = app.credentials.sessions.ended() => {}
        }
        sweep_once(&app).await;
    }
}

/// The same once. What fails is tried again.
pub(crate) async fn sweep_once(app: &App) {
    if let Err(error) = keystone::sweep(app).await {
        tracing::warn!(
            error.code = error.code().as_str(),
            "log-ins that have ended cannot be removed from the store; it is tried again each minute"
        );
    }
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where the administrator's token is that this server made for its cluster at this start.
    pub fn first_token(&self) -> Option<&Path> {
        self.first_token.as_deref()
    }

    /// Takes other credentials of the operator's from now on, beside those that the store keeps.
    pub fn replace_credentials(&self, credentials: Credentials) {
        self.app.credentials.replace_written(credentials);
        self.app.audit.note(Act {
            at: self.app.now(),
            actor: None,
            source: None,
            action: "credentials.read_again",
            target: String::new(),
            outcome: "done".to_owned(),
            detail: String::new(),
            count: 1,
        });
    }

    /// Whether the store keeps an administrator's token for the whole server.
    pub fn has_made_administrator(&self) -> bool {
        self.app.credentials.has_made_administrator()
    }

    /// Reads the certificate and its key again, where there are any.
    ///
    /// # Errors
    /// They cannot be used; what was read before stays in use.
    pub fn read_tls_again(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.read_again())
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Waits until the store has failed; the process must end then.
    pub async fn failed(&mut self) -> Arc<StoreError> {
        match self.failed.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// After the store has failed: lets the answers out that say so, and closes nothing.
    pub async fn answer_and_abandon(self) {
        self.app.draining.store(true, Ordering::Release);
        self.stop.send_replace(true);
        let ended = async {
            for task in self.tasks {
                if let Err(error) = task.await {
                    tracing::error!(error = %error, "a task of the server ended early");
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(1), ended)
            .await
            .is_err()
        {
            tracing::warn!("connections were cut, since the store has failed");
        }
    }

    /// Drains: no new connections and reports, what waits is committed, the store is closed.
    ///
    /// # Errors
    /// The store cannot be closed; everything acknowledged is durable all the same.
    pub async fn stop(self) -> Result<(), StoreError> {
        self.app.draining.store(true, Ordering::Release);
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(error = %error, "a task of the server ended early");
            }
        }
        self.app.audit.flush(self.app.now());
        // The last queues go with the application: committer and audit log end after what waits.
        drop(self.app);
        let (committer, store, published) = (self.committer, self.store, self.published);
        let audit = self.audit;
        let closing = move || {
            committer.join();
            audit.join();
            // A minute of freshness is no reason to leave the store as after a crash.
            if let Err(error) = store.save_seen(&seen(&published.state.load())) {
                tracing::warn!(error = %error, "who was heard when cannot be kept; it is tried again each minute");
            }
            store.close()
        };
        match tokio::task::spawn_blocking(closing).await {
            Ok(closed) => closed,
            Err(error) => Err(StoreError::Write {
                what: error.to_string(),
            }),
        }
    }
}
