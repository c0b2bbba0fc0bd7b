//! An agent that is without its server for a week has the memory that it had after the first hour.
//!
//! A binary of its own, because memory is counted for the whole process. Time is a number: nothing
//! waits.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use portolan_agent::machine::{Action, Machine, ScanInterval};
use portolan_agent::{Outcome, Snapshot};
use portolan_wire::open_port::{OpenPort, Transport};
use portolan_wire::report::{Agent, Coverage, Host, Transient};
use portolan_wire::time::UnixMicros;

const PORTS: u16 = 300;
/// Open at any time beside [`PORTS`]; each look finds others.
const CHANGING: u16 = 20;
const LOOK: ScanInterval = ScanInterval::Fixed(Duration::from_secs(10));

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * u64::try_from(rustix::param::page_size()).unwrap()
}

fn port(number: u16) -> OpenPort {
    OpenPort {
        pid: Some(7),
        path: Some(format!("/usr/lib/some-program/{number}")),
        ..OpenPort::new(Transport::Tcp, [127, 0, 0, 1].into(), number)
    }
}

fn snapshot(look: u64) -> Snapshot {
    let host = Host {
        host_id: "h1".to_owned(),
        agent_id: Some("a1".to_owned()),
        enterprise_project_id: "0".to_owned(),
        ..Host::default()
    };
    let first = 10_000 + u16::try_from(look % 2_000).unwrap() * CHANGING;
    let ports = (1..=PORTS).chain(first..first + CHANGING).map(port);
    let at = UnixMicros::from_seconds(i64::try_from(look).unwrap());
    Snapshot::new(
        host,
        at,
        Agent::default(),
        Coverage::default(),
        ports.collect(),
    )
}

fn transient(number: u16) -> Transient {
    let port = port(number);
    Transient {
        transport: port.transport,
        laddr: port.laddr,
        port: port.port,
        netns: None,
        pid: port.pid,
        path: port.path,
        container_id: None,
        container_name: None,
        opened_at: Some(UnixMicros(1)),
        closed_at: Some(UnixMicros(2)),
    }
}

/// Without a server until `end`; of the answers every third is lost instead of never asked for.
fn be_alone(machine: &mut Machine, now: &mut Duration, looks: &mut u64, end: Duration) {
    let mut sent = 0_u64;
    while *now < end {
        match machine.next(*now) {
            Action::Look => {
                *looks += 1;
                machine.looked(*now, snapshot(*looks), Duration::ZERO);
                machine.came_and_went([transient(4_444)], 0);
            }
            Action::Send(message) => {
                sent += 1;
                drop(message);
                machine.answered(
                    *now,
                    if sent.is_multiple_of(3) {
                        Outcome::Unreachable("timeout".to_owned())
                    } else {
                        Outcome::NotSent("connection refused".to_owned())
                    },
                );
            }
            Action::Wait(wait) => *now += wait.max(Duration::from_nanos(1)),
        }
    }
}

#[test]
fn a_week_without_a_server_costs_no_memory() {
    let hours = |count: u64| Duration::from_secs(3_600 * count);
    let mut machine = Machine::new(1_764_000_000, LOOK, 1);
    let (mut now, mut looks) = (Duration::ZERO, 0);
    // By then as many transients wait as may.
    be_alone(&mut machine, &mut now, &mut looks, hours(4));
    let before = resident_bytes();
    be_alone(&mut machine, &mut now, &mut looks, hours(24 * 8));
    let after = resident_bytes();
    assert!(looks > 50_000, "{looks}");
    // One look in a hundred that stayed would be 50 MB.
    assert!(after < before + (2 << 20), "{before} bytes, then {after}");
}
