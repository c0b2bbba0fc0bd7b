//! What lives a millisecond is told, opened and closed.

use portolan_sockets::EventKind;
use portolan_wire::open_port::Transport;

use super::Heard;
use crate::program::Program;
use crate::scene::isolated;

/// When a process started, in clock ticks since boot, as /proc tells it.
fn start_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    fields.split(' ').nth(19).unwrap().parse().unwrap()
}

/// A thousand sockets of a program that lives on: everything about it is right.
fn a_thousand(make: &str, transport: Transport) {
    let mut heard = Heard::here();
    let mut program = Program::start(&format!(
        "say('ready'); hear()
for port in range(10000, 11000):
    s = {make}('127.0.0.1', port); time.sleep(0.001); s.close()
hear()"
    ));
    program.tell("go");
    heard.wait_for(EventKind::Closed, 1_000);
    let exe = program.exe();
    for event in heard.pairs(1_000, 10_000) {
        assert_eq!(event.transport, transport);
        assert_eq!(event.laddr.to_string(), "127.0.0.1");
        assert_eq!((event.v6only, event.ephemeral, event.uid), (None, false, 0));
        assert_eq!(event.pid, program.pid());
        assert_eq!(event.path.as_deref(), Some(exe.as_str()));
        assert_eq!(event.comm, "python3");
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(
            event.start_ns / (1_000_000_000 / ticks),
            start_ticks(program.pid())
        );
    }
    assert!(heard.events.iter().all(|event| event.pid == program.pid()));
    let cost = heard.watch.cost();
    assert!(cost.events >= 2_000 && cost.lost == 0, "{cost:?}");
    assert!(
        cost.programs.iter().all(|program| program.runs > 0),
        "{cost:?}"
    );
    assert!(!cost.time().is_zero());
}

#[test]
fn a_thousand_tcp_listeners_of_a_millisecond_are_told() {
    isolated(
        module_path!(),
        "a_thousand_tcp_listeners_of_a_millisecond_are_told",
        || {
            a_thousand("tcp", Transport::Tcp);
        },
    );
}

#[test]
fn a_thousand_udp_binds_of_a_millisecond_are_told() {
    isolated(
        module_path!(),
        "a_thousand_udp_binds_of_a_millisecond_are_told",
        || {
            a_thousand("udp", Transport::Udp);
        },
    );
}

#[test]
fn the_executables_of_a_thousand_processes_that_are_gone_are_told() {
    isolated(
        module_path!(),
        "the_executables_of_a_thousand_processes_that_are_gone_are_told",
        || {
            let mut heard = Heard::here();
            let mut program = Program::start(
                "
say('ready'); hear()
for port in range(10000, 11000):
    if os.fork() == 0:
        s = tcp('127.0.0.1', port); time.sleep(0.001); os._exit(0)
    say(os.wait()[0])
",
            );
            program.tell("go");
            heard.wait_for(EventKind::Closed, 1_000);
            let pids: Vec<u32> = (0..1_000).map(|_| program.hear_number()).collect();
            let exe = program.exe();
            let opened = heard.pairs(1_000, 10_000);
            assert!(opened.iter().map(|event| event.pid).eq(pids));
            let right = opened.iter().filter(|it| it.path.as_deref() == Some(&exe));
            assert_eq!(right.count(), 1_000);
        },
    );
}
