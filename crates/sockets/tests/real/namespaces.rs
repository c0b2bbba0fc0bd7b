//! Network namespaces: found, named, entered, let go.

use std::time::Duration;

use crate::program::{Program, in_reused_inode, python_in};
use crate::scene::{collector, eventually, isolated, netns_inode, on_port, only, run, scan};

#[test]
fn a_namespace_of_ip_netns_is_called_by_its_name_and_leaves_the_caller_where_it_was() {
    isolated(
        module_path!(),
        "a_namespace_of_ip_netns_is_called_by_its_name_and_leaves_the_caller_where_it_was",
        || {
            let mut collector = collector();
            assert_eq!(collector.scan().unwrap().coverage.namespaces, Some(1));
            let home = netns_inode("thread-self");
            run("ip netns add blue");
            let program = Program::start_by(
                &mut python_in("blue"),
                "s = tcp('0.0.0.0', 8000); u = udp('::', 5000, AF_INET6); say('ready'); hear()",
            );
            let _host = Program::start("s = tcp('0.0.0.0', 8001); say('ready'); hear()");
            let scan = collector.scan().unwrap();
            assert_eq!(scan.coverage.namespaces, Some(2));
            assert_eq!(scan.coverage.namespaces_skipped, Some(0));
            for port in [8000, 5000] {
                let socket = only(&scan, port);
                assert_eq!(socket.port.netns.as_deref(), Some("blue"));
                assert_eq!(socket.port.pid, Some(program.pid()));
                assert_eq!(socket.port.container_id, None);
            }
            assert_eq!(only(&scan, 8001).port.netns, None);
            assert_eq!(netns_inode("thread-self"), home);
            program.end();
            assert!(on_port(&collector.scan().unwrap(), 8000).is_empty());
            run("ip netns del blue");
            assert_eq!(collector.scan().unwrap().coverage.namespaces, Some(1));
        },
    );
}

#[test]
fn the_same_port_in_three_namespaces_is_three_open_ports() {
    isolated(
        module_path!(),
        "the_same_port_in_three_namespaces_is_three_open_ports",
        || {
            run("ip netns add blue && ip netns add red");
            let script = "s = tcp('0.0.0.0', 8000); say('ready'); hear()";
            let host = Program::start(script);
            let blue = Program::start_by(&mut python_in("blue"), script);
            let red = Program::start_by(&mut python_in("red"), script);
            let scan = scan();
            let found: Vec<_> = on_port(&scan, 8000)
                .into_iter()
                .map(|it| (it.port.netns.as_deref(), it.port.pid.unwrap()))
                .collect();
            assert_eq!(
                found,
                [
                    (None, host.pid()),
                    (Some("blue"), blue.pid()),
                    (Some("red"), red.pid())
                ]
            );
        },
    );
}

#[test]
fn a_namespace_without_a_name_is_called_by_inode_and_boot() {
    isolated(
        module_path!(),
        "a_namespace_without_a_name_is_called_by_inode_and_boot",
        || {
            let mut command = std::process::Command::new("unshare");
            command.args(["--net", "python3"]);
            let program = Program::start_by(
                &mut command,
                "s = tcp('0.0.0.0', 8000); say('ready'); hear()",
            );
            let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
            let expected = format!("netns:{}@{}", netns_inode(program.pid()), &boot[..8]);
            let socket = only(&scan(), 8000);
            assert_eq!(socket.port.netns, Some(expected));
            assert_eq!(socket.port.pid, Some(program.pid()));
        },
    );
}

#[test]
fn a_socket_in_a_namespace_without_processes_belongs_to_its_holder_outside() {
    isolated(
        module_path!(),
        "a_socket_in_a_namespace_without_processes_belongs_to_its_holder_outside",
        || {
            run("ip netns add blue");
            let program = Program::start(
                "
home = os.open('/proc/self/ns/net', os.O_RDONLY)
setns('/run/netns/blue')
s = tcp('0.0.0.0', 8000)
assert ctypes.CDLL(None).setns(home, 0) == 0
say('ready'); hear()
",
            );
            let socket = only(&scan(), 8000);
            assert_eq!(socket.port.netns.as_deref(), Some("blue"));
            assert_eq!(socket.port.pid, Some(program.pid()));
        },
    );
}

#[test]
fn a_collector_does_not_keep_a_namespace_alive() {
    isolated(
        module_path!(),
        "a_collector_does_not_keep_a_namespace_alive",
        || {
            run("ip netns add blue && ip link add outer type veth peer name inner netns blue");
            let program = Program::start_by(
                &mut python_in("blue"),
                "s = tcp('0.0.0.0', 8000); say('ready'); hear()",
            );
            let mut collector = collector();
            assert_eq!(collector.scan().unwrap().sockets.len(), 1);
            program.end();
            run("ip netns del blue");
            // The pair vanishes with the namespace of one end.
            let outer = std::path::Path::new("/sys/class/net/outer");
            run("mount -t sysfs sysfs /sys");
            eventually("the veth pair is gone", || !outer.exists());
            assert_eq!(collector.scan().unwrap().sockets.len(), 0);
        },
    );
}

#[test]
fn each_namespace_has_its_own_range_of_ephemeral_ports() {
    isolated(
        module_path!(),
        "each_namespace_has_its_own_range_of_ephemeral_ports",
        || {
            run("ip netns add blue");
            run(
                "ip netns exec blue sh -c 'echo 20000 20100 > /proc/sys/net/ipv4/ip_local_port_range'",
            );
            let script =
                "s = udp('0.0.0.0', 20050); t = udp('0.0.0.0', 40000); say('ready'); hear()";
            let _host = Program::start(script);
            let _blue = Program::start_by(&mut python_in("blue"), script);
            let scan = scan();
            let clients = |port| -> Vec<_> {
                let found = on_port(&scan, port).into_iter();
                found
                    .map(|it| (it.port.netns.as_deref(), it.client_udp))
                    .collect()
            };
            assert_eq!(clients(20_050), [(None, false), (Some("blue"), true)]);
            assert_eq!(clients(40_000), [(None, true), (Some("blue"), false)]);
        },
    );
}

#[test]
fn a_process_that_enters_a_namespace_late_is_found_there() {
    isolated(
        module_path!(),
        "a_process_that_enters_a_namespace_late_is_found_there",
        || {
            let mut program = Program::start(
                "
say('ready'); hear()
assert ctypes.CDLL(None).unshare(0x40000000) == 0
s = tcp('0.0.0.0', 8000); say('open'); hear()
",
            );
            let mut collector = collector();
            assert!(collector.scan().unwrap().sockets.is_empty());
            program.tell("unshare");
            assert_eq!(program.hear(), "open");
            let mut found = Vec::new();
            eventually("the namespace is found", || {
                found = collector.scan().unwrap().sockets;
                !found.is_empty()
            });
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].port.pid, Some(program.pid()));
            assert!(found[0].port.netns.as_ref().unwrap().starts_with("netns:"));
        },
    );
}

#[test]
fn a_new_namespace_with_the_inode_of_a_deleted_one_gets_its_own_name() {
    isolated(
        module_path!(),
        "a_new_namespace_with_the_inode_of_a_deleted_one_gets_its_own_name",
        || {
            let open = |name: &str| {
                run(&format!("ip netns add {name}"));
                let listen = "s = tcp('0.0.0.0', 8000); say('ready'); hear()";
                Program::start_by(&mut python_in(name), listen)
            };
            let close = |name: &str| run(&format!("ip netns del {name}"));
            let mut collector = collector();
            let red = in_reused_inode(open, close, |blue| {
                let before = only(&collector.scan().unwrap(), 8000).port;
                assert_eq!(
                    (before.netns.as_deref(), before.pid),
                    (Some("blue"), Some(blue.pid()))
                );
            });
            let after = only(&collector.scan().unwrap(), 8000).port;
            assert_eq!(
                (after.netns.as_deref(), after.pid),
                (Some("red"), Some(red.pid()))
            );
        },
    );
}

#[test]
fn a_namespace_whose_processes_hand_over_is_in_every_scan() {
    isolated(
        module_path!(),
        "a_namespace_whose_processes_hand_over_is_in_every_scan",
        || {
            let mut program = Program::start(
                "
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0     # adopts those below whose parent ends
order, answer = os.pipe(), os.pipe()
if os.fork() == 0:
    assert ctypes.CDLL(None).unshare(0x40000000) == 0
    s = tcp('0.0.0.0', 8000)
    while os.write(answer[1], b'x') and os.read(order[0], 1):
        if os.fork(): os._exit(0)
os.read(answer[0], 1)
say('ready')
while hear():
    os.write(order[1], b'x'); os.read(answer[0], 1); say('done')
",
            );
            let mut collector = collector();
            let first = only(&collector.scan().unwrap(), 8000);
            for round in 0..300 {
                program.tell("hand over");
                // So that it happens at another moment of each scan.
                std::thread::sleep(Duration::from_micros(round * 37 % 1_000));
                let socket = only(&collector.scan().unwrap(), 8000);
                assert_eq!(socket.first_seen, first.first_seen);
                assert_eq!(program.hear(), "done");
            }
        },
    );
}
