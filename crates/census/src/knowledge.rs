//! What is known of a port: danger, normal or unknown.
//!
//! Normal: the usual port of a well-known service (IANA Service Name and Transport Protocol Port
//! Number Registry). Danger: a service that should not be reachable without care: clear-text log-in,
//! file and desktop sharing, data stores that trust their network, and control ports of container
//! runtimes and debuggers.

use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::Transport;

use crate::cells::RowKey;

/// TCP ports that are dangerous to have open: sorted.
const DANGER_TCP: &[u16] = &[
    21, 23, 69, 111, 135, 137, 138, 139, 445, 512, 513, 514, 873, 1099, 1433, 1521, 2049, 2181,
    2375, 2379, 3306, 3389, 4444, 5005, 5432, 5555, 5601, 5900, 5984, 5985, 6000, 6379, 7001, 8009,
    8161, 8500, 9000, 9092, 9200, 9300, 10_250, 11_211, 15_672, 27_017, 27_018, 50_070,
];
/// UDP ports that are dangerous to have open: sorted.
const DANGER_UDP: &[u16] = &[
    19, 69, 111, 137, 138, 161, 389, 520, 623, 1900, 2049, 5353, 11_211,
];
/// TCP ports of well-known services: sorted.
const NORMAL_TCP: &[u16] = &[
    22, 25, 53, 80, 88, 110, 143, 179, 389, 443, 465, 587, 631, 636, 853, 989, 990, 993, 995, 3128,
    5060, 5061, 5222, 5269, 6443, 6514, 8080, 8443, 9090, 9100,
];
/// UDP ports of well-known services: sorted.
const NORMAL_UDP: &[u16] = &[
    53, 67, 68, 88, 123, 323, 443, 500, 514, 546, 547, 853, 1194, 1812, 1813, 4500, 4789, 5060,
    51_820,
];

/// The status of (port, transport).
pub fn status(port: u16, transport: Transport) -> PortStatus {
    let (danger, normal) = match transport {
        Transport::Tcp => (DANGER_TCP, NORMAL_TCP),
        Transport::Udp => (DANGER_UDP, NORMAL_UDP),
    };
    if danger.binary_search(&port).is_ok() {
        PortStatus::Danger
    } else if normal.binary_search(&port).is_ok() {
        PortStatus::Normal
    } else {
        PortStatus::Unknown
    }
}

/// The class of a row, 0 to 5: transport * 3 + status.
pub(crate) fn class(key: RowKey) -> usize {
    class_of(key.transport(), status(key.port(), key.transport()))
}

pub(crate) fn class_of(transport: Transport, status: PortStatus) -> usize {
    let status = match status {
        PortStatus::Danger => 0,
        PortStatus::Normal => 1,
        PortStatus::Unknown => 2,
    };
    usize::from(transport == Transport::Udp) * 3 + status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        for (danger, normal) in [(DANGER_TCP, NORMAL_TCP), (DANGER_UDP, NORMAL_UDP)] {
            assert!(danger.is_sorted_by(|a, b| a < b) && normal.is_sorted_by(|a, b| a < b));
            assert!(
                danger
                    .iter()
                    .all(|port| normal.binary_search(port).is_err())
            );
        }
    }

    #[test]
    fn a_port_has_a_status_by_transport() {
        assert_eq!(status(6379, Transport::Tcp), PortStatus::Danger);
        assert_eq!(status(6379, Transport::Udp), PortStatus::Unknown);
        assert_eq!(status(123, Transport::Udp), PortStatus::Normal);
    }
}
