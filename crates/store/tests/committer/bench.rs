//! A committer over a store in memory that can be told to fail, with a clock that is set by hand.
//! The stand-in is for order and failure; the real store has tests of its own.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use portolan_census::{
    AssetsOf, Filter, Host, HostFacts, Ignored, Liveness, Page, PageRequest, Selection, Silent,
    Sockets, Start, State,
};
use portolan_store::history::{Change, changes};
use portolan_store::{
    Clock, Committer, Decision, HistoryOrder, Ignoring, IgnoringDone, Loaded, Prepared, Published,
    RecordChange, Retirement, Store, StoreError, Submission, rebuild, record_hash,
};
use portolan_wire::hss::port_statistics::{PortStatus, SortDir};
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::open_port::{Category, OpenPort, Transport};
use portolan_wire::report::{Coverage, Host as WireHost, Report};
use portolan_wire::time::UnixMicros;

use crate::memory_store::MemoryStore;

pub(crate) const PROJECT: &str = "p";

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
        Self::with(|liveness| liveness)
    }

    /// One that retires hosts which have been silent for so many seconds.
    pub(crate) fn retiring_after(retire_after_s: u32) -> Self {
        Self::with(|liveness| liveness.retiring_after(Some(retire_after_s)))
    }

    fn with(liveness: impl FnOnce(Liveness) -> Liveness) -> Self {
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(TestClock(AtomicI64::new(1_764_000_000_000_000)));
        let published = Arc::new(Published::new(
            State::default(),
            liveness(Liveness::new(clock.now_s())),
            &Loaded::default(),
        ));
        let committer = Committer::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::clone(&published),
            &Loaded::default(),
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

    /// Removes a host of the project.
    pub(crate) fn retire(&mut self, id: &str, granted: &Selection) -> Retirement {
        self.try_retire(id, granted).unwrap()
    }

    pub(crate) fn try_retire(
        &mut self,
        id: &str,
        granted: &Selection,
    ) -> Result<Retirement, StoreError> {
        self.committer.retire(host_key(id), granted)
    }

    /// A heartbeat of the host.
    pub(crate) fn touch(&self, id: &str) {
        let now_s = self.clock.now_s();
        self.published.liveness.touched(&self.host(id), now_s);
    }

    pub(crate) fn serve(&mut self, submissions: Vec<Submission>) -> Result<(), Arc<StoreError>> {
        self.committer.serve(submissions)
    }

    /// What the server does each second.
    pub(crate) fn roll(&mut self) {
        let silent = self.published.liveness.roll(self.clock.now_s());
        self.committer.freshen();
        for Silent { key, heard_s } in silent {
            self.committer.retire_silent(key, heard_s).unwrap();
        }
    }

    pub(crate) fn retire_silent(&mut self, id: &str, silent_since_s: u32) -> bool {
        let key = host_key(id);
        self.committer.retire_silent(key, silent_since_s).unwrap()
    }

    pub(crate) fn forget_retired(&mut self, before: UnixMicros) -> u64 {
        self.committer.forget_retired(before).unwrap()
    }

    /// A committer over the same store, as after a restart of the server.
    pub(crate) fn restart(self) -> Self {
        let (state, loaded) = rebuild(&*self.store, |_| {}).unwrap();
        let liveness = Liveness::new(self.clock.now_s());
        let published = Arc::new(Published::new(state, liveness, &loaded));
        let committer = Committer::new(
            Arc::clone(&self.store) as Arc<dyn Store>,
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            Arc::clone(&published),
            &loaded,
        );
        Self {
            published,
            committer,
            ..self
        }
    }

    /// Every change of the history.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut all = Vec::new();
        changes(&*self.store, .., HistoryOrder::Ascending, &mut |change| {
            all.push(change);
            ControlFlow::Continue(())
        })
        .unwrap();
        all
    }

    /// Makes ports ignored, or ignored no longer.
    pub(crate) fn ignore(&mut self, wanted: &Ignoring) -> IgnoringDone {
        self.try_ignore(wanted).unwrap()
    }

    pub(crate) fn try_ignore(&mut self, wanted: &Ignoring) -> Result<IgnoringDone, StoreError> {
        self.committer.ignore(wanted)
    }

    /// The statuses of a TCP port's rows in one enterprise project.
    pub(crate) fn statuses(&self, enterprise_project: &str, port: u16) -> Vec<PortStatus> {
        let selection = Selection::of([EnterpriseProjectId::from(enterprise_project)]);
        let filter = Filter {
            port: Some(port),
            ..every_tcp()
        };
        let state = self.published.state.load();
        let page = state
            .project(PROJECT)
            .unwrap()
            .page(&selection, &filter, &all_rows());
        page.rows.iter().map(|row| row.status).collect()
    }

    pub(crate) fn change(&mut self, changes: Vec<RecordChange>) -> Result<(), StoreError> {
        self.committer.change_records(changes)
    }

    /// The bench's parts, for who wants to run the committer's thread.
    pub(crate) fn into_committer(self) -> (Committer, Arc<MemoryStore>, Arc<Published>) {
        (self.committer, self.store, self.published)
    }

    /// Whether the published state knows the host.
    pub(crate) fn knows(&self, id: &str) -> bool {
        let state = self.published.state.load();
        state.host(&host_key(id)).is_some()
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
            let of = AssetsOf {
                category: Category::Host,
                sockets: Sockets::All,
                port: *port,
                transport: Some(Transport::Tcp),
                fresh: false,
            };
            let assets = project.port_assets(&Selection::Whole, of, None, usize::MAX);
            let mut rows = assets.rows.iter();
            rows.any(|row| row.host.facts.id.as_str() == id)
        };
        page.rows.iter().map(|row| row.port).filter(has).collect()
    }

    pub(crate) fn fresh_and_stale(&self, ids: &[&str]) -> (u64, u64) {
        let selection = Selection::of(ids.iter().map(|id| EnterpriseProjectId::from(*id)));
        let state = self.published.state.load();
        state
            .project(PROJECT)
            .map_or((0, 0), |project| project.fresh_and_stale(&selection))
    }

    pub(crate) fn assert_store_sums(&self) {
        let (hosts, records) = (
            self.store.hosts.lock().unwrap(),
            self.store.records.lock().unwrap(),
        );
        let hosts = hosts.iter().map(|(key, value)| record_hash(key, value));
        let records = records.iter().map(|(key, value)| key.hash_with(value));
        let sum = hosts.chain(records).fold(0, u128::wrapping_add);
        assert_eq!(*self.store.sum.lock().unwrap(), sum);
    }

    /// Invariant 2.
    pub(crate) fn assert_rebuild_equals_live(&self) {
        let (rebuilt, _) = rebuild(&*self.store, |_| {}).unwrap();
        assert_eq!(told(&rebuilt), told(&self.published.state.load()));
    }
}

/// A project's id, its hosts and its pages.
type Told = (String, Vec<(HostFacts, Ignored)>, Vec<Page>);

/// All that a state answers: the facts of each host and what is ignored of it, and every row of every scope.
pub(crate) fn told(state: &State) -> Vec<Told> {
    let mut all = Vec::new();
    for (id, project) in state.projects() {
        let facts = project
            .hosts_after(None)
            .map(|host| (host.facts.clone(), host.ignored.clone()))
            .collect();
        let mut pages = Vec::new();
        let scopes = project
            .enterprise_projects()
            .map(|id| Selection::of([id.clone()]));
        for selection in scopes.chain([Selection::Whole]) {
            for category in [Category::Host, Category::Container] {
                for sockets in Sockets::ALL {
                    let filter = Filter {
                        category,
                        sockets,
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

pub(crate) fn every_tcp() -> Filter {
    Filter {
        category: Category::Host,
        sockets: Sockets::All,
        transport: Some(Transport::Tcp),
        port: None,
        port_string: None,
        status: None,
    }
}

pub(crate) fn all_rows() -> PageRequest {
    PageRequest {
        sort_dir: SortDir::Asc,
        start: Start::Offset(0),
        limit: usize::MAX,
    }
}

pub(crate) fn host_key(id: &str) -> HostKey {
    HostKey {
        project: PROJECT.into(),
        host: id.into(),
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
