//! A server with 64 writers at once, through the real committer, as a process to be killed; and what
//! its store must hold after that.
//!
//! Each writer does one thing after the other and waits for the answer, so of its steps all that it
//! told, and at most one more, are in the store. What step `n` of a writer does follows from `n`
//! alone: the parent knows every value that must be there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use portolan_census::{Liveness, Selection, State};
use portolan_store::embedded::{EmbeddedOptions, EmbeddedStore};
use portolan_store::{
    Committer, Decision, Prepared, Published, Queue, Rebuilt, RecordChange, Retirement, Store,
    Submission, SystemClock, rebuild_all, recount, snapshot_of, start,
};
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Coverage, Host, Report};
use portolan_wire::time::UnixMicros;

use crate::model::token;

pub(crate) const WRITERS: usize = 64;
const HOSTS_A_WRITER: u64 = 4;
const TOLD: &str = "told ";
/// Set for the child process alone: the folder whose store it fills.
const FOLDER: &str = "PORTOLAN_TEST_WRITERS_FOLDER";

/// What a writer does at a step.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Report(u64),
    Retire(u64),
    Token,
}

fn step(n: u64) -> Step {
    match n % 10 {
        9 => Step::Retire(n / 10 % HOSTS_A_WRITER),
        4 => Step::Token,
        _ => Step::Report(n % HOSTS_A_WRITER),
    }
}

fn host_key(writer: usize, host: u64) -> HostKey {
    HostKey {
        project: format!("p{}", writer % 3).as_str().into(),
        host: format!("w{writer}-h{host}").as_str().into(),
    }
}

fn token_id(writer: usize) -> String {
    format!("w{writer}")
}

/// What a host reports at step `n`: some kilobytes, all of which follow from `n`.
fn open_ports(n: u64) -> Vec<OpenPort> {
    let ports = (0..5 + n % 20).map(|place| {
        let port = 1 + (n * 7 + place * 13) % 60_000;
        let mut open = OpenPort::new(Transport::Tcp, "0.0.0.0".parse().unwrap(), port as u16);
        open.path = Some(format!("/opt/service-{n}/bin/{}", "x".repeat(50)));
        open
    });
    let mut ports: Vec<_> = ports.collect();
    ports.sort_by_key(|open| open.port);
    ports.dedup_by_key(|open| open.port);
    ports
}

fn report(writer: usize, host: u64, n: u64) -> Report {
    Report {
        host: Host {
            host_id: host_key(writer, host).host.to_string(),
            enterprise_project_id: (n % 2).to_string(),
            ..Host::default()
        },
        generation: 1,
        sequence: n,
        observed_at: UnixMicros(0),
        heartbeat_interval_s: Some(30),
        agent: None,
        coverage: Coverage {
            privileged: true,
            ..Coverage::default()
        },
        open_ports: open_ports(n),
        transients: Vec::new(),
        transients_lost: 0,
    }
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        // Small, so that tables are written and merged all the time.
        memtable_bytes: 1 << 20,
        // The disks of these tests are small, too.
        free_bytes_min: 0,
        ..EmbeddedOptions::default()
    }
}

/// An open store with its census.
struct Opened {
    store: Arc<EmbeddedStore>,
    published: Arc<Published>,
    rebuilt: Rebuilt,
}

fn open(folder: &Path) -> Opened {
    let store = Arc::new(EmbeddedStore::open(folder, options()).unwrap());
    let rebuilt = rebuild_all(&*store, |_| {}).unwrap();
    let published = Arc::new(Published::new(
        State::clone(&rebuilt.state),
        Liveness::new(0),
        &rebuilt.loaded,
    ));
    Opened {
        store,
        published,
        rebuilt,
    }
}

/// The child: 64 threads commit without end, each telling every step that was acknowledged. Its
/// standard input says from which step on each writer goes.
#[test]
fn child_writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut from = String::new();
    std::io::stdin().read_line(&mut from).unwrap();
    let from: Vec<u64> = from.split(' ').map(|n| n.trim().parse().unwrap()).collect();
    let opened = open(Path::new(&folder));
    let committer = Committer::new(
        Arc::clone(&opened.store) as Arc<dyn Store>,
        Arc::new(SystemClock),
        opened.published,
        &opened.rebuilt.loaded,
    );
    let (queue, _handle) = start(committer, |error| panic!("{error}")).unwrap();
    std::thread::scope(|scope| {
        for (writer, from) in from.into_iter().enumerate() {
            let queue = queue.clone();
            scope.spawn(move || {
                for n in from.. {
                    take_step(&queue, writer, n);
                    let line = format!("\n{TOLD}{writer} {n}\n");
                    std::io::stdout().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}

fn take_step(queue: &Queue, writer: usize, n: u64) {
    match step(n) {
        Step::Report(host) => {
            let project = host_key(writer, host).project;
            let report = report(writer, host, n);
            let report = Prepared::new(project, &report, Selection::Whole).unwrap();
            let decided = submit(queue, |reply| Submission::new(vec![report], reply));
            assert_eq!(decided, [Decision::Accepted { fresh: true }]);
        }
        Step::Retire(host) => {
            let key = host_key(writer, host);
            let done = submit(queue, |reply| {
                Submission::retire(key, Selection::Whole, reply)
            });
            assert_eq!(done, Retirement::Retired);
        }
        Step::Token => {
            let change =
                RecordChange::put(token(&token_id(writer)), n.to_string().into_bytes()).unwrap();
            submit(queue, |reply| Submission::records(vec![change], reply));
        }
    }
}

type Reply<T> = Box<dyn FnOnce(Result<T, Arc<portolan_store::StoreError>>) + Send>;

/// Submits, and waits for the answer.
fn submit<T: Send + 'static>(queue: &Queue, make: impl FnOnce(Reply<T>) -> Submission) -> T {
    let (sender, answer) = channel();
    let submission = make(Box::new(move |outcome| sender.send(outcome).unwrap()));
    queue.submit(submission).unwrap();
    answer.recv().unwrap().unwrap()
}

/// Steps that were told, by writer; 0 where there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told(Vec<u64>);

impl Told {
    pub(crate) fn none() -> Self {
        Self(vec![0; WRITERS])
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The child, and what it tells.
pub(crate) struct Writers {
    child: Child,
    lines: Receiver<(usize, u64)>,
}

impl Writers {
    /// Starts the child on a folder; its writers go on after what the store holds.
    pub(crate) fn start(folder: &Path, after: &Told) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "writers::child_writes_until_killed",
                "--nocapture",
            ])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let from: Vec<String> = after.0.iter().map(|n| (n + 1).to_string()).collect();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", from.join(" ")).unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // Reads on whatever the parent does, so that the child never waits for it.
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let Some(told) = line.strip_prefix(TOLD) else {
                    continue;
                };
                let (writer, n) = told.split_once(' ').unwrap();
                if sender
                    .send((writer.parse().unwrap(), n.parse().unwrap()))
                    .is_err()
                {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the child told `steps` steps.
    pub(crate) fn wait_for(&self, steps: usize, told: &mut Told) {
        for _ in 0..steps {
            let (writer, n) = self.lines.recv().expect("the child ended by itself");
            told.0[writer] = n;
        }
    }

    /// Kills the child and takes in all that it told before.
    pub(crate) fn kill(mut self, told: &mut Told) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        for (writer, n) in self.lines {
            told.0[writer] = n;
        }
    }
}

/// What a writer's steps up to `n` leave: its hosts with the step of each, and its token's step.
fn left_by(n: u64) -> (BTreeMap<u64, u64>, Option<u64>) {
    let (mut hosts, mut token) = (BTreeMap::new(), None);
    for n in 1..=n {
        match step(n) {
            Step::Report(host) => {
                hosts.insert(host, n);
            }
            Step::Retire(host) => {
                hosts.remove(&host);
            }
            Step::Token => token = Some(n),
        }
    }
    (hosts, token)
}

/// Opens the store and asserts that it holds what was told, and of each writer at most one step
/// more. Returns up to which step each writer is in it. Closes the store if `cleanly`.
pub(crate) fn assert_holds(folder: &Path, told: &Told, cleanly: bool) -> Told {
    let opened = open(folder);
    let found = (0..WRITERS).map(|writer| {
        let found = found_of(&opened, writer);
        let told = told.0[writer];
        let matching = [told, told + 1].into_iter().find(|n| left_by(*n) == found);
        matching.unwrap_or_else(|| {
            panic!(
                "writer {writer} told {told} steps, the store has {found:?}, and not {:?}",
                left_by(told)
            )
        })
    });
    let found = Told(found.collect());
    for project in 0..3 {
        let project = format!("p{project}").as_str().into();
        let published = &opened.published;
        let recounted = recount(&*opened.store, published, &project, &Selection::Whole).unwrap();
        assert!(recounted.differences.is_empty(), "{recounted:?}");
    }
    if cleanly {
        opened.store.close().unwrap();
    }
    found
}

fn found_of(opened: &Opened, writer: usize) -> (BTreeMap<u64, u64>, Option<u64>) {
    let mut hosts = BTreeMap::new();
    for host in 0..HOSTS_A_WRITER {
        let key = host_key(writer, host);
        let stored = snapshot_of(&*opened.store, &key).unwrap();
        let counted = opened.rebuilt.state.host(&key);
        assert_eq!(stored.is_some(), counted.is_some(), "{key:?}");
        if let Some(stored) = stored {
            let n = stored.pair.sequence;
            assert_eq!(stored.open_ports, open_ports(n), "{key:?} at step {n}");
            let id = stored.host.enterprise_project_id;
            assert_eq!(id, (n % 2).to_string(), "{key:?} at step {n}");
            hosts.insert(host, n);
        }
    }
    let id = token_id(writer);
    let records = &opened.rebuilt.records;
    let record = records.iter().find(|(key, _)| *key == token(&id));
    let token = record.map(|(_, value)| String::from_utf8_lossy(value).parse().unwrap());
    (hosts, token)
}
