//! The main job: what listens on this machine is in the answer, and leaves it when it ends.

use std::process::Command;

use crate::harness::{self, Server, eventually, must_be_root, python, run};

const HTTP_SERVER: &str = "\
import http.server
server = http.server.ThreadingHTTPServer(('0.0.0.0', 0), http.server.SimpleHTTPRequestHandler)
print(server.server_address[1])
server.serve_forever()";

/// Bound on purpose outside the ephemeral range: there it could be a client's.
const UDP_SOCKET: &str = "\
import socket, time, random
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
low, high = map(int, open('/proc/sys/net/ipv4/ip_local_port_range').read().split())
while True:
    port = random.randrange(1024, 65536)
    if not low <= port <= high:
        try:
            s.bind(('127.0.0.1', port))
            break
        except OSError:
            pass
print(s.getsockname()[1])
time.sleep(3600)";

const LISTENER: &str = "\
import socket, time
s = socket.socket()
s.bind(('0.0.0.0', 0))
s.listen()
print(s.getsockname()[1])
time.sleep(3600)";

/// A network namespace that ends with the test.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let name = format!("portolan-e2e-{}", std::process::id());
        run("ip", &["netns", "add", &name]);
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.0])
            .status();
    }
}

#[test]
fn what_listens_is_counted_within_seconds_and_gone_after_its_end() {
    must_be_root();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let agent = harness::agent(&server, folder.path(), "host-1");
    eventually("the first report", || {
        server.native("/hosts")["total_num"] == 1
    });

    let namespace = Namespace::new();
    let (http, http_port) = python(&[], HTTP_SERVER);
    let (udp, udp_port) = python(&[], UDP_SOCKET);
    let (inside, inside_port) = python(&["ip", "netns", "exec", &namespace.0], LISTENER);
    eventually("the HTTP server under category host", || {
        server.num("host", http_port, "TCP") == 1
    });
    eventually("the UDP socket under category host", || {
        server.num("host", udp_port, "UDP") == 1
    });
    eventually("the namespace's listener under category container", || {
        server.num("container", inside_port, "TCP") == 1
    });
    assert_owner(&server, http_port, &http, None);
    assert_owner(&server, inside_port, &inside, Some(&namespace.0));

    drop((http, udp, inside));
    eventually("all three are gone", || {
        server.num("host", http_port, "TCP") == 0
            && server.num("host", udp_port, "UDP") == 0
            && server.num("container", inside_port, "TCP") == 0
    });
    server.assert_recount();
    drop(agent);
    server.stop();
}

fn assert_owner(server: &Server, port: u16, process: &harness::Process, netns: Option<&str>) {
    let host = server.native("/hosts/host-1");
    let rows = host["data_list"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["port"] == port && row["type"] == "TCP")
        .unwrap();
    assert_eq!(
        row["pid"].as_u64(),
        Some(u64::from(process.0.id())),
        "{row}"
    );
    assert!(row["path"].as_str().unwrap().contains("python"), "{row}");
    assert_eq!(row["user"], "root", "{row}");
    assert_eq!(row["netns"].as_str(), netns, "{row}");
}

/// The agent of a server that is away keeps its newest set and sends it when the server is back.
#[test]
fn a_server_that_comes_back_gets_the_newest_set() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let listen = server.url.clone();
    let _agent = harness::agent(&server, folder.path(), "host-2");
    eventually("the first report", || {
        server.native("/hosts")["total_num"] == 1
    });
    server.stop();
    let (listener, port) = python(&[], LISTENER);
    let server = Server::start_on(folder.path(), listen.trim_start_matches("http://"));
    eventually("what began meanwhile", || {
        server.num("host", port, "TCP") == 1
    });
    drop(listener);
    eventually("and its end", || server.num("host", port, "TCP") == 0);
    server.stop();
}
