//! Which sockets make events, and which do not.

use portolan_sockets::EventKind::{Closed, Opened};
use portolan_wire::open_port::Transport;

use super::Heard;
use crate::program::{Program, python_in};
use crate::scene::{isolated, netns_inode, run};

/// Runs a script and gathers up to the event of its last socket, on port 9999.
fn heard_of(script: &str) -> Heard {
    let mut heard = Heard::here();
    let _program = Program::start(&format!(
        "{script}\nlast = tcp('127.0.0.1', 9999)\nsay('ready'); hear()"
    ));
    crate::scene::eventually("the last event comes", || {
        heard.gather();
        heard.told().contains(&(Opened, 9999))
    });
    heard.events.retain(|event| event.port != 9999);
    heard
}

#[test]
fn connections_and_accepts_make_no_events() {
    isolated(
        module_path!(),
        "connections_and_accepts_make_no_events",
        || {
            let heard = heard_of(
                "
s = tcp('127.0.0.1', 8000)
for _ in range(200):
    c = create_connection(('127.0.0.1', 8000)); a, _ = s.accept(); c.close(); a.close()
s.close()
",
            );
            assert_eq!(heard.told(), [(Opened, 8000), (Closed, 8000)]);
            assert!(heard.watch.cost().programs[0].runs > 2_000);
        },
    );
}

#[test]
fn a_listen_that_finds_its_port_taken_is_no_listener() {
    isolated(
        module_path!(),
        "a_listen_that_finds_its_port_taken_is_no_listener",
        || {
            let heard = heard_of(
            "
def bound():
    s = socket(AF_INET, SOCK_STREAM); s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1); s.bind(('127.0.0.1', 8000))
    return s
one, two = bound(), bound()
one.listen()
for _ in range(300):
    try: two.listen(); assert False
    except OSError as e: assert e.errno == 98
one.close(); two.listen(); two.shutdown(SHUT_RDWR); two.close()
",
        );
            assert_eq!(
                heard.told(),
                [
                    (Opened, 8000),
                    (Closed, 8000),
                    (Opened, 8000),
                    (Closed, 8000)
                ]
            );
        },
    );
}

#[test]
fn addresses_and_ports_are_those_of_the_socket() {
    isolated(
        module_path!(),
        "addresses_and_ports_are_those_of_the_socket",
        || {
            let heard = heard_of(
                "
a = tcp('::', 8001, AF_INET6, v6only=0); b = tcp('::1', 8002, AF_INET6, v6only=1)
c = tcp('::ffff:127.0.0.1', 8003, AF_INET6, v6only=0)
d = udp('::', 8004, AF_INET6, v6only=1); e = udp('0.0.0.0', 8005)
m = socket(AF_INET, SOCK_STREAM, 262); m.bind(('127.0.0.1', 8006)); m.listen()
",
            );
            let told: Vec<_> = heard
                .events
                .iter()
                .take(6)
                .map(|it| {
                    (
                        it.kind,
                        it.transport,
                        it.port,
                        it.laddr.to_string(),
                        it.v6only,
                    )
                })
                .collect();
            let address = |text: &str| text.to_owned();
            assert_eq!(
                told,
                [
                    (Opened, Transport::Tcp, 8001, address("::"), Some(false)),
                    (Opened, Transport::Tcp, 8002, address("::1"), Some(true)),
                    (Opened, Transport::Tcp, 8003, address("127.0.0.1"), None),
                    (Opened, Transport::Udp, 8004, address("::"), Some(true)),
                    (Opened, Transport::Udp, 8005, address("0.0.0.0"), None),
                    (Opened, Transport::Tcp, 8006, address("127.0.0.1"), None),
                ]
            );
        },
    );
}

#[test]
fn a_listen_without_bind_tells_its_port_at_its_end_and_a_client_of_udp_nothing() {
    isolated(
        module_path!(),
        "a_listen_without_bind_tells_its_port_at_its_end_and_a_client_of_udp_nothing",
        || {
            let mut heard = Heard::here();
            let mut program = Program::start(
                "
s = socket(AF_INET, SOCK_STREAM); s.listen()
for _ in range(50):
    u = socket(AF_INET, SOCK_DGRAM); u.sendto(b'x', ('127.0.0.1', 53)); u.close()
say('ready'); say(s.getsockname()[1]); s.close(); hear()
",
            );
            let port = u16::try_from(program.hear_number()).unwrap();
            heard.wait_for(Closed, 1);
            assert_eq!(heard.told(), [(Opened, 0), (Closed, port)]);
            assert_eq!(heard.events[0].cookie, heard.events[1].cookie);
        },
    );
}

#[test]
fn the_cookie_is_the_one_that_ss_shows() {
    isolated(
        module_path!(),
        "the_cookie_is_the_one_that_ss_shows",
        || {
            let mut heard = Heard::here();
            let _program = Program::start(
                "s = tcp('127.0.0.1', 8000); u = udp('127.0.0.1', 8001); say('ready'); hear()",
            );
            heard.wait_for(Opened, 2);
            let output = std::process::Command::new("ss")
                .arg("-Hlntue")
                .output()
                .unwrap();
            let shown = String::from_utf8(output.stdout).unwrap();
            for event in &heard.events {
                let line = shown
                    .lines()
                    .find(|line| line.contains(&format!(":{} ", event.port)));
                let cookie = format!(" sk:{:x} ", event.cookie);
                assert!(line.unwrap().contains(&cookie), "{cookie} not in {shown}");
            }
        },
    );
}

#[test]
fn each_namespace_has_its_events_and_its_ephemeral_range() {
    isolated(
        module_path!(),
        "each_namespace_has_its_events_and_its_ephemeral_range",
        || {
            run("ip netns add blue && ip netns exec blue sh -c \
                 'echo 20000 20100 > /proc/sys/net/ipv4/ip_local_port_range'");
            let script = "
say('ready'); hear()
s = udp('0.0.0.0', 20050); t = udp('0.0.0.0', 40000); u = tcp('0.0.0.0', 8000); hear()";
            let mut here = Program::start(script);
            let mut blue = Program::start_by(&mut python_in("blue"), script);
            let mut heard = Heard::here();
            let mut of_blue = Heard::of(netns_inode(blue.pid()));
            here.tell("go");
            blue.tell("go");
            for (heard, pid, ephemeral) in [
                (&mut heard, here.pid(), [false, true, false]),
                (&mut of_blue, blue.pid(), [true, false, false]),
            ] {
                heard.wait_for(Opened, 3);
                let told: Vec<_> = heard.events.iter().map(|it| (it.port, it.pid)).collect();
                assert_eq!(told, [(20_050, pid), (40_000, pid), (8_000, pid)]);
                assert!(heard.events.iter().map(|it| it.ephemeral).eq(ephemeral));
            }
        },
    );
}
