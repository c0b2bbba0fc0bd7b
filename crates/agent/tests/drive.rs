//! The loop as a whole over real connections: look, report, heartbeat, and faults between.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use portolan_agent::machine::Machine;
use portolan_agent::{
    Collect, Config, HttpTransport, ScanInterval, Secret, ServerUrl, Snapshot, Stop, TokenSource,
    drive,
};
use portolan_sockets::ScanError;
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Agent, Coverage, Host};
use portolan_wire::time::UnixMicros;
use serde_json::json;
use support::{PATIENCE, Request, Response, Server};

const GENERATION: u64 = 1_764_000_000;
const LOOK: ScanInterval = ScanInterval::Fixed(Duration::from_millis(20));

/// A host whose open ports a test decides.
#[derive(Clone)]
struct Scripted(Arc<Mutex<Vec<u16>>>);

impl Collect for Scripted {
    fn look(&mut self) -> Result<(Snapshot, Duration), ScanError> {
        let host = Host {
            host_id: "h1".to_owned(),
            agent_id: Some("a1".to_owned()),
            enterprise_project_id: "0".to_owned(),
            ..Host::default()
        };
        let ports = self.0.lock().unwrap();
        let any = std::net::Ipv4Addr::UNSPECIFIED.into();
        let open = ports
            .iter()
            .map(|port| OpenPort::new(Transport::Tcp, any, *port))
            .collect();
        let coverage = Coverage {
            privileged: true,
            ..Coverage::default()
        };
        let at = UnixMicros::from_seconds(0);
        Ok((
            Snapshot::new(host, at, Agent::default(), coverage, open),
            Duration::ZERO,
        ))
    }
}

/// An agent in a thread; it ends with the test.
struct Running {
    ports: Arc<Mutex<Vec<u16>>>,
    stop: Stop,
    ended: Receiver<()>,
    generations: Arc<Mutex<Vec<u64>>>,
}

impl Running {
    fn against(server: &Server) -> Self {
        let config = Config {
            server: ServerUrl::parse(&server.url()).unwrap(),
            token: TokenSource::Literal(Secret::token(&"t".repeat(32)).unwrap()),
            project: "p1".to_owned(),
            enterprise_project: "0".to_owned(),
            scan_interval: LOOK,
            events: false,
            caps: None,
            state_dir: PathBuf::new(),
            ca_file: None,
            client_certificate: None,
            rotate_after: portolan_agent::ROTATE_AFTER_DEFAULT,
            host_id: None,
            look: portolan_sockets::Options::default(),
        };
        let transport = HttpTransport::new(&config).unwrap();
        let machine = Machine::new(GENERATION, LOOK, 1);
        let scripted = Scripted(Arc::new(Mutex::new(vec![22])));
        let (ports, stop) = (Arc::clone(&scripted.0), Stop::new().unwrap());
        let generations = Arc::new(Mutex::new(Vec::new()));
        let (kept, to_stop) = (Arc::clone(&generations), stop.clone());
        let (end, ended) = channel();
        thread::spawn(move || {
            let keep = move |generation| kept.lock().unwrap().push(generation);
            drive(machine, scripted, transport, keep, &to_stop).unwrap();
            end.send(()).unwrap();
        });
        Self {
            ports,
            stop,
            ended,
            generations,
        }
    }

    fn set_ports(&self, ports: &[u16]) {
        *self.ports.lock().unwrap() = ports.to_vec();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        let ended = self.ended.recv_timeout(PATIENCE);
        let still_there = ended == Err(RecvTimeoutError::Timeout);
        assert!(thread::panicking() || !still_there, "the agent did not end");
    }
}

fn reports(requests: &[Request]) -> Vec<&Request> {
    requests
        .iter()
        .filter(|request| request.is_report())
        .collect()
}

/// The ports of the transients of a report.
fn transients(report: &Request) -> Vec<u64> {
    let transients = report.item().get("transients");
    let transients = transients.map(|list| list.as_array().unwrap().as_slice());
    let port = |transient: &serde_json::Value| transient["port"].as_u64().unwrap();
    transients.unwrap_or_default().iter().map(port).collect()
}

/// The ports of the newest report.
fn newest(requests: &[Request]) -> Option<Vec<u64>> {
    reports(requests).last().map(|report| report.ports())
}

#[test]
fn report_then_heartbeat_then_change_then_report() {
    let server = Server::fine();
    let agent = Running::against(&server);
    server.wait("a report and a heartbeat", |requests| {
        requests.len() >= 2 && requests[0].is_report() && !requests[1].is_report()
    });
    agent.set_ports(&[22, 80]);
    let requests = server.wait("a second report", |requests| reports(requests).len() == 2);
    let told = reports(&requests);
    assert_eq!(
        (told[0].pair(), told[0].ports()),
        ((GENERATION, 1), vec![22])
    );
    assert_eq!(
        (told[1].pair(), told[1].ports()),
        ((GENERATION, 2), vec![22, 80])
    );
    assert_eq!(
        requests[1].pair(),
        (GENERATION, 1),
        "the heartbeat confirms the first report"
    );
    let heartbeats_go_on = |requests: &[Request]| {
        requests
            .last()
            .is_some_and(|last| !last.is_report() && last.pair() == (GENERATION, 2))
    };
    server.wait("heartbeats of the second report", heartbeats_go_on);
    let silent_generation = agent.generations.lock().unwrap().is_empty();
    assert!(
        silent_generation,
        "nothing to keep while the generation stays"
    );
}

/// The server takes connections and closes them, so nobody knows whether it has the first report: that
/// one is repeated, the newest set follows, and nothing between is lost.
#[test]
fn a_server_that_was_away_gets_what_it_may_have_and_then_the_newest_set() {
    let server = Server::fine();
    let agent = Running::against(&server);
    server.wait("a report", |requests| newest(requests) == Some(vec![22]));
    server.set_away(true);
    for (turned_away, ports) in [(1, &[22, 80][..]), (2, &[443]), (3, &[22, 8080])] {
        agent.set_ports(ports);
        server.wait_turned_away(turned_away);
    }
    server.set_away(false);
    let requests = server.wait("the newest set", |requests| {
        newest(requests) == Some(vec![22, 8080])
    });
    let told: Vec<_> = reports(&requests)
        .iter()
        .map(|report| (report.ports(), transients(report)))
        .collect();
    let expected = [
        (vec![22], vec![]),
        (vec![22, 80], vec![]),
        (vec![22, 8080], vec![443]),
    ];
    assert_eq!(told, expected);
}

#[test]
fn too_many_requests_with_retry_after_is_obeyed() {
    let mut asked = 0;
    let server = Server::start(move |request| {
        asked += 1;
        Some(if asked == 1 {
            Response::json(429, &json!({})).with("Retry-After", "2")
        } else {
            Response::fine(request)
        })
    });
    let _agent = Running::against(&server);
    let requests = server.wait("a second try", |requests| requests.len() >= 2);
    assert!(
        requests[1].at - requests[0].at >= Duration::from_secs(2),
        "came too early"
    );
    assert_eq!(
        requests[0].pair(),
        requests[1].pair(),
        "the same report keeps its pair"
    );
}

#[test]
fn stale_with_our_own_agent_id_goes_on_after_it_and_keeps_the_generation() {
    let mut asked = 0;
    let server = Server::start(move |request| {
        asked += 1;
        Some(if asked == 1 {
            let current = json!({"generation": GENERATION + 7, "sequence": 41, "agent_id": "a1",
                                 "digest": "0".repeat(32)});
            Response::result(json!({"index": 0, "status": "stale", "current": current}))
        } else {
            Response::fine(request)
        })
    });
    let agent = Running::against(&server);
    let requests = server.wait("a second try", |requests| requests.len() >= 2);
    assert_eq!(requests[1].pair(), (GENERATION + 7, 42));
    assert_eq!(*agent.generations.lock().unwrap(), [GENERATION + 7]);
}

#[test]
fn a_rejection_is_told_and_the_loop_lives_on() {
    let mut asked = 0;
    let server = Server::start(move |request| {
        asked += 1;
        Some(if asked == 1 {
            Response::result(json!({
                "index": 0, "status": "rejected", "error_code": "PORTOLAN.0010",
                "error_msg": "reports[0].host.host_id …", "field": "reports[0].host.host_id"
            }))
        } else {
            Response::fine(request)
        })
    });
    let _agent = Running::against(&server);
    let requests = server.wait("a second try", |requests| requests.len() >= 2);
    assert_eq!(requests[1].pair(), (GENERATION, 2));
}

#[test]
fn an_agent_ends_while_its_request_hangs() {
    let (release, hold) = channel::<()>();
    let (arrived, request_came) = channel();
    let server = Server::start(move |request| {
        arrived.send(()).unwrap();
        let _released = hold.recv();
        Some(Response::fine(request))
    });
    let agent = Running::against(&server);
    request_came.recv_timeout(PATIENCE).unwrap();
    agent.stop.stop();
    // Less than the 30 s after which the request gives up by itself.
    agent
        .ended
        .recv_timeout(Duration::from_secs(20))
        .expect("the agent waits for its request");
    drop(release);
}
