//! `GET /v5/{project_id}/asset/ports`: the open ports of one host, or of all.

use serde::Serialize;

use crate::caps;
use crate::hss::parameters::{
    self, CATEGORY, ENTERPRISE_PROJECT_ID, KindFilter, LIMIT, OFFSET, PORT, PageRange, STATUS,
    TYPE, enterprise_projects,
};
use crate::hss::port_hosts::shown;
use crate::hss::port_statistics::PortStatus;
use crate::open_port::{Category, OpenPort};
use crate::query::{Parameter, ParameterFault, Query};
use crate::report::Host;

const HOST_ID: Parameter = Parameter::text("host_id", 0, caps::HOST_PARAMETER_CHARS_MAX);
const HOST_NAME: Parameter = Parameter::text("host_name", 0, caps::HOST_PARAMETER_CHARS_MAX);
const HOST_IP: Parameter = Parameter::text("host_ip", 0, caps::HOST_PARAMETER_CHARS_MAX);

/// A parsed query. An empty `host_id`, `host_name` or `host_ip` is an absent one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPortsQuery {
    /// Only this host.
    pub host_id: Option<String>,
    /// Only hosts of this name.
    pub host_name: Option<String>,
    /// Only hosts with this address.
    pub host_ip: Option<String>,
    /// Only this port.
    pub port: Option<u16>,
    /// Only this type.
    pub kind: Option<KindFilter>,
    /// Only this status.
    pub status: Option<PortStatus>,
    /// Open ports of hosts, or of containers.
    pub category: Category,
    /// Which page of the rows.
    pub range: PageRange,
}

impl HostPortsQuery {
    /// The parameters, in the contract's order.
    pub const PARAMETERS: &[Parameter] = &[
        HOST_ID,
        HOST_NAME,
        HOST_IP,
        PORT,
        TYPE,
        STATUS,
        ENTERPRISE_PROJECT_ID,
        CATEGORY,
        LIMIT,
        OFFSET,
    ];

    /// Reads a query. The first fault in the contract's order is told.
    ///
    /// # Errors
    /// A known parameter has a value that is not allowed, or is given twice.
    pub fn read(query: &Query<'_>) -> Result<Self, ParameterFault> {
        let host_id = given(HOST_ID, query)?;
        let host_name = given(HOST_NAME, query)?;
        let host_ip = given(HOST_IP, query)?;
        let port = parameters::port(query)?;
        let kind = parameters::kind(query)?;
        let status = parameters::status(query)?;
        enterprise_projects(query)?;
        let category = parameters::category(query)?;
        Ok(Self {
            host_id,
            host_name,
            host_ip,
            port,
            kind,
            status,
            category,
            range: PageRange::read(query)?,
        })
    }
}

fn given(parameter: Parameter, query: &Query<'_>) -> Result<Option<String>, ParameterFault> {
    let text = parameter.read_text(query)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The body of a 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostPorts {
    /// The rows that match, before paging.
    pub total_num: u64,
    /// The rows of the page.
    pub data_list: Vec<HostPortRow>,
}

/// One open port. What is not known is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostPortRow {
    /// The host.
    pub host_id: String,
    /// The local address.
    pub laddr: String,
    /// What is known of the port.
    pub status: PortStatus,
    /// The port.
    pub port: u16,
    /// `TCP` or `UDP`, and `TCP6` or `UDP6` where the request asked for it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The process; 0 where it is not known.
    pub pid: u32,
    /// The program.
    pub path: String,
    /// The agent that reported it.
    pub agent_id: String,
    /// The container that its process belongs to.
    pub container_id: String,
}

impl HostPortRow {
    /// The row of an open port of a host, its texts cut to their documented lengths.
    pub fn new(
        host: &Host,
        port: &OpenPort,
        asked: Option<KindFilter>,
        status: PortStatus,
    ) -> Self {
        Self {
            host_id: host.host_id.clone(),
            laddr: port.laddr.to_string(),
            status,
            port: port.port,
            kind: asked.map_or(port.transport.as_str(), KindFilter::as_str),
            pid: port.pid.unwrap_or(0),
            path: shown(port.path.as_deref(), caps::HOST_PORT_PATH_CHARS_MAX),
            agent_id: shown(host.agent_id.as_deref(), caps::AGENT_ID_CHARS_MAX),
            container_id: shown(port.container_id.as_deref(), caps::NETNS_CHARS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<HostPortsQuery, String> {
        HostPortsQuery::read(&Query::decode(raw).unwrap()).map_err(|fault| fault.to_string())
    }

    #[test]
    fn empty_names_are_absent_and_the_old_spelling_of_unknown_is_taken() {
        let query = read("host_id=&host_name=&host_ip=&status=unknow").unwrap();
        assert_eq!(
            (query.host_id, query.host_name, query.host_ip),
            (None, None, None)
        );
        assert_eq!(query.status, Some(PortStatus::Unknown));
    }

    #[test]
    fn the_first_fault_in_the_contracts_order_is_told() {
        let long = "h".repeat(129);
        assert_eq!(
            read(&format!("port=0&host_name={long}")).unwrap_err(),
            format!(
                "host_name must be 0 to 128 characters, got {}…",
                "h".repeat(64)
            )
        );
        assert_eq!(
            read("limit=1&status=bad&category=x").unwrap_err(),
            "status must be danger, normal or unknown, got bad"
        );
    }
}
