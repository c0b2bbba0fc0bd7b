//! Putting a server together: listener, store, census, credentials, audit log, committer, routes.
//!
//! Holds: it answers from the moment it listens; until the census has caught up it says that it is
//! starting. Nothing in the data folder is written before the store is open, which keeps others out.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use portolan_census::{Commit, Liveness};
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::jetstream::{self, Log, check_alone};
use portolan_store::{
    Clock, Committer, Loaded, Published, Queue, RecordKey, Store, StoreError, Submission,
    rebuild_all, restore_liveness, start,
};
use portolan_wire::caps;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::accept::{Front, Gate, accept};
use crate::agreement::{self, Agreement};
use crate::app::{App, Settings};
use crate::audit::{Audit, AuditError, AuditThread};
use crate::changes::{self, Epoch, Streams};
use crate::cluster::{self, Cluster, ClusterSettings};
use crate::counts::UnionPages;
use crate::credentials::{
    Credentials, Directory, Enrolment, External, ExternalKeystone, SealKey, SecretKeyError,
    Session, Signatures, decode, decode_enrolment, decode_session, entering, first_token,
};
use crate::edge::Edge;
use crate::ingest::Room;
use crate::keystone::Logins;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::past::PastCounts;
use crate::request_id::RequestIds;
use crate::routes::{router, starting};
use crate::running::{Running, keep_seen, roll, sweep, sweep_once};
use crate::seldom::Seldom;
use crate::shares::Shares;
use crate::tls::Tls;
use crate::upkeep::{Retention, keep_up};

/// Reads what the operator wrote down, once the store is open. It is told whether the store keeps an
/// administrator's token for the whole server.
pub type ReadCredentials =
    Box<dyn FnOnce(bool) -> Result<Credentials, Box<dyn Error + Send + Sync>> + Send>;

/// What a server is made of, beside its store and its listener.
pub struct Setup {
    /// Where the store, the audit log and the secret-key file are.
    pub data_dir: PathBuf,
    /// What the operator wrote down.
    pub credentials: ReadCredentials,
    /// What can be set about answers.
    pub settings: Settings,
    /// The secret-key file, where it is not `secret-key` in the data folder.
    pub secret_key_file: Option<PathBuf>,
    /// Certificate and key, or plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// What clients are allowed.
    pub limits: Limits,
    /// A Keystone elsewhere that validates tokens which are unknown here.
    pub keystone: Option<ExternalKeystone>,
    /// How long a host is silent until it is retired, in seconds; `None`: it never is.
    pub retire_after_s: Option<u32>,
    /// How much of the history is kept.
    pub retention: Retention,
    /// What is set about the other servers on the log, if there are any.
    pub cluster: ClusterSettings,
}

impl Setup {
    /// A server with these credentials, and everything else as it is by default.
    pub fn new(data_dir: PathBuf, credentials: Credentials) -> Self {
        Self {
            data_dir,
            credentials: Box::new(move |_| Ok(credentials)),
            settings: Settings::default(),
            secret_key_file: None,
            tls: None,
            limits: Limits::default(),
            keystone: None,
            retire_after_s: Some(caps::RETIRE_AFTER_S_DEFAULT),
            retention: Retention::default(),
            cluster: ClusterSettings::default(),
        }
    }
}

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
    /// The operator's credentials cannot be used.
    #[error(transparent)]
    Credentials(Box<dyn Error + Send + Sync>),
    /// A credential in the store cannot be read.
    #[error("{0}")]
    Record(String),
    /// The secret-key file cannot be used.
    #[error(transparent)]
    SecretKey(#[from] SecretKeyError),
    /// The audit log cannot be gone on with.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The administrator's token of a new cluster can be neither read nor made.
    #[error("{0}")]
    FirstToken(String),
    /// The system refuses a thread or randomness.
    #[error("cannot start {what}: {message}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        message: String,
    },
}

/// Opens the embedded store in the data folder and serves it on `listen`.
///
/// # Errors
/// The address cannot be listened on, the store refuses, or something else that [`Setup`] names
/// cannot be used.
pub async fn open_and_serve(
    listen: SocketAddr,
    setup: Setup,
    clock: Arc<dyn Clock>,
) -> Result<Running, ServeError> {
    // Before the store: a mistake in the address should not cost a rebuild.
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| ServeError::Listen { listen, source })?;
    let listening = Listening::begin(listener, &setup, clock)?;
    let data_dir = setup.data_dir.clone();
    let options = EmbeddedOptions {
        made_at: Some(listening.clock.now()),
        ..EmbeddedOptions::default()
    };
    let open = move || {
        check_alone(&data_dir)?;
        EmbeddedStore::open(&data_dir, options)
    };
    let opened = tokio::task::spawn_blocking(open).await;
    let store = opened.map_err(|e| system("the store", &e))??;
    listening.serve(Arc::new(store), setup).await
}

/// Joins the cluster that `connect` reaches, with the data folder as this server's checkpoint of its log,
/// and serves it on `listen`. `connect` may block.
///
/// # Errors
/// Those of [`open_and_serve`], or the cluster refuses.
pub async fn join_and_serve(
    listen: SocketAddr,
    setup: Setup,
    clock: Arc<dyn Clock>,
    connect: impl FnOnce() -> Result<Arc<dyn Log>, StoreError> + Send + 'static,
) -> Result<Running, ServeError> {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| ServeError::Listen { listen, source })?;
    let listening = Listening::begin(listener, &setup, clock)?;
    let data_dir = setup.data_dir.clone();
    let now = listening.clock.now();
    let opened = tokio::task::spawn_blocking(move || {
        jetstream::open(connect()?, &data_dir, EmbeddedOptions::default(), now)
    });
    let store = opened.await.map_err(|e| system("the store", &e))??;
    listening.serve(Arc::new(store), setup).await
}

/// Serves a store on a listener, once the census has caught up with the store.
///
/// # Errors
/// The store refuses, or something that [`Setup`] names cannot be used.
pub async fn serve(
    store: Arc<dyn Store>,
    listener: TcpListener,
    setup: Setup,
    clock: Arc<dyn Clock>,
) -> Result<Running, ServeError> {
    let listening = Listening::begin(listener, &setup, clock)?;
    listening.serve(store, setup).await
}

/// A server that answers that it is starting. It ends when it is dropped.
struct Listening {
    local_addr: SocketAddr,
    edge: Arc<Edge>,
    front: Arc<Front>,
    clock: Arc<dyn Clock>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Listening {
    fn begin(
        listener: TcpListener,
        setup: &Setup,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServeError> {
        let local_addr = listener
            .local_addr()
            .map_err(|e| system("the listener", &e))?;
        let metrics = Arc::new(Metrics::default());
        let edge = Arc::new(Edge {
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            request_ids: RequestIds::new().map_err(|e| system("the request ids", &e))?,
            audit: OnceLock::new(),
            faults: Seldom::default(),
        });
        let front = Arc::new(Front {
            gate: Gate::new(starting()),
            edge: Arc::clone(&edge),
            metrics,
            refusals: Seldom::default(),
            tls: setup.tls.clone(),
            limits: setup.limits,
        });
        let (stop, stop_seen) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&front), stop_seen));
        Ok(Self {
            local_addr,
            edge,
            front,
            clock,
            stop,
            accepting,
        })
    }

    async fn serve(self, store: Arc<dyn Store>, mut setup: Setup) -> Result<Running, ServeError> {
        let tls = setup.tls.clone();
        let external = setup.keystone.take().map(|settings| {
            let (clock, metrics) = (Arc::clone(&self.clock), Arc::clone(&self.front.metrics));
            Arc::new(External::new(settings, clock, metrics))
        });
        let (settings, retention) = (setup.settings, setup.retention);
        let (cluster, data_dir) = (setup.cluster, setup.data_dir.clone());
        let ready = {
            let (store, clock) = (Arc::clone(&store), Arc::clone(&self.clock));
            let work = move || catch_up(&*store, &*clock, setup);
            let done = tokio::task::spawn_blocking(work).await;
            done.map_err(|e| system("the rebuild", &e))??
        };
        let (fail, mut failed) = mpsc::channel(1);
        let (credentials, seal_key) = (Arc::new(ready.credentials), Arc::new(ready.seal_key));
        let committer = Committer::new(
            Arc::clone(&store),
            Arc::clone(&self.clock),
            Arc::clone(&ready.published),
            &ready.loaded,
        )
        .telling(entering(Arc::clone(&credentials), Arc::clone(&seal_key)));
        let on_fatal = move |error| {
            // Nobody listens only when the server is being taken down already.
            let _gone = fail.blocking_send(error);
        };
        let (queue, committer) =
            start(committer, on_fatal).map_err(|e| system("the committer", &e))?;
        let is_shared = store.shared().is_some();
        if is_shared {
            reach_end(&store, &ready.published, &queue, &mut failed).await?;
        }
        let audit = Arc::new(ready.audit);
        let app = Arc::new(App {
            store: Arc::clone(&store),
            clock: self.clock,
            published: Arc::clone(&ready.published),
            queue,
            unions: UnionPages::default(),
            past: PastCounts::default(),
            credentials,
            external,
            signatures: Signatures::new().map_err(|e| system("the check of signatures", &e))?,
            seal_key,
            audit: Arc::clone(&audit),
            settings,
            metrics: Arc::clone(&self.front.metrics),
            agreement: Agreement::default(),
            epoch: Epoch(store.epoch()),
            streams: Streams::new(self.stop.subscribe()),
            room: Room::default(),
            limits: self.front.limits,
            draining: AtomicBool::new(false),
            reads: Arc::new(Semaphore::new(caps::STORE_READS_MAX)),
            scans: Arc::new(Semaphore::new(caps::STORE_SCANS_MAX)),
            exports: Arc::new(Shares::new(
                caps::EXPORTS_MAX,
                caps::EXPORTS_OF_A_CREDENTIAL_MAX,
            )),
            recounting: tokio::sync::Mutex::new(()),
            changing_credentials: tokio::sync::Mutex::new(()),
            logins: Logins::default(),
            cluster: is_shared.then(|| Cluster::new(cluster)),
            scheme: if tls.is_some() { "https" } else { "http" },
        });
        let made = match is_shared {
            true => first_token(&app, &data_dir).await,
            false => Ok(None),
        };
        let first_token = made.map_err(ServeError::FirstToken)?;
        sweep_once(&app).await;
        // IMPORTANT: before the gate opens, so that no refused credential goes unnoticed.
        let _first = self.edge.audit.set(audit);
        self.front.gate.open(router(Arc::clone(&app)));
        let mut tasks = vec![
            self.accepting,
            tokio::spawn(roll(Arc::clone(&app), self.stop.subscribe())),
            tokio::spawn(keep_seen(Arc::clone(&app), self.stop.subscribe())),
            tokio::spawn(sweep(Arc::clone(&app), self.stop.subscribe())),
            tokio::spawn(changes::wake(Arc::clone(&app), self.stop.subscribe())),
            tokio::spawn(agreement::recount(Arc::clone(&app), self.stop.subscribe())),
            tokio::spawn(keep_up(Arc::clone(&app), retention, self.stop.subscribe())),
        ];
        if is_shared {
            let stop = || self.stop.subscribe();
            tasks.push(tokio::spawn(cluster::keep_close(Arc::clone(&app), stop())));
            tasks.push(tokio::spawn(cluster::exchange_seen(
                Arc::clone(&app),
                stop(),
            )));
            if cluster.accepts_data_loss {
                tasks.push(tokio::spawn(cluster::warn(stop())));
            }
        }
        Ok(Running {
            local_addr: self.local_addr,
            tls,
            store,
            published: ready.published,
            app,
            stop: self.stop,
            failed,
            committer,
            audit: ready.audit_thread,
            tasks,
            first_token,
        })
    }
}

/// Waits until all is taken in that the log held when it was asked.
async fn reach_end(
    store: &Arc<dyn Store>,
    published: &Published,
    queue: &Queue,
    failed: &mut mpsc::Receiver<Arc<StoreError>>,
) -> Result<(), ServeError> {
    let asking = Arc::clone(store);
    let end = tokio::task::spawn_blocking(move || match asking.shared() {
        Some(shared) => shared.end(),
        None => Ok(0),
    });
    let end = end.await.map_err(|e| system("the cluster", &e))??;
    while published.state.load().commit() < end {
        let _full = queue.submit(Submission::following());
        tokio::select! {
            Some(error) = failed.recv() => return Err(system("the cluster", &error)),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
    }
    tracing::info!(commit = end, "the end of the cluster's log is reached");
    Ok(())
}

/// All that comes from disk.
struct Ready {
    published: Arc<Published>,
    loaded: Loaded,
    credentials: Directory,
    seal_key: SealKey,
    audit: Audit,
    audit_thread: AuditThread,
}

fn catch_up(store: &dyn Store, clock: &dyn Clock, setup: Setup) -> Result<Ready, ServeError> {
    let told = |hosts: u64| tracing::info!(hosts, "rebuilding the census");
    let mut rebuilt = rebuild_all(store, told)?;
    let liveness = Liveness::new(clock.now_s()).retiring_after(setup.retire_after_s);
    restore_liveness(store, &rebuilt.state, &liveness, clock.now_s())?;
    let made = made(&rebuilt.records)?;
    let key_file = setup
        .secret_key_file
        .unwrap_or_else(|| setup.data_dir.join("secret-key"));
    let seal_key = SealKey::open(&key_file, &made.sealed())?;
    made.unseal(&seal_key)?;
    let credentials = Directory::new(made);
    let written = (setup.credentials)(credentials.has_made_administrator());
    credentials.replace_written(written.map_err(ServeError::Credentials)?);
    credentials.insert_sessions(&sessions(&rebuilt.records)?);
    let enrolments = enrolments(&rebuilt.records)?;
    credentials.enrolments.put_all(&enrolments);
    for enrolment in enrolments.iter().filter(|enrolment| !enrolment.reported) {
        let enrolled = Commit::Enrol(enrolment.host(), enrolment.enterprise_project());
        rebuilt.state.apply(enrolled);
    }
    let (audit, audit_thread) = Audit::start(&setup.data_dir, clock.now())?;
    tracing::info!(
        hosts = rebuilt.loaded.hosts,
        commit = rebuilt.loaded.commit,
        "the census has caught up"
    );
    let mut published = Published::new(rebuilt.state, liveness, &rebuilt.loaded);
    if store.shared().is_some() {
        published = published.shared();
    }
    published.recent.begin_after(store.history_span()?.last);
    Ok(Ready {
        published: Arc::new(published),
        loaded: rebuilt.loaded,
        credentials,
        seal_key,
        audit,
        audit_thread,
    })
}

fn made(records: &[(RecordKey, Vec<u8>)]) -> Result<Credentials, ServeError> {
    let mut made = Credentials::default();
    for (key, value) in records {
        let entry = decode(key, value).map_err(|error| ServeError::Record(error.to_string()))?;
        if let Some(entry) = entry {
            made.insert(Arc::new(entry));
        }
    }
    Ok(made)
}

fn sessions(records: &[(RecordKey, Vec<u8>)]) -> Result<Vec<Arc<Session>>, ServeError> {
    let decoded = records
        .iter()
        .map(|(key, value)| decode_session(key, value));
    let sessions = decoded.filter_map(Result::transpose);
    sessions
        .map(|session| session.map(Arc::new))
        .collect::<Result<_, _>>()
        .map_err(|error| ServeError::Record(error.to_string()))
}

fn enrolments(records: &[(RecordKey, Vec<u8>)]) -> Result<Vec<Arc<Enrolment>>, ServeError> {
    let decoded = records
        .iter()
        .map(|(key, value)| decode_enrolment(key, value));
    let enrolments = decoded.filter_map(Result::transpose);
    enrolments
        .map(|enrolment| enrolment.map(Arc::new))
        .collect::<Result<_, _>>()
        .map_err(|error| ServeError::Record(error.to_string()))
}

fn system(what: &'static str, error: &dyn std::fmt::Display) -> ServeError {
    ServeError::System {
        what,
        message: error.to_string(),
    }
}
