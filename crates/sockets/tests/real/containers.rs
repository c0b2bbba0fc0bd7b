//! Containers, told by cgroups as runtimes lay them out.

use std::process::Command;

use portolan_sockets::{Collector, Options};
use portolan_wire::open_port::Category;

use crate::program::{Program, in_reused_inode};
use crate::scene::{Cgroup, collector, isolated, netns_inode, only, run, scan};

const LISTEN: &str = "s = tcp('0.0.0.0', 8000); say('ready'); hear()";

/// A program in that cgroup and in a network namespace of its own.
fn contained(cgroup: &Cgroup, script: &str) -> Program {
    let mut command = Command::new("unshare");
    command.args(["--net", "python3"]);
    Program::start_by(&mut command, &format!("{}\n{script}", cgroup.enter()))
}

/// A program in that cgroup and in the network namespace of another program.
fn beside(cgroup: &Cgroup, first: &Program, script: &str) -> Program {
    let enter = format!("setns('/proc/{}/ns/net')", first.pid());
    Program::start(&format!("{}\n{enter}\n{script}", cgroup.enter()))
}

#[test]
fn a_container_names_its_namespace_and_owns_its_ports() {
    isolated(
        module_path!(),
        "a_container_names_its_namespace_and_owns_its_ports",
        || {
            let cgroup = Cgroup::new(0xa1);
            let program = contained(&cgroup, LISTEN);
            let socket = only(&scan(), 8000);
            assert_eq!(socket.port.netns.as_ref(), Some(&cgroup.id));
            assert_eq!(socket.port.container_id.as_ref(), Some(&cgroup.id));
            assert_eq!(socket.port.pid, Some(program.pid()));
            assert_eq!(socket.port.category(), Category::Container);
        },
    );
}

#[test]
fn a_port_of_a_host_network_container_is_the_hosts_and_carries_the_container() {
    isolated(
        module_path!(),
        "a_port_of_a_host_network_container_is_the_hosts_and_carries_the_container",
        || {
            let cgroup = Cgroup::new(0xa2);
            let _program = Program::start(&format!("{}\n{LISTEN}", cgroup.enter()));
            let socket = only(&scan(), 8000);
            assert_eq!(socket.port.netns, None);
            assert_eq!(socket.port.container_id.as_ref(), Some(&cgroup.id));
            assert_eq!(socket.port.category(), Category::Host);
        },
    );
}

#[test]
fn a_container_that_no_record_names_is_said_and_one_in_the_hosts_files_is_named() {
    isolated(
        module_path!(),
        "a_container_that_no_record_names_is_said_and_one_in_the_hosts_files_is_named",
        || {
            let cgroup = Cgroup::new(0xa8);
            let _program = Program::start(&format!("{}\n{LISTEN}", cgroup.enter()));
            let nameless = scan();
            assert_eq!(only(&nameless, 8000).port.container_name, None);
            let said = "The names of 1 container could not be told: no record of docker";
            assert_eq!(nameless.unseen.len(), 1);
            assert!(
                nameless.unseen[0].starts_with(said),
                "{:?}",
                nameless.unseen
            );

            let host = tempfile::tempdir().unwrap();
            let folder = format!("var/lib/docker/containers/{}", cgroup.id);
            let folder = host.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let record = r#"{"Name":"/web","Config":{"Image":"nginx:1"}}"#;
            std::fs::write(folder.join("config.v2.json"), record).unwrap();
            let options = Options {
                host_root: host.path().to_owned(),
                ..Options::default()
            };
            let named = Collector::new(options).scan().unwrap();
            let port = only(&named, 8000).port;
            assert_eq!(port.container_name.as_deref(), Some("web"));
            assert_eq!(port.container_image.as_deref(), Some("nginx:1"));
            assert_eq!(named.unseen, [""; 0]);
        },
    );
}

#[test]
fn in_a_pod_the_sandbox_names_the_namespace_and_the_holder_the_container() {
    isolated(
        module_path!(),
        "in_a_pod_the_sandbox_names_the_namespace_and_the_holder_the_container",
        || {
            let (sandbox, app) = (Cgroup::new(0xa3), Cgroup::new(0xa4));
            let pause = contained(&sandbox, "say('ready'); hear()");
            let server = beside(&app, &pause, LISTEN);
            let mut collector = collector();
            let socket = only(&collector.scan().unwrap(), 8000);
            assert_eq!(socket.port.netns.as_ref(), Some(&sandbox.id));
            assert_eq!(socket.port.container_id.as_ref(), Some(&app.id));
            assert_eq!(socket.port.pid, Some(server.pid()));
            // The identity of the port outlives the first process of its namespace.
            pause.end();
            let socket = only(&collector.scan().unwrap(), 8000);
            assert_eq!(socket.port.netns.as_ref(), Some(&sandbox.id));
            assert_eq!(socket.port.container_id.as_ref(), Some(&app.id));
        },
    );
}

#[test]
fn a_holder_from_outside_leaves_its_socket_to_the_container() {
    isolated(
        module_path!(),
        "a_holder_from_outside_leaves_its_socket_to_the_container",
        || {
            let (cgroup, engine) = (Cgroup::new(0xa5), Cgroup::new(0xab));
            let inside = contained(&cgroup, "say('ready'); hear()");
            // The engine may run on the host, or be a container itself.
            for (port, enter) in [(8000, String::new()), (8001, engine.enter())] {
                let resolver = Program::start(&format!(
                    "
{enter}
home = os.open('/proc/self/ns/net', os.O_RDONLY)
setns('/proc/{}/ns/net')
os.system('ip link set lo up')
s = tcp('127.0.0.11', {port})
assert ctypes.CDLL(None).setns(home, 0) == 0
say('ready'); hear()
",
                    inside.pid()
                ));
                let socket = only(&scan(), port);
                assert_eq!(socket.port.pid, Some(resolver.pid()));
                assert_eq!(socket.port.netns.as_ref(), Some(&cgroup.id));
                assert_eq!(socket.port.container_id.as_ref(), Some(&cgroup.id));
            }
        },
    );
}

#[test]
fn a_socket_without_a_holder_is_told_by_its_own_cgroup() {
    isolated(
        module_path!(),
        "a_socket_without_a_holder_is_told_by_its_own_cgroup",
        || {
            let cgroup = Cgroup::new(0xa6);
            let _program = Program::start(&format!(
                "
{}
s, u = tcp('127.0.0.1', 8000), udp('127.0.0.1', 5000)
a, b = socketpair(AF_UNIX)
a.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [s.fileno(), u.fileno()]))])
s.close(); u.close()
say('ready'); hear()
",
                cgroup.enter()
            ));
            let scan = scan();
            for port in [8000, 5000] {
                let socket = only(&scan, port);
                assert_eq!((socket.port.pid, socket.holders), (None, 0));
                assert_eq!(socket.port.container_id.as_ref(), Some(&cgroup.id));
            }
        },
    );
}

#[test]
fn a_sandboxed_child_does_not_take_the_name_of_its_container() {
    isolated(
        module_path!(),
        "a_sandboxed_child_does_not_take_the_name_of_its_container",
        || {
            let cgroup = Cgroup::new(0xa7);
            let _main = contained(&cgroup, LISTEN);
            let child = contained(&cgroup, "s = tcp('0.0.0.0', 8001); say('ready'); hear()");
            let scan = scan();
            assert_eq!(only(&scan, 8000).port.netns.as_ref(), Some(&cgroup.id));
            let socket = only(&scan, 8001);
            let inode = netns_inode(child.pid());
            assert!(
                socket
                    .port
                    .netns
                    .unwrap()
                    .starts_with(&format!("netns:{inode}@"))
            );
            assert_eq!(socket.port.container_id.as_ref(), Some(&cgroup.id));
        },
    );
}

#[test]
fn a_namespace_made_before_its_container_takes_the_containers_name() {
    isolated(
        module_path!(),
        "a_namespace_made_before_its_container_takes_the_containers_name",
        || {
            run("ip netns add cni-1");
            let cgroup = Cgroup::new(0xa8);
            let mut collector = collector();
            let early = Program::start(
                "setns('/run/netns/cni-1'); s = tcp('0.0.0.0', 8001); say('ready'); hear()",
            );
            let before = only(&collector.scan().unwrap(), 8001);
            assert_eq!(before.port.netns.as_deref(), Some("cni-1"));
            let _late = beside(&cgroup, &early, LISTEN);
            let scan = collector.scan().unwrap();
            for port in [8000, 8001] {
                assert_eq!(only(&scan, port).port.netns.as_ref(), Some(&cgroup.id));
            }
        },
    );
}

#[test]
fn a_container_started_again_takes_its_name_along_from_its_old_namespace() {
    isolated(
        module_path!(),
        "a_container_started_again_takes_its_name_along_from_its_old_namespace",
        || {
            let (web, side) = (Cgroup::new(0xa9), Cgroup::new(0xaa));
            let first = contained(&web, "s = tcp('0.0.0.0', 8001); say('ready'); hear()");
            let _side = beside(&side, &first, LISTEN);
            let mut collector = collector();
            let before = collector.scan().unwrap();
            assert_eq!(only(&before, 8000).port.netns.as_ref(), Some(&web.id));
            first.end();
            let _again = contained(&web, "s = tcp('0.0.0.0', 8001); say('ready'); hear()");
            // What a collector remembers must not make it disagree with one that starts now.
            for scan in [collector.scan().unwrap(), scan()] {
                assert_eq!(only(&scan, 8001).port.netns.as_ref(), Some(&web.id));
                assert_eq!(only(&scan, 8000).port.netns.as_ref(), Some(&side.id));
                assert_eq!(only(&scan, 8000).port.container_id.as_ref(), Some(&side.id));
            }
        },
    );
}

#[test]
fn a_container_that_gets_the_inode_of_its_predecessor_does_not_get_its_name() {
    isolated(
        module_path!(),
        "a_container_that_gets_the_inode_of_its_predecessor_does_not_get_its_name",
        || {
            let (old, new) = (Cgroup::new(0xac), Cgroup::new(0xad));
            let open = |name: &str| match name {
                "blue" => contained(&old, LISTEN),
                _ => contained(&new, LISTEN),
            };
            let mut collector = collector();
            let program = in_reused_inode(
                open,
                |_| {},
                |_| {
                    let before = only(&collector.scan().unwrap(), 8000).port;
                    assert_eq!(before.netns.as_ref(), Some(&old.id));
                },
            );
            let after = only(&collector.scan().unwrap(), 8000).port;
            assert_eq!(after.netns.as_ref(), Some(&new.id));
            assert_eq!(after.container_id.as_ref(), Some(&new.id));
            assert_eq!(after.pid, Some(program.pid()));
        },
    );
}

#[test]
fn a_namespace_keeps_the_name_of_its_container_as_long_as_it_is_mounted() {
    isolated(
        module_path!(),
        "a_namespace_keeps_the_name_of_its_container_as_long_as_it_is_mounted",
        || {
            run("ip netns add cni-2");
            let cgroup = Cgroup::new(0xae);
            let enter = cgroup.enter();
            let container = Program::start(&format!(
                "{enter}; setns('/run/netns/cni-2'); say('ready'); hear()"
            ));
            let _engine = Program::start(
                "
home = os.open('/proc/self/ns/net', os.O_RDONLY)
setns('/run/netns/cni-2')
s = tcp('0.0.0.0', 8000)
assert ctypes.CDLL(None).setns(home, 0) == 0
say('ready'); hear()
",
            );
            let mut collector = collector();
            let before = only(&collector.scan().unwrap(), 8000);
            assert_eq!(before.port.netns.as_ref(), Some(&cgroup.id));
            container.end();
            let after = only(&collector.scan().unwrap(), 8000);
            assert_eq!(after.port.netns, before.port.netns);
        },
    );
}
