//! Records byte by byte.

use std::net::IpAddr;

use portolan_wire::open_port::Transport;
use proptest::prelude::*;

use super::event::{Event, EventKind};
use super::record::{FIXED_BYTES, parse};

/// A record as the program writes it on a little-endian machine.
fn record(
    kind: u8,
    protocol: u8,
    family: u8,
    flags: u8,
    address: [u8; 16],
    path: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![kind, protocol, family, flags];
    bytes.extend(8080_u16.to_ne_bytes());
    bytes.extend(u16::try_from(path.len()).unwrap().to_ne_bytes());
    for number in [4711_u32, 33, 4_026_531_840, 0] {
        bytes.extend(number.to_ne_bytes());
    }
    for number in [77_u64, 1_000, 120, 2_000] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(address);
    bytes.extend(b"httpd\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(path);
    bytes.extend([0xff; 40]);
    bytes
}

fn bytes_of(address: &str) -> [u8; 16] {
    match address.parse().unwrap() {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
    }
}

#[test]
fn every_field_is_read_from_its_place() {
    let bytes = record(1, 6, 2, 2, bytes_of("10.1.2.3"), b"httpd\0bin\0");
    let expected = Event {
        kind: EventKind::Opened,
        transport: Transport::Tcp,
        laddr: "10.1.2.3".parse().unwrap(),
        v6only: None,
        port: 8080,
        netns: 4_026_531_840,
        cookie: 77,
        pid: 4711,
        start_ns: 1_000,
        uid: 33,
        comm: "httpd".to_owned(),
        path: Some("/bin/httpd".to_owned()),
        cgroup: 120,
        at_ns: 2_000,
        ephemeral: true,
    };
    assert_eq!(parse(&bytes), Some(expected));
}

#[test]
fn kinds_transports_and_addresses_are_told_apart() {
    for (address, flags, laddr, v6only) in [
        ("::", 1, "::", Some(true)),
        ("fe80::1", 0, "fe80::1", Some(false)),
        ("::ffff:127.0.0.1", 0, "127.0.0.1", None),
    ] {
        let event = parse(&record(2, 17, 10, flags, bytes_of(address), b"")).unwrap();
        assert_eq!(
            (event.kind, event.transport),
            (EventKind::Closed, Transport::Udp)
        );
        assert_eq!(
            (event.laddr, event.v6only),
            (laddr.parse().unwrap(), v6only)
        );
        assert_eq!((event.path, event.ephemeral), (None, false));
    }
    let undone = parse(&record(3, 6, 2, 0, [0; 16], b"")).unwrap();
    assert_eq!(undone.kind, EventKind::Undone);
}

#[test]
fn what_no_program_writes_is_no_event() {
    for (kind, protocol, family) in [(0, 6, 2), (4, 6, 2), (1, 1, 2), (1, 6, 1)] {
        assert_eq!(
            parse(&record(kind, protocol, family, 0, [0; 16], b"")),
            None
        );
    }
    let whole = record(1, 6, 2, 0, [0; 16], b"httpd\0bin\0");
    for length in 0..FIXED_BYTES + 10 {
        assert_eq!(parse(&whole[..length]), None, "{length}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), likely: bool) {
        if likely && bytes.len() > 8 {
            bytes[..8].copy_from_slice(&[1, 6, 10, 3, 80, 0, 60, 0]);
        }
        let event = parse(&bytes);
        prop_assert!(event.is_none() || bytes.len() >= FIXED_BYTES);
        if let Some(event) = event {
            prop_assert!(event.path.is_none_or(|path| path.starts_with('/')));
        }
    }
}
