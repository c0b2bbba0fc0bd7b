//! One server of a cluster: a committer on a real checkpoint and the model of the log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use portolan_census::{Liveness, Selection, State};
use portolan_store::embedded::EmbeddedOptions;
use portolan_store::jetstream::{JetStreamStore, Log, Model, ModelLog, Patience, open};
use portolan_store::{
    Clock, Committer, Decision, Prepared, Published, RecordChange, RecordKey, RecordKind, Store,
    StoreError, Submission, rebuild_all,
};
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Coverage, Host, Report};
use portolan_wire::time::UnixMicros;

pub(crate) const PROJECT: &str = "p";
/// 2026-01-01T12:00:00Z.
const BEGIN: i64 = 1_767_268_800_000_000;
/// Nobody waits for an answer that the model does not give.
const NONE: Patience = Patience {
    whole: Duration::ZERO,
    pause: Duration::ZERO,
};

/// In memory where that is: what is synced is tested elsewhere.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.unwrap()
}

/// A clock that is set by hand, and may be another on each server.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn at_begin() -> Self {
        Self(AtomicI64::new(BEGIN))
    }

    pub(crate) fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms * 1_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Server {
    folder: tempfile::TempDir,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) log: Arc<ModelLog>,
    pub(crate) running: Running,
}

/// What is gone with its process.
pub(crate) struct Running {
    pub(crate) store: Arc<JetStreamStore>,
    pub(crate) published: Arc<Published>,
    pub(crate) committer: Committer,
}

/// Opens what is in the folder, or begins.
pub(crate) fn run(
    log: &Arc<ModelLog>,
    folder: &Path,
    clock: &Arc<HandClock>,
) -> Result<Running, StoreError> {
    let options = EmbeddedOptions {
        free_bytes_min: 0,
        ..EmbeddedOptions::default()
    };
    let shared = Arc::clone(log) as Arc<dyn Log>;
    let store = open(shared, folder, options, UnixMicros(BEGIN))?.with_patience(NONE);
    let store = Arc::new(store);
    let rebuilt = rebuild_all(&*store, |_| {})?;
    let liveness = Liveness::new(clock.now_s());
    let published = Arc::new(Published::new(rebuilt.state, liveness, &rebuilt.loaded));
    let mut committer = Committer::new(
        Arc::clone(&store) as Arc<dyn Store>,
        Arc::clone(clock) as Arc<dyn Clock>,
        Arc::clone(&published),
        &rebuilt.loaded,
    );
    store.shared().unwrap().on_arrival(Box::new(|| {}));
    log.arrive(u64::MAX);
    committer.follow()?;
    Ok(Running {
        store,
        published,
        committer,
    })
}

impl Server {
    /// A new one, whose clock is that much ahead.
    pub(crate) fn new(model: &Arc<Model>, ahead_ms: i64) -> Self {
        let folder = folder();
        let clock = Arc::new(HandClock(AtomicI64::new(BEGIN + ahead_ms * 1_000)));
        let log = Arc::new(model.server());
        let running = run(&log, folder.path(), &clock).unwrap();
        Self {
            folder,
            clock,
            log,
            running,
        }
    }

    /// Ends as a killed process does, and starts again.
    pub(crate) fn restart(self, with_empty_folder: bool) -> Self {
        let Self {
            folder: kept,
            clock,
            log,
            running,
        } = self;
        drop(running);
        let kept = if with_empty_folder { folder() } else { kept };
        let running = run(&log, kept.path(), &clock).unwrap();
        Self {
            folder: kept,
            clock,
            log,
            running,
        }
    }

    /// The end of its process; the folder stays.
    pub(crate) fn stop(self) -> (tempfile::TempDir, Arc<HandClock>, Arc<ModelLog>) {
        let Self {
            folder,
            clock,
            log,
            running,
        } = self;
        running.store.close().unwrap();
        (folder, clock, log)
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.running.published.state.load_full()
    }

    /// Takes in all that is in the log.
    pub(crate) fn catch_up(&mut self) {
        self.log.arrive(u64::MAX);
        self.running.committer.follow().unwrap();
    }

    pub(crate) fn report(&mut self, report: Report) -> Result<Decision, StoreError> {
        let decided = self.running.committer.commit(vec![prepared(&report)])?;
        Ok(decided[0])
    }

    /// Reports of several requests that wait together, a request each.
    pub(crate) fn report_together(
        &mut self,
        reports: &[Report],
    ) -> Vec<Result<Decision, Arc<StoreError>>> {
        let (reply, replies) = channel();
        let submissions = reports.iter().enumerate().map(|(place, report)| {
            let reply = reply.clone();
            let answer = move |decided: Result<Vec<Decision>, _>| {
                let decided = decided.map(|decided| decided[0]);
                reply.send((place, decided)).unwrap();
            };
            Submission::new(vec![prepared(report)], Box::new(answer))
        });
        let submissions = submissions.collect();
        let served = self.running.committer.serve(submissions);
        drop(reply);
        let mut replies: Vec<_> = replies.into_iter().collect();
        replies.sort_by_key(|(place, _)| *place);
        assert_eq!(replies.len(), reports.len(), "each is answered once");
        if served.is_ok() {
            assert!(replies.iter().all(|(_, decided)| decided.is_ok()));
        }
        replies.into_iter().map(|(_, decided)| decided).collect()
    }

    pub(crate) fn put_token(&mut self, id: &str, value: &[u8]) -> Result<(), StoreError> {
        let change = RecordChange::put(token(id), value.to_vec()).unwrap();
        self.running.committer.change_records(vec![change])
    }
}

fn prepared(report: &Report) -> Prepared {
    Prepared::new(PROJECT.into(), report, Selection::Whole).unwrap()
}

pub(crate) fn token(id: &str) -> RecordKey {
    RecordKey {
        kind: RecordKind::Token,
        id: id.into(),
    }
}

pub(crate) fn host_key(host: &str) -> HostKey {
    HostKey {
        project: PROJECT.into(),
        host: host.into(),
    }
}

/// The `sequence`th report of a host, with one open port for each of `ports`.
pub(crate) fn report(host: &str, sequence: u64, ports: &[u16]) -> Report {
    let open = |port: &u16| {
        let any = "0.0.0.0".parse().unwrap();
        let mut open = OpenPort::new(Transport::Tcp, any, *port);
        open.path = Some(format!("/usr/sbin/service-{port}"));
        open
    };
    Report {
        host: Host {
            host_id: host.into(),
            enterprise_project_id: "0".into(),
            ..Host::default()
        },
        generation: 1,
        sequence,
        observed_at: UnixMicros(BEGIN),
        heartbeat_interval_s: None,
        agent: None,
        coverage: Coverage::default(),
        open_ports: ports.iter().map(open).collect(),
        transients: Vec::new(),
        transients_lost: 0,
    }
}
