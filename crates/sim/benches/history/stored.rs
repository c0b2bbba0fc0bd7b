//! A committer over an embedded store in a folder, by a clock that is set by hand.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use portolan_census::{Liveness, Selection, State};
use portolan_sim::bench::machine;
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{Clock, Committer, Decision, Loaded, Prepared, Published, Store};
use portolan_wire::open_port::canonicalise;
use portolan_wire::report::Report;
use portolan_wire::time::UnixMicros;

/// How long the store may take until it has nothing left to do.
const REST_MAX: Duration = Duration::from_secs(300);
/// It rests where this process used less than [`RESTING_CPU`] in so long a time.
const LOOK: Duration = Duration::from_millis(250);
const RESTING_CPU: Duration = Duration::from_millis(5);

pub(crate) struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Stored {
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) published: Arc<Published>,
    clock: Arc<HandClock>,
    loaded: Loaded,
    committer: Option<Committer>,
}

impl Stored {
    /// A new store.
    pub(crate) fn new(data: &Path, now: UnixMicros) -> anyhow::Result<Self> {
        Self::open(data, &State::default(), now)
    }

    /// The store in a folder, whose census is known already.
    pub(crate) fn open(data: &Path, state: &State, now: UnixMicros) -> anyhow::Result<Self> {
        let store = Arc::new(EmbeddedStore::open(data, EmbeddedOptions::default())?);
        let loaded = store.load(&mut |_| Ok(()))?;
        let clock = Arc::new(HandClock(AtomicI64::new(now.0)));
        let liveness = Liveness::new(clock.now_s());
        let published = Arc::new(Published::new(state.clone(), liveness, &loaded));
        let committer = Committer::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::clone(&published),
            &loaded,
        );
        Ok(Self {
            store,
            published,
            clock,
            loaded,
            committer: Some(committer),
        })
    }

    pub(crate) fn set_clock(&self, now: UnixMicros) {
        self.clock.0.store(now.0, Ordering::SeqCst);
    }

    /// One commit of these reports, all of which are new.
    pub(crate) fn commit(&mut self, reports: Vec<Prepared>) -> anyhow::Result<()> {
        let committer = self.committer.as_mut().context("the committer is gone")?;
        let decided = committer.commit(reports)?;
        let is_new = |decision: &Decision| *decision == Decision::Accepted { fresh: true };
        ensure!(decided.iter().all(is_new), "a report was {decided:?}");
        Ok(())
    }

    /// Gives the committer away, to run in its thread.
    pub(crate) fn take_committer(&mut self) -> anyhow::Result<Committer> {
        self.committer.take().context("the committer is gone")
    }

    /// Hosts that the store holds.
    pub(crate) fn hosts(&self) -> u64 {
        self.loaded.hosts
    }

    /// Waits until the store's own thread has nothing left to do.
    pub(crate) fn rest(&self) -> anyhow::Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            let before = machine::own_cpu();
            std::thread::sleep(LOOK);
            if machine::own_cpu().saturating_sub(before) < RESTING_CPU {
                return Ok(());
            }
            waited += LOOK;
            ensure!(waited < REST_MAX, "the store did not come to rest");
        }
    }

    pub(crate) fn close(self) -> anyhow::Result<()> {
        drop(self.committer);
        self.store.close().context("could not close the store")
    }
}

/// A report of the fleet as a request prepares it.
pub(crate) fn prepared(project: &str, mut report: Report) -> anyhow::Result<Prepared> {
    canonicalise(&mut report.open_ports);
    Ok(Prepared::new(project.into(), &report, Selection::Whole)?)
}

/// Has the kernel drop what it keeps in memory of the files of a folder.
pub(crate) fn forget_pages(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget_pages(&path)?;
        } else {
            let file = File::open(&path)?;
            // Pages that are not on the disk yet would stay.
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
