//! What only the kernel's events can show: ports that live a millisecond, and changes at once. The
//! agent looks of its own accord once an hour here, so whatever is told was told by an event.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Process, Server, agent_with, eventually, must_be_root};

const COUNT: u16 = 1_000;
/// What lives longer, because this machine was busy, may be met by a look and told as open.
const SHORT: Duration = Duration::from_millis(8);
/// Below every ephemeral range.
const UDP_PORT: u16 = 7_777;

/// A server, and an agent that is woken by the kernel, after its first report.
fn watched(folder: &std::path::Path) -> (Server, Process) {
    must_be_root();
    let server = Server::start(folder);
    let agent = agent_with(&server, folder, "h", &["--scan-interval", "60m"]);
    eventually("the host is there", || {
        server.native("/hosts")["total_num"] == 1
    });
    assert_eq!(mode(&server), "events");
    (server, agent)
}

fn mode(server: &Server) -> Value {
    server.native("/hosts/h")["agent"]["mode"].clone()
}

/// An address of its own for each socket, so that what others do on this machine is told apart.
fn address(second: u8, n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    let port = if second == 78 { UDP_PORT } else { 0 };
    SocketAddr::from((Ipv4Addr::new(127, second, high, low), port))
}

/// The transients of the addresses `127.second.*` as (address, path), by this process.
fn transients(server: &Server, second: u8) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    let program = std::env::current_exe().unwrap();
    loop {
        let page = server.native(&format!("/changes?kind=transient&limit=200{cursor}"));
        for change in page["changes"].as_array().unwrap() {
            let laddr = change["laddr"].as_str().unwrap();
            if laddr.starts_with(&format!("127.{second}.")) {
                assert_eq!(change["path"].as_str(), program.to_str(), "{change}");
                assert_eq!(change["pid"], std::process::id(), "{change}");
                for moment in ["opened_at", "closed_at"] {
                    assert!(change[moment].is_string(), "{change}");
                }
                assert!(found.insert(laddr.to_owned()), "shown twice: {change}");
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

fn without(all: &BTreeSet<String>, those: &BTreeSet<String>) -> BTreeSet<String> {
    all.difference(those).cloned().collect()
}

fn expected(second: u8) -> BTreeSet<String> {
    let addresses = (1..=COUNT).map(|n| address(second, n).ip().to_string());
    addresses.collect()
}

#[test]
fn a_thousand_listeners_of_a_millisecond_are_all_in_the_history_with_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _agent) = watched(folder.path());
    let mut slow = BTreeSet::new();
    for n in 1..=COUNT {
        let opened = Instant::now();
        let listener = TcpListener::bind(address(77, n)).unwrap();
        // The life of the listener is what is tested.
        std::thread::sleep(Duration::from_millis(1));
        drop(listener);
        if opened.elapsed() > SHORT {
            slow.insert(address(77, n).ip().to_string());
        }
    }
    let missing = || without(&expected(77), &transients(&server, 77));
    eventually("all have passed", || missing().is_subset(&slow));
    let host = server.native("/hosts/h");
    assert_eq!(host["coverage"]["events_lost"], 0);
    server.assert_recount();
    server.stop();
}

#[test]
fn a_thousand_udp_binds_outside_the_ephemeral_range_are_in_the_history_and_those_within_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _agent) = watched(folder.path());
    let mut slow = BTreeSet::new();
    for n in 1..=COUNT {
        let opened = Instant::now();
        let socket = UdpSocket::bind(address(78, n)).unwrap();
        let client = UdpSocket::bind(address(79, n)).unwrap();
        // As above.
        std::thread::sleep(Duration::from_millis(1));
        drop((socket, client));
        if opened.elapsed() > SHORT {
            slow.extend([78, 79].map(|second| address(second, n).ip().to_string()));
        }
    }
    let missing = || without(&expected(78), &transients(&server, 78));
    eventually("all have passed", || missing().is_subset(&slow));
    let clients = transients(&server, 79);
    assert!(clients.is_subset(&slow), "{clients:?}");
    server.stop();
}

#[test]
fn a_listener_is_counted_without_a_look_and_leaves_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _agent) = watched(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    eventually("it is counted", || server.num("host", port, "TCP") == 1);
    drop(listener);
    eventually("and is not", || server.num("host", port, "TCP") == 0);
    assert_eq!(transients(&server, 127), BTreeSet::new());
    server.stop();
}

#[test]
fn without_events_the_agent_says_that_it_polls() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let _agent = agent_with(&server, folder.path(), "h", &["--events", "off"]);
    eventually("it has said so", || {
        server.native("/hosts")["total_num"] == 1 && mode(&server) == "poll"
    });
    server.stop();
}
