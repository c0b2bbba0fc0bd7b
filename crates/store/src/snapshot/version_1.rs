//! A host as version 1 wrote it: all of it is read, and what it had no word for is what is known.

use portolan_census::Pair;
use portolan_wire::ids::HostId;
use portolan_wire::open_port::{Published, Transport};
use portolan_wire::time::UnixMicros;

use super::{Snapshot, facts};

const VALUE: &str = "\
    010165808292c9060c82809296a896a206767e2c658a3c96599d9b0356c29f77\
    b805060e1e808082e288d2a30601067765622d3137010931302e302e332e3137\
    020931302e302e332e313708666430303a3a31370102613101054c696e757801\
    0944656269616e2031320105362e312e30010105302e312e300104706f6c6c01\
    0c01808080030101040100010101020300000000000016000001ac06010e2f75\
    73722f7362696e2f737368640104726f6f74010b7373682e7365727669636500\
    0000000000000000000101000000000000000000000000000000007b00010000\
    0000000000000000000000000000000a580002eb3101026e3100000000000104\
    6574683001017801808082e288d2a30601010102633101056361636865010772\
    656469733a3701017001016401007f00000150";

fn value() -> Vec<u8> {
    let digits: Vec<u8> = VALUE.bytes().collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn a_value_of_version_1_is_read() {
    let at = UnixMicros(1_764_000_000_000_001);
    let read = Snapshot::decode("h", &value()).unwrap();
    assert_eq!(read.at, at);
    assert_eq!(read.first_seen, [at; 3], "no more is known of them");
    assert_eq!((read.history_at, read.retired_at), (0, None));
    let pair = Pair {
        generation: 1_764_000_000,
        sequence: 12,
    };
    assert_eq!((read.pair, read.heartbeat_interval_s), (pair, 30));
    assert_eq!(
        read.digest,
        portolan_wire::digest::Digest::of(&read.open_ports)
    );
    assert_eq!(read.host.enterprise_project_id, "e");
    assert_eq!(read.host.host_ips, ["10.0.3.17", "fd00::17"]);
    assert_eq!(read.host.kernel_version.as_deref(), Some("6.1.0"));
    assert_eq!(read.agent.unwrap().rss_bytes, Some(6_291_456));
    assert_eq!(read.coverage.events_lost, Some(2));
    let [ssh, ntp, redis] = &read.open_ports[..] else {
        panic!("three open ports");
    };
    assert_eq!((ssh.port, ssh.unit.as_deref()), (22, Some("ssh.service")));
    assert_eq!((ntp.transport, ntp.v6only), (Transport::Udp, Some(false)));
    let published = Published {
        addr: [127, 0, 0, 1].into(),
        port: 80,
    };
    assert_eq!(redis.published, [published]);
    let facts = facts(HostId::from("h"), &value(), 7).unwrap();
    assert_eq!((facts.at, facts.open_ports, facts.history_at), (at, 3, 0));
    assert_eq!((facts.agents.current, facts.agents.previous), (5, 6));
}

#[test]
fn a_value_of_version_1_that_is_cut_is_an_error() {
    let value = value();
    for len in 0..value.len() {
        assert!(Snapshot::decode("h", &value[..len]).is_err(), "{len} bytes");
    }
}
