//! A committer over a store in memory that can be told to fail, with a clock that is set by hand.
//! The stand-in is for order and failure; the real store has tests of its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use portolan_census::{
    Filter, Host, HostFacts, Liveness, Page, PageRequest, Selection, Start, State,
};
use portolan_store::{
    Batch, Clock, Committer, Counters, Decision, Loaded, Prepared, Published, SeenAt, Store,
    StoreError, rebuild, record_hash,
};
use portolan_wire::hss::port_statistics::SortDir;
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::open_port::{Category, OpenPort, Transport};
use portolan_wire::report::{Coverage, Host as WireHost, Report};
use portolan_wire::time::UnixMicros;

pub(crate) const PROJECT: &str = "p";

#[derive(Default)]
pub(crate) struct MemoryStore {
    hosts: Mutex<BTreeMap<HostKey, Vec<u8>>>,
    sum: Mutex<u128>,
    commit: AtomicU64,
    writes: AtomicU64,
    fail: AtomicBool,
}

impl MemoryStore {
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Puts bytes in the place of a host's value, past the committer.
    pub(crate) fn put_raw(&self, host: &str, value: &[u8]) {
        let key = HostKey {
            project: PROJECT.into(),
            host: host.into(),
        };
        self.hosts.lock().unwrap().insert(key, value.to_vec());
    }

    pub(crate) fn fail_next_commit(&self) {
        self.fail.store(true, Ordering::SeqCst);
    }
}

impl Store for MemoryStore {
    fn load(
        &self,
        each: &mut dyn FnMut(HostKey, &[u8]) -> Result<(), StoreError>,
    ) -> Result<Loaded, StoreError> {
        let hosts = self.hosts.lock().unwrap();
        for (key, value) in &*hosts {
            each(key.clone(), value)?;
        }
        let commit = self.commit.load(Ordering::SeqCst);
        Ok(Loaded {
            commit,
            at: UnixMicros(0),
            hosts: hosts.len() as u64,
        })
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.fail.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Write {
                what: "told to fail".into(),
            });
        }
        assert_eq!(
            batch.commit,
            self.commit.fetch_add(1, Ordering::SeqCst) + 1,
            "commits are numbered"
        );
        self.writes.fetch_add(1, Ordering::SeqCst);
        let (mut hosts, mut sum) = (self.hosts.lock().unwrap(), self.sum.lock().unwrap());
        for write in &batch.hosts {
            let old = hosts
                .get(&write.key)
                .map(|value| record_hash(&write.key, value));
            assert_eq!(write.replaces, old, "the hash of what is on disk");
            *sum = sum.wrapping_sub(old.unwrap_or(0)).wrapping_add(write.hash);
            match &write.value {
                Some(value) => hosts.insert(write.key.clone(), value.clone()),
                None => hosts.remove(&write.key),
            };
        }
        Ok(())
    }

    fn host(&self, key: &HostKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.hosts.lock().unwrap().get(key).cloned())
    }

    fn save_seen(&self, _: &[SeenAt]) -> Result<(), StoreError> {
        Ok(())
    }

    fn load_seen(&self) -> Result<Vec<SeenAt>, StoreError> {
        Ok(Vec::new())
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub(crate) fn step_back_s(&self, seconds: i64) {
        self.advance_s(-seconds);
    }

    pub(crate) fn now_s(&self) -> u32 {
        Clock::now_s(self)
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Bench {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) published: Arc<Published>,
    committer: Committer,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(TestClock(AtomicI64::new(1_764_000_000_000_000)));
        let published = Arc::new(Published {
            state: ArcSwap::from_pointee(State::default()),
            liveness: Liveness::new(clock.now_s()),
            counters: Counters::default(),
        });
        let committer = Committer::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::clone(&published),
            0,
        );
        Self {
            store,
            clock,
            published,
            committer,
        }
    }

    pub(crate) fn send(&mut self, report: Report) -> Decision {
        self.send_as(report, Selection::Whole)
    }

    pub(crate) fn send_as(&mut self, report: Report, granted: Selection) -> Decision {
        let prepared = Prepared::new(PROJECT.into(), &report, granted).unwrap();
        self.committer.commit(vec![prepared]).unwrap()[0]
    }

    pub(crate) fn send_all(&mut self, reports: Vec<Report>) -> Result<Vec<Decision>, StoreError> {
        let prepare =
            |report: Report| Prepared::new(PROJECT.into(), &report, Selection::Whole).unwrap();
        self.committer
            .commit(reports.into_iter().map(prepare).collect())
    }

    pub(crate) fn host(&self, id: &str) -> Arc<Host> {
        let state = self.published.state.load();
        Arc::clone(state.project(PROJECT).unwrap().host(id).unwrap())
    }

    /// The ports on which the host counts.
    pub(crate) fn ports(&self, id: &str) -> Vec<u16> {
        let state = self.published.state.load();
        let project = state.project(PROJECT).unwrap();
        let page = project.page(&Selection::Whole, &every_tcp(), &all_rows());
        let has = |port: &u16| {
            project
                .hosts_with(&Selection::Whole, Category::Host, *port, Transport::Tcp)
                .any(|(host, _)| host.facts.id.as_str() == id)
        };
        page.rows.iter().map(|row| row.port).filter(has).collect()
    }

    pub(crate) fn fresh_and_stale(&self, ids: &[&str]) -> (u64, u64) {
        let selection = Selection::Of(
            ids.iter()
                .map(|id| EnterpriseProjectId::from(*id))
                .collect(),
        );
        self.published
            .state
            .load()
            .project(PROJECT)
            .unwrap()
            .fresh_and_stale(&selection)
    }

    pub(crate) fn assert_store_sums(&self) {
        let hosts = self.store.hosts.lock().unwrap();
        let sum = hosts.iter().fold(0u128, |sum, (key, value)| {
            sum.wrapping_add(record_hash(key, value))
        });
        assert_eq!(*self.store.sum.lock().unwrap(), sum);
    }

    /// Invariant 2.
    pub(crate) fn assert_rebuild_equals_live(&self) {
        let (rebuilt, _) = rebuild(&*self.store, |_| {}).unwrap();
        assert_eq!(told(&rebuilt), told(&self.published.state.load()));
    }
}

/// All that a state answers: the facts of each host, and every row of every scope.
pub(crate) fn told(state: &State) -> Vec<(String, Vec<HostFacts>, Vec<Page>)> {
    let mut all = Vec::new();
    for (id, project) in state.projects() {
        let facts = project
            .hosts_after(None)
            .map(|host| host.facts.clone())
            .collect();
        let mut pages = Vec::new();
        let scopes = project
            .enterprise_projects()
            .map(|id| Selection::Of(vec![id.clone()]));
        for selection in scopes.chain([Selection::Whole]) {
            for category in [Category::Host, Category::Container] {
                for v6 in [false, true] {
                    let filter = Filter {
                        category,
                        v6,
                        ..every_tcp()
                    };
                    let filter = Filter {
                        transport: None,
                        ..filter
                    };
                    pages.push(project.page(&selection, &filter, &all_rows()));
                }
            }
        }
        all.push((id.to_string(), facts, pages));
    }
    all
}

fn every_tcp() -> Filter {
    Filter {
        category: Category::Host,
        v6: false,
        transport: Some(Transport::Tcp),
        port: None,
        port_string: None,
        status: None,
    }
}

fn all_rows() -> PageRequest {
    PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit: usize::MAX,
    }
}

/// A report with TCP ports in the host's own namespace.
pub(crate) fn report(host_id: &str, generation: u64, sequence: u64, ports: &[u16]) -> Report {
    let open = |&port| OpenPort::new(Transport::Tcp, "0.0.0.0".parse().unwrap(), port);
    Report {
        host: WireHost {
            host_id: host_id.into(),
            enterprise_project_id: "0".into(),
            ..WireHost::default()
        },
        generation,
        sequence,
        observed_at: UnixMicros(0),
        heartbeat_interval_s: Some(30),
        agent: None,
        coverage: Coverage {
            privileged: true,
            ..Coverage::default()
        },
        open_ports: ports.iter().map(open).collect(),
        transients: Vec::new(),
        transients_lost: 0,
    }
}
