//! Reads `/proc/…/net/{tcp,tcp6,udp,udp6}`: what is left where netlink or setns is refused.
//!
//! These tables need no privilege, not even for another namespace's (through a process in it), but
//! the kernel formats every connection for them, and they tell neither v6only nor the interface nor
//! a cookie. Holds: a line that cannot be read fails the table, so that a new format is told and
//! not shown as absence.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use portolan_wire::open_port::Transport;

use crate::kernel_socket::{KernelSocket, SocketId, is_open, unmap};

/// The open ports of one transport, both families; `net` is a folder such as `/proc/self/net`.
pub(crate) fn read(net: &Path, transport: Transport) -> io::Result<Vec<KernelSocket>> {
    let (v4, v6) = match transport {
        Transport::Tcp => ("tcp", "tcp6"),
        Transport::Udp => ("udp", "udp6"),
    };
    let mut sockets = Vec::new();
    read_table(&net.join(v4), transport, &mut sockets)?;
    match read_table(&net.join(v6), transport, &mut sockets) {
        // A kernel without IPv6 has no such table.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(sockets),
        other => other.map(|()| sockets),
    }
}

fn read_table(
    path: &Path,
    transport: Transport,
    sockets: &mut Vec<KernelSocket>,
) -> io::Result<()> {
    let reader = BufReader::with_capacity(64 << 10, File::open(path)?);
    parse(reader, transport, sockets)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Reads a table, from its header on.
pub(crate) fn parse(
    mut reader: impl BufRead,
    transport: Transport,
    sockets: &mut Vec<KernelSocket>,
) -> io::Result<()> {
    let mut line = String::new();
    let mut header = true;
    while reader.read_line(&mut line)? > 0 {
        if !std::mem::take(&mut header) {
            let socket = parse_line(&line, transport).ok_or_else(|| {
                let fault = format!("not a socket: {line}");
                io::Error::new(io::ErrorKind::InvalidData, fault)
            })?;
            sockets.extend(socket);
        }
        line.clear();
    }
    Ok(())
}

/// Reads one line. `None` is malformed, `Some(None)` a socket that is no open port.
///
/// The columns: slot, local address, remote address, state, queues, timer, retransmits, uid,
/// timeout, inode (net/ipv4/tcp_ipv4.c, `get_tcp4_sock` and its siblings).
fn parse_line(line: &str, transport: Transport) -> Option<Option<KernelSocket>> {
    let mut columns = line.split_ascii_whitespace();
    let (address, port) = columns.nth(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let state = u8::from_str_radix(columns.nth(1)?, 16).ok()?;
    if !is_open(transport, state, port) {
        return Some(None);
    }
    let (address, _) = unmap(parse_address(address)?, None);
    let uid = columns.nth(3)?.parse().ok()?;
    let inode = columns.nth(1)?.parse().ok()?;
    let id = SocketId::Row(transport, address, port, inode);
    let v6only = None;
    Some(Some(KernelSocket {
        id,
        transport,
        address,
        port,
        v6only,
        interface: 0,
        uid,
        inode,
        cgroup: 0,
    }))
}

/// An address as the kernel prints it: 32-bit words in hex, each in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hex.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (index, to) in bytes.chunks_exact_mut(4).enumerate() {
                to.copy_from_slice(&word(index)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TCP: &str = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                       1000        0 34567 1 0000000000000000 100 0 0 10 0\n";
    const UDP6: &str = " 4821: 00000000000000000000000000000000:14E9 \
                        00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 \
                        00000000   104        0 9876 2 0000000000000000 0\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn known_lines_are_read_exactly() {
        let tcp = parse_line(TCP, Transport::Tcp).unwrap().unwrap();
        assert_eq!(
            (tcp.address, tcp.port),
            ("127.0.0.1".parse().unwrap(), 8080)
        );
        assert_eq!((tcp.uid, tcp.inode), (1000, 34567));
        assert_eq!(
            tcp.id,
            SocketId::Row(Transport::Tcp, tcp.address, 8080, 34567)
        );
        let udp = parse_line(UDP6, Transport::Udp).unwrap().unwrap();
        assert_eq!((udp.address, udp.port), ("::".parse().unwrap(), 5353));
        assert_eq!((udp.uid, udp.inode, udp.v6only), (104, 9876, None));
        let mapped = UDP6.replacen(&"0".repeat(32), "0000000000000000FFFF00000100007F", 1);
        let udp = parse_line(&mapped, Transport::Udp).unwrap().unwrap();
        assert_eq!(udp.address, "127.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn connections_are_no_open_ports() {
        let established = TCP.replace(" 0A ", " 01 ");
        assert_eq!(parse_line(&established, Transport::Tcp), Some(None));
        assert_eq!(
            parse_line(&UDP6.replace(" 07 ", " 01 "), Transport::Udp),
            Some(None)
        );
    }

    #[test]
    fn a_line_cut_before_its_inode_is_no_socket() {
        let end = TCP.find("34567").unwrap();
        for length in 0..=end {
            let cut = parse_line(&TCP[..length], Transport::Tcp);
            assert!(!matches!(cut, Some(Some(_))), "cut to {length}: {cut:?}");
        }
    }

    #[test]
    fn a_table_with_a_line_that_cannot_be_read_fails_and_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tcp"), format!("header\n{TCP}")).unwrap();
        assert_eq!(
            read(folder.path(), Transport::Tcp).unwrap().len(),
            1,
            "tcp6 may be missing"
        );
        std::fs::write(folder.path().join("tcp6"), "header\nnonsense here\n").unwrap();
        let error = read(folder.path(), Transport::Tcp).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("nonsense here"), "{error}");
        assert!(
            read(folder.path(), Transport::Udp).is_err(),
            "udp must exist"
        );
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in "[ 0-9A-Fa-f:é]{0,120}", junk in ".{0,80}") {
            let _whatever = parse_line(&line, Transport::Tcp);
            let _whatever = parse_line(&junk, Transport::Udp);
        }

        #[test]
        fn every_address_reads_back(bytes in any::<[u8; 16]>(), port in 1u16..) {
            let words = bytes.chunks(4).map(|word| {
                format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap()))
            });
            let hex: String = words.collect();
            let line = UDP6.replacen(&"0".repeat(32), &hex, 1).replacen(":14E9", &format!(":{port:04X}"), 1);
            let socket = parse_line(&line, Transport::Udp).unwrap().unwrap();
            prop_assert_eq!(socket.address, IpAddr::from(bytes).to_canonical());
            prop_assert_eq!(socket.port, port);
        }
    }
}
