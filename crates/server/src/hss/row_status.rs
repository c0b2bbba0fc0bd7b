//! The status of one row of the calls that list open ports.

use portolan_census::knowledge;
use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::open_port::OpenPort;

/// What is told of an open port.
pub(crate) fn row_status(port: &OpenPort) -> PortStatus {
    knowledge::status(port.port, port.transport)
}
