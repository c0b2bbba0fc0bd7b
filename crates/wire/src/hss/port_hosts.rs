//! `GET /v5/{project_id}/asset/ports/detail`: who listens on one port.

use serde::Serialize;

use crate::caps;
use crate::hss::parameters::{
    self, CATEGORY, ENTERPRISE_PROJECT_ID, KindFilter, LIMIT, OFFSET, PORT, PageRange, TYPE,
    enterprise_projects,
};
use crate::hss::port_statistics::PortStatus;
use crate::open_port::{Category, OpenPort};
use crate::query::{Parameter, ParameterFault, Query};
use crate::report::Host;

const HOST_NAME: Parameter = Parameter::text("host_name", 1, caps::PARAMETER_CHARS_MAX);
const HOST_IP: Parameter = Parameter::text("host_ip", 1, caps::PARAMETER_CHARS_MAX);

/// A parsed query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortHostsQuery {
    /// The port.
    pub port: u16,
    /// Only hosts of this name.
    pub host_name: Option<String>,
    /// Only hosts with this address.
    pub host_ip: Option<String>,
    /// Only this type.
    pub kind: Option<KindFilter>,
    /// Listeners of hosts, or of containers.
    pub category: Category,
    /// Which page of the rows.
    pub range: PageRange,
}

impl PortHostsQuery {
    /// The parameters, in the contract's order.
    pub const PARAMETERS: &[Parameter] = &[
        PORT,
        HOST_NAME,
        HOST_IP,
        TYPE,
        CATEGORY,
        ENTERPRISE_PROJECT_ID,
        LIMIT,
        OFFSET,
    ];

    /// Reads a query. The first fault in the contract's order is told.
    ///
    /// # Errors
    /// `port` is absent, a known parameter has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let port = parameters::required_port(query)?;
        let host_name = HOST_NAME.read_text(query)?;
        let host_ip = HOST_IP.read_text(query)?;
        let kind = parameters::kind(query)?;
        let category = parameters::category(query)?;
        enterprise_projects(query)?;
        Ok(Self {
            port,
            host_name,
            host_ip,
            kind,
            category,
            range: PageRange::read(query)?,
        })
    }
}

/// The body of a 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortHosts {
    /// The rows that match, before paging.
    pub total_num: u64,
    /// The rows of the page.
    pub data_list: Vec<PortHostRow>,
}

/// One listener: an open port of a host or of one of its containers. What is not known is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortHostRow {
    /// The container that its process belongs to.
    pub container_id: String,
    /// The host.
    pub host_id: String,
    /// The host's address.
    pub host_ip: String,
    /// The host's name.
    pub host_name: String,
    /// The local address.
    pub laddr: String,
    /// The program.
    pub path: String,
    /// The process; 0 where it is not known.
    pub pid: u32,
    /// The port.
    pub port: u16,
    /// What is known of the port.
    pub status: PortStatus,
    /// `TCP` or `UDP`, and `TCP6` or `UDP6` where the request asked for it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The container's name.
    pub container_name: String,
    /// The agent that reported it.
    pub agent_id: String,
}

impl PortHostRow {
    /// The row of an open port of a host, its texts cut to their documented lengths.
    pub fn new(
        host: &Host,
        port: &OpenPort,
        asked: Option<KindFilter>,
        status: PortStatus,
    ) -> Self {
        Self {
            container_id: shown(port.container_id.as_deref(), caps::NETNS_CHARS_MAX),
            host_id: host.host_id.clone(),
            host_ip: shown(host.host_ip.as_deref(), caps::HOST_IP_SHOWN_CHARS_MAX),
            host_name: shown(host.host_name.as_deref(), caps::STRING_CHARS_MAX),
            laddr: port.laddr.to_string(),
            path: shown(port.path.as_deref(), caps::PORT_HOST_PATH_CHARS_MAX),
            pid: port.pid.unwrap_or(0),
            port: port.port,
            status,
            kind: asked.map_or(port.transport.as_str(), KindFilter::as_str),
            container_name: shown(
                port.container_name.as_deref(),
                caps::CONTAINER_NAME_SHOWN_CHARS_MAX,
            ),
            agent_id: shown(host.agent_id.as_deref(), caps::AGENT_ID_CHARS_MAX),
        }
    }
}

/// A text as a row shows it: at most so many characters, and empty where there is none.
pub(crate) fn shown(text: Option<&str>, chars_max: usize) -> String {
    text.unwrap_or_default().chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_port::Transport;

    fn read(raw: &str) -> Result<PortHostsQuery, String> {
        PortHostsQuery::read(&Query::decode(raw).unwrap()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_port_is_needed_and_the_first_fault_in_the_contracts_order_is_told() {
        assert_eq!(
            read("").unwrap_err(),
            "port must be 1 to 65535, got nothing"
        );
        assert_eq!(
            read("limit=9&host_ip=&port=22").unwrap_err(),
            "host_ip must be 1 to 256 characters, got nothing"
        );
        let read = read("port=22").unwrap();
        assert_eq!((read.port, read.category), (22, Category::Host));
    }

    #[test]
    fn texts_are_cut_by_characters_and_absent_ones_are_empty() {
        let mut port = OpenPort::new(Transport::Tcp, [0, 0, 0, 0].into(), 22);
        port.path = Some("ä".repeat(4_096));
        let host = Host {
            host_id: "h".into(),
            ..Host::default()
        };
        let row = PortHostRow::new(&host, &port, None, PortStatus::Normal);
        assert_eq!(row.path, "ä".repeat(512));
        assert_eq!(
            (&*row.container_name, &*row.host_name, row.pid),
            ("", "", 0)
        );
    }
}
