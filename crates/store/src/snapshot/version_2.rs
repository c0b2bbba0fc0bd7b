//! A host as version 2 wrote it: without waypoints.

use portolan_wire::time::UnixMicros;

use super::Snapshot;
use super::form::split;
use crate::history::waypoint::Way;

/// A host that had port 22 and opened 443 with commit 2.
const VALUE: &str = "\
    020130010280898c97a896a206d04a85ae70cf827727a004bb26e448a8000080\
    809296a896a2061e02000280809296a896a2060180898c97a896a206010a0103\
    7765620000000000000000000000000200000000000016000000000000000000\
    00000000000000000000000000bb0300000000000000000000000000000000";

fn value() -> Vec<u8> {
    let digits: Vec<u8> = VALUE.bytes().collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn a_value_of_version_2_is_read_as_one_without_waypoints() {
    let value = value();
    let (head, _) = split(&value).unwrap();
    assert_eq!(head.way, Way::default());
    let read = Snapshot::decode("h", &value).unwrap();
    assert_eq!(read.at, UnixMicros(1_764_000_001_000_000));
    let first = UnixMicros(1_764_000_000_000_000);
    assert_eq!(read.first_seen, [first, read.at]);
    let ports: Vec<_> = read.open_ports.iter().map(|port| port.port).collect();
    assert_eq!(ports, [22, 443]);
    assert_eq!((read.history_at, read.retired_at), (2, None));
}

#[test]
fn a_value_of_version_2_that_is_cut_is_an_error() {
    let value = value();
    for len in 0..value.len() {
        assert!(Snapshot::decode("h", &value[..len]).is_err(), "{len} bytes");
    }
}
