//! Putting a server together: store, census, committer, routes, connections; and taking it down.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use portolan_census::Liveness;
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Clock, Committer, Handle, Published, Store, StoreError, rebuild, restore_liveness, seen, start,
};
use portolan_wire::caps;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::accept::{accept, stopped};
use crate::app::{App, Settings};
use crate::credentials::Credentials;
use crate::ingest::Room;
use crate::metrics::Metrics;
use crate::request_id::RequestIds;
use crate::routes::router;

/// How often it is kept who was heard when.
const KEEP_SEEN: Duration = Duration::from_secs(60);

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refuses a thread or randomness.
    #[error("cannot start {what}: {message}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        message: String,
    },
}

/// A running server.
pub struct Running {
    local_addr: SocketAddr,
    credentials: Arc<ArcSwap<Credentials>>,
    store: Arc<dyn Store>,
    published: Arc<Published>,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    failed: mpsc::Receiver<Arc<StoreError>>,
    committer: Handle,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the embedded store in `data_dir` and serves it on `listen`.
///
/// # Errors
/// The address cannot be listened on, or the store refuses.
pub async fn open_and_serve(
    data_dir: PathBuf,
    listen: SocketAddr,
    credentials: Credentials,
    settings: Settings,
    clock: Arc<dyn Clock>,
) -> Result<Running, ServeError> {
    // Before the store: a mistake in the address should not cost a rebuild.
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| ServeError::Listen { listen, source })?;
    let opened = tokio::task::spawn_blocking(move || {
        EmbeddedStore::open(&data_dir, EmbeddedOptions::default())
    })
    .await;
    let store = opened.map_err(|e| system("the store", &e))??;
    serve(Arc::new(store), listener, credentials, settings, clock).await
}

/// Serves a store on a listener, once the census has caught up with the store.
///
/// # Errors
/// The store refuses, or the system refuses a thread.
pub async fn serve(
    store: Arc<dyn Store>,
    listener: TcpListener,
    credentials: Credentials,
    settings: Settings,
    clock: Arc<dyn Clock>,
) -> Result<Running, ServeError> {
    let local_addr = listener
        .local_addr()
        .map_err(|e| system("the listener", &e))?;
    let (published, last_commit) = catch_up(&store, &clock).await?;
    let (fail, failed) = mpsc::channel(1);
    let committer = Committer::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        Arc::clone(&published),
        last_commit,
    );
    let on_fatal = move |error| {
        // Nobody listens only when the server is being taken down already.
        let _gone = fail.blocking_send(error);
    };
    let (queue, committer) = start(committer, on_fatal).map_err(|e| system("the committer", &e))?;
    let credentials = Arc::new(ArcSwap::from_pointee(credentials));
    let app = Arc::new(App {
        store: Arc::clone(&store),
        clock,
        published: Arc::clone(&published),
        queue,
        credentials: Arc::clone(&credentials),
        settings,
        metrics: Metrics::default(),
        request_ids: RequestIds::new().map_err(|e| system("the request ids", &e))?,
        room: Room::default(),
        draining: AtomicBool::new(false),
        reads: Arc::new(Semaphore::new(caps::STORE_READS_MAX)),
        recounting: tokio::sync::Mutex::new(()),
    });
    let (stop, stop_seen) = watch::channel(false);
    let tasks = vec![
        tokio::spawn(accept(
            listener,
            router(Arc::clone(&app)),
            Arc::clone(&app),
            stop_seen.clone(),
        )),
        tokio::spawn(roll(Arc::clone(&app), stop_seen.clone())),
        tokio::spawn(keep_seen(Arc::clone(&app), stop_seen)),
    ];
    Ok(Running {
        local_addr,
        credentials,
        store,
        published,
        app,
        stop,
        failed,
        committer,
        tasks,
    })
}

async fn catch_up(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<Published>, u64), ServeError> {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock));
    let replay = move || {
        let told = |hosts: u64| tracing::info!(hosts, "rebuilding the census");
        let (state, loaded) = rebuild(&*store, told)?;
        let liveness = Liveness::new(clock.now_s());
        restore_liveness(&*store, &state, &liveness, clock.now_s())?;
        tracing::info!(
            hosts = loaded.hosts,
            commit = loaded.commit,
            "the census has caught up"
        );
        let published = Published::new(state, liveness);
        Ok((Arc::new(published), loaded.commit))
    };
    let done: Result<_, StoreError> = tokio::task::spawn_blocking(replay)
        .await
        .map_err(|e| system("the rebuild", &e))?;
    Ok(done?)
}

/// Each second: who has been silent too long becomes stale.
async fn roll(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = second.tick() => app.published.liveness.roll(app.clock.now_s()),
        }
    }
}

async fn keep_seen(app: Arc<App>, mut stop: watch::Receiver<bool>) {
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
            Ok(Err(error)) => tracing::warn!(error = %error, "cannot keep who was heard when"),
            Err(error) => tracing::warn!(error = %error, "keeping who was heard when ended early"),
        }
    }
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes other credentials from now on.
    pub fn replace_credentials(&self, credentials: Credentials) {
        self.credentials.store(Arc::new(credentials));
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
            tracing::warn!("connections were cut");
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
        // The last queue goes with the application: the committer ends after what waits.
        drop(self.app);
        let (committer, store, published) = (self.committer, self.store, self.published);
        let closing = move || {
            committer.join();
            store.save_seen(&seen(&published.state.load()))?;
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

fn system(what: &'static str, error: &dyn std::fmt::Display) -> ServeError {
    ServeError::System {
        what,
        message: error.to_string(),
    }
}
