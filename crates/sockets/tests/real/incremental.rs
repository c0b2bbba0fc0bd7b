//! What an unchanged machine costs, and how little is walked when something changed.

use crate::program::{Program, python_in};
use crate::scene::{collector, isolated, only, run};

#[test]
fn an_unchanged_second_scan_walks_no_files_at_all() {
    isolated(
        module_path!(),
        "an_unchanged_second_scan_walks_no_files_at_all",
        || {
            run("ip netns add blue");
            let _host = Program::start(
                "keep = [tcp('127.0.0.1', 8000 + n) for n in range(50)]; u = udp('0.0.0.0', 5000); say('ready'); hear()",
            );
            let _blue = Program::start_by(
                &mut python_in("blue"),
                "keep = [tcp('0.0.0.0', 9000 + n) for n in range(5)]; say('ready'); hear()",
            );
            let mut collector = collector();
            let first = collector.scan().unwrap();
            assert_eq!(first.sockets.len(), 56);
            assert_eq!(first.statistics.sockets_searched, 56);
            assert!(first.statistics.fd_dirs_walked >= 3);
            assert!(first.statistics.fds_read >= 56);
            for _ in 0..3 {
                let next = collector.scan().unwrap();
                assert_eq!(next.statistics.fd_dirs_walked, 0);
                assert_eq!(next.statistics.fds_read, 0);
                assert_eq!(next.statistics.sockets_searched, 0);
                assert_eq!(next.sockets.len(), 56);
                for (before, after) in first.sockets.iter().zip(&next.sockets) {
                    assert_eq!(before.port, after.port);
                    assert_eq!(before.first_seen, after.first_seen);
                }
            }
        },
    );
}

#[test]
fn a_newcomer_is_walked_and_the_others_are_not() {
    isolated(
        module_path!(),
        "a_newcomer_is_walked_and_the_others_are_not",
        || {
            let _crowd: Vec<Program> = (0..12)
                .map(|n| {
                    let script =
                        format!("s = tcp('127.0.0.1', {}); say('ready'); hear()", 8000 + n);
                    Program::start(&script)
                })
                .collect();
            let mut collector = collector();
            assert_eq!(collector.scan().unwrap().sockets.len(), 12);
            let newcomer = Program::start("s = tcp('127.0.0.1', 9000); say('ready'); hear()");
            let scan = collector.scan().unwrap();
            assert_eq!(only(&scan, 9000).port.pid, Some(newcomer.pid()));
            assert_eq!(scan.statistics.sockets_searched, 1);
            // It and its parent, this test.
            assert_eq!(scan.statistics.fd_dirs_walked, 2);
            newcomer.end();
            let scan = collector.scan().unwrap();
            assert_eq!(scan.sockets.len(), 12);
            assert_eq!(
                scan.statistics.fd_dirs_walked, 0,
                "a closed port costs no walk"
            );
        },
    );
}

#[test]
fn a_new_socket_of_an_old_process_is_found_beside_those_it_has() {
    isolated(
        module_path!(),
        "a_new_socket_of_an_old_process_is_found_beside_those_it_has",
        || {
            let mut server = Program::start(
                "s = tcp('127.0.0.1', 8000); say('ready'); hear(); t = tcp('127.0.0.1', 8001); say('open'); hear()",
            );
            let _crowd: Vec<Program> = (0..12)
                .map(|_| Program::start("say('ready'); hear()"))
                .collect();
            let mut collector = collector();
            collector.scan().unwrap();
            server.tell("open");
            assert_eq!(server.hear(), "open");
            let scan = collector.scan().unwrap();
            assert_eq!(only(&scan, 8001).port.pid, Some(server.pid()));
            assert_eq!(
                scan.statistics.fd_dirs_walked, 2,
                "the server and its parent"
            );
        },
    );
}

#[test]
fn of_many_old_servers_the_one_that_opened_a_file_is_walked() {
    isolated(
        module_path!(),
        "of_many_old_servers_the_one_that_opened_a_file_is_walked",
        || {
            let mut crowd: Vec<Program> = (0..12)
                .map(|n| {
                    Program::start(&format!(
                        "s = tcp('127.0.0.1', {}); say('ready')
while True:
    hear(); t = tcp('127.0.0.1', 9000); say('open')
    hear(); t.close(); say('closed')",
                        8000 + n
                    ))
                })
                .collect();
            let mut collector = collector();
            assert_eq!(collector.scan().unwrap().sockets.len(), 12);
            let oldest = &mut crowd[0];
            // The second time it has as many files open as when it was last asked.
            for _ in 0..2 {
                oldest.tell("open");
                assert_eq!(oldest.hear(), "open");
                let scan = collector.scan().unwrap();
                assert_eq!(only(&scan, 9000).port.pid, Some(oldest.pid()));
                // Its parent is the test, which may have opened and closed files as well.
                assert_eq!(scan.statistics.fd_dirs_walked, 2);
                oldest.tell("close");
                assert_eq!(oldest.hear(), "closed");
                assert_eq!(collector.scan().unwrap().sockets.len(), 12);
            }
        },
    );
}

#[test]
fn a_reused_pid_does_not_inherit_the_sockets_of_its_predecessor() {
    isolated(
        module_path!(),
        "a_reused_pid_does_not_inherit_the_sockets_of_its_predecessor",
        || {
            let mut server = Program::start(
                "
s = tcp('127.0.0.1', 8000)
child = os.fork()
if child == 0: time.sleep(1000)
say('ready'); say(child); hear()
",
            );
            let child = server.hear_number();
            let mut collector = collector();
            let before = only(&collector.scan().unwrap(), 8000);
            let pid = server.pid();
            assert_eq!(before.port.pid, Some(pid));
            server.end();
            // In a pid namespace of its own the next pid can be chosen.
            let stranger = loop {
                std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
                let program = Program::start("say('ready'); hear()");
                if program.pid() == pid {
                    break program;
                }
            };
            let after = only(&collector.scan().unwrap(), 8000);
            assert_eq!(
                after.port.pid,
                Some(child),
                "{} only has its pid",
                stranger.pid()
            );
        },
    );
}

#[test]
fn a_preforked_server_that_starts_later_is_owned_by_its_master_too() {
    isolated(
        module_path!(),
        "a_preforked_server_that_starts_later_is_owned_by_its_master_too",
        || {
            let _crowd: Vec<Program> = (0..4)
                .map(|_| Program::start("say('ready'); hear()"))
                .collect();
            let mut collector = collector();
            collector.scan().unwrap();
            let master = Program::start(
                "
s = tcp('127.0.0.1', 8000)
for _ in range(3):
    if os.fork() == 0: time.sleep(1000)
say('ready'); hear()
",
            );
            let socket = only(&collector.scan().unwrap(), 8000);
            assert_eq!((socket.port.pid, socket.holders), (Some(master.pid()), 4));
        },
    );
}
