//! What is known of a port: danger, normal or unknown, and which service it is the port of.
//!
//! Normal: the usual port of a well-known service. Danger: a service that should not be reachable
//! without care (clear-text log-in, file and desktop sharing, data stores that trust their network,
//! control ports of container runtimes, controllers and debuggers, amplifiers of floods), or a port
//! that back doors prefer. The table is text in the repository; docs/PORTS.md tells how it is
//! reviewed.
//! Holds: a look-up of a status is one read of an array, since every row of a filter asks for it.

mod table;

use std::sync::LazyLock;

use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::Transport;

use crate::number::RowKey;
pub use table::KnownPort;

/// Every (port, transport): two for each of 65,536 ports.
const KEYS: usize = 1 << 17;

/// The rows of the table, by ascending (port, transport).
static TABLE: LazyLock<Vec<KnownPort>> = LazyLock::new(table::rows);

/// The class of every row key.
static CLASSES: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let unknown = |key: u32| class_of(RowKey(key).transport(), PortStatus::Unknown);
    let mut classes: Box<[u8]> = (0..KEYS as u32).map(|key| unknown(key) as u8).collect();
    for row in TABLE.iter() {
        let key = RowKey::new(row.port, row.transport);
        if let Some(class) = classes.get_mut(key.0 as usize) {
            *class = class_of(row.transport, row.status) as u8;
        }
    }
    classes
});

/// What the table says of (port, transport): `None` where it knows no service of it.
pub fn known(port: u16, transport: Transport) -> Option<&'static KnownPort> {
    let at = TABLE.binary_search_by_key(&(port, transport), |row| (row.port, row.transport));
    at.ok().and_then(|at| TABLE.get(at))
}

/// The status of (port, transport).
pub fn status(port: u16, transport: Transport) -> PortStatus {
    status_of(class(RowKey::new(port, transport)))
}

/// The class of a row, 0 to 5: transport * 3 + status.
pub(crate) fn class(key: RowKey) -> usize {
    let class = CLASSES.get(key.0 as usize).copied();
    class.map_or_else(
        || class_of(key.transport(), PortStatus::Unknown),
        usize::from,
    )
}

pub(crate) fn class_of(transport: Transport, status: PortStatus) -> usize {
    let status = match status {
        PortStatus::Danger => 0,
        PortStatus::Normal => 1,
        PortStatus::Unknown => 2,
    };
    usize::from(transport == Transport::Udp) * 3 + status
}

fn status_of(class: usize) -> PortStatus {
    match class % 3 {
        0 => PortStatus::Danger,
        1 => PortStatus::Normal,
        _ => PortStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_up_of_a_status_says_what_the_table_says_for_every_port() {
        for port in 0..=u16::MAX {
            for transport in [Transport::Tcp, Transport::Udp] {
                let told = TABLE
                    .iter()
                    .find(|row| (row.port, row.transport) == (port, transport));
                let expected = told.map_or(PortStatus::Unknown, |row| row.status);
                assert_eq!(status(port, transport), expected, "{port} {transport:?}");
                assert_eq!(known(port, transport), told, "{port} {transport:?}");
            }
        }
    }

    /// Ports whose status users and other tests rely on.
    #[test]
    fn a_port_has_a_status_by_transport() {
        let tcp = |port| status(port, Transport::Tcp);
        let udp = |port| status(port, Transport::Udp);
        for port in [
            21, 23, 445, 666, 1433, 2375, 3306, 4444, 5432, 5555, 6379, 9200, 10_250, 11_211,
            12_345, 27_017, 31_337,
        ] {
            assert_eq!(tcp(port), PortStatus::Danger, "{port}");
        }
        for port in [22, 53, 80, 443, 6443, 8080, 9100] {
            assert_eq!(tcp(port), PortStatus::Normal, "{port}");
        }
        assert_eq!(
            (tcp(389), udp(389)),
            (PortStatus::Normal, PortStatus::Danger)
        );
        assert_eq!(
            (udp(123), tcp(123)),
            (PortStatus::Normal, PortStatus::Unknown)
        );
        assert_eq!(
            (tcp(0), udp(65_535)),
            (PortStatus::Unknown, PortStatus::Unknown)
        );
    }
}
