//! One pass of the kernel against a walk over /proc.

use std::collections::BTreeSet;
use std::fs::{read_dir, read_link};

use portolan_sockets::{KernelHolder, Watch};

use crate::program::{Program, python_in};
use crate::scene::{isolated, netns_inode, run};

/// Every descriptor of a process that is a socket: (inode, descriptor).
fn sockets_of(pid: u32) -> BTreeSet<(u64, u32)> {
    let mut found = BTreeSet::new();
    for entry in read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let link = read_link(entry.path()).unwrap();
        let inode = link.to_str().and_then(|it| it.strip_prefix("socket:["));
        if let Some(inode) = inode.and_then(|it| it.strip_suffix(']')) {
            let fd = entry.file_name().to_str().unwrap().parse().unwrap();
            found.insert((inode.parse().unwrap(), fd));
        }
    }
    found
}

fn holders(watch: &mut Watch) -> BTreeSet<KernelHolder> {
    let mut found = BTreeSet::new();
    watch
        .holders(|holder| assert!(found.insert(holder), "twice: {holder:?}"))
        .unwrap();
    found
}

#[test]
fn the_kernel_names_the_holders_that_a_walk_finds() {
    isolated(
        module_path!(),
        "the_kernel_names_the_holders_that_a_walk_finds",
        || {
            run("ip netns add blue");
            // All sockets of these are open ports; a thread shares its process's files.
            let open = "
import threading
kept = [tcp('127.0.0.1', 8000 + n) for n in range(100)] + [udp('127.0.0.1', 8000 + n) for n in range(100)]
m = socket(AF_INET, SOCK_STREAM, 262); m.bind(('127.0.0.1', 9000)); m.listen()
threading.Thread(target=hear, daemon=True).start()
say('ready'); time.sleep(600)";
            let here = Program::start(open);
            let blue = Program::start_by(&mut python_in("blue"), open);
            // Two more hold one listener; nothing else of them is an open port.
            let mut forked = Program::start(
            "
s = tcp('127.0.0.1', 7000)
child = os.fork()
if child == 0: time.sleep(600)
c = create_connection(('127.0.0.1', 7000)); a, _ = s.accept()
u = udp('127.0.0.1', 7001); u.connect(('127.0.0.1', 7002))
b = socket(AF_INET, SOCK_STREAM); b.bind(('127.0.0.1', 7003))
n = socket(AF_INET, SOCK_DGRAM); x, y = socketpair(AF_UNIX); r = socket(AF_UNIX); r.bind('\\0holders'); r.listen()
say('ready'); say(child); say(os.fstat(s.fileno()).st_ino); say(s.fileno()); time.sleep(600)",
        );
            let (child, inode, fd) = (
                forked.hear_number(),
                forked.hear_number(),
                forked.hear_number(),
            );
            let mut expected = BTreeSet::new();
            for program in [&here, &blue] {
                let netns = netns_inode(program.pid());
                let found = sockets_of(program.pid());
                assert_eq!(found.len(), 201);
                let pid = program.pid();
                expected.extend(found.into_iter().map(|(inode, fd)| KernelHolder {
                    inode,
                    pid,
                    fd,
                    netns,
                }));
            }
            let netns = netns_inode("thread-self");
            let inode = inode.into();
            for pid in [forked.pid(), child] {
                expected.insert(KernelHolder {
                    inode,
                    pid,
                    fd,
                    netns,
                });
            }
            let mut watch = Watch::attach().unwrap();
            // Each pass is a whole one.
            for _ in 0..2 {
                assert_eq!(holders(&mut watch), expected);
            }
            here.end();
            assert_eq!(holders(&mut watch).len(), expected.len() - 201);
        },
    );
}
