//! Looks into some namespaces only: what changed there is seen, and the rest is as it was.

use std::collections::BTreeSet;
use std::time::Duration;

use portolan_sockets::Scan;
use portolan_wire::open_port::OpenPort;

use crate::program::{Program, in_reused_inode, python_in};
use crate::scene::{collector, eventually, isolated, netns_inode, on_port, only, run, scan};

/// Opens and closes sockets as it is told, alone or together with a child.
const SERVER: &str = "
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
held = {}
say('ready')
while True:
    verb, kind, port = hear().split()
    key = kind, int(port)
    if verb == 'close': held.pop(key).close()
    elif kind == 'tcp': held[key] = tcp('0.0.0.0', key[1])
    elif kind == 'tcp6': held[key] = tcp('::', key[1], AF_INET6, v6only=1)
    else: held[key] = udp('127.0.0.1', key[1])
    say('done')
";

/// A server in a namespace, and what it holds.
struct Server {
    program: Program,
    netns: u64,
    held: BTreeSet<(&'static str, u16)>,
}

impl Server {
    fn start_by(command: &mut std::process::Command) -> Self {
        let program = Program::start_by(command, SERVER);
        let netns = netns_inode(program.pid());
        Self {
            program,
            netns,
            held: BTreeSet::new(),
        }
    }

    /// Opens the socket, or closes it if it is open.
    fn toggle(&mut self, kind: &'static str, port: u16) {
        let verb = match self.held.remove(&(kind, port)) {
            true => "close",
            false => {
                self.held.insert((kind, port));
                "open"
            }
        };
        self.program.tell(&format!("{verb} {kind} {port}"));
        assert_eq!(self.program.hear(), "done");
    }
}

/// What a scan tells of open ports, but for the start of the owner: two collectors may round it to
/// different ticks.
fn told(scan: &Scan) -> Vec<(OpenPort, u32)> {
    let without_start = |port: &OpenPort| OpenPort {
        started_at: None,
        ..port.clone()
    };
    let sockets = scan.sockets.iter();
    sockets
        .map(|socket| (without_start(&socket.port), socket.holders))
        .collect()
}

/// Three namespaces: the host's, `blue` and `red`.
fn servers() -> [Server; 3] {
    run("ip netns add blue && ip netns add red");
    [
        Server::start_by(&mut std::process::Command::new("python3")),
        Server::start_by(&mut python_in("blue")),
        Server::start_by(&mut python_in("red")),
    ]
}

/// The next of a fixed sequence of numbers, below `bound`.
fn next(state: &mut u64, bound: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    usize::try_from(*state >> 33).unwrap() % bound
}

#[test]
fn after_any_changes_a_look_into_the_changed_namespaces_equals_a_fresh_scan() {
    isolated(
        module_path!(),
        "after_any_changes_a_look_into_the_changed_namespaces_equals_a_fresh_scan",
        || {
            let mut servers = servers();
            let mut collector = collector();
            collector.scan().unwrap();
            let (mut random, mut most) = (20_261_124, 0);
            for step in 0..150 {
                let mut changed = BTreeSet::new();
                for _ in 0..next(&mut random, 4) {
                    let server = &mut servers[next(&mut random, 3)];
                    let kind = ["tcp", "tcp6", "udp"][next(&mut random, 3)];
                    let port = u16::try_from(8000 + next(&mut random, 4)).unwrap();
                    server.toggle(kind, port);
                    changed.insert(server.netns);
                }
                let looked = collector.look_into(&changed).unwrap();
                let fresh = scan();
                assert_eq!(told(&looked), told(&fresh), "step {step}, {changed:?}");
                assert_eq!(looked.coverage, fresh.coverage, "step {step}");
                assert_eq!(looked.statistics.namespaces, changed.len() as u64);
                most = most.max(looked.sockets.len());
            }
            assert!(most > 12, "{most}");
        },
    );
}

#[test]
fn a_namespace_that_was_not_asked_for_is_told_as_it_was() {
    isolated(
        module_path!(),
        "a_namespace_that_was_not_asked_for_is_told_as_it_was",
        || {
            let [_host, mut blue, mut red] = servers();
            blue.toggle("tcp", 8000);
            red.toggle("tcp", 8001);
            let mut collector = collector();
            assert_eq!(collector.scan().unwrap().sockets.len(), 2);
            for server in [&mut blue, &mut red] {
                server.toggle("udp", 5000);
            }
            red.toggle("tcp", 8001);
            let scan = collector.look_into(&BTreeSet::from([blue.netns])).unwrap();
            assert_eq!(only(&scan, 5000).port.netns.as_deref(), Some("blue"));
            assert_eq!(only(&scan, 8001).port.netns.as_deref(), Some("red"));
            assert_eq!(scan.statistics.namespaces, 1);
            assert_eq!(scan.coverage.namespaces, Some(3));
            assert!(!scan.statistics.oldest_look.is_zero());
            let scan = collector.look_into(&BTreeSet::from([red.netns])).unwrap();
            assert_eq!(on_port(&scan, 5000).len(), 2);
            assert!(on_port(&scan, 8001).is_empty());
        },
    );
}

#[test]
fn a_new_namespace_is_looked_into_unasked_and_one_that_is_gone_is_forgotten() {
    isolated(
        module_path!(),
        "a_new_namespace_is_looked_into_unasked_and_one_that_is_gone_is_forgotten",
        || {
            let mut collector = collector();
            collector.scan().unwrap();
            run("ip netns add blue");
            let mut blue = Server::start_by(&mut python_in("blue"));
            blue.toggle("tcp", 8000);
            let scan = collector.look_into(&BTreeSet::new()).unwrap();
            assert_eq!(only(&scan, 8000).port.pid, Some(blue.program.pid()));
            assert_eq!(scan.statistics.namespaces, 1);
            blue.program.end();
            run("ip netns del blue");
            let scan = collector.look_into(&BTreeSet::new()).unwrap();
            assert_eq!(scan.sockets.len(), 0);
            assert_eq!(scan.coverage.namespaces, Some(1));
        },
    );
}

#[test]
fn a_namespace_with_the_inode_of_another_is_looked_into_unasked() {
    isolated(
        module_path!(),
        "a_namespace_with_the_inode_of_another_is_looked_into_unasked",
        || {
            let mut collector = collector();
            let script = "s = tcp('0.0.0.0', 8000); say('ready'); hear()";
            let open = |name: &str| {
                run(&format!("ip netns add {name}"));
                Program::start_by(&mut python_in(name), script)
            };
            let second = in_reused_inode(
                open,
                |name| run(&format!("ip netns del {name}")),
                |first| {
                    let socket = only(&collector.scan().unwrap(), 8000);
                    assert_eq!(socket.port.pid, Some(first.pid()));
                },
            );
            let socket = only(&collector.look_into(&BTreeSet::new()).unwrap(), 8000);
            assert_eq!(socket.port.pid, Some(second.pid()));
            assert_eq!(socket.port.netns.as_deref(), Some("red"));
        },
    );
}

#[test]
fn a_namespace_without_a_process_that_took_the_place_of_another_is_looked_into_unasked() {
    isolated(
        module_path!(),
        "a_namespace_without_a_process_that_took_the_place_of_another_is_looked_into_unasked",
        || {
            // Holds a socket in `blue` without being in it.
            const HOLDER: &str = "
home = os.open('/proc/self/ns/net', os.O_RDONLY)
setns('/run/netns/blue')
s = tcp('0.0.0.0', 8000)
assert ctypes.CDLL(None).setns(home, 0) == 0
os.close(home)
say('ready'); hear()
";
            let inode = || {
                std::os::unix::fs::MetadataExt::ino(&std::fs::metadata("/run/netns/blue").unwrap())
            };
            let mut collector = collector();
            eventually("the inode is used again", || {
                run("ip netns add blue");
                let (before, first) = (inode(), Program::start(HOLDER));
                let pid = only(&collector.scan().unwrap(), 8000).port.pid;
                assert_eq!(pid, Some(first.pid()));
                let same = collector.look_into(&BTreeSet::new()).unwrap();
                assert_eq!(same.statistics.namespaces, 0);
                first.end();
                // The inode is free a moment after the namespace is.
                let reused = (0..20).any(|_| {
                    run("ip netns del blue && ip netns add blue");
                    inode() == before
                });
                let second = Program::start(HOLDER);
                let scan = collector.look_into(&BTreeSet::new()).unwrap();
                assert_eq!(only(&scan, 8000).port.pid, Some(second.pid()));
                second.end();
                run("ip netns del blue");
                reused
            });
        },
    );
}

#[test]
fn an_owner_that_ends_is_noticed_in_a_namespace_that_was_not_asked_for() {
    isolated(
        module_path!(),
        "an_owner_that_ends_is_noticed_in_a_namespace_that_was_not_asked_for",
        || {
            run("ip netns add blue");
            let mut program = Program::start_by(
                &mut python_in("blue"),
                "
s = tcp('0.0.0.0', 8000)
child = os.fork()
if child == 0: time.sleep(1000)
say('ready'); say(child); hear()
",
            );
            let child = program.hear_number();
            let mut collector = collector();
            let before = only(&collector.scan().unwrap(), 8000);
            assert_eq!(before.port.pid, Some(program.pid()));
            program.end();
            let scan = collector.look_into(&BTreeSet::new()).unwrap();
            assert_eq!(only(&scan, 8000).port.pid, Some(child));
            assert_eq!(scan.statistics.namespaces, 0);
        },
    );
}

#[test]
fn in_turn_every_namespace_is_looked_into_and_the_host_each_time() {
    isolated(
        module_path!(),
        "in_turn_every_namespace_is_looked_into_and_the_host_each_time",
        || {
            let mut others: Vec<Server> = (0..10)
                .map(|n| {
                    run(&format!("ip netns add n{n}"));
                    Server::start_by(&mut python_in(&format!("n{n}")))
                })
                .collect();
            let mut host = Server::start_by(&mut std::process::Command::new("python3"));
            let mut collector = collector();
            // Nothing can be done within no time: one other each time.
            let mut shown = |port| {
                let scan = collector.scan_within(Duration::ZERO).unwrap();
                assert_eq!(scan.coverage.namespaces, Some(11));
                (on_port(&scan, port).len(), scan.statistics.namespaces)
            };
            assert_eq!(shown(9000), (0, 11), "all are new");
            for server in &mut others {
                server.toggle("tcp", 9000);
            }
            for turn in 1..=10 {
                let (in_others, looks) = shown(9000);
                assert_eq!(in_others, turn);
                assert_eq!(looks, 2, "the host's and one other");
            }
            host.toggle("udp", 5001);
            assert_eq!(shown(5001), (1, 2));
            assert_eq!(
                collector
                    .scan_within(Duration::MAX)
                    .unwrap()
                    .statistics
                    .namespaces,
                11
            );
        },
    );
}
