//! The collector against `ss`, an implementation of other people.

use std::collections::BTreeSet;
use std::process::Command;

use portolan_sockets::Scan;
use portolan_wire::open_port::Transport;

use crate::scene::{Program, eventually, isolated, python_in, run, scan};

/// (transport, local address as ss writes it without its port, port)
type Row = (String, String, u16);

/// What `ss -lntu` lists in the namespace that `prefix` runs it in.
fn ss(prefix: &[&str]) -> BTreeSet<Row> {
    let words = [prefix, &["ss", "-H", "-lntu"]].concat();
    let output = Command::new(words[0])
        .args(&words[1..])
        .output()
        .expect("iproute2");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = columns[4].rsplit_once(':').unwrap();
            (
                columns[0].to_owned(),
                address.to_owned(),
                port.parse().unwrap(),
            )
        })
        .collect()
}

/// The open ports of a namespace, written as ss does. Mapped addresses, which we unmap, are told
/// apart by nothing else, so both sides are compared unmapped.
fn ours(scan: &Scan, netns: Option<&str>) -> BTreeSet<Row> {
    let inside = scan
        .sockets
        .iter()
        .filter(|socket| socket.port.netns.as_deref() == netns);
    inside
        .map(|socket| {
            let port = &socket.port;
            let transport = match port.transport {
                Transport::Tcp => "tcp",
                Transport::Udp => "udp",
            };
            let dual = port.laddr.is_ipv6() && port.laddr.is_unspecified();
            let mut address = match port.v6only {
                Some(false) if dual => "*".to_owned(),
                _ if port.laddr.is_ipv6() => format!("[{}]", port.laddr),
                _ => port.laddr.to_string(),
            };
            if let Some(ifname) = &port.ifname {
                address = format!("{address}%{ifname}");
            }
            (transport.to_owned(), address, port.port)
        })
        .collect()
}

fn unmapped(rows: BTreeSet<Row>) -> BTreeSet<Row> {
    rows.into_iter()
        .map(|(transport, address, port)| {
            let inner = address
                .strip_prefix("[::ffff:")
                .and_then(|it| it.strip_suffix(']'));
            (transport, inner.map(str::to_owned).unwrap_or(address), port)
        })
        .collect()
}

const MIXTURE: &str = "
keep = []
for n in range(40):
    keep += [tcp('127.0.0.1', 8000 + n), udp('127.0.0.1', 8000 + n)]
    keep += [tcp('::', 8100 + n, AF_INET6, v6only=n % 2), udp('::', 8100 + n, AF_INET6, v6only=n % 2)]
keep += [tcp('::ffff:127.0.0.1', 8200, AF_INET6, v6only=0), tcp('0.0.0.0', 8201), udp('::1', 8202, AF_INET6)]
device = socket(AF_INET, SOCK_STREAM); device.setsockopt(SOL_SOCKET, 25, b'lo'); device.bind(('0.0.0.0', 8203)); device.listen()
bound = socket(AF_INET, SOCK_STREAM); bound.bind(('0.0.0.0', 8204))
client = create_connection(('127.0.0.1', 8000)); server = keep[0].accept()[0]
connected = socket(AF_INET, SOCK_DGRAM); connected.connect(('127.0.0.1', 8000))
auto = socket(AF_INET, SOCK_DGRAM); auto.sendto(b'x', ('127.0.0.1', 9))
say('ready'); hear()
";

#[test]
fn both_list_the_same_in_the_hosts_namespace_and_in_another() {
    isolated(
        module_path!(),
        "both_list_the_same_in_the_hosts_namespace_and_in_another",
        || {
            run("ip netns add blue && ip netns exec blue ip link set lo up");
            let _host = Program::start(MIXTURE);
            let _blue = Program::start_by(&mut python_in("blue"), MIXTURE);
            let scan = scan();
            let (host, blue) = (
                unmapped(ss(&[])),
                unmapped(ss(&["ip", "netns", "exec", "blue"])),
            );
            assert_eq!(host.len(), 165);
            assert_eq!(ours(&scan, None), host);
            assert_eq!(ours(&scan, Some("blue")), blue);
            assert_ne!(host, blue, "the autobound port differs");
            assert_eq!(scan.sockets.len(), host.len() + blue.len());
        },
    );
}

#[test]
fn both_name_the_same_processes() {
    isolated(module_path!(), "both_name_the_same_processes", || {
        let _one = Program::start(MIXTURE);
        let _two = Program::start(
            "
s = tcp('127.0.0.1', 9000)
for _ in range(3):
    if os.fork() == 0: time.sleep(1000)
say('ready'); hear()
",
        );
        let output = Command::new("ss").args(["-H", "-lntup"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let scan = scan();
        for line in text.lines() {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let port: u16 = columns[4].rsplit_once(':').unwrap().1.parse().unwrap();
            let pids: BTreeSet<u32> = line
                .split("pid=")
                .skip(1)
                .map(|it| it.split(',').next().unwrap().parse().unwrap())
                .collect();
            let ours = scan.sockets.iter().find(|it| {
                it.port.port == port && it.port.transport.as_str().to_lowercase() == columns[0]
            });
            let ours = ours.unwrap_or_else(|| panic!("not listed: {line}"));
            assert!(pids.contains(&ours.port.pid.unwrap()), "{line}\n{ours:?}");
            assert_eq!(ours.holders as usize, pids.len(), "{line}\n{ours:?}");
        }
    });
}

/// On the real machine, where others come and go: only a moment at which `ss` says the same before
/// and after the scan counts.
#[test]
fn both_list_the_same_on_this_machine() {
    let mut collector = crate::scene::collector();
    eventually("the sockets of this machine stand still", || {
        let before = unmapped(ss(&[]));
        let scan = collector.scan().unwrap();
        let still = unmapped(ss(&[])) == before;
        if still {
            assert_eq!(ours(&scan, None), before);
        }
        still
    });
}
