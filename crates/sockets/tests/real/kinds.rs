//! Every kind of socket: which are open ports, and how each is shown.

use std::collections::BTreeSet;

use portolan_sockets::{Options, Scan};
use portolan_wire::open_port::{Transport, canonicalise};

use crate::program::Program;
use crate::scene::{isolated, on_port, only, scan};

/// (transport, address, port, v6only)
fn shown(scan: &Scan) -> BTreeSet<(&'static str, String, u16, Option<bool>)> {
    let shown = |socket: &portolan_sockets::Socket| {
        let port = &socket.port;
        (
            port.transport.as_str(),
            port.laddr.to_string(),
            port.port,
            port.v6only,
        )
    };
    scan.sockets.iter().map(shown).collect()
}

const EVERY_KIND: &str = "
keep = [
    tcp('0.0.0.0', 8001), tcp('127.0.0.1', 8002),
    tcp('::', 8003, AF_INET6, v6only=1), tcp('::', 8004, AF_INET6, v6only=0),
    tcp('::1', 8005, AF_INET6, v6only=0), tcp('::ffff:127.0.0.1', 8006, AF_INET6, v6only=0),
    udp('0.0.0.0', 5001), udp('127.0.0.1', 5002), udp('::', 5003, AF_INET6, v6only=1),
    udp('::', 5004, AF_INET6, v6only=0), udp('::ffff:127.0.0.1', 5005, AF_INET6, v6only=0),
]
# None of these is an open port: bound only, connected (both ends), closed.
bound = socket(AF_INET, SOCK_STREAM); bound.bind(('0.0.0.0', 8101))
bound6 = socket(AF_INET6, SOCK_STREAM); bound6.bind(('::', 8102))
client = create_connection(('127.0.0.1', 8002)); server = keep[1].accept()[0]
connected = socket(AF_INET, SOCK_DGRAM); connected.bind(('127.0.0.1', 5101)); connected.connect(('127.0.0.1', 5002))
connected6 = socket(AF_INET6, SOCK_DGRAM); connected6.bind(('::1', 5102)); connected6.connect(('::1', 5004))
unbound = socket(AF_INET, SOCK_DGRAM)
tcp('0.0.0.0', 8103).close()
shut = tcp('0.0.0.0', 8104); shut.shutdown(SHUT_RD)
say('ready'); hear()
";

#[test]
fn exactly_the_listening_and_the_bound_unconnected_are_listed() {
    isolated(
        module_path!(),
        "exactly_the_listening_and_the_bound_unconnected_are_listed",
        || {
            let program = Program::start(EVERY_KIND);
            let scan = scan();
            let row = |transport, address: &str, port, v6only| {
                (transport, address.to_owned(), port, v6only)
            };
            let expected = BTreeSet::from([
                row("TCP", "0.0.0.0", 8001, None),
                row("TCP", "127.0.0.1", 8002, None),
                row("TCP", "::", 8003, Some(true)),
                row("TCP", "::", 8004, Some(false)),
                // Bound to an address of its own, the kernel makes it IPv6 alone.
                row("TCP", "::1", 8005, Some(true)),
                row("TCP", "127.0.0.1", 8006, None),
                row("UDP", "0.0.0.0", 5001, None),
                row("UDP", "127.0.0.1", 5002, None),
                row("UDP", "::", 5003, Some(true)),
                row("UDP", "::", 5004, Some(false)),
                row("UDP", "127.0.0.1", 5005, None),
            ]);
            assert_eq!(shown(&scan), expected);
            for socket in &scan.sockets {
                let port = &socket.port;
                assert_eq!(port.pid, Some(program.pid()), "{port:?}");
                assert_eq!(port.path.as_deref(), Some(program.exe().as_str()));
                assert_eq!(port.user.as_deref(), Some("root"));
                assert_eq!(
                    (port.netns.as_deref(), port.ifname.as_deref()),
                    (None, None)
                );
                assert_eq!((port.deleted, socket.holders), (Some(false), 1));
            }
            assert_eq!(scan.unseen, [""; 0]);
            assert_eq!(scan.coverage.sockets_unattributed, Some(0));
            assert_eq!(scan.coverage.namespaces, Some(1));
            assert!(scan.coverage.privileged);
        },
    );
}

#[test]
fn the_tables_of_proc_list_the_same_ports_without_v6only() {
    isolated(
        module_path!(),
        "the_tables_of_proc_list_the_same_ports_without_v6only",
        || {
            let program = Program::start(EVERY_KIND);
            let expected = shown(&scan())
                .into_iter()
                .map(|(a, b, c, _)| (a, b, c, None))
                .collect();
            let options = Options {
                netlink: false,
                ..Options::default()
            };
            let mut collector = portolan_sockets::Collector::new(options);
            let first = collector.scan().unwrap();
            assert_eq!(shown(&first), expected);
            assert!(
                first
                    .sockets
                    .iter()
                    .all(|it| it.port.pid == Some(program.pid()))
            );
            assert_eq!(first.statistics.netlink_dumps, 0);
            assert_eq!(first.statistics.proc_net_fallbacks, 2);
            let second = collector.scan().unwrap();
            assert_eq!(second.statistics.fd_dirs_walked, 0);
            for (before, after) in first.sockets.iter().zip(&second.sockets) {
                assert_eq!(before.first_seen, after.first_seen);
            }
        },
    );
}

#[test]
fn reuseport_twins_are_one_open_port() {
    isolated(module_path!(), "reuseport_twins_are_one_open_port", || {
        let mut program = Program::start(
            "
def twin():
    s = socket(AF_INET, SOCK_STREAM); s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    s.bind(('127.0.0.1', 8000)); s.listen(); return s
first = twin()
child = os.fork()
if child == 0:
    second, third = twin(), twin(); say('ready'); time.sleep(1000)
hear(); say(child); hear(); os.kill(child, 9); os.wait()
",
        );
        program.tell("go on");
        let child = program.hear_number();
        let scan = scan();
        let mut pids: Vec<_> = on_port(&scan, 8000).iter().map(|it| it.port.pid).collect();
        pids.sort();
        assert_eq!(pids, [Some(program.pid()), Some(child), Some(child)]);
        let mut ports: Vec<_> = scan.sockets.into_iter().map(|it| it.port).collect();
        canonicalise(&mut ports);
        assert_eq!(ports.len(), 1);
        assert_eq!(ports[0].pid, Some(program.pid().min(child)));
        program.tell("end");
    });
}

#[test]
fn a_socket_bound_to_an_interface_names_it() {
    isolated(
        module_path!(),
        "a_socket_bound_to_an_interface_names_it",
        || {
            let _program = Program::start(
            "
run = os.system
assert run('ip link add outer7 type veth peer name inner7') == 0
t = socket(AF_INET, SOCK_STREAM); t.setsockopt(SOL_SOCKET, 25, b'lo'); t.bind(('0.0.0.0', 8000)); t.listen()
u = socket(AF_INET6, SOCK_DGRAM); u.setsockopt(SOL_SOCKET, 25, b'outer7'); u.bind(('::', 5000))
free = tcp('0.0.0.0', 8001)
say('ready'); hear()
",
        );
            let scan = scan();
            assert_eq!(only(&scan, 8000).port.ifname.as_deref(), Some("lo"));
            assert_eq!(only(&scan, 5000).port.ifname.as_deref(), Some("outer7"));
            assert_eq!(only(&scan, 8001).port.ifname, None);
        },
    );
}

#[test]
fn only_autobound_wildcard_udp_looks_like_a_client() {
    isolated(
        module_path!(),
        "only_autobound_wildcard_udp_looks_like_a_client",
        || {
            let mut program = Program::start(
                "
auto = socket(AF_INET, SOCK_DGRAM); auto.sendto(b'x', ('127.0.0.1', 9))
auto6 = socket(AF_INET6, SOCK_DGRAM); auto6.sendto(b'x', ('::1', 9))
local = udp('127.0.0.1', 0)
server = udp('0.0.0.0', 5353)
listener = tcp('0.0.0.0', 0)
say('ready'); hear()
for s in (auto, auto6, local, server, listener): say(s.getsockname()[1])
hear()
",
            );
            program.tell("ports");
            let ports: Vec<u16> = (0..5)
                .map(|_| u16::try_from(program.hear_number()).unwrap())
                .collect();
            let scan = scan();
            let client = |port: u16, transport| {
                let found = on_port(&scan, port);
                let of_kind = found.into_iter().find(|it| it.port.transport == transport);
                of_kind
                    .unwrap_or_else(|| panic!("nothing on {port}"))
                    .client_udp
            };
            assert!(client(ports[0], Transport::Udp));
            assert!(client(ports[1], Transport::Udp));
            assert!(!client(ports[2], Transport::Udp), "it has an address");
            assert!(
                !client(ports[3], Transport::Udp),
                "it has a port of its own choice"
            );
            assert!(!client(ports[4], Transport::Tcp));
        },
    );
}

#[test]
fn users_are_named_by_the_given_file_else_by_number() {
    isolated(
        module_path!(),
        "users_are_named_by_the_given_file_else_by_number",
        || {
            let _one = Program::start(
                "os.setuid(12345); t = tcp('127.0.0.1', 8000); say('ready'); hear()",
            );
            let _two = Program::start(
                "os.setuid(12346); t = tcp('127.0.0.1', 8001); say('ready'); hear()",
            );
            let folder = tempfile::tempdir().unwrap();
            let passwd = folder.path().join("passwd");
            std::fs::write(&passwd, "alice:x:12345:12345::/:/bin/sh\n").unwrap();
            let options = Options {
                passwd,
                ..Options::default()
            };
            let scan = portolan_sockets::Collector::new(options).scan().unwrap();
            assert_eq!(only(&scan, 8000).port.user.as_deref(), Some("alice"));
            assert_eq!(only(&scan, 8001).port.user.as_deref(), Some("12346"));
        },
    );
}
