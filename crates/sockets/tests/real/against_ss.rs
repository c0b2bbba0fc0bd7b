//! The collector against `ss`: the same sockets and holders, in the host's namespace and in others.
//!
//! docs/COLLECTOR.md lists where the two differ on purpose.

use std::process::Command;

use portolan_sockets::Socket;

use crate::program::{Program, python_in};
use crate::scene::{collector, eventually, isolated, run, scan};
use crate::ss;

const REMOVED: &str = "of a program that was removed";

/// What the case is about, what holds it, and how many rows there must be. `P` is the first of a
/// hundred ports of its own.
const CASES: &[(&str, &str, usize)] = &[
    (
        "IPv4",
        "keep = [f(a, P + n) for f in (tcp, udp) for n, a in enumerate(('0.0.0.0', '127.0.0.1', '127.0.0.2'))]",
        6,
    ),
    (
        "IPv6",
        "keep = [f('::1', P, AF_INET6) for f in (tcp, udp)]",
        2,
    ),
    (
        "v6only on and off",
        "keep = [f('::', P + n, AF_INET6, v6only=n % 2) for f in (tcp, udp) for n in range(40)]",
        80,
    ),
    (
        "mapped addresses",
        "keep = [f('::ffff:127.0.0.1', P, AF_INET6, v6only=0) for f in (tcp, udp)]",
        2,
    ),
    (
        "SO_REUSEPORT twins, of one process and of two",
        "
def twin(kind):
    s = socket(AF_INET, kind); s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1); s.bind(('0.0.0.0', P))
    if kind == SOCK_STREAM: s.listen()
    return s
order, answer = os.pipe()
child = os.fork()
keep = [twin(kind) for kind in (SOCK_STREAM, SOCK_DGRAM) for _ in range(2)]
if child == 0: os.write(answer, b'x'); time.sleep(1000)
os.read(order, 1)
",
        8,
    ),
    (
        "TCP that is bound and does not listen, or no longer",
        "
bound = socket(AF_INET, SOCK_STREAM); bound.bind(('0.0.0.0', P))
bound6 = socket(AF_INET6, SOCK_STREAM); bound6.bind(('::', P + 1))
shut = tcp('0.0.0.0', P + 2); shut.shutdown(SHUT_RD)
tcp('0.0.0.0', P + 3).close()
",
        0,
    ),
    (
        "TCP that listens again",
        "s = tcp('0.0.0.0', P); s.shutdown(SHUT_RD); s.listen()",
        1,
    ),
    (
        "TCP with connections",
        "
s = tcp('127.0.0.1', P); clients = [create_connection(('127.0.0.1', P)) for _ in range(20)]
servers = [s.accept() for _ in range(10)]
",
        1,
    ),
    (
        "UDP that is connected, bound before or not",
        "
a = udp('127.0.0.1', P); a.connect(('127.0.0.1', 9))
b = udp('::1', P, AF_INET6); b.connect(('::1', 9))
c = socket(AF_INET, SOCK_DGRAM); c.connect(('127.0.0.1', 9))
d = socket(AF_INET, SOCK_DGRAM)
",
        0,
    ),
    (
        "UDP that was connected and is bound still",
        "
s = udp('127.0.0.1', P); s.connect(('127.0.0.1', 9))
assert ctypes.CDLL(None).connect(s.fileno(), bytes(16), 16) == 0
",
        1,
    ),
    (
        "UDP on multicast and broadcast addresses",
        "keep = [udp(a, P) for a in ('224.0.0.251', '127.255.255.255')] + [udp('ff05::fb', P + 1, AF_INET6)]",
        3,
    ),
    (
        "bound to an interface, by option and by a link-local address",
        "
assert os.system('ip address add fe80::1/64 dev lo nodad') == 0
s = socket(AF_INET, SOCK_STREAM); s.setsockopt(SOL_SOCKET, 25, b'lo'); s.bind(('0.0.0.0', P)); s.listen()
t = socket(AF_INET6, SOCK_STREAM); t.bind(('fe80::1', P + 1, 0, 1)); t.listen()
u = socket(AF_INET6, SOCK_DGRAM); u.bind(('fe80::1', P + 1, 0, 1))
",
        3,
    ),
    (
        "held by a process and its child, and by four after a prefork",
        "
s = tcp('127.0.0.1', P)
if os.fork() == 0: time.sleep(1000)
t = tcp('127.0.0.1', P + 1); s2 = s.dup()
for _ in range(2):
    if os.fork() == 0: s.close(); s2.close(); time.sleep(1000)
",
        2,
    ),
    (
        "passed to another process, which holds it alone, too, or not yet",
        "
a, b = socketpair(AF_UNIX)
if os.fork() == 0:
    a.close(); kept = b.recvmsg(1, CMSG_SPACE(8)); b.send(b'x'); time.sleep(1000)
s, t, u = tcp('127.0.0.1', P), tcp('127.0.0.1', P + 1), tcp('127.0.0.1', P + 2)
a.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [s.fileno(), t.fileno()]))])
a.recv(1); b.close(); s.close()
c, d = socketpair(AF_UNIX)
c.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [u.fileno()]))]); u.close()
",
        3,
    ),
    (
        REMOVED,
        "
import shutil
if not os.path.exists(f'/run/{P}'):
    copy = f'/run/removed-{os.getpid()}'
    shutil.copy('/proc/self/exe', copy)
    os.set_inheritable(0, True)
    open(f'/run/{P}', 'w').close()
    os.execv(copy, ['python3'] + sys.orig_argv[1:])
os.remove(f'/run/{P}'); os.remove(os.readlink('/proc/self/exe'))
s = tcp('127.0.0.1', P)
",
        1,
    ),
    (
        "MPTCP",
        "s = socket(AF_INET, SOCK_STREAM, 262); s.bind(('127.0.0.1', P)); s.listen()",
        1,
    ),
    (
        "the kernel's own",
        "assert os.system(f'ip link add vxlan0 type vxlan id 1 dstport {P} && ip link set vxlan0 up') == 0",
        1,
    ),
    (
        "UDP that was bound by sending",
        "
open('/proc/sys/net/ipv4/ip_local_port_range', 'w').write(f'{P} {P + 99}')
s = socket(AF_INET, SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 9))
t = socket(AF_INET6, SOCK_DGRAM); t.sendto(b'x', ('::1', 9))
",
        2,
    ),
];

/// Starts all cases by a Python in some namespace.
fn start(python: impl Fn() -> Command) -> Vec<Program> {
    let scripts = CASES.iter().zip(first_ports());
    let scripts = scripts
        .map(|((_, script, _), first)| format!("P = {first}\n{script}\nsay('ready'); hear()"));
    scripts
        .map(|script| Program::start_by(&mut python(), &script))
        .collect()
}

fn first_ports() -> impl Iterator<Item = u16> {
    (10_000..).step_by(100)
}

#[test]
fn both_show_every_kind_of_socket_and_its_holders_in_the_hosts_namespace_and_in_another() {
    isolated(
        module_path!(),
        "both_show_every_kind_of_socket_and_its_holders_in_the_hosts_namespace_and_in_another",
        || {
            run("ip netns add blue && ip netns exec blue ip link set lo up");
            let _host = start(|| Command::new("python3"));
            let _blue = start(|| python_in("blue"));
            let scan = scan();
            for (netns, prefix) in [
                (None, &[][..]),
                (Some("blue"), &["ip", "netns", "exec", "blue"]),
            ] {
                ss::assert_same(&scan, netns, &ss::rows(prefix));
                let inside = ss::inside(&scan, netns);
                for ((what, _, expected), first) in CASES.iter().zip(first_ports()) {
                    let ports = first..first + 100;
                    let of_case = inside.iter().filter(|it| ports.contains(&it.port.port));
                    let of_case: Vec<_> = of_case.collect();
                    assert_eq!(of_case.len(), *expected, "{what}: {of_case:#?}");
                    let removed = *what == REMOVED;
                    let fits = |it: &&&Socket| it.port.deleted.is_none_or(|it| it == removed);
                    assert!(of_case.iter().all(fits), "{what}: {of_case:#?}");
                }
            }
            let [host, blue] = [None, Some("blue")].map(|netns| ss::inside(&scan, netns).len());
            assert_eq!(scan.sockets.len(), host + blue);
            // One is on its way, the other is the kernel's.
            assert_eq!(scan.coverage.sockets_unattributed, Some(4));
        },
    );
}

/// On the real machine, where others come and go: only a moment at which `ss` says the same before
/// and after the scan counts.
#[test]
fn both_list_the_same_on_this_machine() {
    let names =
        |rows: Vec<ss::Row>| -> Vec<String> { rows.into_iter().map(|it| it.name).collect() };
    let mut collector = collector();
    eventually("the sockets of this machine stand still", || {
        let before = names(ss::rows(&[]));
        let scan = collector.scan().unwrap();
        let still = names(ss::rows(&[])) == before;
        if still {
            let inside = ss::inside(&scan, None);
            let ours: Vec<String> = inside.iter().map(|it| ss::name(it)).collect();
            assert_eq!(ours, before);
        }
        still
    });
}
