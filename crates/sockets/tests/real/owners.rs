//! Whose a socket is: several holders, holders that end, executables that are gone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use portolan_wire::time::UnixMicros;

use crate::program::Program;
use crate::scene::{collector, eventually, isolated, only, scan};

#[test]
fn a_preforked_server_is_owned_by_its_master_until_that_ends() {
    isolated(
        module_path!(),
        "a_preforked_server_is_owned_by_its_master_until_that_ends",
        || {
            let mut program = Program::start(
                "
s = tcp('127.0.0.1', 8000)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0: time.sleep(1000)
    children.append(child)
say('ready')
for child in children: say(child)
hear()
",
            );
            let master = program.pid();
            let children: Vec<u32> = (0..3).map(|_| program.hear_number()).collect();
            let mut collector = collector();
            let before = only(&collector.scan().unwrap(), 8000);
            assert_eq!((before.port.pid, before.holders), (Some(master), 4));
            program.end();
            let scan = collector.scan().unwrap();
            let after = only(&scan, 8000);
            assert_eq!(
                (after.port.pid, after.holders),
                (children.iter().copied().min(), 3)
            );
            assert_eq!(after.first_seen, before.first_seen, "it is the same socket");
            assert!(after.port.started_at >= before.port.started_at);
            let statistics = scan.statistics;
            assert_eq!(statistics.sockets_searched, 1);
            assert_eq!(
                statistics.fd_dirs_walked, 3,
                "the holders that were known, nobody else"
            );
        },
    );
}

#[test]
fn a_daemon_whose_parent_exits_is_found_in_the_same_scan() {
    isolated(
        module_path!(),
        "a_daemon_whose_parent_exits_is_found_in_the_same_scan",
        || {
            let mut program = Program::start(
                "
s = tcp('127.0.0.1', 8000)
say('ready')
hear()
child = os.fork()
if child: say(child); hear(); os._exit(0)
time.sleep(1000)
",
            );
            let mut collector = collector();
            assert_eq!(
                only(&collector.scan().unwrap(), 8000).port.pid,
                Some(program.pid())
            );
            program.tell("fork");
            let child = program.hear_number();
            let still = only(&collector.scan().unwrap(), 8000);
            assert_eq!(still.port.pid, Some(program.pid()));
            program.tell("exit");
            program.end();
            let now = only(&collector.scan().unwrap(), 8000);
            assert_eq!((now.port.pid, now.holders), (Some(child), 1));
        },
    );
}

#[test]
fn a_socket_passed_to_a_stranger_belongs_to_it_once_the_sender_is_gone() {
    isolated(
        module_path!(),
        "a_socket_passed_to_a_stranger_belongs_to_it_once_the_sender_is_gone",
        || {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("passing");
            let mut receiver = Program::start(&format!(
                "
u = socket(AF_UNIX, SOCK_STREAM); u.bind('{}'); u.listen()
say('ready'); c = u.accept()[0]
_, ancillary, _, _ = c.recvmsg(1, CMSG_SPACE(4))
say('received'); hear()
",
                path.display()
            ));
            let mut sender = Program::start(&format!(
                "
s = tcp('127.0.0.1', 8000)
say('ready'); hear()
u = socket(AF_UNIX, SOCK_STREAM); u.connect('{}')
u.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [s.fileno()]))])
hear()
",
                path.display()
            ));
            let mut collector = collector();
            let first = only(&collector.scan().unwrap(), 8000);
            assert_eq!((first.port.pid, first.holders), (Some(sender.pid()), 1));
            sender.tell("pass");
            assert_eq!(receiver.hear(), "received");
            assert_eq!(
                only(&collector.scan().unwrap(), 8000).port.pid,
                Some(sender.pid())
            );
            // A collector that starts now sees both; neither is the other's child.
            let both = only(&scan(), 8000);
            assert_eq!(
                (both.port.pid, both.holders),
                (Some(receiver.pid()), 2),
                "the older one"
            );
            sender.end();
            let passed = only(&collector.scan().unwrap(), 8000);
            assert_eq!((passed.port.pid, passed.holders), (Some(receiver.pid()), 1));
            assert_eq!(passed.first_seen, first.first_seen);
        },
    );
}

#[test]
fn a_young_socket_that_its_owner_hands_on_is_attributed_anew() {
    isolated(
        module_path!(),
        "a_young_socket_that_its_owner_hands_on_is_attributed_anew",
        || {
            let mut program = Program::start(
                "
say('ready'); hear()
s = tcp('127.0.0.1', 8000)
say('open'); hear()
child = os.fork()
if child == 0: time.sleep(1000)
s.close()
say(child); hear(); os.kill(child, 9)
",
            );
            let mut collector = collector();
            program.tell("open");
            assert_eq!(program.hear(), "open");
            assert_eq!(
                only(&collector.scan().unwrap(), 8000).port.pid,
                Some(program.pid())
            );
            program.tell("hand on");
            let child = program.hear_number();
            assert_ne!(child, program.pid());
            eventually("the socket leaves the process that closed it", || {
                only(&collector.scan().unwrap(), 8000).port.pid == Some(child)
            });
            program.tell("end");
        },
    );
}

#[test]
fn a_socket_in_flight_is_listed_without_an_owner_and_counted() {
    isolated(
        module_path!(),
        "a_socket_in_flight_is_listed_without_an_owner_and_counted",
        || {
            let mut program = Program::start(
                "
s = tcp('127.0.0.1', 8000)
a, b = socketpair(AF_UNIX)
a.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [s.fileno()]))])
s.close()
say('ready'); hear()
_, ancillary, _, _ = b.recvmsg(1, CMSG_SPACE(4))
say('received'); hear()
",
            );
            let mut collector = collector();
            let scan = collector.scan().unwrap();
            let lost = only(&scan, 8000);
            assert_eq!(
                (lost.port.pid, lost.port.path, lost.holders),
                (None, None, 0)
            );
            assert_eq!(
                lost.port.user.as_deref(),
                Some("root"),
                "the kernel tells the user"
            );
            assert_eq!(scan.coverage.sockets_unattributed, Some(1));
            assert_eq!(scan.unseen.len(), 1);
            assert!(
                scan.unseen[0].contains("The owner of 1 of 1 open port"),
                "{:?}",
                scan.unseen
            );
            program.tell("receive");
            assert_eq!(program.hear(), "received");
            eventually("the receiver owns it", || {
                only(&collector.scan().unwrap(), 8000).port.pid == Some(program.pid())
            });
        },
    );
}

/// This test is also the program with a removable executable: told a folder, it listens.
const LISTEN_IN: &str = "PORTOLAN_TEST_LISTEN_IN";

#[test]
fn a_removed_executable_is_shown_by_its_name_and_as_deleted() {
    let name = "a_removed_executable_is_shown_by_its_name_and_as_deleted";
    if let Some(folder) = std::env::var_os(LISTEN_IN) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        std::fs::write(Path::new(&folder).join("part"), port).unwrap();
        std::fs::rename(
            Path::new(&folder).join("part"),
            Path::new(&folder).join("port"),
        )
        .unwrap();
        loop {
            std::thread::park();
        }
    }
    isolated(module_path!(), name, || {
        let folder = tempfile::tempdir().unwrap();
        // The second one really has such a name.
        for (file, remove) in [("server", true), ("server (deleted)", false)] {
            let exe = folder.path().join(file);
            std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
            std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o755)).unwrap();
            let told = folder.path().join("port");
            let mut child = Command::new(&exe)
                .args(["--exact", &format!("owners::{name}")])
                .env(LISTEN_IN, folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            eventually("the copy listens", || told.exists());
            let port = std::fs::read_to_string(&told).unwrap().parse().unwrap();
            std::fs::remove_file(&told).unwrap();
            if remove {
                std::fs::remove_file(&exe).unwrap();
            }
            let socket = only(&scan(), port);
            assert_eq!(socket.port.pid, Some(child.id()));
            assert_eq!(socket.port.path.as_deref(), exe.to_str());
            assert_eq!(socket.port.deleted, Some(remove));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
}

#[test]
fn the_start_of_the_owner_is_told_on_the_wall_clock() {
    isolated(
        module_path!(),
        "the_start_of_the_owner_is_told_on_the_wall_clock",
        || {
            let now = || {
                let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
                i64::try_from(now.as_micros()).unwrap()
            };
            let before = now();
            let _program = Program::start("s = tcp('127.0.0.1', 8000); say('ready'); hear()");
            let after = now();
            let UnixMicros(started) = only(&scan(), 8000).port.started_at.unwrap();
            // The kernel counts in ticks of 10 ms, and the clocks are read one after the other.
            let slack = 50_000;
            assert!(
                before - slack <= started && started <= after + slack,
                "{before} {started} {after}"
            );
        },
    );
}

#[test]
fn the_command_line_of_an_owner_is_told_only_when_asked_for_and_without_secrets() {
    isolated(
        module_path!(),
        "the_command_line_of_an_owner_is_told_only_when_asked_for_and_without_secrets",
        || {
            let script = "import socket, time\ns = socket.create_server(('127.0.0.1', 8000))\n\
                          time.sleep(1000)";
            let mut command = Command::new("python3");
            command.args(["-c", script, "--user", "alice", "--password", "hunter2"]);
            let mut child = command.spawn().unwrap();
            eventually("it listens", || !scan().sockets.is_empty());
            assert_eq!(only(&scan(), 8000).port.cmdline, None);
            let options = portolan_sockets::Options {
                command_lines: true,
                ..portolan_sockets::Options::default()
            };
            let mut collector = portolan_sockets::Collector::new(options);
            let told = only(&collector.scan().unwrap(), 8000).port.cmdline.unwrap();
            assert!(
                told.contains(" -c import socket, time s = socket."),
                "{told}"
            );
            assert!(told.ends_with(" --user alice --password ***"), "{told}");
            child.kill().unwrap();
            child.wait().unwrap();
        },
    );
}
