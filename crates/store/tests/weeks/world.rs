//! Simulated weeks on a real store, and the naive model beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use portolan_census::{Choice, Liveness, Selection, State};
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::history::checkpoint;
use portolan_store::{
    Clock, Committer, Decision, Ignoring, Prepared, Published, Retirement, Store, rebuild_all,
};
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::OpenPort;
use portolan_wire::report::{Coverage, Host as WireHost, Report};
use portolan_wire::time::UnixMicros;

use crate::model::{Model, Version};
use crate::steps::{Socket, Step, open_ports};

pub(crate) const PROJECT: &str = "p";
/// 2026-01-01T12:00:00Z.
const BEGIN: i64 = 1_767_268_800_000_000;
const SECOND: i64 = 1_000_000;

struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    clock: Arc<HandClock>,
    pub(crate) store: Arc<EmbeddedStore>,
    pub(crate) published: Arc<Published>,
    committer: Committer,
    pub(crate) model: Model,
    /// What each host reported last, and how often it reported.
    told: BTreeMap<&'static str, (&'static str, Vec<Socket>)>,
    sequence: u64,
    lives: BTreeMap<&'static str, u32>,
}

pub(crate) fn key(host: &str) -> HostKey {
    HostKey {
        project: PROJECT.into(),
        host: host.into(),
    }
}

fn open(
    folder: &std::path::Path,
    clock: &Arc<HandClock>,
) -> (Arc<EmbeddedStore>, Arc<Published>, Committer) {
    let options = EmbeddedOptions {
        free_bytes_min: 0,
        ..EmbeddedOptions::default()
    };
    let store = Arc::new(EmbeddedStore::open(folder, options).unwrap());
    let rebuilt = rebuild_all(&*store, |_| {}).unwrap();
    let liveness = Liveness::new(clock.now_s());
    let published = Arc::new(Published::new(rebuilt.state, liveness, &rebuilt.loaded));
    let committer = Committer::new(
        Arc::clone(&store) as Arc<dyn Store>,
        Arc::clone(clock) as Arc<dyn Clock>,
        Arc::clone(&published),
        &rebuilt.loaded,
    );
    (store, published, committer)
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(BEGIN)));
        let (store, published, committer) = open(folder.path(), &clock);
        Self {
            folder,
            clock,
            store,
            published,
            committer,
            model: Model::default(),
            told: BTreeMap::new(),
            sequence: 0,
            lives: BTreeMap::new(),
        }
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.published.state.load_full()
    }

    /// The moments that can be asked about.
    pub(crate) fn kept(&self) -> (UnixMicros, UnixMicros) {
        let from = self.store.history_span().unwrap().from;
        let newest = self.model.hosts.values().flatten().map(|v| v.at).max();
        (from, newest.map_or(from, |at| at.max(from).plus_micros(7)))
    }

    pub(crate) fn take(&mut self, step: &Step) {
        self.clock.0.fetch_add(SECOND / 3, Ordering::SeqCst);
        match step {
            Step::Reports(reports) => {
                let reports = reports.iter();
                self.report(reports.map(|(host, told)| (*host, told.clone())).collect());
            }
            Step::Together(host, reports, counted) => {
                let reports = reports.iter();
                self.report(reports.map(|told| (*host, told.clone())).collect());
                if *counted {
                    self.write_down();
                }
            }
            Step::Restarts(host) => {
                let told = self.told.get(host).cloned();
                self.report(told.into_iter().map(|told| (*host, told)).collect());
            }
            Step::Replaces(name) => *self.lives.entry(name).or_default() += 1,
            Step::Retires(host) => self.retire(host),
            Step::Ignores(host, choice, on) => self.ignore(host, choice, *on),
            Step::Silence(seconds) => {
                self.clock.0.fetch_add(seconds * SECOND, Ordering::SeqCst);
            }
            Step::ClockBack(seconds) => {
                self.clock.0.fetch_sub(seconds * SECOND, Ordering::SeqCst);
            }
            Step::Restart => self.restart(),
            Step::Checkpoint => self.write_down(),
            Step::Drops(days) => self.drop_all_but(*days),
        }
    }

    fn write_down(&mut self) {
        let checkpoint = checkpoint(&self.state()).unwrap();
        self.store.save_checkpoint(&checkpoint).unwrap();
    }

    /// Reports in one commit, in that order.
    fn report(&mut self, told: Vec<(&'static str, (&'static str, Vec<Socket>))>) {
        let mut reports = Vec::new();
        for (host, (enterprise_project, sockets)) in told {
            self.sequence += 1;
            let pid = u32::try_from(self.sequence).unwrap();
            reports.push(Report {
                host: WireHost {
                    host_id: host.into(),
                    host_name: (self.sequence % 7 > 2).then(|| format!("{host}-{}", pid % 3)),
                    enterprise_project_id: enterprise_project.into(),
                    ..WireHost::default()
                },
                generation: 1,
                sequence: self.sequence,
                observed_at: self.clock.now(),
                heartbeat_interval_s: None,
                agent: None,
                coverage: Coverage::default(),
                open_ports: open_ports(&sockets, &self.lives, pid),
                transients: Vec::new(),
                transients_lost: 0,
            });
            self.told.insert(host, (enterprise_project, sockets));
        }
        let mut at = self.clock.now().max(self.state().at().plus_micros(1));
        let prepare = |report| Prepared::new(PROJECT.into(), report, Selection::Whole).unwrap();
        let decided = self.committer.commit(reports.iter().map(prepare).collect());
        let all = Decision::Accepted { fresh: true };
        assert!(decided.unwrap().into_iter().all(|decision| decision == all));
        for report in reports {
            // The moments of a host's versions rise, and with them those of all behind in the commit.
            let before = self.model.newest(&report.host.host_id);
            at = at.max(before.map_or(at, |before| before.at.plus_micros(1)));
            let host = key(&report.host.host_id);
            self.note(report, at);
            let newest = self.state().host(&host).unwrap().facts.at;
            assert!(at <= newest, "{at} is no moment of the commit");
        }
    }

    /// Enters an accepted report into the model.
    fn note(&mut self, report: Report, at: UnixMicros) {
        let host = report.host.host_id.as_str();
        let before = self.model.newest(host);
        let first_seen = |port: &OpenPort| {
            let ports = before.iter().flat_map(|version| &version.ports);
            let mut same = ports.filter(|(old, _)| same_port(old, port));
            same.next().map_or(at, |(_, seen)| *seen)
        };
        let ports = report.open_ports.into_iter();
        let ports: Vec<_> = ports
            .map(|port| (port.clone(), first_seen(&port)))
            .collect();
        let is_there = before.is_some_and(|version| version.enterprise_project.is_some());
        let ignored = before
            .filter(|_| is_there)
            .map(|version| version.ignored.clone());
        let version = Version {
            at,
            enterprise_project: Some(report.host.enterprise_project_id),
            ports,
            ignored: ignored.unwrap_or_default(),
            sequence: report.sequence,
            host_name: report.host.host_name,
        };
        let versions = self.model.hosts.entry(host.into()).or_default();
        versions.push(version);
    }

    fn retire(&mut self, host: &str) {
        let newest = self.model.newest(host);
        let is_there = newest.is_some_and(|version| version.enterprise_project.is_some());
        let retired = self.committer.retire(key(host), &Selection::Whole).unwrap();
        assert_eq!(retired == Retirement::Retired, is_there);
        if !is_there {
            return;
        }
        let state = self.state();
        let held = state.retired(&key(host)).unwrap();
        let before = self.model.newest(host).unwrap().clone();
        let version = Version {
            at: held.facts.retired_at.unwrap(),
            enterprise_project: None,
            ignored: BTreeSet::new(),
            ..before
        };
        self.model.hosts.get_mut(host).unwrap().push(version);
    }

    fn ignore(&mut self, host: &str, choice: &Choice, on: bool) {
        let Some(newest) = self.model.newest(host).cloned() else {
            return;
        };
        if newest.enterprise_project.is_none() {
            return;
        }
        let wanted = Ignoring {
            project: PROJECT.into(),
            selection: Selection::Whole,
            ignore: on,
            items: vec![(host.into(), choice.clone())],
        };
        self.committer.ignore(&wanted).unwrap();
        let mut version = newest;
        let changed = if on {
            version.ignored.insert(choice.clone())
        } else {
            version.ignored.remove(choice)
        };
        if changed {
            version.at = self.state().at();
            self.model.hosts.get_mut(host).unwrap().push(version);
        }
    }

    fn restart(&mut self) {
        self.store.close().unwrap();
        let unused = tempfile::tempdir().unwrap();
        // The lock of the folder goes with the store, so another takes its place meanwhile.
        (self.store, self.published, self.committer) = open(unused.path(), &self.clock);
        (self.store, self.published, self.committer) = open(self.folder.path(), &self.clock);
    }

    fn drop_all_but(&mut self, days: u32) {
        let newest = self.state().at().day();
        let first = newest.saturating_sub(days);
        self.store.drop_history_before(first).unwrap();
        let (from, _) = self.kept();
        self.committer.forget_retired(from).unwrap();
        self.model.hosts.retain(|_, versions| {
            let newest = versions.last().unwrap();
            newest.enterprise_project.is_some() || newest.at >= from
        });
    }
}

/// Whether it is the same port, or the one of a container's next life.
pub(crate) fn same_port(a: &OpenPort, b: &OpenPort) -> bool {
    let identity = |port: &OpenPort| {
        let container = port.container_name.clone();
        (container, port.transport, port.laddr, port.port)
    };
    identity(a) == identity(b)
}
