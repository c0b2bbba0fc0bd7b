//! Random schedules of three servers: reports through any of them, lost and late messages, servers cut
//! off, killed and begun anew, bases and trims.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use portolan_census::{Choice, Pair, Selection};
use portolan_store::jetstream::{Fault, Model};
use portolan_store::{Decision, HistoryOrder, Ignoring, Retirement, Store, StoreError, recount};
use portolan_wire::open_port::Transport;
use proptest::prelude::*;

use crate::server::{PROJECT, Server, host_key, report, token};

const SERVERS: usize = 3;
const HOSTS: [&str; 4] = ["a", "b", "c", "d"];

/// What happens next; `usize` is the server.
#[derive(Clone, Debug)]
enum Step {
    /// The next reports of some hosts, with these ports, at once.
    Reports(usize, Vec<(usize, BTreeSet<u16>)>),
    /// A host's report before its last again.
    Again(usize, usize),
    Retire(usize, usize),
    Ignore(usize, usize, u16),
    Token(usize, u8),
    /// So many more messages come in.
    Arrive(usize, u64),
    Fault(usize, u8),
    CutOff(usize, bool),
    Delayed(bool),
    Base(usize),
    Restart(usize, bool),
    Time(usize, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let server = || 0..SERVERS;
    let host = || 0..HOSTS.len();
    let ports = proptest::collection::btree_set(20_u16..26, 0..4);
    let step = prop_oneof![
        12 => (server(), proptest::collection::vec((host(), ports), 1..4))
            .prop_map(|(s, reports)| Step::Reports(s, reports)),
        3 => (server(), host()).prop_map(|(s, h)| Step::Again(s, h)),
        2 => (server(), host()).prop_map(|(s, h)| Step::Retire(s, h)),
        2 => (server(), host(), 20_u16..26).prop_map(|(s, h, p)| Step::Ignore(s, h, p)),
        2 => (server(), 0_u8..3).prop_map(|(s, t)| Step::Token(s, t)),
        6 => (server(), 1_u64..4).prop_map(|(s, n)| Step::Arrive(s, n)),
        4 => (server(), 0_u8..3).prop_map(|(s, f)| Step::Fault(s, f)),
        2 => (server(), any::<bool>()).prop_map(|(s, c)| Step::CutOff(s, c)),
        3 => any::<bool>().prop_map(Step::Delayed),
        1 => server().prop_map(Step::Base),
        1 => (server(), any::<bool>()).prop_map(|(s, e)| Step::Restart(s, e)),
        3 => (server(), -900_i64..900).prop_map(|(s, ms)| Step::Time(s, ms)),
    ];
    proptest::collection::vec(step, 1..60)
}

struct Cluster {
    model: Arc<Model>,
    servers: Vec<Option<Server>>,
    /// The newest report of each host that was sent, and those that were acknowledged.
    sent: BTreeMap<usize, u64>,
    ports: BTreeMap<(usize, u64), Vec<u16>>,
    acknowledged: BTreeMap<usize, u64>,
    tokens: BTreeMap<u8, BTreeSet<Vec<u8>>>,
}

impl Cluster {
    fn new() -> Self {
        let model = Model::new();
        let servers = [0, 40, -40].map(|ahead_ms| Some(Server::new(&model, ahead_ms)));
        Self {
            model,
            servers: servers.into(),
            sent: BTreeMap::new(),
            ports: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }

    fn server(&mut self, server: usize) -> &mut Server {
        self.servers[server].as_mut().unwrap()
    }

    fn send(&mut self, server: usize, reports: &[(usize, u64)]) {
        let told = reports.iter().map(|(host, sequence)| {
            let ports = &self.ports[&(*host, *sequence)];
            report(HOSTS[*host], *sequence, ports)
        });
        let told: Vec<_> = told.collect();
        let answers = self.server(server).report_together(&told);
        for ((host, sequence), answer) in reports.iter().zip(answers) {
            match answer {
                Ok(Decision::Accepted { .. }) => {
                    let newest = self.acknowledged.entry(*host).or_default();
                    *newest = (*sequence).max(*newest);
                }
                Ok(Decision::Stale { .. }) => {
                    let newest = self.sent[host];
                    assert!(*sequence < newest, "the newest report is not stale");
                }
                Ok(decided) => panic!("{decided:?} of one agent's reports"),
                Err(error) => unavailable(&error),
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Reports(server, reports) => {
                let mut told = Vec::new();
                for (host, ports) in reports {
                    let sequence = self.sent.get(&host).map_or(1, |last| last + 1);
                    self.sent.insert(host, sequence);
                    self.ports
                        .insert((host, sequence), ports.into_iter().collect());
                    told.push((host, sequence));
                }
                self.send(server, &told);
            }
            Step::Again(server, host) => {
                let before = self.sent.get(&host).map(|last| last - 1);
                if let Some(sequence) = before.filter(|sequence| *sequence > 0) {
                    self.send(server, &[(host, sequence)]);
                }
            }
            Step::Retire(server, host) => {
                let key = host_key(HOSTS[host]);
                let committer = &mut self.server(server).running.committer;
                match committer.retire(key, &Selection::Whole) {
                    Ok(Retirement::Retired | Retirement::Unknown) => {}
                    Err(error) => unavailable(&error),
                }
            }
            Step::Ignore(server, host, port) => self.ignore(server, host, port),
            Step::Token(server, id) => {
                let value = self.tokens.get(&id).map_or(0, BTreeSet::len) as u8;
                let value = vec![server as u8, value];
                self.tokens.entry(id).or_default().insert(value.clone());
                let put = self.server(server).put_token(&id.to_string(), &value);
                put.unwrap_or_else(|error| unavailable(&error));
            }
            Step::Arrive(server, more) => {
                let server = self.server(server);
                let held = server.running.store.commit_held();
                server.log.arrive(held + more);
                let followed = server.running.committer.follow();
                followed.unwrap_or_else(|error| unavailable(&error));
            }
            Step::Fault(server, fault) => {
                let faults = [Fault::Lost, Fault::AnswerLost, Fault::Delayed];
                self.server(server).log.fault(faults[usize::from(fault)]);
            }
            Step::CutOff(server, is_cut_off) => self.server(server).log.cut_off(is_cut_off),
            Step::Delayed(reaches) => {
                if reaches {
                    self.model.deliver_delayed();
                } else {
                    self.model.drop_delayed();
                }
            }
            Step::Base(server) => {
                let made = self.server(server).running.store.make_base();
                made.map_or_else(|error| unavailable(&error), drop);
            }
            Step::Restart(server, with_empty_folder) => {
                self.server(server).log.cut_off(false);
                let stopped = self.servers[server].take().unwrap();
                self.servers[server] = Some(stopped.restart(with_empty_folder));
            }
            Step::Time(server, ms) => self.server(server).clock.advance_ms(ms),
        }
    }

    fn ignore(&mut self, server: usize, host: usize, port: u16) {
        let choice = Choice {
            container_asset: None,
            port,
            transport: Transport::Tcp,
        };
        let wanted = Ignoring {
            project: PROJECT.into(),
            selection: Selection::Whole,
            ignore: port.is_multiple_of(2),
            items: vec![(HOSTS[host].into(), choice)],
        };
        match self.server(server).running.committer.ignore(&wanted) {
            Ok(_) => {}
            Err(error) => unavailable(&error),
        }
    }

    /// All that is late comes, and everybody takes it in.
    fn settle(&mut self) {
        while self.model.deliver_delayed() {}
        for server in self.servers.iter_mut().flatten() {
            server.log.cut_off(false);
            server.catch_up();
        }
    }

    fn check(&self) {
        let servers: Vec<&Server> = self.servers.iter().flatten().collect();
        let first = Held::of(servers[0]);
        for server in &servers[1..] {
            assert_eq!(Held::of(server), first);
        }
        for (host, acknowledged) in &self.acknowledged {
            let held = first.pairs.get(HOSTS[*host]);
            let sequence = held.map_or(0, |pair| pair.sequence);
            assert!(
                sequence >= *acknowledged,
                "host {host} is at {sequence}, and {acknowledged} was acknowledged"
            );
        }
        for (id, values) in &self.tokens {
            if let Some(held) = servers[0]
                .running
                .store
                .record(&token(&id.to_string()))
                .unwrap()
            {
                assert!(values.contains(&held), "token {id} is what nobody put");
            }
        }
    }
}

/// The only error that a server may give: all others end it.
fn unavailable(error: &StoreError) {
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
}

/// All that a server says, in a form that can be compared.
#[derive(Debug, PartialEq)]
struct Held {
    commit: u64,
    pairs: BTreeMap<String, Pair>,
    hosts: BTreeMap<String, String>,
    history: Vec<(u64, Vec<u8>)>,
}

impl Held {
    fn of(server: &Server) -> Self {
        let (store, published) = (&server.running.store, &server.running.published);
        let state = server.state();
        let recounted = recount(&**store, published, &PROJECT.into(), &Selection::Whole).unwrap();
        assert!(recounted.differences.is_empty(), "{recounted:?}");
        let mut held = Self {
            commit: state.commit(),
            pairs: BTreeMap::new(),
            hosts: BTreeMap::new(),
            history: Vec::new(),
        };
        let project = state.project(PROJECT);
        for host in project.into_iter().flat_map(|project| {
            let retired = project.all_retired();
            project.hosts_after(None).chain(retired)
        }) {
            let id = host.facts.id.to_string();
            held.pairs.insert(id.clone(), host.facts.pair);
            let choices: Vec<_> = host.ignored.choices().iter().collect();
            let told = format!("{:?} {choices:?}", host.facts);
            held.hosts.insert(id, told);
        }
        let all = 0..=u64::MAX;
        store
            .history(all, HistoryOrder::Ascending, &mut |commit, record| {
                held.history.push((commit, record.to_vec()));
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        held
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn all_servers_hold_the_same_and_nothing_acknowledged_is_lost(steps in steps()) {
        let mut cluster = Cluster::new();
        for step in steps {
            cluster.take(step);
        }
        cluster.settle();
        cluster.check();
        // What they hold in memory is what their checkpoints do.
        let servers = std::mem::take(&mut cluster.servers).into_iter().flatten();
        cluster.servers = servers.map(|server| Some(server.restart(false))).collect();
        cluster.check();
    }
}
