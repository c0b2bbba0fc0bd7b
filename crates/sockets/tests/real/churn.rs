//! While processes come and go: what is told of a socket is true of its holder.

use std::time::Duration;

use crate::program::Program;
use crate::scene::{Cgroup, collector, eventually, isolated, only};

/// Listeners that live for some milliseconds, and others that hold nothing and get their pids: the
/// next pid is set back all the time, so that a few pids serve for all.
const CHURN: &str = "
import random, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
base = os.getpid() + 100
say('ready')
while True:
    with open('/proc/sys/kernel/ns_last_pid', 'w') as f: f.write(str(base))
    for _ in range(8):
        if os.fork() == 0:
            s = tcp('127.0.0.1', 0); time.sleep(random.random() / 200); os._exit(0)
        os.posix_spawn('/bin/true', ['true'], {})
    time.sleep(random.random() / 200)
";

#[test]
fn an_owner_that_ends_during_a_scan_is_not_mistaken_for_another_process() {
    isolated(
        module_path!(),
        "an_owner_that_ends_during_a_scan_is_not_mistaken_for_another_process",
        || {
            let program = Program::start(CHURN);
            let mut collector = collector();
            let (mut owned, mut lost) = (0, 0);
            for _ in 0..500 {
                for socket in collector.scan().unwrap().sockets {
                    if socket.port.pid.is_none() {
                        assert_eq!(socket.port.path, None);
                        lost += 1;
                        continue;
                    }
                    owned += 1;
                    let path = socket.port.path.as_deref();
                    assert_eq!(path, Some(program.exe().as_str()), "{socket:?}");
                    assert!(socket.holders > 0);
                }
            }
            assert!(owned > 0 && lost > 0, "{owned} {lost}");
        },
    );
}

/// Containers that live for some milliseconds, one of each cgroup at a time: each has a namespace,
/// of which the inodes are used again all the time, and listens on the port of its cgroup.
const CONTAINERS: &str = "
import random
def die_with_parent(): assert ctypes.CDLL(None).prctl(1, 9, 0, 0, 0) == 0
for n, path in enumerate(cgroups):
    if os.fork(): continue
    die_with_parent()
    while True:
        if os.fork() == 0:
            die_with_parent(); enter_cgroup(path)
            assert ctypes.CDLL(None).unshare(0x40000000) == 0
            s = tcp('0.0.0.0', 8000 + n); time.sleep(random.random() / 100); os._exit(0)
        os.wait()
say('ready'); hear()
";

#[test]
fn a_container_that_ends_during_a_scan_is_not_mistaken_for_another_one() {
    isolated(
        module_path!(),
        "a_container_that_ends_during_a_scan_is_not_mistaken_for_another_one",
        || {
            let cgroups = [0xb1, 0xb2, 0xb3].map(Cgroup::new);
            let paths = cgroups.each_ref().map(|it| it.path.display().to_string());
            let program = Program::start(&format!("cgroups = {paths:?}\n{CONTAINERS}"));
            let mut collector = collector();
            let mut seen = [0; 3];
            for _ in 0..500 {
                for socket in collector.scan().unwrap().sockets {
                    let at = usize::from(socket.port.port - 8000);
                    let id = Some(&cgroups[at].id);
                    assert_eq!(socket.port.container_id.as_ref(), id, "{socket:?}");
                    assert_eq!(socket.port.netns.as_ref(), id, "{socket:?}");
                    seen[at] += 1;
                }
            }
            assert!(seen.iter().all(|it| *it > 0), "{seen:?}");
            program.end();
            eventually("the cgroups are empty", || {
                let procs = |it: &Cgroup| std::fs::read_to_string(it.path.join("cgroup.procs"));
                cgroups.iter().all(|it| procs(it).unwrap().is_empty())
            });
        },
    );
}

#[test]
fn a_socket_whose_owner_ends_during_a_scan_still_has_one() {
    isolated(
        module_path!(),
        "a_socket_whose_owner_ends_during_a_scan_still_has_one",
        || {
            // A master and a worker on a port of their own; the master is killed when told to.
            let mut program = Program::start(
                "
say('ready')
while hear():
    order, answer = os.pipe()
    master = os.fork()
    if master == 0:
        s = tcp('127.0.0.1', 8000)
        worker = os.fork()
        if worker: os.write(answer, b'%d' % worker)
        time.sleep(1000)
    worker = int(os.read(order, 20))
    say(master); say(worker); hear()
    os.kill(master, 9); os.wait(); say('killed'); hear()
    os.kill(worker, 9); os.close(order); os.close(answer); say('over')
",
            );
            let mut collector = collector();
            for round in 0..200 {
                program.tell("start");
                let (master, worker) = (program.hear_number(), program.hear_number());
                let before = only(&collector.scan().unwrap(), 8000);
                assert_eq!((before.port.pid, before.holders), (Some(master), 2));
                program.tell("kill");
                // So that it happens at another moment of each scan.
                std::thread::sleep(Duration::from_micros(round * 37 % 500));
                let during = only(&collector.scan().unwrap(), 8000);
                let pid = during.port.pid.expect("one of them");
                assert!([master, worker].contains(&pid), "{during:?}");
                assert_eq!(during.port.path, before.port.path);
                assert_eq!(program.hear(), "killed");
                let after = only(&collector.scan().unwrap(), 8000);
                assert_eq!(after.port.pid, Some(worker));
                program.tell("end");
                assert_eq!(program.hear(), "over");
                eventually("the worker is gone", || {
                    collector.scan().unwrap().sockets.is_empty()
                });
            }
        },
    );
}
